/* Rows shifted and scaled column by column, and the sums over rows that go with it. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

#define UNROLL _Pragma("GCC unroll 4")
enum { CHAINS = 4, WIDE = PL_REGISTERS / 16 };   /* vectors of a panel: see column_sum.c */

/* out[j] = sum over i of (a[i][j] - a_mean[j]) (b[i][j] - b_mean[j]); a_mean may be NULL (0). Row i belongs to chain
   i mod 4; then (chain 0 + chain 1) + (chain 2 + chain 3). */
INLINE void products(float *out, const float *a, const float *a_mean, const float *b, const float *b_mean, size_t rows,
                     size_t stride, const int vectors, size_t part) {
  vf sum[CHAINS][WIDE], am[WIDE], bm[WIDE];
  UNROLL for (int v = 0; v < vectors; v++) {
    am[v] = a_mean ? vf_read(a_mean + v * PL_LANES, part) : vf_set(0);
    bm[v] = vf_read(b_mean + v * PL_LANES, part);
    UNROLL for (int k = 0; k < CHAINS; k++) sum[k][v] = vf_set(0);
  }
#define ADD_ROW(k) \
  UNROLL for (int v = 0; v < vectors; v++) { \
    const size_t at = (i + (size_t)(k)) * stride + (size_t)v * PL_LANES; \
    sum[k][v] = vf_fma(vf_read(a + at, part) - am[v], vf_read(b + at, part) - bm[v], sum[k][v]); \
  }
  size_t i = 0;
  for (; i + CHAINS <= rows; i += CHAINS) {
    UNROLL for (int k = 0; k < CHAINS; k++) ADD_ROW(k)
  }
  UNROLL for (int k = 0; k < CHAINS - 1; k++) {
    if (i + (size_t)k >= rows) break;
    ADD_ROW(k)
  }
  UNROLL for (int v = 0; v < vectors; v++)
    vf_write(out + v * PL_LANES, (sum[0][v] + sum[1][v]) + (sum[2][v] + sum[3][v]), part);
}

void PL_KERNEL(column_products)(float *out, const float *a, const float *a_mean, const float *b, const float *b_mean,
                                size_t rows, size_t cols, size_t stride) {
  size_t j = 0;
  for (; j + WIDE * PL_LANES <= cols; j += WIDE * PL_LANES)
    products(out + j, a + j, a_mean ? a_mean + j : NULL, b + j, b_mean + j, rows, stride, WIDE, PL_LANES);
  for (; j + PL_LANES <= cols; j += PL_LANES)
    products(out + j, a + j, a_mean ? a_mean + j : NULL, b + j, b_mean + j, rows, stride, 1, PL_LANES);
  if (j < cols) products(out + j, a + j, a_mean ? a_mean + j : NULL, b + j, b_mean + j, rows, stride, 1, cols - j);
}

INLINE vf shifted(vf centred, const float *scale, const float *shift, size_t part) {
  return vf_fma(centred, vf_read(scale, part), shift ? vf_read(shift, part) : vf_set(0));
}

/* y[i][j] = (x[i][j] - mean[j]) scale[j] + shift[j]; shift may be NULL (0). residual, if not NULL: and then
   y + residual[i][j]. relu: and then max(y, 0), as relu_forward. */
INLINE void normalize_rows(float *y, const float *x, const float *mean, const float *scale, const float *shift,
                           const float *residual, size_t rows, size_t cols, const bool relu) {
  for (size_t i = 0; i < rows; i++, y += cols, x += cols) {
    for (size_t j = 0; j < cols; j += PL_LANES) {
      size_t part = cols - j < PL_LANES ? cols - j : PL_LANES;
      vf r = shifted(vf_read(x + j, part) - vf_read(mean + j, part), scale + j, shift ? shift + j : NULL, part);
      if (residual) r += vf_read(residual + i * cols + j, part);
      vf_write(y + j, relu ? vf_greater(vf_set(0), r, vf_set(0), r) : r, part);
    }
  }
}

void PL_KERNEL(normalize)(float *y, const float *x, const float *mean, const float *scale, const float *shift,
                          const float *residual, size_t rows, size_t cols, bool relu) {
  if (residual && relu) normalize_rows(y, x, mean, scale, shift, residual, rows, cols, true);
  else if (residual) normalize_rows(y, x, mean, scale, shift, residual, rows, cols, false);
  else if (relu) normalize_rows(y, x, mean, scale, shift, NULL, rows, cols, true);
  else normalize_rows(y, x, mean, scale, shift, NULL, rows, cols, false);
}

/* dx[i][j] = a[j] dy[i][j] + (b[j] (x[i][j] - mean[j]) + c[j]). relu: dy only where normalize (with scale a)
   gave y > 0. */
INLINE void backward_rows(float *dx, const float *dy, const float *x, const float *mean, const float *a, const float *b,
                          const float *c, const float *shift, size_t rows, size_t cols, const bool relu) {
  for (size_t i = 0; i < rows; i++, dx += cols, dy += cols, x += cols) {
    for (size_t j = 0; j < cols; j += PL_LANES) {
      size_t part = cols - j < PL_LANES ? cols - j : PL_LANES;
      vf centred = vf_read(x + j, part) - vf_read(mean + j, part), g = vf_read(dy + j, part);
      if (relu) g = vf_greater(shifted(centred, a + j, shift ? shift + j : NULL, part), vf_set(0), g, vf_set(0));
      vf rest = vf_fma(vf_read(b + j, part), centred, vf_read(c + j, part));
      vf_write(dx + j, vf_fma(vf_read(a + j, part), g, rest), part);
    }
  }
}

void PL_KERNEL(normalize_backward)(float *dx, const float *dy, const float *x, const float *mean, const float *a,
                                   const float *b, const float *c, const float *shift, size_t rows, size_t cols,
                                   bool relu) {
  if (relu) backward_rows(dx, dy, x, mean, a, b, c, shift, rows, cols, true);
  else backward_rows(dx, dy, x, mean, a, b, c, shift, rows, cols, false);
}

/* With g = dy where (x - mean) scale + shift > 0, else 0: sums[j] = sum of g, products[j] = sum of g (x - mean), in the
   order of column_sums and column_products. */
INLINE void relu_grads(float *sums, float *products, const float *dy, const float *x, const float *mean,
                       const float *scale, const float *shift, size_t rows, size_t stride, const int vectors,
                       size_t part) {
  vf sum[CHAINS][WIDE], product[CHAINS][WIDE], m[WIDE];
  UNROLL for (int v = 0; v < vectors; v++) {
    m[v] = vf_read(mean + v * PL_LANES, part);
    UNROLL for (int k = 0; k < CHAINS; k++) sum[k][v] = product[k][v] = vf_set(0);
  }
#define ADD_RELU_GRADS(k) \
  UNROLL for (int v = 0; v < vectors; v++) { \
    const size_t at = (i + (size_t)(k)) * stride + (size_t)v * PL_LANES; \
    vf centred = vf_read(x + at, part) - m[v]; \
    vf y = shifted(centred, scale + v * PL_LANES, shift ? shift + v * PL_LANES : NULL, part); \
    vf g = vf_greater(y, vf_set(0), vf_read(dy + at, part), vf_set(0)); \
    sum[k][v] += g; \
    product[k][v] = vf_fma(g, centred, product[k][v]); \
  }
  size_t i = 0;
  for (; i + CHAINS <= rows; i += CHAINS) {
    UNROLL for (int k = 0; k < CHAINS; k++) ADD_RELU_GRADS(k)
  }
  UNROLL for (int k = 0; k < CHAINS - 1; k++) {
    if (i + (size_t)k >= rows) break;
    ADD_RELU_GRADS(k)
  }
  UNROLL for (int v = 0; v < vectors; v++) {
    vf_write(sums + v * PL_LANES, (sum[0][v] + sum[1][v]) + (sum[2][v] + sum[3][v]), part);
    vf_write(products + v * PL_LANES, (product[0][v] + product[1][v]) + (product[2][v] + product[3][v]), part);
  }
}

void PL_KERNEL(relu_grad_sums)(float *sums, float *products, const float *dy, const float *x, const float *mean,
                               const float *scale, const float *shift, size_t rows, size_t cols, size_t stride) {
  size_t j = 0;
  for (; j + WIDE * PL_LANES <= cols; j += WIDE * PL_LANES)
    relu_grads(sums + j, products + j, dy + j, x + j, mean + j, scale + j, shift ? shift + j : NULL, rows, stride,
               WIDE, PL_LANES);
  for (; j < cols; j += PL_LANES) {
    size_t part = cols - j < PL_LANES ? cols - j : PL_LANES;
    relu_grads(sums + j, products + j, dy + j, x + j, mean + j, scale + j, shift ? shift + j : NULL, rows, stride,
               1, part);
  }
}
