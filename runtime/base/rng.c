/* Philox4x32-10, counter-based (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
   Key = seed, counter = (index, stream). */
#include <math.h>
#include "perilune/math.h"
#include "perilune/rng.h"

static inline void philox_round(uint32_t c[4], uint32_t k0, uint32_t k1) {
  uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
  uint32_t c1 = c[1], c3 = c[3];
  c[0] = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
  c[1] = (uint32_t)p1;
  c[2] = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
  c[3] = (uint32_t)p0;
}

void pl_rng_block(pl_rng rng, uint64_t counter, uint32_t out[4]) {
  uint32_t k0 = (uint32_t)rng.seed, k1 = (uint32_t)(rng.seed >> 32);
  out[0] = (uint32_t)counter;
  out[1] = (uint32_t)(counter >> 32);
  out[2] = (uint32_t)rng.stream;
  out[3] = (uint32_t)(rng.stream >> 32);
  for (int i = 0; i < 10; i++) {
    philox_round(out, k0, k1);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

/* splitmix64's finalizer: spreads a small integer over 64 bits */
static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

pl_rng pl_rng_make(uint64_t seed, pl_purpose purpose, uint64_t a, uint64_t b) {
  uint64_t s = mix((uint64_t)purpose + 0x9E3779B97F4A7C15u);
  s = mix(s ^ (a + 0x9E3779B97F4A7C15u));
  s = mix(s ^ (b + 0xD1B54A32D192ED03u));
  return (pl_rng){ seed, s };
}

uint32_t pl_rng_word(pl_rng rng, uint64_t index) {
  uint32_t block[4];
  pl_rng_block(rng, index / 4, block);
  return block[index % 4];
}

double pl_rng_uniform(pl_rng rng, uint64_t index) { return pl_rng_word(rng, index) * 0x1p-32; }

static double box_muller(uint32_t a, uint32_t b) {
  double u = (a + 0.5) * 0x1p-32, angle = 6.283185307179586 * (b * 0x1p-32);
  return sqrt(-2 * pl_log(u)) * pl_cos(angle);
}

double pl_rng_normal(pl_rng rng, uint64_t index) {
  uint32_t block[4];
  pl_rng_block(rng, index / 2, block);
  return index % 2 ? box_muller(block[2], block[3]) : box_muller(block[0], block[1]);
}

/* [low, high): what rounds up to `high` becomes the float below it. */
void pl_rng_fill_uniform(float *out, size_t n, pl_rng rng, double low, double high) {
  uint32_t block[4];
  float most = (float)high;
  if (most >= high) most = nextafterf(most, -INFINITY);
  for (size_t i = 0; i < n; i++) {
    if (i % 4 == 0) pl_rng_block(rng, i / 4, block);
    float x = (float)(low + (high - low) * (block[i % 4] * 0x1p-32));
    out[i] = x > most && low < high ? most : x;
  }
}

void pl_rng_fill_normal(float *out, size_t n, pl_rng rng, double mean, double std) {
  uint32_t block[4];
  for (size_t i = 0; i < n; i++) {
    if (i % 2 == 0) pl_rng_block(rng, i / 2, block);
    double z = i % 2 ? box_muller(block[2], block[3]) : box_muller(block[0], block[1]);
    out[i] = (float)(mean + std * z);
  }
}

void pl_rng_permutation(uint32_t *out, size_t n, pl_rng rng) {
  for (size_t i = 0; i < n; i++) out[i] = (uint32_t)i;
  for (size_t i = n; i > 1; i--) {
    size_t j = (size_t)(((uint64_t)pl_rng_word(rng, n - i) * i) >> 32);
    uint32_t t = out[i - 1];
    out[i - 1] = out[j];
    out[j] = t;
  }
}
