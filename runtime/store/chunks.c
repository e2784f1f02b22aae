#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include "perilune/alloc.h"
#include "store/chunks.h"
#include "store/fletcher32.h"
#include "store/lzf.h"

static pl_status find_filters(pl_chunks *c, hid_t creation, pl_error *err) {
  int n = hdf5.H5Pget_nfilters(creation);
  if (n < 0 || n > CHUNK_FILTERS_MOST) return pl_error_set(err, PL_ERROR_TYPE, "it has too many filters");
  for (int f = 0; f < n; f++) {
    unsigned flags, config, value[5] = { 0 };
    size_t values = 5;
    char name[sizeof c->unknown] = "";
    int id = hdf5.H5Pget_filter2(creation, (unsigned)f, &flags, &values, value, sizeof name, name, &config);
    bool known = id == DEFLATE || id == SHUFFLE || id == FLETCHER32 || id == LZF;
    if (!known) snprintf(c->unknown, sizeof c->unknown, "%.40s", name[0] ? name : "without a name");
    if (id == SHUFFLE && value[0] != c->element)
      return pl_error_set(err, PL_ERROR_CORRUPT, "its elements have %zu bytes, and were shuffled as if of %u",
                          c->element, value[0]);
    c->opaque = c->opaque || !(known || (id == SCALE_OFFSET && f == 0));
    if (id == SCALE_OFFSET && (value[2] != c->bytes / c->element || value[4] != c->element))
      return pl_error_set(err, PL_ERROR_CORRUPT, "the filter '%s' was told of other chunks than it has", c->unknown);
    c->filters[f] = id;
  }
  c->filter_count = n;
  return PL_OK;
}

pl_status pl_chunks_find(pl_chunks *c, pl_checked_file *file, hid_t set, const pl_shape *shape, size_t element,
                         pl_error *err) {
  hsize_t chunk[H5S_MAX_RANK];
  unsigned options = 0;
  file->chunk_axes = shape->axes;
  *c = (pl_chunks){ .axes = shape->axes, .element = element, .bytes = element, .band_chunks = 1 };
  hid_t creation = hdf5.H5Dget_create_plist(set);
  int axes = hdf5.H5Pget_chunk(creation, H5S_MAX_RANK, chunk);
  bool ok = axes == shape->axes && hdf5.H5Pget_chunk_opts(creation, &options) >= 0;
  c->edges_plain = (options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) != 0;
  for (int a = 0; ok && a < axes; a++) {
    ok = chunk[a] >= 1 && chunk[a] <= UINT32_MAX && shape->size[a] >= 0;
    if (!ok) break;
    c->size[a] = shape->size[a];
    c->chunk[a] = (int64_t)chunk[a];
    size_t across = (size_t)((c->size[a] + c->chunk[a] - 1) / c->chunk[a]);
    ok = !__builtin_mul_overflow(c->bytes, (size_t)chunk[a], &c->bytes);
    if (a == 0) c->bands = across;
    else ok = ok && !__builtin_mul_overflow(c->band_chunks, across, &c->band_chunks);
  }
  size_t all;
  ok = ok && c->bytes < SIZE_MAX / 4 && !__builtin_mul_overflow(c->bands, c->band_chunks, &all);
  pl_status status = ok ? find_filters(c, creation, err)
    : pl_error_set(err, PL_ERROR_CORRUPT, "its chunks do not fit its axes");
  hdf5.H5Pclose(creation);
  return status;
}

/* Where chunk i begins; true if it reaches beyond the data set. */
static bool find_corner(const pl_chunks *c, size_t i, hsize_t corner[PL_MAX_AXES]) {
  bool beyond = false;
  for (int a = c->axes - 1; a >= 0; a--) {
    size_t across = (size_t)((c->size[a] + c->chunk[a] - 1) / c->chunk[a]);
    corner[a] = i % across * (hsize_t)c->chunk[a];
    beyond = beyond || corner[a] + (hsize_t)c->chunk[a] > (hsize_t)c->size[a];
    i /= across;
  }
  return beyond;
}

static pl_status damaged(const char *why, pl_error *err) {
  return pl_error_set(err, PL_ERROR_CORRUPT, "one of its chunks is damaged (%s)", why);
}

/* What does not shrink grows, by less. */
static size_t most_stored(const pl_chunks *c) { return 2 * c->bytes + CHUNK_SPARE; }

static pl_status check_size(const pl_chunks *c, uint64_t size, pl_error *err) {
  if (size <= most_stored(c)) return PL_OK;
  return pl_error_set(err, PL_ERROR_CORRUPT, "one of its chunks has %llu bytes, for elements of %zu",
                      (unsigned long long)size, c->bytes);
}

static pl_status no_place(hid_t set, const hsize_t *corner, pl_error *err) {
  hsize_t size = 0;
  if (hdf5.H5Dget_chunk_storage_size(set, corner, &size) < 0 || size > 0)
    return pl_hdf5_error(err, PL_ERROR_CORRUPT, "one of its chunks is not found");
  return pl_error_set(err, PL_ERROR_TYPE, "some of its chunks were never written");
}

/* libhdf5 1.10 tells a chunk's address only by a walk through all of the index, n^2 steps for n chunks. Where it would
   read a chunk, it looks up fast. */
pl_status pl_chunks_locate(const pl_chunks *c, pl_checked_file *file, hid_t set, pl_stored_chunk *chunks,
                           pl_error *err) {
  uint8_t *buffer = pl_alloc(most_stored(c), err);
  pl_status status = buffer ? PL_OK : PL_ERROR_MEMORY;
  file->locating = true;
  for (size_t i = 0; status == PL_OK && i < c->bands * c->band_chunks; i++) {
    hsize_t corner[PL_MAX_AXES];
    uint32_t mask = 0;
    bool beyond = find_corner(c, i, corner);
    file->located_size = 0;
    if (hdf5.READ_CHUNK(set, H5P_DEFAULT, corner, &mask, buffer) < 0 || file->located_size == 0)
      status = no_place(set, corner, err);
    else status = check_size(c, file->located_size, err);
    if (beyond && c->edges_plain) mask = UINT32_MAX;
    chunks[i] = (pl_stored_chunk){ file->located, file->located_size, mask };
  }
  file->locating = false;
  pl_free(buffer);
  return status;
}

/* The shuffle filter stores byte 0 of every element, then byte 1 of every element, ..., then what is left over. */
static void unshuffle(uint8_t *out, const uint8_t *in, size_t bytes, size_t size) {
  size_t elements = bytes / size, whole = elements * size;
  for (size_t b = 0; b < size; b++)
    for (size_t i = 0; i < elements; i++) out[i * size + b] = in[b * elements + i];
  memcpy(out + whole, in + whole, bytes - whole);
}

/* Is as much there as the bits of an element, the first number, say? 21 bytes come before the elements. */
static bool is_scale_offset(const pl_chunks *c, const uint8_t *in, size_t size) {
  enum { HEAD = 21 };
  if (size < HEAD) return false;
  size_t bits = (size_t)in[0] | (size_t)in[1] << 8 | (size_t)in[2] << 16 | (size_t)in[3] << 24;
  return bits <= 8 * c->element && (c->bytes / c->element * bits + 7) / 8 <= size - HEAD;
}

const char *pl_chunk_unpack(const pl_chunks *c, uint8_t **packed, uint8_t **plain, size_t size, uint32_t without) {
  for (int f = c->filter_count - 1; f >= 0; f--) {
    if (without >> f & 1) continue;
    if (c->filters[f] == FLETCHER32) {
      if (size < 4) return "it has no sum";
      size -= 4;
      pl_fletcher32 sum = { 0 };
      pl_fletcher32_update(&sum, *packed, size);
      if (!pl_fletcher32_is(&sum, *packed + size)) return "its sum is not that of its bytes";
      continue;
    }
    if (c->filters[f] == DEFLATE) {
      uLongf capacity = (uLongf)(c->bytes + CHUNK_SPARE);
      if (uncompress(*plain, &capacity, *packed, (uLong)size) != Z_OK) return "it does not unpack";
      size = capacity;
    } else if (c->filters[f] == SCALE_OFFSET) {
      return is_scale_offset(c, *packed, size) ? NULL : "its size";
    } else if (c->filters[f] == LZF) {
      if (!pl_lzf_unpack(*plain, c->bytes + CHUNK_SPARE, *packed, &size)) return "it does not unpack";
    } else {
      unshuffle(*plain, *packed, size, c->element);
    }
    pl_swap_buffers(packed, plain);
  }
  pl_swap_buffers(packed, plain);
  return size == c->bytes ? NULL : "its size";
}

/* Is a chunk without filters as long as it should be? libhdf5 does not tell its length: what it overwrites of a buffer
   as large as the file does. A chunk that is not there is not read. */
static pl_status check_length(const pl_chunks *c, hid_t set, const hsize_t *corner, uint8_t *buffer, pl_error *err) {
  uint8_t last[2], *end = buffer + c->bytes;
  uint32_t mask;
  for (int k = 0; k < 2; k++) {
    uint8_t before = k ? 0xff : 0;
    end[-1] = end[0] = before;
    if (hdf5.READ_CHUNK(set, H5P_DEFAULT, corner, &mask, buffer) < 0) return PL_OK;
    if (end[0] != before) return damaged("its size", err);
    last[k] = end[-1];
  }
  return last[0] == last[1] ? PL_OK : damaged("its size", err);
}

/* By the same look-up as that of H5Dread, which a hostile file can make find another chunk than pl_chunks_locate does.
   What opaque filters make of a chunk is left to libhdf5. */
static pl_status check_chunk(const pl_chunks *c, hid_t set, size_t i, uint8_t **packed, uint8_t **plain,
                             pl_error *err) {
  hsize_t corner[PL_MAX_AXES], size = 0;
  uint32_t mask = 0;
  bool beyond = find_corner(c, i, corner);
  if (c->filter_count == 0) return check_length(c, set, corner, *packed, err);
  if (hdf5.H5Dget_chunk_storage_size(set, corner, &size) < 0 || size == 0) return PL_OK;   /* not there */
  if (check_size(c, size, err)) return err->status;
  if (hdf5.READ_CHUNK(set, H5P_DEFAULT, corner, &mask, *packed) < 0)
    return pl_hdf5_error(err, PL_ERROR_CORRUPT, "one of its chunks is not read");
  if (beyond && c->edges_plain) mask = UINT32_MAX;
  if (c->opaque) return mask == 0 || size == c->bytes ? PL_OK : damaged("a filter is missing", err);
  const char *wrong = pl_chunk_unpack(c, packed, plain, (size_t)size, mask);
  return wrong ? damaged(wrong, err) : PL_OK;
}

static pl_status check_chunks(pl_checked_file *file, hid_t set, const pl_shape *shape, size_t element, pl_error *err) {
  pl_chunks c;
  pl_status status = pl_chunks_find(&c, file, set, shape, element, err);
  if (status) return status;
  size_t capacity = c.filter_count > 0 ? most_stored(&c) : c.bytes;
  if (c.filter_count == 0 && capacity < file->size) capacity = (size_t)file->size;
  uint8_t *packed = pl_alloc(capacity + 1, err), *plain = pl_alloc(c.filter_count > 0 ? capacity : 1, err);
  status = packed && plain ? PL_OK : PL_ERROR_MEMORY;
  for (size_t i = 0; status == PL_OK && i < c.bands * c.band_chunks; i++)
    status = check_chunk(&c, set, i, &packed, &plain, err);
  pl_free(packed);
  pl_free(plain);
  return status;
}

pl_status pl_storage_check(pl_checked_file *file, hid_t set, const pl_shape *shape, size_t element, pl_error *err) {
  hid_t creation = hdf5.H5Dget_create_plist(set);
  H5D_layout_t layout = hdf5.H5Pget_layout(creation);
  hdf5.H5Pclose(creation);
  if (layout == H5D_CHUNKED) return check_chunks(file, set, shape, element, err);
  uint64_t needed = (uint64_t)pl_shape_count(shape) * element, stored = hdf5.H5Dget_storage_size(set);
  if (stored == needed || (stored == 0 && layout == H5D_CONTIGUOUS)) return PL_OK;   /* 0: never written */
  return pl_error_set(err, PL_ERROR_CORRUPT, "%llu bytes are stored of %llu", (unsigned long long)stored,
                      (unsigned long long)needed);
}
