/* One vector of floats, as wide as the processor allows, and the few operations that kernels are written in.

   Same bits on every width: a lane is always an output of its own, and every product that is added is one
   fused multiply-add (vf_fma). Vector `a*b + c` is never written in a kernel: whether a compiler fuses it is
   its own choice. The baseline path has no fused instruction and rounds twice: it has bits of its own. */
#ifndef KERNELS_VEC_H
#define KERNELS_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "kernels/kernels.h"

#define INLINE static inline __attribute__((always_inline))
#define PL_PASTE2(a, b) a##_##b
#define PL_PASTE(a, b) PL_PASTE2(a, b)
/* The name of a kernel's copy for this instruction set: gemm -> gemm_avx2 */
#define PL_KERNEL(name) PL_PASTE(name, PL_ISA)
/* All kernels of this instruction set: they may call each other, and the compiler compares each with the list. */
#define KERNEL(result, name, parameters) result PL_KERNEL(name) parameters;
#include "kernels/kernels.def"
#undef KERNEL

#if defined(PL_ISA_avx512)
#include <immintrin.h>
#define PL_LANES 16
#define PL_REGISTERS 32
typedef __m512 vf;

static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
static inline vf vf_set(float x) { return _mm512_set1_ps(x); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vf_sqrt(vf x) { return _mm512_sqrt_ps(x); }
/* The first n lanes; the others are zero and memory after them is not touched. 0 <= n <= PL_LANES */
static inline vf vf_load_part(const float *p, size_t n) { return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
static inline void vf_store_part(float *p, vf x, size_t n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), x); }
/* x > y ? a : b, lane by lane; false where x or y is NaN */
static inline vf vf_greater(vf x, vf y, vf a, vf b) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_GT_OQ), b, a);
}
/* x == y ? a : b; false where x or y is NaN, so that vf_equal(x, x, a, b) is b where x is NaN */
static inline vf vf_equal(vf x, vf y, vf a, vf b) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_EQ_OQ), b, a);
}
static inline vf vf_round(vf x) { return _mm512_roundscale_ps(x, 0); }
static inline vf vf_pow2(vf k) { /* 2^k for whole k in [-126, 127] */
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(k), _mm512_set1_epi32(127)), 23));
}
#elif defined(PL_ISA_avx2)
#include <immintrin.h>
#define PL_LANES 8
#define PL_REGISTERS 16
typedef __m256 vf;

static inline vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
static inline vf vf_set(float x) { return _mm256_set1_ps(x); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf vf_sqrt(vf x) { return _mm256_sqrt_ps(x); }
static inline __m256i vf_mask(size_t n) {
  static const int32_t ones[16] = { -1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0 };
  return _mm256_loadu_si256((const __m256i *)(const void *)(ones + 8 - n));
}
static inline vf vf_load_part(const float *p, size_t n) { return _mm256_maskload_ps(p, vf_mask(n)); }
static inline void vf_store_part(float *p, vf x, size_t n) { _mm256_maskstore_ps(p, vf_mask(n), x); }
static inline vf vf_greater(vf x, vf y, vf a, vf b) { return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, y, _CMP_GT_OQ)); }
static inline vf vf_equal(vf x, vf y, vf a, vf b) { return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, y, _CMP_EQ_OQ)); }
static inline vf vf_round(vf x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vf vf_pow2(vf k) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(k), _mm256_set1_epi32(127)), 23));
}
#else
#include <math.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#define PL_LANES 4
#if defined(PL_ISA_neon)
#define PL_REGISTERS 32
#else
#define PL_REGISTERS 16
#endif
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
static inline vf vf_load(const float *p) { vf x; memcpy(&x, p, sizeof x); return x; }
static inline void vf_store(float *p, vf x) { memcpy(p, &x, sizeof x); }
static inline vf vf_set(float x) { return (vf){ x, x, x, x }; }
#if defined(PL_ISA_neon)
#include <arm_neon.h>
static inline vf vf_fma(vf a, vf b, vf c) { return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
#else
static inline vf vf_fma(vf a, vf b, vf c) { return a * b + c; }
#endif
static inline vf vf_sqrt(vf x) { return (vf){ sqrtf(x[0]), sqrtf(x[1]), sqrtf(x[2]), sqrtf(x[3]) }; }
static inline vf vf_load_part(const float *p, size_t n) { vf x = { 0 }; memcpy(&x, p, n * sizeof *p); return x; }
static inline void vf_store_part(float *p, vf x, size_t n) { memcpy(p, &x, n * sizeof *p); }
static inline vf vf_greater(vf x, vf y, vf a, vf b) { vi m = x > y; return (vf)((m & (vi)a) | (~m & (vi)b)); }
static inline vf vf_equal(vf x, vf y, vf a, vf b) { vi m = x == y; return (vf)((m & (vi)a) | (~m & (vi)b)); }
static inline vf vf_round(vf x) { return (vf){ rintf(x[0]), rintf(x[1]), rintf(x[2]), rintf(x[3]) }; }
static inline vf vf_pow2(vf k) { return (vf)((__builtin_convertvector(k, vi) + 127) << 23); }
#endif

/* Lanes of 32-bit numbers, for random words and for masks (lanes of all ones or all zeros). */
typedef uint32_t vu __attribute__((vector_size(4 * PL_LANES)));
typedef int32_t vs __attribute__((vector_size(4 * PL_LANES)));
typedef float vf_plain __attribute__((vector_size(4 * PL_LANES)));   /* vf, for the compiler's own conversions */

static inline vu vu_set(uint32_t x) { return x - (vu){ 0 }; }
static inline vu vu_at_least(vu x, uint32_t least) { return (vu)(x >= vu_set(least)); }
static inline vu vf_positive(vf x) { return (vu)(x > vf_set(0)); }
static inline vf vf_where(vu mask, vf x) { return (vf)(mask & (vu)x); }   /* x, or 0 where the mask is not set */

/* The 64-bit products of the even lanes with m: low words in even lanes, high words in the odd lanes after them. */
static inline vu vu_products(vu x, uint32_t m) {
#if defined(PL_ISA_avx512)
  return (vu)_mm512_mul_epu32((__m512i)x, _mm512_set1_epi32((int)m));
#elif defined(PL_ISA_avx2)
  return (vu)_mm256_mul_epu32((__m256i)x, _mm256_set1_epi32((int)m));
#elif defined(__SSE2__)
  return (vu)_mm_mul_epu32((__m128i)x, _mm_set1_epi32((int)m));
#else
  vu r;
  for (int i = 0; i < PL_LANES; i += 2) {
    uint64_t product = (uint64_t)x[i] * m;
    r[i] = (uint32_t)product;
    r[i + 1] = (uint32_t)(product >> 32);
  }
  return r;
#endif
}

/* Lane i takes lane i | 1. */
static inline vu vu_from_odd(vu x) {
#if defined(PL_ISA_avx512)
  return (vu)_mm512_shuffle_epi32((__m512i)x, 0xF5);
#elif defined(PL_ISA_avx2)
  return (vu)_mm256_shuffle_epi32((__m256i)x, 0xF5);
#elif defined(__SSE2__)
  return (vu)_mm_shuffle_epi32((__m128i)x, 0xF5);
#else
  vu r;
  for (int i = 0; i < PL_LANES; i++) r[i] = x[i | 1];
  return r;
#endif
}

/* The even lanes of a, and after each of them that of b. */
static inline vu vu_even_of(vu a, vu b) {
#if defined(PL_ISA_avx512)
  return (vu)_mm512_mask_shuffle_epi32((__m512i)a, 0xAAAA, (__m512i)b, 0xA0);
#elif defined(PL_ISA_avx2)
  return (vu)_mm256_blend_epi32((__m256i)a, _mm256_shuffle_epi32((__m256i)b, 0xA0), 0xAA);
#else
  vu r;
  for (int i = 0; i < PL_LANES; i++) r[i] = i % 2 ? b[i - 1] : a[i];
  return r;
#endif
}

static inline vu vu_max(vu a, vu b) {
#if defined(PL_ISA_avx512)
  return (vu)_mm512_max_epu32((__m512i)a, (__m512i)b);
#elif defined(PL_ISA_avx2)
  return (vu)_mm256_max_epu32((__m256i)a, (__m256i)b);
#else
  vu greater = (vu)(a > b);
  return (a & greater) | (b & ~greater);
#endif
}

/* One bit a lane, from a mask and back. */
static inline uint32_t vu_bits(vu mask) {
#if defined(PL_ISA_avx512)
  return _mm512_movepi32_mask((__m512i)mask);
#elif defined(PL_ISA_avx2)
  return (uint32_t)_mm256_movemask_ps((__m256)mask);
#else
  uint32_t bits = 0;
  for (int i = 0; i < PL_LANES; i++) bits |= (mask[i] & 1) << i;
  return bits;
#endif
}

static inline vu vu_mask(uint32_t bits) {
#if defined(PL_ISA_avx512)
  return (vu)_mm512_movm_epi32((__mmask16)bits);
#else
  vu one = { 0 };
  for (int i = 0; i < PL_LANES; i++) one[i] = 1u << i;
  return (vu)((vu_set(bits) & one) != 0);
#endif
}

/* Writes first + l for every lane l whose bit is set, ascending; their number. There must be room for PL_LANES more. */
static inline size_t vu_append(uint32_t *list, uint32_t first, uint32_t bits) {
#if defined(PL_ISA_avx512)
  const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  __m512i indices = _mm512_add_epi32(lanes, _mm512_set1_epi32((int)first));
  _mm512_storeu_si512(list, _mm512_maskz_compress_epi32((__mmask16)bits, indices));
  return (size_t)__builtin_popcount(bits & 0xffff);
#else
  size_t count = 0;
  for (uint32_t l = 0; l < PL_LANES; l++) {
    list[count] = first + l;
    count += bits >> l & 1;
  }
  return count;
#endif
}

/* n lanes, as a plain load or store where inlining makes n the constant PL_LANES; otherwise without a branch. */
static inline __attribute__((always_inline)) vf vf_read(const float *p, const size_t n) {
  return __builtin_constant_p(n) && n == PL_LANES ? vf_load(p) : vf_load_part(p, n);
}
static inline __attribute__((always_inline)) void vf_write(float *p, vf x, const size_t n) {
  if (__builtin_constant_p(n) && n == PL_LANES) vf_store(p, x);
  else vf_store_part(p, x, n);
}

/* Whether all lanes are zero; false if one is NaN. */
static inline int vf_is_zero(vf x) {
#if defined(PL_ISA_avx512)
  return _mm512_cmp_ps_mask(x, vf_set(0), _CMP_EQ_OQ) == 0xffff;
#elif defined(PL_ISA_avx2)
  return _mm256_movemask_ps(_mm256_cmp_ps(x, vf_set(0), _CMP_EQ_OQ)) == 0xff;
#else
  return x[0] == 0 && x[1] == 0 && x[2] == 0 && x[3] == 0;
#endif
}

/* Whether one of the first n lanes is zero, of either sign. */
static inline int vf_has_zero(vf x, size_t n) {
#if defined(PL_ISA_avx512)
  return (_mm512_cmp_ps_mask(x, vf_set(0), _CMP_EQ_OQ) & ((1u << n) - 1)) != 0;
#elif defined(PL_ISA_avx2)
  return (_mm256_movemask_ps(_mm256_cmp_ps(x, vf_set(0), _CMP_EQ_OQ)) & ((1 << n) - 1)) != 0;
#else
  int any = 0;
  for (size_t l = 0; l < n; l++) any |= x[l] == 0;
  return any;
#endif
}

/* Whether one of the lanes is -0. */
static inline int vf_has_negative_zero(vf x) {
  return vu_bits((vu)((vu)x == vu_set(0x80000000u))) != 0;
}

#endif
