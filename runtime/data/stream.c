/* Streams in general, the order of an epoch, and data sets of streams. */
#include <string.h>
#include "data/dataset.h"
#include "data/stream.h"

/* Part of the definition of the order: other sizes, other bits. */
static size_t window_bytes = 1 << 24;
enum { BLOCKS = 64 };   /* of a window, where the file does not keep more samples together */

void pl_stream_set_window(size_t bytes) { window_bytes = bytes; }

void pl_stream_init(pl_stream *s, size_t row_bytes, size_t unit) {
  size_t block = window_bytes / BLOCKS / row_bytes, blocks;
  if (block < unit) block = unit;
  block -= block % unit;
  if (block == 0) block = 1;
  blocks = window_bytes / row_bytes / block;
  atomic_init(&s->references, 1);
  s->row_bytes = row_bytes;
  s->block = block;
  s->window = block * (blocks ? blocks : 1);
  pthread_mutex_init(&s->lock, NULL);
}

pl_stream *pl_stream_retain(pl_stream *s) {
  atomic_fetch_add(&s->references, 1);
  return s;
}

void pl_stream_free(pl_stream *s) {
  if (s == NULL || atomic_fetch_sub(&s->references, 1) != 1) return;
  pthread_mutex_destroy(&s->lock);
  s->free(s);
}

void pl_stream_fail(pl_stream *s, const pl_error *err) {
  pthread_mutex_lock(&s->lock);
  if (!s->failed) s->err = *err;
  s->failed = true;
  pthread_mutex_unlock(&s->lock);
}

pl_status pl_stream_status(pl_stream *s, pl_error *err) {
  pthread_mutex_lock(&s->lock);
  pl_status status = s->failed ? s->err.status : PL_OK;
  if (s->failed && err != NULL) *err = s->err;
  pthread_mutex_unlock(&s->lock);
  return status;
}

pl_status pl_stream_order(const pl_stream *s, uint32_t *order, size_t n, uint64_t seed, uint64_t epoch, bool shuffle,
                          pl_error *err) {
  size_t blocks = (n + s->block - 1) / s->block, at = 0, capacity = blocks > s->window ? blocks : s->window;
  if (!shuffle) {
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    return PL_OK;
  }
  uint32_t *turn = pl_alloc_array(capacity, sizeof *turn, err), *copy = pl_alloc_array(s->window, sizeof *copy, err);
  if (turn != NULL && copy != NULL) {
    pl_rng_permutation(turn, blocks, pl_rng_make(seed, PL_FOR_SHUFFLE, epoch, 1));
    for (size_t b = 0; b < blocks; b++)
      for (size_t i = turn[b] * s->block; i < (turn[b] + 1) * s->block && i < n; i++) order[at++] = (uint32_t)i;
    for (size_t from = 0; from < n; from += s->window) {
      size_t m = n - from < s->window ? n - from : s->window;
      pl_rng_permutation(turn, m, pl_rng_make(seed, PL_FOR_SHUFFLE, epoch, 2 + from / s->window));
      memcpy(copy, order + from, m * sizeof *copy);
      for (size_t i = 0; i < m; i++) order[from + i] = copy[turn[i]];
    }
  }
  bool ok = turn != NULL && copy != NULL;
  pl_free(turn);
  pl_free(copy);
  return ok ? PL_OK : PL_ERROR_MEMORY;
}

pl_status pl_stream_read_rows(pl_stream *s, void *out, const uint32_t *rows, size_t n, pl_error *err) {
  pl_status status = PL_OK;
  for (size_t from = 0, done; from < n && status == PL_OK; from += done)
    status = s->read(s, (char *)out + from * s->row_bytes, rows + from, n - from, &done, err);
  return status;
}

/* By one byte of the rows after the other, from the lowest to the highest in which any row has a bit. */
void pl_stream_sort(uint32_t *rows, uint32_t *sorted_at, size_t n, uint64_t *spare) {
  uint64_t *from = spare, *to = spare + n, bits = 0;   /* row << 32 | where it was */
  for (size_t i = 0; i < n; i++) {
    from[i] = (uint64_t)rows[i] << 32 | i;
    bits |= from[i];
  }
  for (int shift = 32; shift < 64 && bits >> shift; shift += 8) {
    size_t begin[257] = { 0 };
    for (size_t i = 0; i < n; i++) begin[(from[i] >> shift & 255) + 1]++;
    for (int b = 0; b < 256; b++) begin[b + 1] += begin[b];
    for (size_t i = 0; i < n; i++) to[begin[from[i] >> shift & 255]++] = from[i];
    uint64_t *sorted = to;
    to = from;
    from = sorted;
  }
  for (size_t i = 0; i < n; i++) {
    rows[i] = (uint32_t)(from[i] >> 32);
    sorted_at[(uint32_t)from[i]] = (uint32_t)i;
  }
}

/* The samples' tensor says type and shape; all its elements are one. */
static pl_tensor *placeholder(pl_dtype type, const pl_shape *shape, pl_error *err) {
  pl_shape one = *shape;
  for (int i = 0; i < one.axes; i++) one.size[i] = 1;
  pl_tensor *t = pl_tensor_new(type, &one, err), *view = t ? pl_tensor_expand(t, shape, err) : NULL;
  pl_tensor_free(t);
  return view;
}

pl_dataset *pl_dataset_of_stream(pl_stream *s, pl_dtype type, const pl_shape *shape, const pl_tensor *targets,
                                 int64_t classes, pl_error *err) {
  char text[PL_SHAPE_TEXT];
  pl_shape row = *shape;
  if (row.axes > 0) row.size[0] = 1;
  if ((uint64_t)pl_shape_count(&row) * pl_dtype_size(type) != s->row_bytes) {
    pl_error_set(err, PL_ERROR_SHAPE, "samples %s of %s do not have the %zu bytes each that the stream reads",
                 pl_shape_text(text, shape, false), pl_dtype_name(type), s->row_bytes);
    return NULL;
  }
  pl_tensor *samples = placeholder(type, shape, err);
  pl_dataset *ds = samples ? pl_dataset_make(samples, targets, classes, s, err) : NULL;
  pl_tensor_free(samples);
  return ds;
}

bool pl_dataset_is_streamed(const pl_dataset *ds) { return ds->stream != NULL; }

pl_status pl_dataset_status(const pl_dataset *ds, pl_error *err) {
  return ds->stream ? pl_stream_status(ds->stream, err) : PL_OK;
}

pl_status pl_dataset_order(const pl_dataset *ds, uint32_t *order, uint64_t seed, uint64_t epoch, bool shuffle,
                           pl_error *err) {
  if (ds->stream) return pl_stream_order(ds->stream, order, ds->count, seed, epoch, shuffle, err);
  pl_epoch_order(order, ds->count, seed, epoch, shuffle);
  return PL_OK;
}
