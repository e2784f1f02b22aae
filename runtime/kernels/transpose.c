/* Transposition of a row-major matrix, square by square. */
#include "kernels/kernels.h"
#include "kernels/transpose.h"

/* A square of `rows` x `cols`, both at most PL_LANES. */
INLINE void square(float *out, const float *a, const size_t rows, const size_t cols, size_t out_stride,
                   size_t stride) {
  vf row[PL_LANES];
  #pragma GCC unroll 16
  for (size_t i = 0; i < PL_LANES; i++) row[i] = i < rows ? vf_read(a + i * stride, cols) : vf_set(0);
  vf_transpose(row);
  #pragma GCC unroll 16
  for (size_t j = 0; j < PL_LANES; j++) {
    if (j < cols) vf_write(out + j * out_stride, row[j], rows);
  }
}

/* out[j*out_stride + i] = a[i*stride + j], i < rows, j < cols */
void PL_KERNEL(transpose)(float *out, const float *a, size_t rows, size_t cols, size_t out_stride, size_t stride) {
  for (size_t i = 0; i < rows; i += PL_LANES) {
    size_t j = 0;
    if (rows - i >= PL_LANES) {
      for (; j + PL_LANES <= cols; j += PL_LANES)
        square(out + j * out_stride + i, a + i * stride + j, PL_LANES, PL_LANES, out_stride, stride);
    }
    for (; j < cols; j += PL_LANES) {
      size_t height = rows - i < PL_LANES ? rows - i : PL_LANES, width = cols - j < PL_LANES ? cols - j : PL_LANES;
      square(out + j * out_stride + i, a + i * stride + j, height, width, out_stride, stride);
    }
  }
}
