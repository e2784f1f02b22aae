/* Rows shifted and scaled column by column, and the sums over rows that go with it. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

#define INLINE static inline __attribute__((always_inline))

/* out[j] = sum over i of (a[i][j] - a_mean[j]) (b[i][j] - b_mean[j]); a_mean may be NULL (0). Row i belongs to chain
   i mod 4; then (chain 0 + chain 1) + (chain 2 + chain 3). */
INLINE void products(float *out, const float *a, const float *a_mean, const float *b, const float *b_mean, size_t rows, size_t stride, const size_t part) {
  vf sum[4] = { vf_set(0), vf_set(0), vf_set(0), vf_set(0) }, am = a_mean ? vf_read(a_mean, part) : vf_set(0), bm = vf_read(b_mean, part);
  size_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    for (size_t k = 0; k < 4; k++) sum[k] = vf_fma(vf_read(a + (i + k) * stride, part) - am, vf_read(b + (i + k) * stride, part) - bm, sum[k]);
  }
  for (size_t k = 0; i + k < rows; k++) sum[k] = vf_fma(vf_read(a + (i + k) * stride, part) - am, vf_read(b + (i + k) * stride, part) - bm, sum[k]);
  vf_write(out, (sum[0] + sum[1]) + (sum[2] + sum[3]), part);
}

void PL_KERNEL(column_products)(float *out, const float *a, const float *a_mean, const float *b, const float *b_mean, size_t rows, size_t cols, size_t stride) {
  size_t j = 0;
  for (; j + PL_LANES <= cols; j += PL_LANES) products(out + j, a + j, a_mean ? a_mean + j : NULL, b + j, b_mean + j, rows, stride, PL_LANES);
  if (j < cols) products(out + j, a + j, a_mean ? a_mean + j : NULL, b + j, b_mean + j, rows, stride, cols - j);
}

/* y[i][j] = (x[i][j] - mean[j]) scale[j] + shift[j]; shift may be NULL (0) */
INLINE void scale_column(float *y, const float *x, const float *mean, const float *scale, const float *shift, size_t rows, size_t cols, const size_t part) {
  vf m = vf_read(mean, part), s = vf_read(scale, part), t = shift ? vf_read(shift, part) : vf_set(0);
  for (size_t i = 0; i < rows; i++) vf_write(y + i * cols, vf_fma(vf_read(x + i * cols, part) - m, s, t), part);
}

enum { PANEL = 64 };   /* rows that stay in the first cache while the columns are gone through */

void PL_KERNEL(normalize)(float *y, const float *x, const float *mean, const float *scale, const float *shift, size_t rows, size_t cols) {
  for (size_t i = 0; i < rows; i += PANEL) {
    size_t n = rows - i < PANEL ? rows - i : PANEL, j = 0;
    float *to = y + i * cols;
    const float *from = x + i * cols;
    for (; j + PL_LANES <= cols; j += PL_LANES) scale_column(to + j, from + j, mean + j, scale + j, shift ? shift + j : NULL, n, cols, PL_LANES);
    if (j < cols) scale_column(to + j, from + j, mean + j, scale + j, shift ? shift + j : NULL, n, cols, cols - j);
  }
}

/* dx[i][j] = a[j] dy[i][j] + (b[j] (x[i][j] - mean[j]) + c[j]) */
INLINE void combine_column(float *dx, const float *dy, const float *x, const float *mean, const float *a, const float *b, const float *c,
                           size_t rows, size_t cols, const size_t part) {
  vf m = vf_read(mean, part), va = vf_read(a, part), vb = vf_read(b, part), vc = vf_read(c, part);
  for (size_t i = 0; i < rows; i++)
    vf_write(dx + i * cols, vf_fma(va, vf_read(dy + i * cols, part), vf_fma(vb, vf_read(x + i * cols, part) - m, vc)), part);
}

void PL_KERNEL(normalize_backward)(float *dx, const float *dy, const float *x, const float *mean, const float *a, const float *b, const float *c,
                                   size_t rows, size_t cols) {
  for (size_t i = 0; i < rows; i += PANEL) {
    size_t n = rows - i < PANEL ? rows - i : PANEL, at = i * cols, j = 0;
    for (; j + PL_LANES <= cols; j += PL_LANES)
      combine_column(dx + at + j, dy + at + j, x + at + j, mean + j, a + j, b + j, c + j, n, cols, PL_LANES);
    if (j < cols) combine_column(dx + at + j, dy + at + j, x + at + j, mean + j, a + j, b + j, c + j, n, cols, cols - j);
  }
}
