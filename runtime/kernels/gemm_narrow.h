/* Two rows a vector where at most eight columns would leave half of sixteen lanes idle (AVX-512): lane 2j holds column
   j of the one row, lane 2j + 1 of the next. Their factors lie side by side in memory and are spread over the lanes by
   one load. */
#ifndef KERNELS_GEMM_NARROW_H
#define KERNELS_GEMM_NARROW_H

#include "kernels/vec.h"

/* p[0], p[1], p[0], p[1], ... */
static inline vf pair_set(const float *p) {
  double both;
  memcpy(&both, p, sizeof both);
  return _mm512_castpd_ps(_mm512_set1_pd(both));
}

/* p[0], p[0], p[1], p[1], ...: n columns for both rows */
static inline vf pair_twice(const float *p, size_t n) {
  const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  return _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm256_maskz_loadu_ps((__mmask8)((1u << n) - 1), p)));
}

/* n columns of two rows, and back. */
static inline vf pair_read(const float *p, ptrdiff_t row, size_t n) {
  const __m512i columns = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __mmask16 mask = (__mmask16)((1u << n) - 1);
  return _mm512_permutex2var_ps(_mm512_maskz_loadu_ps(mask, p), columns, _mm512_maskz_loadu_ps(mask, p + row));
}

static inline void pair_write(float *p, ptrdiff_t row, vf x, size_t n, int both) {
  const __m512i rows = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
  const __mmask8 mask = (__mmask8)((1u << n) - 1);
  vf apart = _mm512_permutexvar_ps(rows, x);
  if (n == 8 && row == 8 && both) {
    vf_store(p, apart);
    return;
  }
  _mm256_mask_storeu_ps(p, mask, _mm512_castps512_ps256(apart));
  if (both) _mm256_mask_storeu_ps(p + row, mask, _mm512_extractf32x8_ps(apart, 1));
}

#endif
