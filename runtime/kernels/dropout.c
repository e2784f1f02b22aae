/* y[i] = x[i] * scale if the random word of element first + i is at least `threshold`, else 0.
   Random words: Philox4x32-10 with key `seed` (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
   Elements are numbered in groups of 64; element r of group g takes word r / 16 of block 16 g + r % 16, so that sixteen
   blocks are computed side by side. `first` is a multiple of 64. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

enum { SIDE = 16, GROUP = 64, VECTORS = SIDE / PL_LANES };

#define UNROLL _Pragma("GCC unroll 16")

static inline __attribute__((always_inline)) void sixteen_blocks(vu w[4][VECTORS], uint64_t first_block, uint64_t seed, uint64_t stream) {
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32), counter[2][SIDE];
  for (int j = 0; j < SIDE; j++) {
    counter[0][j] = (uint32_t)(first_block + (uint64_t)j);
    counter[1][j] = (uint32_t)((first_block + (uint64_t)j) >> 32);
  }
  UNROLL for (int v = 0; v < VECTORS; v++) {
    memcpy(&w[0][v], counter[0] + v * PL_LANES, sizeof(vu));
    memcpy(&w[1][v], counter[1] + v * PL_LANES, sizeof(vu));
    w[2][v] = vu_set((uint32_t)stream);
    w[3][v] = vu_set((uint32_t)(stream >> 32));
  }
  for (int round = 0; round < 10; round++) {
    UNROLL for (int v = 0; v < VECTORS; v++) {
      vu high0, low0, high1, low1;
      vu_multiply(w[0][v], 0xD2511F53u, &high0, &low0);
      vu_multiply(w[2][v], 0xCD9E8D57u, &high1, &low1);
      w[0][v] = high1 ^ w[1][v] ^ vu_set(k0);
      w[1][v] = low1;
      w[2][v] = high0 ^ w[3][v] ^ vu_set(k1);
      w[3][v] = low0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

/* `kept`, if not NULL, receives a word a group: bit r is set where element r was kept. */
void PL_KERNEL(dropout)(float *y, const float *x, size_t n, uint64_t seed, uint64_t stream, uint64_t first, uint32_t threshold, float scale, uint64_t *kept) {
  for (size_t g = 0; g < n; g += GROUP) {
    vu w[4][VECTORS];
    uint64_t bits = 0;
    size_t most = n - g < GROUP ? n - g : GROUP;
    sixteen_blocks(w, (first + g) / GROUP * SIDE, seed, stream);
    UNROLL for (size_t v = 0; v < GROUP / PL_LANES; v++) {
      vu keep = vu_at_least(w[v / VECTORS][v % VECTORS], threshold);
      bits |= (uint64_t)vu_bits(keep) << (v * PL_LANES);
      if (most == GROUP) vf_store(y + g + v * PL_LANES, vf_where(keep, vf_load(x + g + v * PL_LANES) * vf_set(scale)));
    }
    for (size_t i = 0; i < most && most < GROUP; i++) y[g + i] = bits >> i & 1 ? x[g + i] * scale : 0;
    if (kept != NULL) kept[g / GROUP] = bits;
  }
}

/* dx[i] = dy[i] * scale where bit i of `kept` is set, else 0 */
void PL_KERNEL(dropout_backward)(float *dx, const float *dy, const uint64_t *kept, size_t n, float scale) {
  size_t i = 0;
  for (; i + PL_LANES <= n; i += PL_LANES)
    vf_store(dx + i, vf_where(vu_mask((uint32_t)(kept[i / GROUP] >> i % GROUP)), vf_load(dy + i) * vf_set(scale)));
  for (; i < n; i++) dx[i] = kept[i / GROUP] >> i % GROUP & 1 ? dy[i] * scale : 0;
}
