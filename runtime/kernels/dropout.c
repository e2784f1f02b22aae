/* y[i] = x[i] * scale if the random word of element first + i is at least `threshold`, else 0. relu: with max(x[i],
   0), as relu_forward makes it, instead of x[i]. y may be x.
   Random words: Philox4x32-10 with key `seed` (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
   Elements are numbered in groups of 64; element r of group g takes word r / 16 of block 16 g + r % 16, so that sixteen
   blocks are computed side by side. `first` is a multiple of 64. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

enum { ROUNDS = 10, SIDE = 16, GROUP = 64, VECTORS = SIDE / PL_LANES };
/* Chains of products that hide each other's latency; groups at a time. */
enum { CHAINS = PL_REGISTERS / 8, GROUPS = 2 };

#define UNROLL _Pragma("GCC unroll 16")

typedef struct { uint32_t k[ROUNDS][2]; } keys;

static keys keys_of(uint64_t seed) {
  keys keys;
  for (uint32_t r = 0; r < ROUNDS; r++) {
    keys.k[r][0] = (uint32_t)seed + r * 0x9E3779B9u;
    keys.k[r][1] = (uint32_t)(seed >> 32) + r * 0xBB67AE85u;
  }
  return keys;
}

/* Ten rounds of chains of `PL_LANES / 2` blocks, whose words are in even lanes; what is in the odd lanes does not
   matter. A product is two words of the next round at once: its low word where it is, its high word moved down. */
INLINE void rounds(vu w[CHAINS][4], const keys *keys) {
  UNROLL for (int r = 0; r < ROUNDS; r++) {
    UNROLL for (int c = 0; c < CHAINS; c++) {
      vu p0 = vu_products(w[c][0], 0xD2511F53u), p1 = vu_products(w[c][2], 0xCD9E8D57u);
      w[c][0] = vu_from_odd(p1) ^ w[c][1] ^ vu_set(keys->k[r][0]);
      w[c][1] = p1;
      w[c][2] = vu_from_odd(p0) ^ w[c][3] ^ vu_set(keys->k[r][1]);
      w[c][3] = p0;
    }
  }
}

/* Blocks first, first + 1, ..: word i of each in the lanes of w[..][i]. */
INLINE void blocks(vu w[CHAINS / 2][4], uint64_t first, const keys *keys, uint64_t stream) {
  typedef uint64_t counters __attribute__((vector_size(4 * PL_LANES)));   /* the low word of each is an even lane */
  counters number = { 0 }, one = { 0 };
  vu chain[CHAINS][4];
  for (int i = 0; i < PL_LANES / 2; i++) number[i] = 2 * (uint64_t)i;
  number += first;
  one += 1;
  UNROLL for (int c = 0; c < CHAINS; c++) {   /* even numbers in a chain, odd ones in the next */
    chain[c][0] = (vu)number;
    chain[c][1] = (vu)(number >> 32);
    chain[c][2] = vu_set((uint32_t)stream);
    chain[c][3] = vu_set((uint32_t)(stream >> 32));
    number += c % 2 ? one * (PL_LANES - 1) : one;
  }
  rounds(chain, keys);
  UNROLL for (int c = 0; c < CHAINS; c += 2) {
    UNROLL for (int i = 0; i < 4; i++) w[c / 2][i] = vu_even_of(chain[c][i], chain[c + 1][i]);
  }
}

/* n elements of a group; `whole`: all of them. */
INLINE uint64_t drop_group(float *y, const float *x, size_t n, vu w[VECTORS][4], uint32_t threshold, float scale,
                           const bool relu, const bool whole) {
  uint64_t bits = 0;
  UNROLL for (size_t v = 0; v < GROUP / PL_LANES; v++) {
    if (!whole && v * PL_LANES >= n) continue;
    const size_t left = n - v * PL_LANES, part = whole || left > PL_LANES ? PL_LANES : left;
    vu keep = vu_at_least(w[v % VECTORS][v / VECTORS], threshold);
    vf value = vf_read(x + v * PL_LANES, part);
    if (relu) value = vf_greater(vf_set(0), value, vf_set(0), value);
    vf_write(y + v * PL_LANES, vf_where(keep, value * vf_set(scale)), part);
    if (relu) keep &= vf_positive(value);
    bits |= (uint64_t)vu_bits(keep) << (v * PL_LANES);
  }
  return bits;
}

INLINE void drop(float *y, const float *x, size_t n, uint64_t seed, uint64_t stream, uint64_t first, uint32_t threshold,
                 float scale, uint64_t *kept, const bool relu) {
  const keys keys = keys_of(seed);
  for (size_t at = 0; at < n; at += GROUPS * GROUP) {
    vu w[GROUPS * VECTORS][4];
    UNROLL for (int v = 0; v < GROUPS * VECTORS; v += CHAINS / 2)
      blocks(w + v, (first + at) / GROUP * SIDE + (uint64_t)v * PL_LANES, &keys, stream);
    for (size_t g = 0; g < GROUPS && at + g * GROUP < n; g++) {
      size_t from = at + g * GROUP;
      vu (*words)[4] = w + g * VECTORS;
      uint64_t bits;
      if (n - from >= GROUP) bits = drop_group(y + from, x + from, GROUP, words, threshold, scale, relu, true);
      else bits = drop_group(y + from, x + from, n - from, words, threshold, scale, relu, false);
      if (kept != NULL) kept[from / GROUP] = bits;
    }
  }
}

/* `kept`, if not NULL, receives a word a group: bit r is set where element r was kept, and with `relu` greater than
   0. */
void PL_KERNEL(dropout)(float *y, const float *x, size_t n, uint64_t seed, uint64_t stream, uint64_t first,
                        uint32_t threshold, float scale, uint64_t *kept, bool relu) {
  if (relu) drop(y, x, n, seed, stream, first, threshold, scale, kept, true);
  else drop(y, x, n, seed, stream, first, threshold, scale, kept, false);
}

/* dx[i] = dy[i] * scale where bit i of `kept` is set, else 0 */
void PL_KERNEL(dropout_backward)(float *dx, const float *dy, const uint64_t *kept, size_t n, float scale) {
  size_t i = 0;
  for (; i + PL_LANES <= n; i += PL_LANES)
    vf_store(dx + i, vf_where(vu_mask((uint32_t)(kept[i / GROUP] >> i % GROUP)), vf_load(dy + i) * vf_set(scale)));
  for (; i < n; i++) dx[i] = kept[i / GROUP] >> i % GROUP & 1 ? dy[i] * scale : 0;
}
