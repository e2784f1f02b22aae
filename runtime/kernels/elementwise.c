/* Elementwise kernels: each output depends on one element of each input, so any split gives the same bits. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

static inline vf rectified(vf x) { return vf_greater(vf_set(0), x, vf_set(0), x); }

/* y = max(x, 0), with NaN passed on: only what is below zero is replaced. In vectors by hand: it is often called in
   place, for which a compiler may fall back to one value at a time. */
void PL_KERNEL(relu_forward)(float *y, const float *x, size_t n) {
  size_t i = 0;
  for (; i + PL_LANES <= n; i += PL_LANES) vf_store(y + i, rectified(vf_load(x + i)));
  if (i < n) vf_store_part(y + i, rectified(vf_load_part(x + i, n - i)), n - i);
}

/* y = max(x, 0)  gives  dx = dy where y > 0, else 0 */
void PL_KERNEL(relu_backward)(float *dx, const float *y, const float *dy, size_t n) {
  for (size_t i = 0; i < n; i++) dx[i] = y[i] > 0 ? dy[i] : 0;
}

void PL_KERNEL(add)(float *out, const float *a, const float *b, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = a[i] + b[i];
}

/* add and then relu_backward */
void PL_KERNEL(add_relu_backward)(float *dx, const float *a, const float *b, const float *y, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float sum = a[i] + b[i];
    dx[i] = y[i] > 0 ? sum : 0;
  }
}

/* max(a + b, 0), as add and then relu_forward */
void PL_KERNEL(add_relu)(float *out, const float *a, const float *b, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float sum = a[i] + b[i];
    out[i] = sum < 0 ? 0 : sum;
  }
}

/* least = a < low ? low : a, then least > high ? high : least; NaN stays. */
static inline vf clamped(vf x, vf low, vf high) {
  vf least = vf_greater(low, x, low, x);
  return vf_greater(least, high, high, least);
}

void PL_KERNEL(clamp)(float *out, const float *a, size_t n, float low, float high) {
  const vf least = vf_set(low), most = vf_set(high);
  size_t i = 0;
  for (; i + PL_LANES <= n; i += PL_LANES) vf_store(out + i, clamped(vf_load(a + i), least, most));
  if (i < n) vf_store_part(out + i, clamped(vf_load_part(a + i, n - i), least, most), n - i);
}
