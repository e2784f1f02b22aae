/* y[i] = x[i] * scale if the random word of element first + i is at least `threshold`, else 0.
   Random words: Philox4x32-10 with key `seed`. Elements are numbered in groups of 64; element r of group g takes
   word r / 16 of block 16 g + r % 16, so that sixteen blocks are computed side by side. `first` is a multiple of 64. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

enum { SIDE = 16, GROUP = 64 };

static void sixteen_blocks(uint32_t w[4][SIDE], uint64_t first_block, uint64_t seed, uint64_t stream) {
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int j = 0; j < SIDE; j++) {
    w[0][j] = (uint32_t)(first_block + (uint64_t)j);
    w[1][j] = (uint32_t)((first_block + (uint64_t)j) >> 32);
    w[2][j] = (uint32_t)stream;
    w[3][j] = (uint32_t)(stream >> 32);
  }
  for (int round = 0; round < 10; round++) {
    for (int j = 0; j < SIDE; j++) {
      uint64_t p0 = (uint64_t)0xD2511F53u * w[0][j], p1 = (uint64_t)0xCD9E8D57u * w[2][j];
      uint32_t c1 = w[1][j], c3 = w[3][j];
      w[0][j] = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
      w[1][j] = (uint32_t)p1;
      w[2][j] = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
      w[3][j] = (uint32_t)p0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

void PL_KERNEL(dropout)(float *y, const float *x, size_t n, uint64_t seed, uint64_t stream, uint64_t first, uint32_t threshold, float scale) {
  uint32_t w[4][SIDE];
  const uint32_t *word = &w[0][0];
  for (size_t g = 0; g < n; g += GROUP) {
    size_t most = n - g < GROUP ? n - g : GROUP;
    sixteen_blocks(w, (first + g) / GROUP * SIDE, seed, stream);
    for (size_t i = 0; i < most; i++) y[g + i] = word[i] >= threshold ? x[g + i] * scale : 0;
  }
}
