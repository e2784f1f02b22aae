/* libmd keeps eight words of state, a count of bits, and the bytes that do not fill a block of 64 yet. Whole blocks
   that begin where none are left over are digested here, with the SHA extensions of x86 (Gulley et al., Intel SHA
   Extensions, 2013); all else is libmd's. */
#include "base/sha256.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <stdbool.h>

#define SHA_INSTRUCTIONS __attribute__((target("sha,sse4.1")))

static bool has_instructions(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1) || !(c & bit_SSSE3)) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

static const uint32_t constants[64] = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3,
  0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
  0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
  0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee,
  0x78a5636f, 0x84c87814, 0x8cc70208,
  0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* The instructions take the words a..h as (f, e, b, a) and (h, g, d, c), from the lowest lane up, and do two of the 64
   rounds at a time.
   w[i % 4] holds message words 4 i to 4 i + 3; from i = 4 on they follow from the sixteen before. */
SHA_INSTRUCTIONS static void digest_blocks(uint32_t state[8], const uint8_t *block, size_t blocks) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i dcba = _mm_loadu_si128((const __m128i *)state), hgfe = _mm_loadu_si128((const __m128i *)(state + 4));
  __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8), cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
  for (; blocks > 0; blocks--, block += 64) {
    __m128i w[4], abef_before = abef, cdgh_before = cdgh;
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
      __m128i *now = &w[i & 3];
      if (i < 4) *now = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)block + i), big_endian);
      else {
        __m128i three = w[(i + 3) & 3], shifted = _mm_alignr_epi8(three, w[(i + 2) & 3], 4);
        *now = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(*now, w[(i + 1) & 3]), shifted), three);
      }
      __m128i rounds = _mm_add_epi32(*now, _mm_loadu_si128((const __m128i *)constants + i));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, rounds);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(rounds, 0x0e));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

static size_t whole_blocks(SHA2_CTX *running, const uint8_t *bytes, size_t size) {
  if (!has_instructions()) return 0;
  digest_blocks(running->state.st32, bytes, size / 64);
  running->bitcount[0] += (uint64_t)(size / 64) * 512;
  return size / 64 * 64;
}
#else
static size_t whole_blocks(SHA2_CTX *running, const uint8_t *bytes, size_t size) {
  (void)running, (void)bytes, (void)size;
  return 0;
}
#endif

void pl_sha256_update(SHA2_CTX *running, const void *bytes, size_t size) {
  const uint8_t *at = bytes;
  size_t left_over = running->bitcount[0] / 8 % 64, first = left_over > 0 ? 64 - left_over : 0;
  if (size >= first + 64) {
    if (first > 0) SHA256Update(running, at, first);
    first += whole_blocks(running, at + first, size - first);
    at += first;
    size -= first;
  }
  SHA256Update(running, at, size);
}
