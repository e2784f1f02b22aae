/* elementwise, elementwise_grad, sum_tree: against the same in doubles, at all sizes around a vector, on every
   instruction set; nothing behind the end is touched. Derivatives: central differences of the doubles. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernels/kernels.h"
#include "kernels/operations.h"
#include "perilune/cpu.h"
#include "../c/support_isa.h"

static const char *const isas[] = { "baseline", "avx2", "avx512", "neon" };

enum { MOST = 50, ROOM = MOST + 16 };

static double value_of(int op, double a, double b, double c) {
  switch (op) {
    case PL_EL_add: return a + b;
    case PL_EL_sub: return a - b;
    case PL_EL_mul: return a * b;
    case PL_EL_div: return a / b;
    case PL_EL_pow: return pow(a, b);
    case PL_EL_neg: return -a;
    case PL_EL_exp: return exp(a);
    case PL_EL_log: return log(a);
    case PL_EL_sqrt: return sqrt(a);
    case PL_EL_square: return a * a;
    case PL_EL_abs: return fabs(a);
    case PL_EL_sin: return sin(a);
    case PL_EL_cos: return cos(a);
    case PL_EL_tanh: return tanh(a);
    case PL_EL_sigmoid: return 1 / (1 + exp(-a));
    case PL_EL_relu: return a > 0 ? a : 0;
    case PL_EL_gelu: return a * (1 + erf(a / sqrt(2))) / 2;
    case PL_EL_silu: return a / (1 + exp(-a));
    case PL_EL_maximum: return a > b ? a : b;
    case PL_EL_minimum: return a < b ? a : b;
    case PL_EL_where: return a != 0 ? b : c;
    case PL_EL_lt: return a < b;
    case PL_EL_le: return a <= b;
    case PL_EL_gt: return a > b;
    case PL_EL_ge: return a >= b;
    case PL_EL_eq: return a == b;
    default: return a != b;
  }
}

static int inputs_of(int op) {
  static const int inputs[] = {
#define ELEMENTWISE(name, type, inputs, kept) inputs,
#include "kernels/operations.def"
#undef ELEMENTWISE
  };
  return inputs[op];
}

/* Positive, away from kinks and from each other; of `where` and comparisons also equal ones and zeros. */
static void fill(int op, float *a, float *b, float *c) {
  for (int i = 0; i < ROOM; i++) {
    a[i] = 0.3f + 0.037f * (float)i;
    b[i] = 1.9f - 0.031f * (float)i + (i == 20 ? 0.2f : 0);
    c[i] = 0.1f * (float)i - 2;
    if (op == PL_EL_where && i % 3 == 0) a[i] = 0;
    if (op >= PL_EL_lt && i % 3 == 0) b[i] = a[i];
    if (op < PL_EL_lt && op != PL_EL_where && fabsf(a[i] - b[i]) < 0.01f) b[i] += 0.05f;
    if (op == PL_EL_div && fabsf(b[i]) < 0.2f) b[i] = 0.4f;
  }
}

static void close_to(int op, int i, double got, double want) {
  if (!(fabs(got - want) <= 4e-6 * fmax(1, fabs(want))))
    fail_msg("operation %d, element %d: %.9g, not %.9g", op, i, got, want);
}

static void values(void **state) {
  float a[ROOM], b[ROOM], c[ROOM], y[ROOM];
  (void)state;
  for (size_t k = 0; k < sizeof isas / sizeof *isas; k++) {
    if (!has_isa(isas[k])) continue;
    for (int op = 0; op < PL_EL_OPS; op++) for (size_t n = 0; n <= MOST; n++) {
      fill(op, a, b, c);
      for (int i = 0; i < ROOM; i++) y[i] = -7;
      pl_kernel.elementwise(op, y, a, b, c, n);
      for (size_t i = 0; i < n; i++)
        close_to(op, (int)i, (double)y[i], value_of(op, (double)a[i], (double)b[i], (double)c[i]));
      for (size_t i = n; i < ROOM; i++) assert_true(y[i] == -7);
      pl_kernel.elementwise(op, a, a, b, c, n);   /* in place */
      assert_memory_equal(a, y, n * sizeof *a);
    }
  }
}

static void derivatives(void **state) {
  float a[ROOM], b[ROOM], c[ROOM], y[ROOM], dy[ROOM], dx[ROOM];
  const double h = 1e-5;
  (void)state;
  for (int i = 0; i < ROOM; i++) dy[i] = 0.5f + 0.01f * (float)i;
  for (size_t k = 0; k < sizeof isas / sizeof *isas; k++) {
    if (!has_isa(isas[k])) continue;
    for (int op = 0; op < PL_EL_lt; op++) for (int in = 0; in < inputs_of(op); in++)
    for (size_t n = 0; n <= MOST; n++) {
      fill(op, a, b, c);
      pl_kernel.elementwise(op, y, a, b, c, ROOM);
      for (int i = 0; i < ROOM; i++) dx[i] = -7;
      pl_kernel.elementwise_grad(op, in, dx, dy, a, b, y, n);
      for (size_t i = 0; i < n; i++) {
        double x[3] = { (double)a[i], (double)b[i], (double)c[i] }, kept = x[in];
        x[in] = kept + h;
        double up = value_of(op, x[0], x[1], x[2]);
        x[in] = kept - h;
        double slope = (up - value_of(op, x[0], x[1], x[2])) / (2 * h);
        if (op == PL_EL_where && in == 0) slope = 0;
        close_to(op, (int)i, (double)dx[i], (double)dy[i] * slope);
      }
      for (size_t i = n; i < ROOM; i++) assert_true(dx[i] == -7);
    }
  }
}

static void halves_at_equal_inputs(void **state) {
  const float a[] = { 1, NAN, 2 }, b[] = { 1, 3, NAN }, dy[] = { 4, 4, 4 };
  float dx[3];
  (void)state;
  for (int op = PL_EL_maximum; op <= PL_EL_minimum; op++) {
    pl_kernel.elementwise_grad(op, 0, dx, dy, a, b, NULL, 3);
    assert_true(dx[0] == 2 && dx[1] == 4 && dx[2] == 0);
    pl_kernel.elementwise_grad(op, 1, dx, dy, a, b, NULL, 3);
    assert_true(dx[0] == 2 && dx[1] == 0 && dx[2] == 4);
  }
}

static void sums(void **state) {
  static float x[3000];
  (void)state;
  for (int i = 0; i < 3000; i++) x[i] = (float)(i % 97) * 0.37f - 11;
  for (size_t k = 0; k < sizeof isas / sizeof *isas; k++) {
    if (!has_isa(isas[k])) continue;
    for (size_t n = 0; n < 1000; n += n < 20 ? 1 : 61) for (size_t stride = 1; stride <= 3; stride++) {
      double sum = 0, squares = 0;
      for (size_t i = 0; i < n; i++) {
        double v = (double)x[i * stride];
        sum += v;
        squares += (v - 1.5) * (v - 1.5);
      }
      assert_true(fabs(pl_kernel.sum_tree(x, n, stride, false, 0) - sum) <= 1e-10 * (1 + fabs(sum)));
      assert_true(fabs(pl_kernel.sum_tree(x, n, stride, true, 1.5) - squares) <= 1e-10 * (1 + squares));
    }
  }
}

/* One exponent for all elements: as where each has its own. */
static void powers_of_one_exponent(void **state) {
  const float exponents[] = { 2, 3, 1, -1, 0.5f, 0 };
  (void)state;
  for (size_t k = 0; k < sizeof isas / sizeof *isas; k++) {
    if (!has_isa(isas[k])) continue;
    for (size_t e = 0; e < sizeof exponents / sizeof *exponents; e++) for (size_t n = 1; n <= MOST; n++) {
      float a[ROOM], b[ROOM], dy[ROOM], y[ROOM], dx[ROOM], one[1];
      fill(PL_EL_pow, a, b, dy);
      for (size_t i = 0; i < n; i++) b[i] = exponents[e];
      pl_kernel.elementwise(PL_EL_pow, y, a, b, NULL, n);
      pl_kernel.elementwise_grad(PL_EL_pow, 0, dx, dy, a, b, y, n);
      for (size_t i = 0; i < n; i++) {
        float pair_a[2] = { a[i], 1 }, pair_b[2] = { b[i], 5 }, pair_dy[2] = { dy[i], 1 }, pair[2];
        double exact = (double)dy[i] * (b[i] == 0 ? 0 : (double)b[i] * pow((double)a[i], (double)b[i] - 1));
        pl_kernel.elementwise(PL_EL_pow, pair, pair_a, pair_b, NULL, 2);
        assert_memory_equal(pair, y + i, sizeof *y);
        pl_kernel.elementwise_grad(PL_EL_pow, 0, pair, pair_dy, pair_a, pair_b, y, 2);
        assert_memory_equal(pair, dx + i, sizeof *dx);
        one[0] = (float)exact;
        assert_true(fabsf(one[0] - dx[i]) <= 1e-6f * (1 + fabsf(one[0])));
      }
    }
  }
}

static void scale_and_shift(void **state) {
  (void)state;
  for (size_t k = 0; k < sizeof isas / sizeof *isas; k++) {
    if (!has_isa(isas[k])) continue;
    for (size_t n = 0; n <= MOST; n++) {
      float x[ROOM], b[ROOM], c[ROOM], out[ROOM];
      fill(PL_EL_mul, x, b, c);
      for (int i = 0; i < ROOM; i++) out[i] = -7;
      pl_kernel.scale_and_shift(out, x, n, 0.3, -1.7, 0.9);
      for (size_t i = 0; i < n; i++) {
        float due = (float)(0.9 * (0.3 * (double)x[i] - 1.7));
        assert_memory_equal(&due, &out[i], sizeof due);
      }
      for (size_t i = n; i < ROOM; i++) assert_true(out[i] == -7);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(values), cmocka_unit_test(derivatives),
                                      cmocka_unit_test(halves_at_equal_inputs), cmocka_unit_test(sums),
                                      cmocka_unit_test(powers_of_one_exponent), cmocka_unit_test(scale_and_shift) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
