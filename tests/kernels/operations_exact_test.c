/* Operations on elements: correctly rounded where they promise it, the error of the logarithm over a dense scan,
   special values, every length, in place, the same bits on every width. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../c/support_kernels.h"
#include "kernels/kernels.h"
#include "kernels/operations.h"

static float r_add(float x, float y) { return (float)((double)x + (double)y); }
static float r_subtract(float x, float y) { return (float)((double)x - (double)y); }
static float r_multiply(float x, float y) { return (float)((double)x * (double)y); }
static float r_divide(float x, float y) { return (float)((double)x / (double)y); }
static float r_maximum(float x, float y) { return isnan(x) || isnan(y) ? NAN : x > y ? x : y; }
static float r_minimum(float x, float y) { return isnan(x) || isnan(y) ? NAN : x < y ? x : y; }
static float r_negate(float x, float y) { (void)y; return -x; }
static float r_absolute(float x, float y) { (void)y; return fabsf(x); }
static float r_square_root(float x, float y) { (void)y; return (float)sqrt((double)x); }
static float r_clamp(float x, float y) { (void)y; return x < -0.5f ? -0.5f : x > 0.75f ? 0.75f : x; }

/* `clamp` is a kernel of its own, with limits. */
enum { CLAMP = -1 };
static const struct { const char *name; int op; float (*exact)(float, float); } exact[] = {
  { "add", PL_EL_add, r_add }, { "sub", PL_EL_sub, r_subtract }, { "mul", PL_EL_mul, r_multiply },
  { "div", PL_EL_div, r_divide }, { "maximum", PL_EL_maximum, r_maximum }, { "minimum", PL_EL_minimum, r_minimum },
  { "neg", PL_EL_neg, r_negate }, { "abs", PL_EL_abs, r_absolute }, { "sqrt", PL_EL_sqrt, r_square_root },
  { "clamp", CLAMP, r_clamp },
};
enum { EXACT = sizeof exact / sizeof *exact };

static void compute(size_t k, float *out, const float *a, const float *b, size_t n) {
  if (exact[k].op == CLAMP) pl_kernel.clamp(out, a, n, -0.5f, 0.75f);
  else pl_kernel.elementwise(exact[k].op, out, a, b, NULL, n);
}

static const float special[] = { 0, -0.0f, 1, -1, NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, FLT_MIN };
enum { SPECIAL = sizeof special / sizeof *special };

static bool equal(float x, float y) { return (isnan(x) && isnan(y)) || memcmp(&x, &y, sizeof x) == 0; }

/* Every length up to 70 in arrays of exact size, special values among them; out is the first input every other time. */
static void correctly_rounded(void **state) {
  (void)state;
  for (size_t k = 0; k < EXACT; k++) for (int i = 0; next_isa(&i); i++) for (size_t n = 0; n < 70; n++) {
    float *a = random_floats(n), *b = random_floats(n), *out = n % 2 ? copy_floats(a, n) : random_floats(n);
    for (size_t j = 0; j < n; j += 3) a[j] = special[(size_t)random_int(0, SPECIAL - 1)];
    for (size_t j = 0; j < n; j += 2) b[j] = special[(size_t)random_int(0, SPECIAL - 1)];
    if (n % 2) memcpy(out, a, n * sizeof *a);
    const float *from = n % 2 ? out : a;
    compute(k, out, from, b, n);
    for (size_t j = 0; j < n; j++) {
      float expected = exact[k].exact(a[j], b[j]);
      if (!equal(out[j], expected))
        fail_msg("%s(%g, %g) is %.9g, expected %.9g", exact[k].name, (double)a[j], (double)b[j], (double)out[j],
                 (double)expected);
    }
    free(a);
    free(b);
    free(out);
  }
}

enum { BLOCK = 4096, STEP = 977 };

/* Every STEP-th positive normal float; and all next to 1, where the sum cancels. */
static double worst_logarithm(double *where) {
  static float x[BLOCK], y[BLOCK];
  double worst = 0;
  for (int near = 0; near < 2; near++) {
    uint32_t bits = near ? 0x3f700000 : 0x00800000, end = near ? 0x3f900000 : 0x7f800000, step = near ? 3 : STEP;
    while (bits < end) {
      size_t n = 0;
      for (; n < BLOCK && bits < end; n++, bits += step) memcpy(&x[n], &bits, sizeof bits);
      pl_kernel.elementwise(PL_EL_log, y, x, NULL, NULL, n);
      for (size_t j = 0; j < n; j++) {
        double value = log((double)x[j]), error = fabs((double)y[j] - value) / fmax(fabs(value), (double)FLT_MIN);
        if (!(error <= worst)) worst = error, *where = (double)x[j];
      }
    }
  }
  return worst;
}

static void logarithm(void **state) {
  (void)state;
  for (int i = 0; next_isa(&i); i++) {
    double where = 0, worst = worst_logarithm(&where), bound = isa_is_fused() ? 1.2e-7 : 2.4e-7;
    if (!(worst <= bound)) fail_msg("log(%.9g): relative error %g, promised %g", where, worst, bound);
    float x[] = { 0, -0.0f, -1, -INFINITY, INFINITY, NAN, 1, -FLT_MIN }, y[8];
    pl_kernel.elementwise(PL_EL_log, y, x, NULL, NULL, 8);
    assert_true(y[0] == -INFINITY && y[1] == -INFINITY && isnan(y[2]) && isnan(y[3]) && y[4] == INFINITY);
    assert_true(isnan(y[5]) && y[6] == 0 && !signbit(y[6]) && isnan(y[7]));
  }
}

/* As comparisons choose, to the sign of zero: low first, then high. */
static void clamp_chooses_as_comparisons_do(void **state) {
  (void)state;
  float a[] = { -0.0f, 0, -1, 1, NAN, -INFINITY, INFINITY, -0.0f, 0.5f }, y[9];
  const float limits[][2] = { { 0, 1 }, { -0.0f, 0 }, { -1, -0.0f }, { 0.5f, 0.5f }, { 1, 0 } };
  for (int i = 0; next_isa(&i); i++) for (size_t k = 0; k < sizeof limits / sizeof *limits; k++) {
    float low = limits[k][0], high = limits[k][1];
    pl_kernel.clamp(y, a, 9, low, high);
    for (size_t j = 0; j < 9; j++) {
      float least = a[j] < low ? low : a[j];
      assert_true(equal(y[j], least > high ? high : least));
    }
  }
}

static void power(void **state) {
  (void)state;
  for (int i = 0; next_isa(&i); i++) {
    float a[] = { 3, -2, 0.1f, 2, 2, 0, -8, NAN, 1.5f }, b[] = { 2, 3, -1, 0.5f, 1, 0, 0.5f, 0, -2.5f }, y[9];
    float expected[] = { 9, -8, 1 / 0.1f, sqrtf(2), 2, 1, NAN, 1, (float)pow(1.5, -2.5) };
    pl_kernel.elementwise(PL_EL_pow, y, a, b, NULL, 9);
    for (size_t j = 0; j < 9; j++) assert_true(equal(y[j], expected[j]));
    float twice[9] = { 2, 2, 2, 2, 2, 2, 2, 2, 2 };
    memcpy(y, a, sizeof y);
    pl_kernel.elementwise(PL_EL_pow, y, y, twice, NULL, 9);
    for (size_t j = 0; j < 9; j++) assert_true(equal(y[j], a[j] * a[j]));
  }
}

static void same_bits_on_every_width(void **state) {
  enum { N = 1003 };
  float *x = random_floats(N), *y = random_floats(N), *out = random_floats(N), *bits[EXACT + 2] = { 0 };
  (void)state;
  for (int i = 0; next_isa(&i); i++) {
    for (size_t k = 0; k < EXACT; k++) {
      compute(k, out, x, y, N);
      for (size_t j = 0; j < N; j++) if (isnan(out[j])) out[j] = 0;      /* the root of a negative number: any NaN */
      same_bits(&bits[k], out, N, exact[k].name);
    }
    for (size_t j = 0; j < N; j++) out[j] = fabsf(x[j]);
    pl_kernel.elementwise(PL_EL_log, out, out, NULL, NULL, N);
    same_bits(&bits[EXACT], out, N, "logarithm");
  }
  for (size_t k = 0; k < EXACT + 2; k++) free(bits[k]);
  free(x);
  free(y);
  free(out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(correctly_rounded), cmocka_unit_test(logarithm), cmocka_unit_test(power),
    cmocka_unit_test(clamp_chooses_as_comparisons_do),
    cmocka_unit_test(same_bits_on_every_width),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
