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
    unsigned flags, config, value[1] = { 0 };
    size_t values = 1;
    char name[sizeof c->unknown] = "";
    int id = hdf5.H5Pget_filter2(creation, (unsigned)f, &flags, &values, value, sizeof name, name, &config);
    bool known = id == DEFLATE || id == SHUFFLE || id == FLETCHER32 || id == LZF;
    if (!known) snprintf(c->unknown, sizeof c->unknown, "%.40s", name[0] ? name : "without a name");
    if (id == SHUFFLE && value[0] != c->element)
      return pl_error_set(err, PL_ERROR_CORRUPT, "its elements have %zu bytes, and were shuffled as if of %u",
                          c->element, value[0]);
    c->filters[f] = id;
  }
  c->filter_count = n;
  return PL_OK;
}

pl_status pl_chunks_find(pl_chunks *c, hid_t set, const pl_shape *shape, size_t element, pl_error *err) {
  hsize_t chunk[H5S_MAX_RANK];
  unsigned options = 0;
  *c = (pl_chunks){ .axes = shape->axes, .element = element, .bytes = element, .band_chunks = 1 };
  hid_t creation = hdf5.H5Dget_create_plist(set);
  int axes = hdf5.H5Pget_chunk(creation, H5S_MAX_RANK, chunk);
  bool ok = axes == shape->axes && hdf5.H5Pget_chunk_opts(creation, &options) >= 0;
  pl_status status = find_filters(c, creation, err);
  hdf5.H5Pclose(creation);
  if (status) return status;
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
  return ok ? PL_OK : pl_error_set(err, PL_ERROR_CORRUPT, "its chunks do not fit its axes");
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

pl_status pl_chunk_find(const pl_chunks *c, hid_t set, size_t i, pl_stored_chunk *chunk, pl_error *err) {
  hsize_t corner[PL_MAX_AXES], size = 0;
  unsigned mask = 0;
  haddr_t address = HADDR_UNDEF;
  bool beyond = find_corner(c, i, corner);
  *chunk = (pl_stored_chunk){ 0 };
  if (hdf5.H5Dget_chunk_info_by_coord(set, corner, &mask, &address, &size) < 0)
    return pl_hdf5_error(err, PL_ERROR_CORRUPT, "its chunks are not found");
  if (address == HADDR_UNDEF || size == 0) return PL_OK;
  if (size > 2 * c->bytes + CHUNK_SPARE)   /* what does not shrink grows, by less */
    return pl_error_set(err, PL_ERROR_CORRUPT, "one of its chunks has %llu bytes, for elements of %zu",
                        (unsigned long long)size, c->bytes);
  *chunk = (pl_stored_chunk){ address, size, beyond && c->edges_plain ? UINT32_MAX : mask };
  return PL_OK;
}

pl_status pl_chunk_read(const pl_chunks *c, hid_t set, size_t i, void *out, pl_error *err) {
  hsize_t corner[PL_MAX_AXES];
  uint32_t mask;
  find_corner(c, i, corner);
  if (hdf5.READ_CHUNK(set, H5P_DEFAULT, corner, &mask, out) >= 0) return PL_OK;
  return pl_hdf5_error(err, PL_ERROR_CORRUPT, "one of its chunks is not read");
}

/* The shuffle filter stores byte 0 of every element, then byte 1 of every element, ... */
static void unshuffle(uint8_t *out, const uint8_t *in, size_t elements, size_t size) {
  for (size_t b = 0; b < size; b++)
    for (size_t i = 0; i < elements; i++) out[i * size + b] = in[b * elements + i];
}

static void swap(uint8_t **a, uint8_t **b) {
  uint8_t *old = *a;
  *a = *b;
  *b = old;
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
      uLongf room = (uLongf)(c->bytes + CHUNK_SPARE);
      if (uncompress(*plain, &room, *packed, (uLong)size) != Z_OK) return "it does not unpack";
      size = room;
    } else if (c->filters[f] == LZF) {
      if (!pl_lzf_unpack(*plain, c->bytes + CHUNK_SPARE, *packed, &size)) return "it does not unpack";
    } else {
      if (size % c->element != 0) return "its size";
      unshuffle(*plain, *packed, size / c->element, c->element);
    }
    swap(packed, plain);
  }
  swap(packed, plain);
  return size == c->bytes ? NULL : "its size";
}

static pl_status damaged(const char *why, pl_error *err) {
  return pl_error_set(err, PL_ERROR_CORRUPT, "one of its chunks is damaged (%s)", why);
}

/* What filters that are not known here make of a chunk, libhdf5 has to judge; that none was skipped is known. */
static pl_status check_chunk(const pl_chunks *c, hid_t set, size_t i, uint8_t **packed, uint8_t **plain,
                             pl_error *err) {
  pl_stored_chunk chunk;
  pl_status status = pl_chunk_find(c, set, i, &chunk, err);
  if (status || chunk.size == 0) return status;
  if (c->unknown[0]) return chunk.without == 0 ? PL_OK : damaged("a filter is missing", err);
  if (c->filter_count == 0) return chunk.size == c->bytes ? PL_OK : damaged("its size", err);
  status = pl_chunk_read(c, set, i, *packed, err);
  if (status) return status;
  const char *wrong = pl_chunk_unpack(c, packed, plain, (size_t)chunk.size, chunk.without);
  return wrong ? damaged(wrong, err) : PL_OK;
}

pl_status pl_chunks_check(hid_t set, const pl_shape *shape, size_t element, pl_error *err) {
  pl_chunks c;
  pl_status status = pl_chunks_find(&c, set, shape, element, err);
  if (status) return status;
  size_t room = c.filter_count > 0 ? 2 * c.bytes + CHUNK_SPARE : 1;
  uint8_t *packed = pl_alloc(room, err), *plain = pl_alloc(room, err);
  status = packed && plain ? PL_OK : PL_ERROR_MEMORY;
  for (size_t i = 0; status == PL_OK && i < c.bands * c.band_chunks; i++)
    status = check_chunk(&c, set, i, &packed, &plain, err);
  pl_free(packed);
  pl_free(plain);
  return status;
}
