/* Rows of a streamed HDF5 data set, without libhdf5: it is for one thread, and another reads ahead. Chunks are
   inflated, their bytes put back in order (the shuffle filter), their sums checked. */
#include <string.h>
#include "store/fletcher32.h"
#include "store/stream.h"

enum { PIECE = 1 << 18 };   /* bytes that stay in the cache until they are looked at */

static pl_status damaged(const pl_hdf5_stream *s, const char *why, pl_error *err) {
  return pl_error_set(err, PL_ERROR_CORRUPT, "a chunk of %s is damaged (%s)", s->file.name, why);
}

/* Is it the one that is stored at `at`? */
static bool is_sum(const pl_fletcher32 *sum, const uint8_t *at) {
  return pl_fletcher32_sum(sum) == ((uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0]);
}

static void swap(uint8_t **a, uint8_t **b) {
  uint8_t *old = *a;
  *a = *b;
  *b = old;
}

/* The shuffle filter stores byte 0 of every element, then byte 1 of every element, ... */
static void unshuffle(uint8_t *out, const uint8_t *in, size_t elements, size_t size) {
  for (size_t b = 0; b < size; b++)
    for (size_t i = 0; i < elements; i++) out[i * size + b] = in[b * elements + i];
}

/* s->packed, of `size` bytes, becomes chunk_bytes in s->plain. */
static pl_status undo_filters(pl_hdf5_stream *s, size_t size, pl_error *err) {
  for (int f = s->filter_count - 1; f >= 0; f--) {
    if (s->filters[f] == FLETCHER32) {
      if (size < 4) return damaged(s, "it has no sum", err);
      size -= 4;
      pl_fletcher32 sum = { 0 };
      pl_fletcher32_update(&sum, s->packed, size);
      if (!is_sum(&sum, s->packed + size)) return damaged(s, "its sum is not that of its bytes", err);
      continue;
    }
    if (s->filters[f] == DEFLATE) {
      uLongf room = (uLongf)(s->chunk_bytes + 4);
      if (uncompress(s->plain, &room, s->packed, (uLong)size) != Z_OK) return damaged(s, "it does not unpack", err);
      size = room;
    } else {
      if (size % s->element.size != 0) return damaged(s, "its size", err);
      unshuffle(s->plain, s->packed, size / s->element.size, s->element.size);
    }
    swap(&s->packed, &s->plain);
  }
  swap(&s->packed, &s->plain);
  return size == s->chunk_bytes ? PL_OK : damaged(s, "its size", err);
}

/* A chunk of the band, of which parts may lie outside of the data set, to its place in the band. Last axes along which
   the chunk is as long as the data set are one element. */
static void place_chunk(pl_hdf5_stream *s, size_t b, size_t c) {
  int axes = s->shape.axes;
  while (axes > 1 && s->chunk[axes - 1] == s->shape.size[axes - 1]) axes--;
  int last = axes - 1;
  int64_t at[PL_MAX_AXES] = { 0 }, corner[PL_MAX_AXES] = { (int64_t)(b * s->band_rows) };
  size_t unit = s->element.size;
  for (int a = s->shape.axes - 1; a > last; a--) unit *= (size_t)s->chunk[a];
  for (int a = last; a > 0; a--) {
    int64_t across = (s->shape.size[a] + s->chunk[a] - 1) / s->chunk[a];
    corner[a] = (int64_t)c % across * s->chunk[a];
    c /= (size_t)across;
  }
  for (;;) {   /* every run along the last axis */
    size_t from = 0, to = 0;
    bool inside = true;
    for (int a = 0; a < axes; a++) {
      int64_t global = corner[a] + at[a];
      inside = inside && global < s->shape.size[a];
      from = from * (size_t)s->chunk[a] + (size_t)at[a];
      to = a == 0 ? (size_t)at[0] : to * (size_t)s->shape.size[a] + (size_t)global;
    }
    int64_t left = axes > 1 ? s->shape.size[last] - corner[last] : 1;
    int64_t run = axes > 1 ? (left < s->chunk[last] ? left : s->chunk[last]) : 1;
    if (inside) memcpy(s->band + to * unit, s->plain + from * unit, (size_t)run * unit);
    int a = axes > 1 ? last - 1 : 0;
    while (a >= 0 && ++at[a] == s->chunk[a]) at[a--] = 0;
    if (a < 0) return;
  }
}

/* A chunk that is stored as it is, perhaps with a sum behind it; summed piece by piece while it is in the cache. */
static pl_status read_plain_chunk(const pl_hdf5_stream *s, pl_stored_chunk chunk, uint8_t *out, pl_error *err) {
  size_t size = s->chunk_bytes, sum_bytes = s->filter_count > 0 ? 4 : 0;
  pl_fletcher32 sum = { 0 };
  uint8_t stored[4];
  if (chunk.size != size + sum_bytes) return damaged(s, "its size", err);
  for (size_t at = 0, n; at < size; at += n) {
    n = size - at < PIECE ? size - at : PIECE;
    pl_status status = pl_source_read_at(&s->file, chunk.offset + at, out + at, n, err);
    if (status) return status;
    if (sum_bytes) pl_fletcher32_update(&sum, out + at, n);
  }
  pl_status status = pl_source_read_at(&s->file, chunk.offset + size, stored, sum_bytes, err);
  if (status == PL_OK && sum_bytes && !is_sum(&sum, stored))
    return damaged(s, "its sum is not that of its bytes", err);
  return status;
}

/* The elements of chunk i. *out has room for them, as s->plain has, for which it may be exchanged. */
static pl_status read_chunk(pl_hdf5_stream *s, size_t i, uint8_t **out, pl_error *err) {
  pl_stored_chunk chunk = s->chunks[i];
  if (chunk.size == 0) return damaged(s, "it was never written", err);
  if (s->plain_chunks) return read_plain_chunk(s, chunk, *out, err);
  pl_status status = pl_source_read_at(&s->file, chunk.offset, s->packed, (size_t)chunk.size, err);
  if (status == PL_OK) status = undo_filters(s, (size_t)chunk.size, err);
  swap(out, &s->plain);
  return status;
}

static pl_status read_band(pl_hdf5_stream *s, size_t b, pl_error *err) {
  pl_status status = PL_OK;
  s->band_held = SIZE_MAX;
  if (s->chunk_is_band) status = read_chunk(s, b, &s->band, err);
  for (size_t c = 0; c < s->band_chunks && !s->chunk_is_band && status == PL_OK; c++) {
    status = read_chunk(s, b * s->band_chunks + c, &s->plain, err);
    if (status == PL_OK) place_chunk(s, b, c);
  }
  if (status == PL_OK) s->band_held = b;
  return status;
}

/* n rows that lie one after the other, from `row` on. */
static pl_status convert(const pl_hdf5_stream *s, uint8_t *out, const uint8_t *stored, uint32_t row, size_t n,
                         pl_error *err) {
  size_t bad;
  if (pl_element_convert(out, stored, n * s->row_elements, s->element, !s->as_bytes, &bad)) return PL_OK;
  return pl_error_set(err, PL_ERROR_CORRUPT, "%s: a number of row %zu is beyond the range of f32 (3.4e38)",
                      s->file.name, row + bad / s->row_elements + 1);
}

/* How many of the first rows are neighbours in the file; at most n. */
static size_t neighbours(const uint32_t *rows, size_t n) {
  size_t run = 1;
  while (run < n && rows[run] == rows[0] + run) run++;
  return run;
}

/* A whole chunk that needs no conversion is read to its place. */
static pl_status read_chunked(pl_hdf5_stream *s, uint8_t *out, const uint32_t *rows, size_t n, pl_error *err) {
  pl_status status = PL_OK;
  bool in_place = s->plain_chunks && s->chunk_is_band && s->as_in_memory;
  pthread_mutex_lock(&s->stream.lock);
  for (size_t i = 0, run; i < n && status == PL_OK; i += run) {
    size_t b = rows[i] / s->band_rows, first = rows[i] % s->band_rows, left = s->band_rows - first;
    uint8_t *to = out + i * s->stream.row_bytes;
    run = neighbours(rows + i, n - i < left ? n - i : left);
    if (in_place && run == s->band_rows) {
      status = read_chunk(s, b, &to, err);
      continue;
    }
    if (b != s->band_held) status = read_band(s, b, err);
    if (status == PL_OK) status = convert(s, to, s->band + first * s->row_stored, rows[i], run, err);
  }
  pthread_mutex_unlock(&s->stream.lock);
  return status;
}

static pl_status read_contiguous(pl_hdf5_stream *s, uint8_t *out, const uint32_t *rows, size_t n, pl_error *err) {
  size_t most = s->as_in_memory ? n : PIECE / s->row_stored ? PIECE / s->row_stored : 1;
  uint8_t *stored = s->as_in_memory ? NULL : pl_alloc_array(most < n ? most : n, s->row_stored, err);
  pl_status status = s->as_in_memory || stored ? PL_OK : PL_ERROR_MEMORY;
  for (size_t i = 0, run; i < n && status == PL_OK; i += run) {
    uint8_t *to = out + i * s->stream.row_bytes;
    run = neighbours(rows + i, n - i < most ? n - i : most);
    status = pl_source_read_at(&s->file, s->offset + (uint64_t)rows[i] * s->row_stored, stored ? stored : to,
                               run * s->row_stored, err);
    if (status == PL_OK && stored) status = convert(s, to, stored, rows[i], run, err);
  }
  pl_free(stored);
  return status;
}

pl_status pl_hdf5_stream_read(pl_stream *stream, void *out, const uint32_t *rows, size_t n, pl_error *err) {
  pl_hdf5_stream *s = (pl_hdf5_stream *)stream;
  return (s->chunks ? read_chunked : read_contiguous)(s, out, rows, n, err);
}

void pl_hdf5_stream_free(pl_stream *stream) {
  pl_hdf5_stream *s = (pl_hdf5_stream *)stream;
  pl_source_close(&s->file);
  pl_free(s->chunks);
  pl_free(s->band);
  pl_free(s->packed);
  pl_free(s->plain);
  pl_free(s);
}
