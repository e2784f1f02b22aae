/* Pixels to values. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

/* out[i] = in[i] * scale */
void PL_KERNEL(from_bytes)(float *out, const uint8_t *in, size_t n, float scale) {
  for (size_t i = 0; i < n; i++) out[i] = (float)in[i] * scale;
}
