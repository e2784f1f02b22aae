/* y[i] = e^x[i] */
#include "kernels/kernels.h"
#include "kernels/vec_math.h"

void PL_KERNEL(exponential)(float *y, const float *x, size_t n) {
  size_t i = 0;
  for (; i + PL_LANES <= n; i += PL_LANES) vf_store(y + i, vf_exp(vf_load(x + i)));
  if (i < n) vf_store_part(y + i, vf_exp(vf_load_part(x + i, n - i)), n - i);
}
