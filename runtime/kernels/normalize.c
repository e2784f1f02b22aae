/* Rows shifted and scaled column by column, and the sums over rows that go with it. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 4")
enum { CHAINS = 4, WIDE = PL_REGISTERS / 16 };   /* vectors of a panel: see columns.c */

/* out[j] = sum over i of (a[i][j] - a_mean[j]) (b[i][j] - b_mean[j]); a_mean may be NULL (0). Row i belongs to chain
   i mod 4; then (chain 0 + chain 1) + (chain 2 + chain 3). */
INLINE void products(float *out, const float *a, const float *a_mean, const float *b, const float *b_mean, size_t rows, size_t stride,
                     const int vectors, size_t part) {
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
  UNROLL for (int v = 0; v < vectors; v++) vf_write(out + v * PL_LANES, (sum[0][v] + sum[1][v]) + (sum[2][v] + sum[3][v]), part);
}

void PL_KERNEL(column_products)(float *out, const float *a, const float *a_mean, const float *b, const float *b_mean, size_t rows, size_t cols, size_t stride) {
  size_t j = 0;
  for (; j + WIDE * PL_LANES <= cols; j += WIDE * PL_LANES)
    products(out + j, a + j, a_mean ? a_mean + j : NULL, b + j, b_mean + j, rows, stride, WIDE, PL_LANES);
  for (; j + PL_LANES <= cols; j += PL_LANES) products(out + j, a + j, a_mean ? a_mean + j : NULL, b + j, b_mean + j, rows, stride, 1, PL_LANES);
  if (j < cols) products(out + j, a + j, a_mean ? a_mean + j : NULL, b + j, b_mean + j, rows, stride, 1, cols - j);
}

/* y[i][j] = (x[i][j] - mean[j]) scale[j] + shift[j]; shift may be NULL (0) */
void PL_KERNEL(normalize)(float *y, const float *x, const float *mean, const float *scale, const float *shift, size_t rows, size_t cols) {
  for (size_t i = 0; i < rows; i++, y += cols, x += cols) {
    for (size_t j = 0; j < cols; j += PL_LANES) {
      size_t part = cols - j < PL_LANES ? cols - j : PL_LANES;
      vf_write(y + j, vf_fma(vf_read(x + j, part) - vf_read(mean + j, part), vf_read(scale + j, part), shift ? vf_read(shift + j, part) : vf_set(0)), part);
    }
  }
}

/* dx[i][j] = a[j] dy[i][j] + (b[j] (x[i][j] - mean[j]) + c[j]) */
void PL_KERNEL(normalize_backward)(float *dx, const float *dy, const float *x, const float *mean, const float *a, const float *b, const float *c,
                                   size_t rows, size_t cols) {
  for (size_t i = 0; i < rows; i++, dx += cols, dy += cols, x += cols) {
    for (size_t j = 0; j < cols; j += PL_LANES) {
      size_t part = cols - j < PL_LANES ? cols - j : PL_LANES;
      vf rest = vf_fma(vf_read(b + j, part), vf_read(x + j, part) - vf_read(mean + j, part), vf_read(c + j, part));
      vf_write(dx + j, vf_fma(vf_read(a + j, part), vf_read(dy + j, part), rest), part);
    }
  }
}
