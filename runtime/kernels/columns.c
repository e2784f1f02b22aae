/* Column sums of row-major matrices. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

/* out[j] (+)= sum over i of a[i*stride + j]: rows 0, 4, 8.. in one chain, 1, 5, 9.. in the next, and so on; then
   (chain 0 + chain 1) + (chain 2 + chain 3). */
static inline vf column(const float *a, size_t rows, size_t stride, size_t part) {
  vf sum[4] = { vf_set(0), vf_set(0), vf_set(0), vf_set(0) };
  size_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    for (size_t k = 0; k < 4; k++) {
      const float *p = a + (i + k) * stride;
      sum[k] += part == PL_LANES ? vf_load(p) : vf_load_part(p, part);
    }
  }
  for (size_t k = 0; i + k < rows; k++) {
    const float *p = a + (i + k) * stride;
    sum[k] += part == PL_LANES ? vf_load(p) : vf_load_part(p, part);
  }
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

void PL_KERNEL(column_sums)(float *out, const float *a, size_t rows, size_t cols, size_t stride, bool accumulate) {
  size_t j = 0;
  for (; j + PL_LANES <= cols; j += PL_LANES) {
    vf s = column(a + j, rows, stride, PL_LANES);
    if (accumulate) s = vf_load(out + j) + s;
    vf_store(out + j, s);
  }
  if (j < cols) {
    vf s = column(a + j, rows, stride, cols - j);
    if (accumulate) s = vf_load_part(out + j, cols - j) + s;
    vf_store_part(out + j, s, cols - j);
  }
}
