/* A square of PL_LANES x PL_LANES floats transposed in registers: lane c of row[r] becomes lane r of row[c]. */
#ifndef KERNELS_TRANSPOSE_H
#define KERNELS_TRANSPOSE_H

#include "kernels/vec.h"

#if defined(PL_ISA_avx512)
static inline void vf_transpose(vf row[PL_LANES]) {
  vf t[16];
  /* pairs of rows, then fours: t[4 k + c] holds columns c, 4 + c, 8 + c, 12 + c of rows 4 k to 4 k + 3 */
  #pragma GCC unroll 4
  for (int k = 0; k < 16; k += 4) {
    __m512d low = _mm512_castps_pd(_mm512_unpacklo_ps(row[k], row[k + 1]));
    __m512d low2 = _mm512_castps_pd(_mm512_unpacklo_ps(row[k + 2], row[k + 3]));
    __m512d high = _mm512_castps_pd(_mm512_unpackhi_ps(row[k], row[k + 1]));
    __m512d high2 = _mm512_castps_pd(_mm512_unpackhi_ps(row[k + 2], row[k + 3]));
    t[k] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, low2));
    t[k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, low2));
    t[k + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high, high2));
    t[k + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high, high2));
  }
  /* a 4 x 4 transposition of quarters of registers */
  #pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    vf a = _mm512_shuffle_f32x4(t[c], t[4 + c], 0x44), b = _mm512_shuffle_f32x4(t[c], t[4 + c], 0xee);
    vf d = _mm512_shuffle_f32x4(t[8 + c], t[12 + c], 0x44), e = _mm512_shuffle_f32x4(t[8 + c], t[12 + c], 0xee);
    row[c] = _mm512_shuffle_f32x4(a, d, 0x88);
    row[4 + c] = _mm512_shuffle_f32x4(a, d, 0xdd);
    row[8 + c] = _mm512_shuffle_f32x4(b, e, 0x88);
    row[12 + c] = _mm512_shuffle_f32x4(b, e, 0xdd);
  }
}
#elif defined(PL_ISA_avx2)
static inline void vf_transpose(vf row[PL_LANES]) {
  vf t[8];
  #pragma GCC unroll 2
  for (int k = 0; k < 8; k += 4) {
    __m256d low = _mm256_castps_pd(_mm256_unpacklo_ps(row[k], row[k + 1]));
    __m256d low2 = _mm256_castps_pd(_mm256_unpacklo_ps(row[k + 2], row[k + 3]));
    __m256d high = _mm256_castps_pd(_mm256_unpackhi_ps(row[k], row[k + 1]));
    __m256d high2 = _mm256_castps_pd(_mm256_unpackhi_ps(row[k + 2], row[k + 3]));
    t[k] = _mm256_castpd_ps(_mm256_unpacklo_pd(low, low2));
    t[k + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low, low2));
    t[k + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high, high2));
    t[k + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high, high2));
  }
  #pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    row[c] = _mm256_permute2f128_ps(t[c], t[4 + c], 0x20);
    row[4 + c] = _mm256_permute2f128_ps(t[c], t[4 + c], 0x31);
  }
}
#else
static inline void vf_transpose(vf row[PL_LANES]) {
  vf t[PL_LANES];
  for (int r = 0; r < PL_LANES; r++) t[r] = row[r];
  for (int r = 0; r < PL_LANES; r++) for (int c = 0; c < PL_LANES; c++) row[c][r] = t[r][c];
}
#endif

#endif
