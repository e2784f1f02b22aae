/* peak_fma does the arithmetic that it claims. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "../c/support_kernels.h"
#include "kernels/kernels.h"
#include "perilune/cpu.h"

static void every_chain_runs(void **state) {
  (void)state;
  for (int i = 0; next_isa(&i); i++) {
    float one[16], two[16], many[16];
    double flops = pl_kernel.peak_fma(one, 1);
    assert_true(pl_kernel.peak_fma(two, 2) == 2 * flops);
    assert_true(pl_kernel.peak_fma(many, 100) == 100 * flops);
    int lanes = 0;
    float chains = one[0];              /* after one round each is 1 */
    for (int j = 0; j < 16; j++) {
      if (one[j] != 0) lanes++;
      else assert_true(two[j] == 0 && many[j] == 0);
      if (one[j] != 0) assert_true(one[j] == chains && two[j] == 1.5f * chains && many[j] == 2 * chains);
    }
    assert_true(flops == 2.0 * chains * lanes);
  }
}

static void peak_is_a_rate(void **state) {
  (void)state;
  assert_int_equal(pl_cpu_select(NULL, NULL), PL_OK);
  assert_true(pl_cpu_peak(1, 0.01) > 1e6);
  assert_true(pl_cpu_peak(2, 0.01) > 1e6);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(every_chain_runs), cmocka_unit_test(peak_is_a_rate) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
