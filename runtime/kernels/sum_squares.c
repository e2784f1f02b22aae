/* The sum of x[i]^2 over i < n, n a multiple of 16: sixteen chains of fused multiply-adds, chain l over the i with
   i mod 16 = l, then added in double in ascending order. Where that is beyond the range of f32, all of it in double. */
#include <math.h>
#include "kernels/kernels.h"
#include "kernels/vec.h"

enum { CHAINS = 16, VECTORS = CHAINS / PL_LANES };

double PL_KERNEL(sum_squares)(const float *x, size_t n) {
  vf sum[VECTORS];
  float chain[CHAINS];
  double total = 0;
  for (int v = 0; v < VECTORS; v++) sum[v] = vf_set(0);
  for (size_t i = 0; i < n; i += CHAINS) {
    for (int v = 0; v < VECTORS; v++) {
      vf y = vf_load(x + i + v * PL_LANES);
      sum[v] = vf_fma(y, y, sum[v]);
    }
  }
  for (int v = 0; v < VECTORS; v++) vf_store(chain + v * PL_LANES, sum[v]);
  for (int l = 0; l < CHAINS; l++) total += (double)chain[l];
  if (isfinite(total)) return total;
  total = 0;
  for (size_t i = 0; i < n; i++) total += (double)x[i] * (double)x[i];
  return total;
}
