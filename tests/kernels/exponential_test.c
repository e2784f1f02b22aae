/* exponential: error bound over a dense scan of floats, special values, sizes, the same bits on AVX2 and AVX-512. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernels/kernels.h"
#include "perilune/cpu.h"
#include "../c/support_isa.h"

static const char *const isas[] = { "baseline", "avx2", "avx512", "neon" };

enum { STEP = 1013, BLOCK = 4099 };

/* Every STEP-th float from -88 to 88, by bit pattern, in odd blocks. */
static double worst_error(void) {
  static float x[BLOCK], y[BLOCK];
  double worst = 0;
  for (int sign = 0; sign < 2; sign++) {
    uint32_t bits = 0;
    for (bool more = true; more;) {
      size_t n = 0;
      for (; n < BLOCK && more; n++, bits += STEP) {
        memcpy(&x[n], &bits, sizeof bits);
        if (sign) x[n] = -x[n];
        more = fabsf(x[n]) < 87.3f;
      }
      pl_kernel.exponential(y, x, n);
      for (size_t i = 0; i < n; i++) {
        double exact = exp((double)x[i]), error = fabs((double)y[i] - exact) / exact;
        if (error > worst) worst = error;
      }
    }
  }
  return worst;
}

static void error_is_bounded(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
    if (!has_isa(isas[i])) continue;
    double worst = worst_error(), bound = i == 0 ? 2.4e-7 : 1.2e-7;
    if (worst > bound) fail_msg("%s: relative error %g, promised %g", isas[i], worst, bound);
  }
}

static void special_values(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
    if (!has_isa(isas[i])) continue;
    float x[] = { 0, -0.0f, NAN, INFINITY, -INFINITY, 88.72283f, 88.7229f, -87.33653f, -87.34f, 1e30f, -1e30f, 1e-45f };
    enum { N = sizeof x / sizeof *x };
    float y[N];
    pl_kernel.exponential(y, x, N);
    assert_true(y[0] == 1 && y[1] == 1 && isnan(y[2]) && y[3] == INFINITY && y[4] == 0);
    assert_true(y[5] > 3.4e38f && y[5] <= FLT_MAX && y[6] == INFINITY);
    assert_true(y[7] >= FLT_MIN && y[8] == 0 && y[9] == INFINITY && y[10] == 0 && y[11] == 1);
  }
}

static void touches_only_its_elements(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
    if (!has_isa(isas[i])) continue;
    for (size_t n = 0; n < 70; n++) {
      float *x = malloc(n * sizeof *x + 1), y[72];   /* exact, so that address checkers see a read behind the end */
      for (size_t k = 0; k < n; k++) x[k] = (float)k * 0.1f - 3;
      for (size_t k = 0; k < 72; k++) y[k] = -7;
      pl_kernel.exponential(y + 1, x, n);
      for (size_t k = 0; k < n; k++) assert_true(fabs((double)y[k + 1] / exp((double)x[k]) - 1) < 3e-7);
      assert_true(y[0] == -7 && y[n + 1] == -7);
      free(x);
    }
  }
}

static void same_bits_on_every_width(void **state) {
  static float x[10007], wide[10007], narrow[10007];
  (void)state;
  if (pl_cpu_select("avx512", NULL)) skip();
  for (size_t i = 0; i < 10007; i++) x[i] = (float)((double)i * 0.02 - 100);
  pl_kernel.exponential(wide, x, 10007);
  assert_int_equal(pl_cpu_select("avx2", NULL), PL_OK);
  pl_kernel.exponential(narrow, x, 10007);
  assert_memory_equal(wide, narrow, sizeof wide);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(error_is_bounded), cmocka_unit_test(special_values), cmocka_unit_test(touches_only_its_elements),
    cmocka_unit_test(same_bits_on_every_width),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
