/* The order of an epoch and its division into batches. */
#include "perilune/data.h"

void pl_epoch_order(uint32_t *order, size_t n, uint64_t seed, uint64_t epoch, bool shuffle) {
  if (shuffle) pl_rng_permutation(order, n, pl_rng_make(seed, PL_FOR_SHUFFLE, epoch, 0));
  else for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
}

size_t pl_batch_count(size_t n, size_t batch_size, bool drop_last) {
  return drop_last ? n / batch_size : n / batch_size + (n % batch_size != 0);
}

size_t pl_batch_length(size_t n, size_t batch_size, size_t index) {
  size_t left = n - index * batch_size;
  return left < batch_size ? left : batch_size;
}
