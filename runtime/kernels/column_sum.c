/* Column sums of row-major matrices, and what they are the gradient of. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

#define UNROLL _Pragma("GCC unroll 4")
/* WIDE: vectors of a panel, so that rows are read in chunks that the processor foresees. */
enum { CHAINS = 4, WIDE = PL_REGISTERS / 8 };

/* out[j] (+)= sum over i of a[i*stride + j]: rows 0, 4, 8.. in one chain, 1, 5, 9.. in the next, and so on; then
   (chain 0 + chain 1) + (chain 2 + chain 3). `part` columns of the last vector. */
INLINE void panel(float *out, const float *a, size_t rows, size_t stride, const int vectors, size_t part,
                  bool accumulate) {
  vf sum[CHAINS][WIDE];
  UNROLL for (int k = 0; k < CHAINS; k++) {
    UNROLL for (int v = 0; v < vectors; v++) sum[k][v] = vf_set(0);
  }
  size_t i = 0;
  for (; i + CHAINS <= rows; i += CHAINS) {
    UNROLL for (int k = 0; k < CHAINS; k++) {
      UNROLL for (int v = 0; v < vectors; v++) sum[k][v] += vf_read(a + (i + (size_t)k) * stride + v * PL_LANES, part);
    }
  }
  UNROLL for (int k = 0; k < CHAINS - 1; k++) {
    if (i + (size_t)k >= rows) break;
    UNROLL for (int v = 0; v < vectors; v++) sum[k][v] += vf_read(a + (i + (size_t)k) * stride + v * PL_LANES, part);
  }
  UNROLL for (int v = 0; v < vectors; v++) {
    vf s = (sum[0][v] + sum[1][v]) + (sum[2][v] + sum[3][v]);
    if (accumulate) s = vf_read(out + v * PL_LANES, part) + s;
    vf_write(out + v * PL_LANES, s, part);
  }
}

void PL_KERNEL(column_sums)(float *out, const float *a, size_t rows, size_t cols, size_t stride, bool accumulate) {
  size_t j = 0;
  for (; j + WIDE * PL_LANES <= cols; j += WIDE * PL_LANES)
    panel(out + j, a + j, rows, stride, WIDE, PL_LANES, accumulate);
  for (; j + PL_LANES <= cols; j += PL_LANES) panel(out + j, a + j, rows, stride, 1, PL_LANES, accumulate);
  if (j < cols) panel(out + j, a + j, rows, stride, 1, cols - j, accumulate);
}

/* y[i*stride + j] += row[j]: up to four vectors of the row at a time. */
INLINE void add_panel(float *y, const float *row, size_t rows, size_t stride, const int vectors, size_t part) {
  vf sum[4];
  UNROLL for (int v = 0; v < vectors; v++) sum[v] = vf_read(row + v * PL_LANES, part);
  for (size_t i = 0; i < rows; i++) {
    float *out = y + i * stride;
    UNROLL for (int v = 0; v < vectors; v++) vf_write(out + v * PL_LANES, vf_read(out + v * PL_LANES, part) + sum[v],
                                                      part);
  }
}

void PL_KERNEL(add_to_rows)(float *y, const float *row, size_t rows, size_t cols, size_t stride) {
  size_t j = 0;
  for (; j + 2 * PL_LANES <= cols; j += 2 * PL_LANES) add_panel(y + j, row + j, rows, stride, 2, PL_LANES);
  for (; j + PL_LANES <= cols; j += PL_LANES) add_panel(y + j, row + j, rows, stride, 1, PL_LANES);
  if (j < cols) add_panel(y + j, row + j, rows, stride, 1, cols - j);
}
