/* Rows of a streamed HDF5 data set, without libhdf5: it is for one thread, and another reads ahead. Chunks are
   inflated, their bytes put back in order (the shuffle filter), their sums checked. */
#include <stdlib.h>
#include <string.h>
#include "store/stream.h"

enum { DEFLATE = 1, SHUFFLE = 2, FLETCHER32 = 3 };

/* HDF5's Fletcher-32: of big-endian words of 16 bits, modulo 65535. */
static uint32_t fletcher32(const uint8_t *data, size_t n) {
  uint32_t a = 0, b = 0;
  size_t words = n / 2;
  while (words > 0) {
    size_t some = words < 360 ? words : 360;
    words -= some;
    for (; some > 0; some--, data += 2) {
      a += (uint32_t)data[0] << 8 | data[1];
      b += a;
    }
    a = (a & 0xffff) + (a >> 16);
    b = (b & 0xffff) + (b >> 16);
  }
  if (n % 2) {
    a += (uint32_t)data[0] << 8;
    b += a;
    a = (a & 0xffff) + (a >> 16);
    b = (b & 0xffff) + (b >> 16);
  }
  a = (a & 0xffff) + (a >> 16);
  b = (b & 0xffff) + (b >> 16);
  return b << 16 | a;
}

static pl_status damaged(const pl_hdf5_stream *s, const char *why, pl_error *err) {
  return pl_error_set(err, PL_ERROR_CORRUPT, "a chunk of %s is damaged (%s)", s->file.name, why);
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
      const uint8_t *sum = s->packed + size;
      uint32_t stored = (uint32_t)sum[3] << 24 | (uint32_t)sum[2] << 16 | (uint32_t)sum[1] << 8 | sum[0];
      if (stored != fletcher32(s->packed, size)) return damaged(s, "its sum is not that of its bytes", err);
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
    uint8_t *swap = s->packed;
    s->packed = s->plain;
    s->plain = swap;
  }
  uint8_t *swap = s->packed;
  s->packed = s->plain;
  s->plain = swap;
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

pl_status pl_stream_read_band(pl_hdf5_stream *s, size_t b, pl_error *err) {
  s->band_held = SIZE_MAX;
  for (size_t c = 0; c < s->band_chunks; c++) {
    pl_stored_chunk chunk = s->chunks[b * s->band_chunks + c];
    if (chunk.size == 0) return damaged(s, "it was never written", err);
    pl_status status = pl_source_read_at(&s->file, chunk.offset, s->packed, (size_t)chunk.size, err);
    if (status == PL_OK) status = undo_filters(s, (size_t)chunk.size, err);
    if (status) return status;
    place_chunk(s, b, c);
  }
  s->band_held = b;
  return PL_OK;
}

typedef struct row_at { uint32_t row, at; } row_at;

static int by_row(const void *a, const void *b) {
  uint32_t x = ((const row_at *)a)->row, y = ((const row_at *)b)->row;
  return x < y ? -1 : x > y;
}

static pl_status convert(const pl_hdf5_stream *s, void *out, size_t at, const uint8_t *stored, uint32_t row,
                         pl_error *err) {
  size_t bad;
  char *to = (char *)out + at * s->stream.row_bytes;
  if (pl_element_convert(to, stored, s->row_elements, s->element, !s->as_bytes, &bad)) return PL_OK;
  return pl_error_set(err, PL_ERROR_CORRUPT, "%s: a number of row %u is beyond the range of f32 (3.4e38)", s->file.name,
                      row + 1);
}

static pl_status read_chunked(pl_hdf5_stream *s, void *out, const row_at *list, size_t n, pl_error *err) {
  pl_status status = PL_OK;
  pthread_mutex_lock(&s->stream.lock);
  for (size_t i = 0; i < n && status == PL_OK; i++) {
    size_t b = list[i].row / s->band_rows;
    if (b != s->band_held) status = pl_stream_read_band(s, b, err);
    if (status == PL_OK)
      status = convert(s, out, list[i].at, s->band + list[i].row % s->band_rows * s->row_stored, list[i].row, err);
  }
  pthread_mutex_unlock(&s->stream.lock);
  return status;
}

/* Neighbours are read at once. */
static pl_status read_contiguous(pl_hdf5_stream *s, void *out, const row_at *list, size_t n, pl_error *err) {
  enum { PIECE = 1 << 18 };
  size_t most = PIECE / s->row_stored ? PIECE / s->row_stored : 1;
  uint8_t *rows_read = pl_alloc_array(most < n ? most : n, s->row_stored, err);
  pl_status status = rows_read ? PL_OK : PL_ERROR_MEMORY;
  for (size_t from = 0, to; from < n && status == PL_OK; from = to) {
    for (to = from + 1; to < n && to - from < most && list[to].row == list[to - 1].row + 1; ) to++;
    status = pl_source_read_at(&s->file, s->offset + (uint64_t)list[from].row * s->row_stored, rows_read,
                               (to - from) * s->row_stored, err);
    for (size_t i = from; i < to && status == PL_OK; i++)
      status = convert(s, out, list[i].at, rows_read + (i - from) * s->row_stored, list[i].row, err);
  }
  pl_free(rows_read);
  return status;
}

pl_status pl_hdf5_stream_read(pl_stream *stream, void *out, const uint32_t *rows, size_t n, pl_error *err) {
  pl_hdf5_stream *s = (pl_hdf5_stream *)stream;
  row_at *list = pl_alloc_array(n, sizeof *list, err);
  if (list == NULL) return PL_ERROR_MEMORY;
  for (size_t i = 0; i < n; i++) list[i] = (row_at){ rows[i], (uint32_t)i };
  qsort(list, n, sizeof *list, by_row);
  pl_status status = (s->chunks ? read_chunked : read_contiguous)(s, out, list, n, err);
  pl_free(list);
  return status;
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
