/* Streams in general, the order of an epoch, and data sets of streams. */
#include <string.h>
#include "data/dataset.h"
#include "data/stream.h"

/* Part of the definition of the order: other sizes, other bits. */
static size_t window_bytes = 1 << 24;
enum { BLOCKS = 64 };   /* of a window, where the file does not keep more samples together */

void pl_stream_set_window(size_t bytes) { window_bytes = bytes; }

void pl_stream_init(pl_stream *s, pl_dtype type, size_t row_bytes, size_t unit) {
  size_t block = window_bytes / BLOCKS / row_bytes, blocks;
  if (block < unit) block = unit;
  block -= block % unit;
  if (block == 0) block = 1;
  blocks = window_bytes / row_bytes / block;
  atomic_init(&s->references, 1);
  s->type = type;
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
  pl_error changed;
  if (s->check != NULL && s->check(s, &changed)) pl_stream_fail(s, &changed);
  pthread_mutex_lock(&s->lock);
  pl_status status = s->failed ? s->err.status : PL_OK;
  if (s->failed && err != NULL) *err = s->err;
  pthread_mutex_unlock(&s->lock);
  return status;
}

/* begin [blocks + 1], or NULL to count them. */
static size_t find_blocks(const pl_stream *s, const uint32_t *rows, size_t n, uint32_t *begin) {
  size_t blocks = 0, from = 0;
  for (size_t i = 0; i < n; i++) {
    if (i > from && i - from < s->block && rows[i] / s->block == rows[i - 1] / s->block) continue;
    if (begin != NULL) begin[blocks] = (uint32_t)i;
    blocks++;
    from = i;
  }
  if (begin != NULL) begin[blocks] = (uint32_t)n;
  return blocks;
}

static void shuffle_window(uint32_t *order, size_t m, uint32_t *turn, uint32_t *copy, pl_rng rng) {
  pl_rng_permutation(turn, m, rng);
  memcpy(copy, order, m * sizeof *copy);
  for (size_t i = 0; i < m; i++) order[i] = copy[turn[i]];
}

size_t pl_stream_windows_most(const pl_stream *s, size_t n) { return 2 * (n / s->window) + 3; }

pl_status pl_stream_order(const pl_stream *s, const uint32_t *rows, uint32_t *order, size_t n, uint64_t seed,
                          uint64_t epoch, bool shuffle, size_t *first, size_t *windows, pl_error *err) {
  size_t blocks = find_blocks(s, rows, n, NULL), at = 0, from = 0, count = 0;
  uint32_t *begin = pl_alloc_array(blocks + 1, sizeof *begin, err), *turn = pl_alloc_array(blocks, sizeof *turn, err);
  uint32_t *spare = pl_alloc_array(2 * s->window, sizeof *spare, err);
  bool ok = begin != NULL && turn != NULL && spare != NULL;
  if (ok) {
    find_blocks(s, rows, n, begin);
    for (size_t b = 0; b < blocks; b++) turn[b] = (uint32_t)b;
    if (shuffle) pl_rng_permutation(turn, blocks, pl_rng_make(seed, PL_FOR_SHUFFLE, epoch, 1));
  }
  for (size_t b = 0; ok && b <= blocks; b++) {
    size_t size = b < blocks ? begin[turn[b] + 1] - begin[turn[b]] : s->window + 1;
    if (at + size - from > s->window) {
      if (shuffle) shuffle_window(order + from, at - from, spare, spare + s->window,
                                  pl_rng_make(seed, PL_FOR_SHUFFLE, epoch, 2 + count));
      if (first != NULL) first[count] = from;
      count++;
      from = at;
    }
    for (size_t i = 0; b < blocks && i < size; i++) order[at++] = begin[turn[b]] + (uint32_t)i;
  }
  if (ok && first != NULL) {
    first[count] = n;
    *windows = count;
  }
  pl_free(begin);
  pl_free(turn);
  pl_free(spare);
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
  if (type != s->type || (uint64_t)pl_shape_count(&row) * pl_dtype_size(type) != s->row_bytes) {
    pl_error_set(err, PL_ERROR_SHAPE, "samples %s of %s are not the %zu bytes of %s each that the stream reads",
                 pl_shape_text(text, shape, false), pl_dtype_name(type), s->row_bytes, pl_dtype_name(s->type));
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
  if (ds->stream)
    return pl_stream_order(ds->stream, ds->rows, order, ds->count, seed, epoch, shuffle, NULL, NULL, err);
  pl_epoch_order(order, ds->count, seed, epoch, shuffle);
  return PL_OK;
}
