/* Moments and a histogram of all elements, in two passes in row order:
     mean = sum(x) / n        std = sqrt(sum((x - mean)^2) / n)
   Elements that are not finite are counted, and are in nothing else. */
#include <math.h>
#include "tensor/internal.h"

static void first_pass(pl_histogram *h, const pl_tensor *t) {
  double x[PL_CHUNK], sum = 0;
  int64_t count = pl_tensor_count(t);
  pl_cursor c = pl_cursor_open(t, &t->shape, 0);
  for (int64_t i = 0; i < count; i += PL_CHUNK) {
    size_t n = pl_chunk_size(i, count);
    pl_cursor_read(&c, x, n);
    for (size_t k = 0; k < n; k++) {
      if (!isfinite(x[k])) {
        h->nonfinite++;
        continue;
      }
      if (h->count == 0 || x[k] < h->min) h->min = x[k];
      if (h->count == 0 || x[k] > h->max) h->max = x[k];
      h->zeros += x[k] == 0;
      h->count++;
      sum += x[k];
    }
  }
  h->mean = h->count > 0 ? sum / (double)h->count : 0;
}

static void second_pass(int64_t *counts, int bins, pl_histogram *h, const pl_tensor *t) {
  double x[PL_CHUNK], squares = 0;
  double scale = h->high > h->low ? bins / (h->high - h->low) : 0;
  int64_t count = pl_tensor_count(t);
  pl_cursor c = pl_cursor_open(t, &t->shape, 0);
  for (int64_t i = 0; i < count; i += PL_CHUNK) {
    size_t n = pl_chunk_size(i, count);
    pl_cursor_read(&c, x, n);
    for (size_t k = 0; k < n; k++) {
      if (!isfinite(x[k])) continue;
      squares += (x[k] - h->mean) * (x[k] - h->mean);
      if (bins < 1 || x[k] < h->low || x[k] > h->high) continue;
      double at = (x[k] - h->low) * scale;         /* NaN where the ends are closer than doubles divide */
      counts[!(at > 0) ? 0 : at < bins ? (int)at : bins - 1]++;   /* the largest value belongs to the last bin */
    }
  }
  h->std = h->count > 0 ? sqrt(squares / (double)h->count) : 0;
}

pl_histogram pl_tensor_histogram(int64_t *counts, int bins, double low, double high, const pl_tensor *t) {
  pl_histogram h = { 0 };
  for (int i = 0; i < bins; i++) counts[i] = 0;
  first_pass(&h, t);
  h.low = isfinite(low) ? low : h.min;
  h.high = isfinite(high) ? high : h.max;
  second_pass(counts, bins, &h, t);
  return h;
}
