/* Random numbers keep to their intervals, also where a float is too coarse. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include "perilune/rng.h"

/* Word 1 of this stream is above 2^32 - 64: as a float it would be 2^32. */
static void uniform_stays_below_its_upper_end(void **state) {
  (void)state;
  const pl_rng rng = { 34408659, 0 };
  float x[4];
  assert_true(pl_rng_word(rng, 1) >= 0xFFFFFFC0u);
  static const double ends[][2] = { { 0, 1 }, { -1, 1 }, { 0, 0.1 }, { -0.5, -0.25 }, { 1e10, 1e10 + 1000 } };
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    pl_rng_fill_uniform(x, 4, rng, ends[i][0], ends[i][1]);
    for (int k = 0; k < 4; k++) assert_true(x[k] >= (float)ends[i][0] && x[k] < ends[i][1]);
  }
  pl_rng_fill_uniform(x, 4, rng, 3, 3);
  for (int k = 0; k < 4; k++) assert_true(x[k] == 3);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(uniform_stays_below_its_upper_end) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
