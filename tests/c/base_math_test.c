/* Elementary functions against values in many digits (tests/golden/make_math.py), and at IEEE 754's special places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "perilune/math.h"
#include "support_golden.h"

typedef double (*function)(double);

static double number(const cJSON *list, int i) { return cJSON_GetArrayItem(list, i)->valuedouble; }

/* Distance in units of the last place of `right`. */
static double units(double got, double right) {
  if (got == right) return 0;
  return fabs(got - right) / (nextafter(fabs(right), INFINITY) - fabs(right));
}

static void within(const cJSON *golden, const char *name, function f, double most) {
  const cJSON *pair;
  cJSON_ArrayForEach(pair, cJSON_GetObjectItem(golden, name)) {
    double x = number(pair, 0), right = number(pair, 1), got = f(x);
    if (!(units(got, right) <= most))
      fail_msg("%s(%.17g): expected %.17g, got %.17g, %.3g units away", name, x, right, got, units(got, right));
  }
}

static void values(void **state) {
  cJSON *golden = golden_read("math.json");
  const cJSON *triple;
  (void)state;
  within(golden, "sin", pl_sin, 3);
  within(golden, "cos", pl_cos, 3);
  within(golden, "exp", pl_exp, 2);
  within(golden, "log", pl_log, 3);
  within(golden, "tanh", pl_tanh, 3);
  cJSON_ArrayForEach(triple, cJSON_GetObjectItem(golden, "pow")) {
    double x = number(triple, 0), y = number(triple, 1), right = number(triple, 2), got = pl_pow(x, y);
    if (!(fabs(got - right) <= 3e-13 * fabs(right)))
      fail_msg("pow(%.17g, %.17g): expected %.17g, got %.17g", x, y, right, got);
  }
  cJSON_Delete(golden);
}

static bool same(double a, double b) { return isnan(a) ? isnan(b) : a == b && signbit(a) == signbit(b); }

/* pow of IEEE 754-2019, 9.2.1 */
static void special_powers(void **state) {
  const double n = NAN, i = INFINITY;
  const double cases[][3] = {
    { n, 0, 1 }, { n, -0.0, 1 }, { 0, 0, 1 }, { i, 0, 1 }, { -i, -0.0, 1 }, { 1, n, 1 }, { 1, i, 1 }, { 1, -i, 1 },
    { 1, 3.5, 1 },
    { 0, n, n }, { n, 1, n }, { 2, n, n }, { -1, n, n }, { i, n, n },
    { 0, 3, 0 }, { -0.0, 3, -0.0 }, { -0.0, 2, 0 }, { -0.0, 0.5, 0 }, { 0, -3, i }, { -0.0, -3, -i }, { -0.0, -2, i },
    { 0, -0.5, i },
    { 0, i, 0 }, { -0.0, i, 0 }, { 0, -i, i }, { -0.0, -i, i },
    { -1, i, 1 }, { -1, -i, 1 }, { 2, i, i }, { -2, i, i }, { 2, -i, 0 }, { -2, -i, 0 }, { 0.5, i, 0 }, { -0.5, i, 0 },
    { -0.5, -i, i },
    { i, 2.5, i }, { i, -1, 0 }, { -i, 3, -i }, { -i, 2, i }, { -i, 0.5, i }, { -i, -3, -0.0 }, { -i, -2, 0 },
    { -i, -0.5, 0 }, { -i, i, i },
    { -2, 0.5, n }, { -1, 1e-300, n }, { -8, 1.0 / 3, n }, { -2, 1025, -i }, { -2, 1026, i }, { -0.5, 5001, -0.0 },
    { -1, 1e300, 1 },
    { -3, 3, -27 }, { -2, -1, -0.5 }, { 2, 10, 1024 }, { 10, -2, 0.01 }, { 2, -1074, 0x1p-1074 },
    { 2, -1030, 0x1p-1030 },
  };
  (void)state;
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    double got = pl_pow(cases[k][0], cases[k][1]);
    if (!same(got, cases[k][2]))
      fail_msg("pow(%g, %g): expected %g, got %g", cases[k][0], cases[k][1], cases[k][2], got);
  }
}

static void special_values(void **state) {
  (void)state;
  assert_true(same(pl_sin(-0.0), -0.0) && same(pl_sin(0), 0) && pl_cos(-0.0) == 1 && same(pl_tanh(-0.0), -0.0));
  assert_true(isnan(pl_sin(INFINITY)) && isnan(pl_cos(-INFINITY)) && isnan(pl_sin(NAN)) && isnan(pl_cos(NAN)));
  assert_true(pl_exp(INFINITY) == INFINITY && pl_exp(-INFINITY) == 0 && isnan(pl_exp(NAN)) && pl_exp(0) == 1 &&
              pl_exp(710) == INFINITY);
  assert_true(pl_log(0) == -INFINITY && pl_log(INFINITY) == INFINITY && isnan(pl_log(-1)) && isnan(pl_log(NAN)) &&
              same(pl_log(1), 0));
  assert_true(pl_tanh(INFINITY) == 1 && pl_tanh(-INFINITY) == -1 && isnan(pl_tanh(NAN)));
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(values), cmocka_unit_test(special_powers),
                                      cmocka_unit_test(special_values) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
