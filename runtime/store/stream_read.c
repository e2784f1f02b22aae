/* Rows of a streamed HDF5 data set, read by any thread; so without libhdf5, which is for one thread only. */
#include <string.h>
#include "store/stream.h"

enum { PIECE = 1 << 16 };   /* bytes that stay in the cache until they are looked at */

static pl_status damaged(const pl_hdf5_stream *s, const char *why, pl_error *err) {
  return pl_error_set(err, PL_ERROR_CORRUPT, "a chunk of %s is damaged (%s)", s->file.name, why);
}

/* A chunk of the band, of which parts may lie outside of the data set, to its place in the band. Last axes along which
   the chunk is as long as the data set are one element. */
static void place_chunk(pl_hdf5_stream *s, size_t b, size_t c) {
  int axes = s->shape.axes;
  while (axes > 1 && s->in.chunk[axes - 1] == s->shape.size[axes - 1]) axes--;
  int last = axes - 1;
  int64_t at[PL_MAX_AXES] = { 0 }, corner[PL_MAX_AXES] = { (int64_t)(b * s->band_rows) };
  size_t unit = s->element.size;
  for (int a = s->shape.axes - 1; a > last; a--) unit *= (size_t)s->in.chunk[a];
  for (int a = last; a > 0; a--) {
    int64_t across = (s->shape.size[a] + s->in.chunk[a] - 1) / s->in.chunk[a];
    corner[a] = (int64_t)c % across * s->in.chunk[a];
    c /= (size_t)across;
  }
  for (;;) {   /* every run along the last axis */
    size_t from = 0, to = 0;
    bool inside = true;
    for (int a = 0; a < axes; a++) {
      int64_t global = corner[a] + at[a];
      inside = inside && global < s->shape.size[a];
      from = from * (size_t)s->in.chunk[a] + (size_t)at[a];
      to = a == 0 ? (size_t)at[0] : to * (size_t)s->shape.size[a] + (size_t)global;
    }
    int64_t left = axes > 1 ? s->shape.size[last] - corner[last] : 1;
    int64_t run = axes > 1 ? (left < s->in.chunk[last] ? left : s->in.chunk[last]) : 1;
    if (inside) memcpy(s->band + to * unit, s->plain + from * unit, (size_t)run * unit);
    int a = axes > 1 ? last - 1 : 0;
    while (a >= 0 && ++at[a] == s->in.chunk[a]) at[a--] = 0;
    if (a < 0) return;
  }
}

/* `size` bytes from `at` on of a chunk that is stored as it is, perhaps with a sum after it, checked at its end.
   Piece by piece, while it is in the cache; a piece that does not end the chunk is of an even number of bytes. */
static pl_status read_plain_part(const pl_hdf5_stream *s, pl_stored_chunk chunk, size_t at, size_t size, uint8_t *out,
                                 pl_fletcher32 *sum, pl_error *err) {
  size_t sum_bytes = s->in.filter_count > 0 ? 4 : 0;
  uint8_t stored[4];
  if (chunk.size != s->in.bytes + sum_bytes) return damaged(s, "its size", err);
  for (size_t n; size > 0; at += n, out += n, size -= n) {
    n = size < PIECE ? size : PIECE;
    pl_status status = pl_source_read_at(&s->file, chunk.offset + at, out, n, err);
    if (status) return status;
    if (sum_bytes) pl_fletcher32_update(sum, out, n);
  }
  if (at < s->in.bytes || sum_bytes == 0) return PL_OK;
  pl_status status = pl_source_read_at(&s->file, chunk.offset + at, stored, sum_bytes, err);
  return status || pl_fletcher32_is(sum, stored) ? status : damaged(s, "its sum is not that of its bytes", err);
}

/* The elements of chunk i. *out is large enough for them, as s->plain is, for which it may be exchanged. */
static pl_status read_chunk(pl_hdf5_stream *s, size_t i, uint8_t **out, pl_error *err) {
  pl_stored_chunk chunk = s->chunks[i];
  pl_fletcher32 sum = { 0 };
  if (chunk.size == 0) return damaged(s, "it was never written", err);
  if (s->plain_chunks && !chunk.without) return read_plain_part(s, chunk, 0, s->in.bytes, *out, &sum, err);
  pl_status status = pl_source_read_at(&s->file, chunk.offset, s->packed, (size_t)chunk.size, err);
  if (status) return status;
  const char *wrong = pl_chunk_unpack(&s->in, &s->packed, &s->plain, (size_t)chunk.size, chunk.without);
  pl_swap_buffers(out, &s->plain);
  return wrong ? damaged(s, wrong, err) : PL_OK;
}

static pl_status read_band(pl_hdf5_stream *s, size_t b, pl_error *err) {
  pl_status status = PL_OK;
  s->band_held = SIZE_MAX;
  if (s->chunk_is_band) status = read_chunk(s, b, &s->band, err);
  for (size_t c = 0; c < s->in.band_chunks && !s->chunk_is_band && status == PL_OK; c++) {
    status = read_chunk(s, b * s->in.band_chunks + c, &s->plain, err);
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

/* How many of the first of n rows are neighbours in the file. */
static size_t neighbours(const uint32_t *rows, size_t n) {
  size_t run = 1;
  while (run < n && rows[run] == rows[0] + run) run++;
  return run;
}

/* Chunk b from row `first` on, all of which is wanted and needs no conversion: some of it to its place. */
static pl_status read_in_place(pl_hdf5_stream *s, uint8_t *out, const uint32_t *rows, size_t *done, pl_error *err) {
  size_t b = rows[0] / s->band_rows, first = rows[0] % s->band_rows, left = s->band_rows - first;
  size_t some = PIECE / s->row_stored / 2 * 2;   /* even: so are their bytes */
  if (some < 2) some = 2;
  *done = some < left ? some : left;
  s->part_next = some < left ? rows + some : NULL;
  s->part_row = rows[0] + (uint32_t)some;
  if (first == 0) s->part_sum = (pl_fletcher32){ 0 };
  if (s->chunks[b].size == 0) return damaged(s, "it was never written", err);
  return read_plain_part(s, s->chunks[b], first * s->row_stored, *done * s->row_stored, out, &s->part_sum, err);
}

/* A part of a chunk counts when all of it is right: it is begun only if all is wanted, and continues only for who began
   it. Otherwise all of the chunk is read to s->band. */
static pl_status read_chunked(pl_hdf5_stream *s, uint8_t *out, const uint32_t *rows, size_t n, size_t *done,
                              pl_error *err) {
  size_t b = rows[0] / s->band_rows, first = rows[0] % s->band_rows, left = s->band_rows - first;
  size_t some = PIECE / s->row_stored ? PIECE / s->row_stored : 1;
  bool in_place = s->plain_chunks && s->chunk_is_band && s->as_in_memory && !s->chunks[b].without && left <= n &&
                  rows[left - 1] - rows[0] == left - 1;
  bool continues = rows == s->part_next && rows[0] == s->part_row;
  if (in_place && (continues || (first == 0 && neighbours(rows, left) == left)))
    return read_in_place(s, out, rows, done, err);
  s->part_next = NULL;
  if (left > n) left = n;
  *done = neighbours(rows, left < some ? left : some);
  pl_status status = b == s->band_held ? PL_OK : read_band(s, b, err);
  return status ? status : convert(s, out, s->band + first * s->row_stored, rows[0], *done, err);
}

static pl_status read_contiguous(const pl_hdf5_stream *s, uint8_t *out, const uint32_t *rows, size_t n, size_t *done,
                                 pl_error *err) {
  size_t most = PIECE / s->row_stored ? PIECE / s->row_stored : 1;
  *done = neighbours(rows, n < most ? n : most);
  uint64_t offset = s->offset + (uint64_t)rows[0] * s->row_stored;
  if (s->as_in_memory) return pl_source_read_at(&s->file, offset, out, *done * s->row_stored, err);
  uint8_t *stored = pl_alloc_array(*done, s->row_stored, err);
  pl_status status = stored ? pl_source_read_at(&s->file, offset, stored, *done * s->row_stored, err) : PL_ERROR_MEMORY;
  if (status == PL_OK) status = convert(s, out, stored, rows[0], *done, err);
  pl_free(stored);
  return status;
}

pl_status pl_hdf5_stream_read(pl_stream *stream, void *out, const uint32_t *rows, size_t n, size_t *done,
                              pl_error *err) {
  pl_hdf5_stream *s = (pl_hdf5_stream *)stream;
  if (s->chunks == NULL) return read_contiguous(s, out, rows, n, done, err);
  pthread_mutex_lock(&s->stream.lock);
  pl_status status = read_chunked(s, out, rows, n, done, err);
  pthread_mutex_unlock(&s->stream.lock);
  return status;
}

/* In pieces, with what lies between rows that are near to each other. */
void pl_hdf5_stream_fetch(const pl_stream *stream, const uint32_t *rows, size_t n) {
  const pl_hdf5_stream *s = (const pl_hdf5_stream *)stream;
  size_t near = PIECE / s->row_stored + 1;
  for (size_t from = 0, to; from < n; from = to) {
    for (to = from + 1; to < n && rows[to] - rows[to - 1] <= near; ) to++;
    if (s->chunks == NULL) {
      pl_source_fetch(&s->file, s->offset + (uint64_t)rows[from] * s->row_stored,
                      (uint64_t)(rows[to - 1] - rows[from] + 1) * s->row_stored);
      continue;
    }
    size_t end = (rows[to - 1] / s->band_rows + 1) * s->in.band_chunks;
    for (size_t c = rows[from] / s->band_rows * s->in.band_chunks; c < end; c++)
      pl_source_fetch(&s->file, s->chunks[c].offset, s->chunks[c].size);
  }
}

pl_status pl_hdf5_stream_check(const pl_stream *stream, pl_error *err) {
  return pl_source_check_unchanged(&((const pl_hdf5_stream *)stream)->file, err);
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
