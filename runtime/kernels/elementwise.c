/* Elementwise kernels: each output depends on one element of each input, so any split gives the same bits. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

static inline vf clamped(vf x) { return vf_greater(vf_set(0), x, vf_set(0), x); }

/* y = max(x, 0), with NaN passed on: only what is below zero is replaced. In vectors by hand: it is often called in
   place, for which a compiler may fall back to one value at a time. */
void PL_KERNEL(relu_forward)(float *y, const float *x, size_t n) {
  size_t i = 0;
  for (; i + PL_LANES <= n; i += PL_LANES) vf_store(y + i, clamped(vf_load(x + i)));
  if (i < n) vf_store_part(y + i, clamped(vf_load_part(x + i, n - i)), n - i);
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
