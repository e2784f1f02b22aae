/* Which kinds of values an array holds. */
#include <string.h>
#include "kernels/kernels.h"
#include "kernels/vec.h"

/* The largest |x[i]|, infinity if one is not finite; 0 of nothing. Magnitudes are in the order of their bits, NaN above
   all. */
float PL_KERNEL(max_abs)(const float *x, size_t n) {
  vu most = vu_set(0);
  uint32_t lane[PL_LANES], result = 0;
  float value;
  for (size_t i = 0; i < n; i += PL_LANES) {
    vf v = n - i < PL_LANES ? vf_load_part(x + i, n - i) : vf_load(x + i);
    most = vu_max(most, (vu)v & vu_set(0x7fffffffu));
  }
  memcpy(lane, &most, sizeof lane);
  for (int l = 0; l < PL_LANES; l++) result = lane[l] > result ? lane[l] : result;
  if (result > 0x7f800000u) result = 0x7f800000u;
  memcpy(&value, &result, sizeof value);
  return value;
}

/* Whether each value is zero or normal: not denormal, infinite or NaN. */
bool PL_KERNEL(all_zero_or_normal)(const float *x, size_t n) {
  uint32_t bad = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits, exponent;
    memcpy(&bits, x + i, sizeof bits);
    exponent = bits >> 23 & 255;
    bad |= (exponent == 255) | ((exponent == 0) & (bits << 1 != 0));
  }
  return bad == 0;
}

/* list: the indices k < n, ascending, where x[i*stride + k] is not zero for some i < rows; returns how many. There must
   be room for n + 16. */
size_t PL_KERNEL(nonzero)(uint32_t *list, const float *x, size_t rows, size_t stride, size_t n) {
  size_t count = 0;
  for (size_t k = 0; k < n; k += PL_LANES) {
    vu any = vu_set(0);
    if (n - k >= PL_LANES) for (size_t i = 0; i < rows; i++) any |= (vu)vf_load(x + i * stride + k);
    else for (size_t i = 0; i < rows; i++) any |= (vu)vf_load_part(x + i * stride + k, n - k);
    count += vu_append(list + count, (uint32_t)k, vu_bits((vu)((any & vu_set(0x7fffffffu)) != 0)));
  }
  return count;
}
