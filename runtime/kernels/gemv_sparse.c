/* One row times a matrix, which skips zeros of the row.
   y[j] = bias[j] (or 0) + sum over k of x[k] w[k*stride + j], one chain of fused multiply-adds an output, k ascending:
   the bits of `gemm`, if w is finite and x[k] w[k][j] for x[k] = 0 changes nothing but perhaps the sign of a zero.
   Where the result is zero, it is computed again with all terms. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

enum { CHUNK = 256, MOST = 8 };   /* inputs looked at together; vectors of outputs in registers */

/* Outputs in `vectors` vectors, the last of them with `last` lanes. */
INLINE bool strip(float *y, const float *x, const float *w, const float *bias, size_t in, size_t stride,
                  const int vectors, const size_t last, const bool all) {
  vf sum[MOST];
  bool zero = false;
  #pragma GCC unroll 8
  for (int v = 0; v < vectors; v++)
    sum[v] = bias ? vf_read(bias + v * PL_LANES, v == vectors - 1 ? last : PL_LANES) : vf_set(0);
  for (size_t from = 0; from < in; from += CHUNK) {
    uint32_t index[CHUNK + 16];
    size_t most = in - from < CHUNK ? in - from : CHUNK;
    size_t count = all ? most : PL_KERNEL(nonzero)(index, x + from, 1, most, most);
    for (size_t k = 0; all && k < most; k++) index[k] = (uint32_t)k;
    for (size_t t = 0; t < count; t++) {
      size_t k = from + index[t];
      vf a = vf_set(x[k]);
      #pragma GCC unroll 8
      for (int v = 0; v < vectors; v++)
        sum[v] = vf_fma(a, vf_read(w + k * stride + v * PL_LANES, v == vectors - 1 ? last : PL_LANES), sum[v]);
    }
  }
  #pragma GCC unroll 8
  for (int v = 0; v < vectors; v++) {
    const size_t n = v == vectors - 1 ? last : PL_LANES;
    vf_write(y + v * PL_LANES, sum[v], n);
    zero = zero || vf_has_zero(sum[v], n);
  }
  return zero;
}

#define CASE(n, lanes) \
  case n: \
    if (strip(y, x, w, bias, in, stride, n, lanes, false)) strip(y, x, w, bias, in, stride, n, lanes, true); \
    break;
#define STRIP(n) CASE(n, PL_LANES)
#define PART(n) CASE(n, last)

void PL_KERNEL(gemv_sparse)(float *y, const float *x, const float *w, const float *bias, size_t in, size_t cols,
                            size_t stride) {
  while (cols > 0) {
    size_t now = cols < MOST * PL_LANES ? cols : MOST * PL_LANES, last = now % PL_LANES;
    if (last == 0) {
      switch (now / PL_LANES) {
        STRIP(1) STRIP(2) STRIP(3) STRIP(4) STRIP(5) STRIP(6) STRIP(7) STRIP(8)
        default: break;
      }
    } else {
      switch (now / PL_LANES + 1) {
        PART(1) PART(2) PART(3) PART(4) PART(5) PART(6) PART(7) PART(8)
        default: break;
      }
    }
    y += now;
    w += now;
    if (bias != NULL) bias += now;
    cols -= now;
  }
}
