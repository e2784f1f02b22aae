/* gemv_sparse and gemm_sparse_rows against gemm, to the bit; what nonzero, max_abs and all_zero_or_normal say of every
   kind of number. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../c/support_kernels.h"
#include "kernels/kernels.h"

/* Most of x is zero, of either sign; some columns of w are zero, so that some results are. */
static void gemv_sparse(void **state) {
  (void)state;
  for (int times = 0; times < 300; times++) {
    size_t in = (size_t)random_int(1, times % 10 ? 90 : 700), cols = (size_t)random_int(1, times % 7 ? 70 : 300),
    stride = cols + (size_t)random_int(0, 3);
    float *x = random_floats(in), *w = random_floats((in - 1) * stride + cols), *bias = random_floats(cols),
      *y = random_floats(cols), *expected = random_floats(cols);
    for (size_t k = 0; k < in; k++) if (random_int(0, 4) > 0) x[k] = k % 2 ? -0.0f : 0;
    for (size_t j = 0; j < cols; j += 5) {
      bias[j] = j % 2 ? -0.0f : 0;
      for (size_t k = 0; k < in; k++) w[k * stride + j] = (k + j) % 3 ? -0.0f : 0;
    }
    for (int biased = 0; biased < 2; biased++) for (int i = 0; next_isa(&i); i++) {
      pl_kernel.gemv_sparse(y, x, w, biased ? bias : NULL, in, cols, stride);
      pl_kernel.gemm(&(pl_gemm){ .c = expected, .c_row = (ptrdiff_t)cols, .a = x, .a_row = (ptrdiff_t)in,
                                            .a_inner = 1, .b = w, .b_inner = (ptrdiff_t)stride,
                                            .rows = 1, .cols = cols, .outer = 1, .inner = in, .bias = biased ? bias
                                            : NULL });
      assert_memory_equal(y, expected, cols * sizeof *y);
    }
    free(x), free(w), free(bias), free(y), free(expected);
  }
}

/* The places where one of a few rows is not zero: NaN is, -0 is not. */
static void nonzero(void **state) {
  (void)state;
  for (int times = 0; times < 300; times++) {
    size_t rows = (size_t)random_int(1, 13), n = (size_t)random_int(0, times % 3 ? 40 : 900),
    stride = n + (size_t)random_int(0, 3), count = 0;
    float *x = random_floats((rows - 1) * stride + n + 1);
    uint32_t *list = malloc((n + 16) * sizeof *list), *expected = malloc((n + 1) * sizeof *expected);
    for (size_t k = 0; k < n; k++) {
      bool any = random_int(0, 9) < times % 10;
      if (any) expected[count++] = (uint32_t)k;
      for (size_t i = 0; i < rows; i++) if (!any || i != k % rows) x[i * stride + k] = (i + k) % 2 ? -0.0f : 0;
      if (any && k % 5 == 0) x[k % rows * stride + k] = k % 2 ? NAN : INFINITY;
    }
    for (int i = 0; next_isa(&i); i++) {
      assert_int_equal(pl_kernel.nonzero(list, x, rows, stride, n), count);
      assert_memory_equal(list, expected, count * sizeof *list);
    }
    free(x), free(list), free(expected);
  }
}

/* Against all terms: equal to the bit, or told that a sum may not be. Some inputs are zero in all rows, of either sign;
   some columns of w are zero or make tiny numbers, which give sums of zero, of either sign. */
static void gemm_sparse_rows(void **state) {
  (void)state;
  size_t told = 0, calls = 0;
  for (int times = 0; times < 400; times++) {
    size_t rows = (size_t)random_int(1, 26), in = (size_t)random_int(1, times % 10 ? 90 : 700),
    cols = (size_t)random_int(1, times % 7 ? 70 : 300);
    size_t x_row = in + (size_t)random_int(0, 3), stride = cols + (size_t)random_int(0, 3),
      y_row = cols + (size_t)random_int(0, 3);
    bool odd = times % 2;
    float *x = random_floats(rows * x_row), *w = random_floats(in * stride), *bias = random_floats(cols),
      *y = random_floats(rows * y_row), *expected = copy_floats(y, rows * y_row);
    float *before = copy_floats(y, rows * y_row);
    uint32_t *list = malloc((in + 16) * sizeof *list);
    for (size_t k = 0; k < in; k++)
      if (random_int(0, 3) > 0) for (size_t i = 0; i < rows; i++) x[i * x_row + k] = (i + k) % 2 ? -0.0f : 0;
    for (size_t j = 0; odd && j < cols; j += 5) {
      bias[j] = j % 2 ? -0.0f : 0;
      for (size_t k = 0; k < in; k++)
        w[k * stride + j] = j % 3 == 0 ? 1e-44f * w[k * stride + j] : (k + j) % 3 ? -0.0f : 0;
    }
    for (int biased = 0; biased < 2; biased++) for (int i = 0; next_isa(&i); i++) {
      pl_gemm p = { .c = y, .c_row = (ptrdiff_t)y_row, .a = x, .a_row = (ptrdiff_t)x_row, .a_inner = 1, .b = w,
                           .b_inner = (ptrdiff_t)stride,
                           .rows = rows, .cols = cols, .outer = 1, .inner = in, .bias = biased ? bias : NULL };
      memcpy(y, before, rows * y_row * sizeof *y);
      bool zero = pl_kernel.gemm_sparse_rows(&p, list, pl_kernel.nonzero(list, x, rows, x_row, in));
      p.c = expected;
      pl_kernel.gemm(&p);
      if (!zero) assert_memory_equal(y, expected, rows * y_row * sizeof *y);
      for (size_t at = 0; at < rows * y_row; at++) assert_true(y[at] == expected[at]);
      assert_true(odd || !zero);
      told += zero;
      calls++;
    }
    free(x), free(w), free(bias), free(y), free(expected), free(before), free(list);
  }
  assert_true(told > 0 && told < calls);
}

static void largest_and_ordinary(void **state) {
  (void)state;
  for (size_t n = 1; n <= 67; n++) for (size_t at = 0; at < n; at += 3) {
    float *x = random_floats(n);
    for (int i = 0; next_isa(&i); i++) {
      x[at] = -20;
      assert_true(pl_kernel.max_abs(x, n) == 20 && pl_kernel.all_zero_or_normal(x, n));
      x[at] = -0.0f;
      assert_true(pl_kernel.max_abs(x, n) < 20 && pl_kernel.all_zero_or_normal(x, n));
      x[at] = 1e-40f;
      assert_false(pl_kernel.all_zero_or_normal(x, n));
      x[at] = NAN;
      assert_true(isinf(pl_kernel.max_abs(x, n)) && !pl_kernel.all_zero_or_normal(x, n));
      x[at] = -INFINITY;
      assert_true(isinf(pl_kernel.max_abs(x, n)) && !pl_kernel.all_zero_or_normal(x, n));
    }
    free(x);
  }
  for (int i = 0; next_isa(&i); i++)
    assert_true(pl_kernel.max_abs(NULL, 0) == 0 && pl_kernel.all_zero_or_normal(NULL, 0));
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(gemv_sparse), cmocka_unit_test(nonzero),
                                      cmocka_unit_test(gemm_sparse_rows), cmocka_unit_test(largest_and_ordinary) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
