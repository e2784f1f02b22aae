/* Opening an HDF5 data set as a stream: libhdf5 says where its bytes lie and how they are filtered, and gives the
   first row, with which the first row that is read without it is compared. */
#include <stdio.h>
#include <string.h>
#include "store/reader.h"
#include "store/stream.h"

enum { BAND_BYTES_MOST = 1 << 26, CHUNKS_MOST = 1 << 24 };

static pl_status unreadable(const pl_hdf5_stream *s, const char *why, pl_error *err) {
  return pl_error_set(err, PL_ERROR_TYPE, "%s cannot be streamed: %s", s->file.name, why);
}

/* Are these the numbers that C has, and not such as use only some of their bits? */
static bool is_usual(hid_t type, H5T_class_t kind, size_t size) {
  static const struct { size_t size, exponent, fraction, bias; } formats[] = {
    { 2, 5, 10, 15 }, { 4, 8, 23, 127 }, { 8, 11, 52, 1023 } };
  size_t sign, exponent, exponent_bits, fraction, fraction_bits;
  if (hdf5.H5Tget_precision(type) != 8 * size || hdf5.H5Tget_offset(type) != 0) return false;
  if (kind != H5T_FLOAT) return true;
  if (hdf5.H5Tget_fields(type, &sign, &exponent, &exponent_bits, &fraction, &fraction_bits) < 0) return false;
  for (size_t f = 0; f < sizeof formats / sizeof *formats; f++)
    if (formats[f].size == size)
      return sign == 8 * size - 1 && exponent == formats[f].fraction && exponent_bits == formats[f].exponent &&
        fraction == 0 && fraction_bits == formats[f].fraction && hdf5.H5Tget_ebias(type) == formats[f].bias &&
        hdf5.H5Tget_norm(type) == H5T_NORM_IMPLIED;
  return false;
}

/* Enumerations, which h5py's booleans are, are read as their numbers. */
static pl_status find_element(pl_hdf5_stream *s, hid_t set, pl_error *err) {
  hid_t type = hdf5.H5Dget_type(set);
  bool is_enum = hdf5.H5Tget_class(type) == H5T_ENUM;
  if (is_enum) {
    hid_t super = hdf5.H5Tget_super(type);
    hdf5.H5Tclose(type);
    type = super;
  }
  H5T_class_t kind = hdf5.H5Tget_class(type);
  size_t size = hdf5.H5Tget_size(type);
  bool is_signed = kind == H5T_INTEGER && hdf5.H5Tget_sign(type) != H5T_SGN_NONE;
  H5T_order_t order = kind == H5T_INTEGER || kind == H5T_FLOAT ? hdf5.H5Tget_order(type) : H5T_ORDER_NONE;
  bool usual = (kind == H5T_INTEGER || kind == H5T_FLOAT) && is_usual(type, kind, size);
  hdf5.H5Tclose(type);
  s->element = (pl_element){ kind == H5T_FLOAT ? 'f' : is_signed ? 'i' : 'u', (uint8_t)(size < 256 ? size : 0), false };
  if (size > 1) s->element.swapped = pl_element_order_swapped(order == H5T_ORDER_BE);
  if (!usual || !pl_element_is_known(s->element) ||
      (order != H5T_ORDER_LE && order != H5T_ORDER_BE))
    return unreadable(s, "its elements are neither integers nor floating-point numbers of 8 to 64 bits", err);
  s->as_bytes = s->element.kind == 'u' && size == 1 && !is_enum;
  s->as_in_memory = pl_element_is_as_in_memory(s->element, !s->as_bytes);
  return PL_OK;
}

static pl_status find_shape(pl_hdf5_stream *s, hid_t set, pl_error *err) {
  hsize_t size[H5S_MAX_RANK];
  hid_t space = hdf5.H5Dget_space(set);
  int axes = hdf5.H5Sget_simple_extent_ndims(space);
  bool simple = hdf5.H5Sget_simple_extent_type(space) == H5S_SIMPLE && axes >= 1 && axes <= PL_MAX_AXES;
  if (simple) hdf5.H5Sget_simple_extent_dims(space, size, NULL);
  hdf5.H5Sclose(space);
  if (!simple) return unreadable(s, "it has no axis for samples, or more than 6 axes", err);
  s->shape.axes = axes;
  s->row_elements = 1;
  for (int a = 0; a < axes; a++) {
    s->shape.size[a] = size[a] > INT32_MAX ? -1 : (int64_t)size[a];
    if (s->shape.size[a] < 1) return unreadable(s, "one of its axes is empty or too long", err);
    if (a > 0 && __builtin_mul_overflow(s->row_elements, (size_t)size[a], &s->row_elements)) s->row_elements = SIZE_MAX;
  }
  if (s->row_elements > (size_t)1 << 28) return unreadable(s, "its samples are too large", err);
  s->row_stored = s->row_elements * s->element.size;
  return PL_OK;
}

static pl_status find_chunks(pl_hdf5_stream *s, pl_checked_file *file, hid_t set, pl_error *err) {
  pl_status status = pl_chunks_find(&s->in, file, set, &s->shape, s->element.size, err);
  if (status) {
    pl_error_prefix(err, "%s cannot be streamed", s->file.name);
    return status;
  }
  if (s->in.unknown[0])
    return pl_error_set(err, PL_ERROR_TYPE, "%s cannot be streamed: its chunks went through the filter '%s'; deflate "
                        "(gzip), LZF, shuffle and Fletcher-32 are read", s->file.name, s->in.unknown);
  s->band_rows = (size_t)s->in.chunk[0];
  if (s->in.bytes > BAND_BYTES_MOST || s->band_rows > BAND_BYTES_MOST / s->row_stored)
    return unreadable(s, "the chunks of the same samples are larger than 64 MiB", err);
  if (s->in.bands > CHUNKS_MOST / s->in.band_chunks) return unreadable(s, "it has more than 16 million chunks", err);
  s->chunk_is_band = s->in.band_chunks == 1 && s->in.bytes == s->band_rows * s->row_stored;
  s->plain_chunks = s->in.filter_count == 0 || (s->in.filter_count == 1 && s->in.filters[0] == FLETCHER32);
  size_t count = s->in.bands * s->in.band_chunks, capacity = s->in.bytes;
  s->chunks = pl_alloc_array(count, sizeof *s->chunks, err);
  if (s->chunks == NULL) return PL_ERROR_MEMORY;
  if (pl_chunks_locate(&s->in, file, set, s->chunks, err)) {
    pl_error_prefix(err, "%s cannot be streamed", s->file.name);
    return err->status;
  }
  for (size_t i = 0; i < count; i++) if (s->chunks[i].size > capacity) capacity = (size_t)s->chunks[i].size;
  capacity += CHUNK_SPARE;   /* the three are exchanged; a band may be several chunks */
  s->band = pl_alloc(s->band_rows * s->row_stored > capacity ? s->band_rows * s->row_stored : capacity, err);
  s->packed = pl_alloc(capacity, err);
  s->plain = pl_alloc(capacity, err);
  return s->band && s->packed && s->plain ? PL_OK : PL_ERROR_MEMORY;
}

static pl_status find_bytes(pl_hdf5_stream *s, pl_checked_file *file, hid_t set, pl_error *err) {
  hid_t creation = hdf5.H5Dget_create_plist(set);
  H5D_layout_t layout = hdf5.H5Pget_layout(creation);
  pl_status status = PL_OK;
  if (hdf5.H5Pget_external_count(creation) > 0) status = unreadable(s, "it keeps its data in another file", err);
  else if (layout == H5D_CHUNKED) status = find_chunks(s, file, set, err);
  else if (layout == H5D_CONTIGUOUS) {
    s->offset = hdf5.H5Dget_offset(set);
    if (pl_storage_check(file, set, &s->shape, s->element.size, err)) {
      pl_error_prefix(err, "%s cannot be streamed", s->file.name);
      status = err->status;
    } else if (s->offset == HADDR_UNDEF) status = unreadable(s, "it was never written", err);
    else if (s->offset > (uint64_t)s->file.length || (uint64_t)s->shape.size[0] * s->row_stored >
             (uint64_t)s->file.length - s->offset) status = unreadable(s, "the file is truncated", err);
  } else status = unreadable(s, "it is neither contiguous nor in chunks", err);
  hdf5.H5Pclose(creation);
  return status;
}

static pl_status read_first_row(const pl_hdf5_stream *s, hid_t set, void *out, pl_error *err) {
  hsize_t from[PL_MAX_AXES] = { 0 }, count[PL_MAX_AXES];
  for (int a = 0; a < s->shape.axes; a++) count[a] = a == 0 ? 1 : (hsize_t)s->shape.size[a];
  hid_t space = hdf5.H5Dget_space(set), memory = hdf5.H5Screate_simple(s->shape.axes, count, NULL);
  hid_t type = s->as_bytes ? hdf5.H5T_NATIVE_UINT8_g : hdf5.H5T_NATIVE_FLOAT_g;
  bool ok = hdf5.H5Sselect_hyperslab(space, H5S_SELECT_SET, from, NULL, count, NULL) >= 0 &&
    hdf5.H5Dread(set, type, memory, space, H5P_DEFAULT, out) >= 0;
  hdf5.H5Sclose(space);
  hdf5.H5Sclose(memory);
  return ok ? PL_OK : pl_hdf5_error(err, PL_ERROR_CORRUPT, "cannot read the first row of %s", s->file.name);
}

static pl_status compare_row(pl_hdf5_stream *s, hid_t set, bool *same, pl_error *err) {
  uint32_t first = 0;
  void *mine = pl_alloc(s->stream.row_bytes, err), *theirs = pl_alloc(s->stream.row_bytes, err);
  pl_status status = mine && theirs ? PL_OK : PL_ERROR_MEMORY;
  if (status == PL_OK) status = pl_stream_read_rows(&s->stream, mine, &first, 1, err);
  if (status == PL_OK) status = read_first_row(s, set, theirs, err);
  *same = status == PL_OK && memcmp(mine, theirs, s->stream.row_bytes) == 0;
  pl_free(mine);
  pl_free(theirs);
  return status;
}

/* Versions of libhdf5 differ in whether they count from a file's beginning or from the end of its user block. It reads
   no chunks here: it might find others than those that are known. */
static pl_status check_first_row(pl_hdf5_stream *s, hid_t set, uint64_t user_block, pl_error *err) {
  pl_status status = PL_OK;
  bool same = s->chunks != NULL;
  for (int try = 0; status == PL_OK && !same && try < (user_block > 0 ? 2 : 1); try++) {
    if (try == 1) s->offset += user_block;
    status = compare_row(s, set, &same, err);
    if (status && try == 0 && user_block > 0) status = PL_OK;   /* these were other bytes */
  }
  return status || same ? status : unreadable(s, "its first row is not found where libhdf5 says", err);
}

/* PL_ERROR_VALUE: there is no such name; other errors: what has it cannot be entered. */
static hid_t enter_set(pl_store_reader *r, const char *name, pl_error *err) {
  hid_t set = pl_reader_enter(r, name, err);
  bool whole = r->in.error.status == PL_OK;
  if (set < 0 && whole && hdf5.H5Lexists(r->file, name, H5P_DEFAULT) == 0) err->status = PL_ERROR_VALUE;
  return set;
}

static pl_status open_set(pl_hdf5_stream *s, const char *path, const char *name, pl_error *err) {
  pl_store_reader *r = pl_alloc(sizeof *r + strlen(path) + 1, err);
  if (r == NULL) return PL_ERROR_MEMORY;
  strcpy(r->path, path);
  r->in = (pl_checked_file){ .path = r->path, .source = &s->file, .size = (uint64_t)s->file.length };
  pl_status status = pl_checked_file_begin(&r->in, err);
  if (status == PL_OK) status = pl_hdf5_load(err);
  hid_t set = -1;
  r->file = -1;
  if (status == PL_OK && (r->file = pl_checked_file_open(&r->in, err)) < 0) status = err->status;
  if (status == PL_OK && (set = enter_set(r, name, err)) < 0) status = err->status;
  if (status == PL_OK && hdf5.H5Iget_type(set) != H5I_DATASET) status = unreadable(s, "it is a group", err);
  if (status == PL_OK) status = find_element(s, set, err);
  if (status == PL_OK) status = find_shape(s, set, err);
  if (status == PL_OK) status = find_bytes(s, &r->in, set, err);
  s->stream.one_reads = s->chunks != NULL;
  if (status == PL_OK) {
    pl_dtype type = s->as_bytes ? PL_U8 : PL_F32;
    pl_stream_init(&s->stream, type, s->row_elements * pl_dtype_size(type), s->chunks ? s->band_rows : 1);
    status = check_first_row(s, set, r->in.base, err);
  }
  if (set >= 0) hdf5.H5Oclose(set);
  if (r->file >= 0) hdf5.H5Fclose(r->file);
  status = pl_checked_file_status(&r->in, status, err);
  pl_checked_file_end(&r->in);
  pl_free(r);
  return status;
}

pl_stream *pl_stream_hdf5(const char *path, const char *name, pl_array_info *info, pl_error *err) {
  pl_error local;
  if (err == NULL) err = &local;
  pl_hdf5_stream *s = pl_alloc(sizeof *s, err);
  if (s == NULL) return NULL;
  s->band_held = SIZE_MAX;
  s->stream.read = pl_hdf5_stream_read;
  s->stream.fetch = pl_hdf5_stream_fetch;
  s->stream.check = pl_hdf5_stream_check;
  s->stream.free = pl_hdf5_stream_free;
  pl_status status = pl_source_open(&s->file, path, err);
  if (status == PL_OK) {
    snprintf(s->file.name, sizeof s->file.name, "'%.100s' of %.180s", name, path);
    status = open_set(s, path, name, err);
  }
  if (status) {
    pl_hdf5_stream_free(&s->stream);
    return NULL;
  }
  *info = (pl_array_info){ .type = s->as_bytes ? PL_U8 : PL_F32, .shape = s->shape,
                           .integers = s->element.kind != 'f' };
  snprintf(info->element, sizeof info->element, "%c%d", s->element.kind, 8 * s->element.size);
  return &s->stream;
}
