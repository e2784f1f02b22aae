/* Random numbers: Philox4x32-10 (Salmon et al., SC 2011). Value number `index` of stream (seed, stream) is a pure
   function of the three: it does not matter who computes it, when, or in which order, and any thread may. Nothing here
   fails. */
#ifndef PERILUNE_RNG_H
#define PERILUNE_RNG_H

#include "perilune/api.h"

typedef struct pl_rng {
  uint64_t seed, stream;
} pl_rng;

typedef enum pl_purpose {      /* separates the streams of one seed; numbers are in files and stay */
  PL_FOR_INIT = 1, PL_FOR_DROPOUT, PL_FOR_SHUFFLE, PL_FOR_AUGMENT, PL_FOR_SCRIPT, PL_FOR_DATA, PL_FOR_SPLIT,
  PL_FOR_USER
} pl_purpose;

/* A stream of its own for (purpose, a, b), e.g. (PL_FOR_DROPOUT, layer id, step). */
PL_API pl_rng pl_rng_make(uint64_t seed, pl_purpose purpose, uint64_t a, uint64_t b);

/* Words 4 counter .. 4 counter + 3 of the stream, and word `index` alone. */
PL_API void pl_rng_block(pl_rng rng, uint64_t counter, uint32_t out[4]);
PL_API uint32_t pl_rng_word(pl_rng rng, uint64_t index);
/* Word `index` as a number in [0, 1): multiples of 2^-32. */
PL_API double pl_rng_uniform(pl_rng rng, uint64_t index);
/* Mean 0, standard deviation 1: Box-Muller on words 2 index and 2 index + 1. */
PL_API double pl_rng_normal(pl_rng rng, uint64_t index);

/* out[0 .. n) become values 0 .. n - 1 of the stream, rounded to f32: in [low, high), for low <= high, or with that
   mean and standard deviation. */
PL_API void pl_rng_fill_uniform(float *out, size_t n, pl_rng rng, double low, double high);
PL_API void pl_rng_fill_normal(float *out, size_t n, pl_rng rng, double mean, double std);
/* A permutation of 0 .. n - 1 (Fisher-Yates), n at most 2^32. */
PL_API void pl_rng_permutation(uint32_t *out, size_t n, pl_rng rng);

#endif
