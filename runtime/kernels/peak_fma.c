/* What a processor can do at most: independent chains of fused multiply-adds, nothing read or written meanwhile. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

enum { CHAINS = 12 };   /* two a cycle, each done after four or five; and few enough for sixteen registers */

/* Every chain is x <- x/2 + 1, from 0: it goes to 2. out[j] of PL_LANES: the sum of the chains in lane j, the rest of
   the 16 is 0. Returns the floating-point operations done. */
double PL_KERNEL(peak_fma)(float *out, size_t rounds) {
  static const volatile float start[CHAINS];   /* the compiler must not see that the chains are equal */
  vf x[CHAINS], sum = vf_set(0), half = vf_set(0.5f), one = vf_set(1);
#pragma GCC unroll 12
  for (int c = 0; c < CHAINS; c++) x[c] = vf_set(start[c]);
  for (size_t r = rounds; r > 0; r--) {
#pragma GCC unroll 12
    for (int c = 0; c < CHAINS; c++) x[c] = vf_fma(x[c], half, one);
  }
#pragma GCC unroll 12
  for (int c = 0; c < CHAINS; c++) sum = vf_fma(x[c], one, sum);
  for (int j = 0; j < 16; j++) out[j] = 0;
  vf_store(out, sum);
  return 2.0 * CHAINS * PL_LANES * (double)rounds;
}
