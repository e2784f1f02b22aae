/* gemm against double loops: sizes around every tile, strides, bias, accumulation, transposed A, NaN. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../c/support_kernels.h"
#include "kernels/kernels.h"
#include "layers/layer.h"

typedef enum { PLAIN, BIAS, ACCUMULATE } start;
typedef enum { ROWS_APART, TRANSPOSED, ALL_APART, LAYOUTS } layout;   /* a's neighbours: the terms of a sum, the
                                                                         rows, none */

typedef struct {
  pl_gemm x;
  float *a, *b, *c, *before, *bias;
  size_t a_size, b_size, c_size;
} problem;

/* `apart`: unused numbers between rows and between the parts of the reduction. */
static problem make(size_t rows, size_t cols, size_t outer, size_t inner, start how, layout a, size_t apart) {
  problem p = { .x = { .rows = rows, .cols = cols, .outer = outer, .inner = inner, .accumulate = how == ACCUMULATE } };
  pl_gemm *x = &p.x;
  if (a == TRANSPOSED) {
    x->a_row = 1;
    x->a_inner = (ptrdiff_t)(rows + apart);
    x->a_outer = x->a_inner * (ptrdiff_t)inner;
    p.a_size = (outer * inner - 1) * (rows + apart) + rows;
  } else {
    x->a_inner = a == ALL_APART ? 3 : 1;
    x->a_outer = x->a_inner * (ptrdiff_t)inner + (ptrdiff_t)apart;
    x->a_row = x->a_outer * (ptrdiff_t)outer + (ptrdiff_t)apart;
    p.a_size = (rows - 1) * (size_t)x->a_row + (outer - 1) * (size_t)x->a_outer + (inner - 1) * (size_t)x->a_inner + 1;
  }
  x->b_inner = (ptrdiff_t)(cols + apart);
  x->b_outer = x->b_inner * (ptrdiff_t)inner + (ptrdiff_t)apart;
  x->c_row = (ptrdiff_t)(cols + apart);
  p.b_size = (outer - 1) * (size_t)x->b_outer + (inner - 1) * (size_t)x->b_inner + cols;
  p.c_size = (rows - 1) * (size_t)x->c_row + cols;
  x->a = p.a = random_floats(p.a_size);
  x->b = p.b = random_floats(p.b_size);
  x->c = p.c = random_floats(p.c_size);
  p.before = copy_floats(p.c, p.c_size);
  p.bias = random_floats(cols);
  if (how == BIAS) x->bias = p.bias;
  return p;
}

static void drop(problem *p) {
  free(p->a);
  free(p->b);
  free(p->c);
  free(p->before);
  free(p->bias);
}

static double term(const pl_gemm *x, size_t i, size_t j, size_t o, size_t k) {
  return (double)x->a[(ptrdiff_t)i * x->a_row + (ptrdiff_t)o * x->a_outer + (ptrdiff_t)k * x->a_inner] *
         (double)x->b[(ptrdiff_t)o * x->b_outer + (ptrdiff_t)k * x->b_inner + (ptrdiff_t)j];
}

static void check_numbers(const problem *p) {
  const pl_gemm *x = &p->x;
  for (size_t at = 0; at < p->c_size; at++) {
    size_t i = at / (size_t)x->c_row, j = at % (size_t)x->c_row;
    if (j >= x->cols) {   /* between the rows nothing is written */
      assert_memory_equal(&p->c[at], &p->before[at], sizeof(float));
      continue;
    }
    double sum = x->accumulate ? (double)p->before[at] : x->bias ? (double)x->bias[j] : 0, size = fabs(sum);
    for (size_t o = 0; o < x->outer; o++) for (size_t k = 0; k < x->inner; k++) {
      sum += term(x, i, j, o, k);
      size += fabs(term(x, i, j, o, k));
    }
    if (!(fabs((double)p->c[at] - sum) <= 1e-6 * size))
      fail_msg("%zux%zux%zux%zu: c[%zu][%zu] is %g, expected %g", x->rows, x->cols, x->outer, x->inner, i, j,
               (double)p->c[at], sum);
  }
}

static void check(size_t rows, size_t cols, size_t outer, size_t inner, start how, layout a, size_t apart) {
  problem p = make(rows, cols, outer, inner, how, a, apart);
  float *bits = NULL;
  for (int i = 0; next_isa(&i); i++) {
    memcpy(p.c, p.before, p.c_size * sizeof *p.c);
    pl_kernel.gemm(&p.x);
    check_numbers(&p);
    same_bits(&bits, p.c, p.c_size, "gemm");
  }
  free(bits);
  drop(&p);
}

static void every_number_of_rows_and_columns(void **state) {
  (void)state;
  for (size_t rows = 1; rows <= 30; rows++) {
    for (size_t cols = 1; cols <= 70; cols++)
      check(rows, cols, 1, 3, (start)((rows + cols) % 3), (layout)((rows + cols / 3) % LAYOUTS), 0);
    for (size_t cols = 16; cols <= 128; cols += 16)
      for (int a = 0; a < LAYOUTS; a++) check(rows, cols, 1, 4 + rows % 2, (start)(rows % 3), (layout)a, 1);
  }
}

static void strides_and_lengths(void **state) {
  static const size_t widths[] = { 1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 95, 127, 128, 130 };
  (void)state;
  for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
    for (int times = 0; times < 12; times++) {
      check((size_t)random_int(1, 45), widths[w], (size_t)random_int(1, 4), (size_t)random_int(1, 40),
            (start)random_int(0, 2),
            (layout)(times % LAYOUTS), (size_t)random_int(0, 5));
    }
  }
  check(3, 5, 1, 3000, BIAS, ROWS_APART, 1);
}

/* a convolution's rows overlap: row i begins i * stride numbers further */
static void overlapping_rows(void **state) {
  float *a = random_floats(60), *b = random_floats(12 * 20), *c = random_floats(15 * 20);
  (void)state;
  for (int i = 0; next_isa(&i); i++) {
    pl_gemm x = { .c = c, .c_row = 20, .a = a, .a_row = 2, .a_outer = 17, .a_inner = 1, .b = b, .b_outer = 80,
                         .b_inner = 20,
                         .rows = 13, .cols = 20, .outer = 2, .inner = 4 };
    pl_kernel.gemm(&x);
    for (size_t r = 0; r < 13; r++) for (size_t j = 0; j < 20; j++) {
      double sum = 0;
      for (size_t o = 0; o < 2; o++) for (size_t k = 0; k < 4; k++) sum += term(&x, r, j, o, k);
      assert_true(fabs((double)c[r * 20 + j] - sum) < 1e-5);
    }
  }
  free(a);
  free(b);
  free(c);
}

/* Row by row, or in columns cut anywhere: the same bits as all at once, on every instruction set. */
static void tiling_does_not_touch_a_bit(void **state) {
  (void)state;
  problem p = make(31, 90, 2, 19, BIAS, ROWS_APART, 2);
  for (int i = 0; next_isa(&i); i++) {
    pl_kernel.gemm(&p.x);
    float *whole = copy_floats(p.c, p.c_size);
    for (size_t r = 0; r < 31; r++) for (size_t from = 0, to; from < 90; from = to) {
      to = from + (size_t)random_int(1, 25);
      if (to > 90) to = 90;
      pl_gemm part = p.x;
      part.rows = 1;
      part.cols = to - from;
      part.a += (ptrdiff_t)r * part.a_row;
      part.b += from;
      part.bias += from;
      part.c += (ptrdiff_t)r * part.c_row + (ptrdiff_t)from;
      for (size_t j = 0; j < part.cols; j++) part.c[j] = NAN;
      pl_kernel.gemm(&part);
    }
    assert_memory_equal(whole, p.c, p.c_size * sizeof *whole);
    free(whole);
  }
  drop(&p);
}

static void negate(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  (void)self;
  for (int64_t i = 0; i < (int64_t)pass->batch * pl_shape_count(&pass->in); i++) y[i] = -x[i];
}

static const pl_layer_class negation = { .flags = PL_ELEMENTWISE, .forward = negate };
static pl_layer activation = { .cls = &negation };
static void member(const pl_team *team, void *x) { pl_gemm_team(team, x, NULL); }
static void member_and_activation(const pl_team *team, void *x) { pl_gemm_team(team, x, &activation); }

/* By a team, and in blocks where there are many rows and long sums: the same bits. */
static void shared_is_the_same(void **state) {
  (void)state;
  for (int times = 0; times < 60; times++) {
    bool long_sums = times % 4 != 0;
    size_t outer = times % 8 == 1 ? 2 : 1, inner = (size_t)(long_sums ? random_int(180, 600) : random_int(1, 30));
    problem p = make((size_t)random_int(40, 150), (size_t)random_int(1, 100), outer, inner, (start)random_int(0, 2),
                     (layout)(times % LAYOUTS), (size_t)random_int(0, 5));
    for (int i = 0; next_isa(&i); i++) {
      memcpy(p.c, p.before, p.c_size * sizeof *p.c);
      pl_kernel.gemm(&p.x);
      float *whole = copy_floats(p.c, p.c_size);
      for (int threads = 1; threads <= 3; threads++) {
        memcpy(p.c, p.before, p.c_size * sizeof *p.c);
        pl_threads_run_on(threads, member, &p.x);
        assert_memory_equal(whole, p.c, p.c_size * sizeof *whole);
        memcpy(p.c, p.before, p.c_size * sizeof *p.c);
        pl_threads_run_on(threads, member_and_activation, &p.x);
        for (size_t r = 0; r < p.x.rows; r++)
          pl_elementwise(&activation, p.c + (ptrdiff_t)r * p.x.c_row, p.c + (ptrdiff_t)r * p.x.c_row, p.x.cols);
        assert_memory_equal(whole, p.c, p.c_size * sizeof *whole);
      }
      free(whole);
    }
    drop(&p);
  }
}

/* A sum of no terms is its start. */
static void shared_without_terms(void **state) {
  (void)state;
  float a = 1, b[3] = { 1, 2, 3 }, bias[3] = { 4, 5, 6 }, c[6] = { 0 };
  pl_gemm x = { .c = c, .c_row = 3, .a = &a, .a_inner = 1, .b = b, .b_inner = 3, .rows = 2, .cols = 3,
                       .outer = 1, .inner = 0, .bias = bias };
  pl_threads_run_on(1, member, &x);
  for (int i = 0; i < 6; i++) assert_true(c[i] == bias[i % 3]);
}

static void nan_stays_in_its_row_or_column(void **state) {
  (void)state;
  problem p = make(17, 37, 1, 6, PLAIN, ROWS_APART, 0);
  p.a[9 * 6 + 2] = NAN;
  p.b[4 * 37 + 33] = NAN;
  for (int i = 0; next_isa(&i); i++) {
    pl_kernel.gemm(&p.x);
    for (size_t r = 0; r < 17; r++)
      for (size_t j = 0; j < 37; j++) assert_int_equal(isnan(p.c[r * 37 + j]) != 0, r == 9 || j == 33);
  }
  drop(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_number_of_rows_and_columns), cmocka_unit_test(strides_and_lengths),
    cmocka_unit_test(overlapping_rows),
    cmocka_unit_test(tiling_does_not_touch_a_bit), cmocka_unit_test(shared_is_the_same),
    cmocka_unit_test(shared_without_terms),
    cmocka_unit_test(nan_stays_in_its_row_or_column),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
