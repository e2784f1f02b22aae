/* The tree reader: datasets and attributes. What a file claims is checked against the file's length before anything is
   allocated for it. */
#include <string.h>
#include "store/chunks.h"
#include "store/reader.h"

enum { NO_TYPE = -1 };

static int lossless(hid_t type);

/* Enumerations, also those of two words that are booleans, are read as their numbers, which are no pixels. */
static int of_super(hid_t type) {
  hid_t super = hdf5.H5Tget_super(type);
  int found = super < 0 ? NO_TYPE : lossless(super);
  if (super >= 0) hdf5.H5Tclose(super);
  return found == PL_STORE_U8 ? PL_STORE_I32 : found;
}

/* The element type that holds all values of an HDF5 type; NO_TYPE when there is none. */
static int lossless(hid_t type) {
  size_t size = hdf5.H5Tget_size(type);
  switch (hdf5.H5Tget_class(type)) {
    case H5T_FLOAT: return size <= 4 ? PL_STORE_F32 : size <= 8 ? PL_STORE_F64 : NO_TYPE;
    case H5T_STRING: return PL_STORE_TEXT;
    case H5T_ENUM: return of_super(type);
    case H5T_INTEGER: {
      bool is_signed = hdf5.H5Tget_sign(type) != H5T_SGN_NONE;
      if (size == 1 && !is_signed) return PL_STORE_U8;
      if (size < 4 || (size == 4 && is_signed)) return PL_STORE_I32;
      return size <= 8 ? PL_STORE_I64 : NO_TYPE;      /* unsigned ones of 64 bits: if each fits, see pl_store_read */
    }
    default: return NO_TYPE;
  }
}

static bool converts(pl_store_type from, pl_store_type to) {
  if (from == to) return true;
  switch (to) {
    case PL_STORE_I32: return from == PL_STORE_U8;
    case PL_STORE_I64: return from == PL_STORE_U8 || from == PL_STORE_I32;
    case PL_STORE_F32: return from == PL_STORE_F64 || from == PL_STORE_U8;
    case PL_STORE_F64: return from != PL_STORE_TEXT && from != PL_STORE_BOOL;
    default: return false;
  }
}

static pl_status shape_of(hid_t space, pl_shape *shape, const pl_store_reader *r, const char *path, pl_error *err) {
  hsize_t size[H5S_MAX_RANK];
  int axes = hdf5.H5Sget_simple_extent_ndims(space);
  if (hdf5.H5Sget_simple_extent_type(space) == H5S_NULL || axes < 0 || axes > PL_MAX_AXES) {
    return pl_error_set(err, PL_ERROR_CORRUPT, "'%s' of %s has %d axes; expected 0 to %d", path, r->path, axes,
                        PL_MAX_AXES);
  }
  hdf5.H5Sget_simple_extent_dims(space, size, NULL);
  shape->axes = axes;
  for (int i = 0; i < axes; i++) shape->size[i] = size[i] > INT64_MAX ? -1 : (int64_t)size[i];
  return PL_OK;
}

/* Data of this file and no other, and no more of it than the file can hold: deflate shrinks 1032 times at most. */
static pl_status check_plausible(const pl_store_reader *r, const char *path, hid_t set, uint64_t elements, size_t size,
                                 pl_error *err) {
  enum { DEFLATE_MOST = 1032 };
  hid_t creation = hdf5.H5Dget_create_plist(set);
  H5D_layout_t layout = hdf5.H5Pget_layout(creation);
  uint64_t most_bytes = hdf5.H5Pget_nfilters(creation) > 0 ? r->in.size * DEFLATE_MOST : r->in.size,
    chunk_elements = 0;
  bool elsewhere = layout == H5D_VIRTUAL || hdf5.H5Pget_external_count(creation) > 0;
  if (layout == H5D_CHUNKED) {
    hsize_t chunk[H5S_MAX_RANK];
    int axes = hdf5.H5Pget_chunk(creation, H5S_MAX_RANK, chunk);
    chunk_elements = 1;
    for (int i = 0; i < axes; i++)
      if (__builtin_mul_overflow(chunk_elements, chunk[i], &chunk_elements)) chunk_elements = UINT64_MAX;
  }
  hdf5.H5Pclose(creation);
  if (elsewhere) return pl_error_set(err, PL_ERROR_CORRUPT, "'%s' of %s keeps its data in another file", path, r->path);
  if (size == 0 || elements > most_bytes / size || chunk_elements > most_bytes / size) {
    return pl_error_set(err, PL_ERROR_CORRUPT,
                        "'%s' claims %llu elements in chunks of %llu, more than the %llu bytes of %s can hold", path,
                        (unsigned long long)elements, (unsigned long long)chunk_elements,
                        (unsigned long long)r->in.size, r->path);
  }
  return PL_OK;
}

static pl_status dataset_info(const pl_store_reader *r, const char *path, hid_t set, pl_store_info *info,
                              pl_error *err) {
  hid_t type = hdf5.H5Dget_type(set), space = hdf5.H5Dget_space(set);
  int found = lossless(type);
  size_t size = hdf5.H5Tget_size(type);
  pl_status status = shape_of(space, &info->shape, r, path, err);
  int64_t count = status == PL_OK ? pl_shape_count(&info->shape) : 0;
  if (status == PL_OK && found == PL_STORE_TEXT && (hdf5.H5Tis_variable_str(type) != 0 || info->shape.axes > 0)) {
    status = pl_error_set(err, PL_ERROR_TYPE,
                          "'%s' of %s holds strings of variable length or several; expected one of fixed length", path,
                          r->path);
  } else if (status == PL_OK && (found == NO_TYPE || found == PL_STORE_BOOL)) {
    status = pl_error_set(err, PL_ERROR_TYPE,
                          "'%s' of %s has elements that are neither whole numbers of up to 64 bits, nor "
                          "floating-point numbers of up to 64, nor text", path, r->path);
  } else if (status == PL_OK && count < 0) {
    status = pl_error_set(err, PL_ERROR_CORRUPT, "'%s' of %s claims more elements than memory has addresses", path,
                          r->path);
  } else if (status == PL_OK) {
    status = check_plausible(r, path, set, (uint64_t)count, size, err);
  }
  hdf5.H5Sclose(space);
  hdf5.H5Tclose(type);
  if (status != PL_OK) return status;
  info->type = (pl_store_type)found;
  info->bytes = found == PL_STORE_TEXT ? size : (size_t)count * pl_store_type_size(info->type);
  return PL_OK;
}

pl_status pl_store_stat(pl_store_reader *r, const char *path, pl_store_info *info, pl_error *err) {
  pl_error local;
  if (err == NULL) err = &local;
  *info = (pl_store_info){ 0 };
  hid_t object = pl_reader_enter(r, path, err);
  if (object < 0) return err->status;
  pl_status status = PL_OK;
  H5I_type_t kind = hdf5.H5Iget_type(object);
  if (kind == H5I_GROUP) info->group = true;
  else if (kind == H5I_DATASET) status = dataset_info(r, path, object, info, err);
  else status = pl_error_set(err, PL_ERROR_TYPE, "'%s' of %s is neither a group nor a dataset", path, r->path);
  hdf5.H5Oclose(object);
  return pl_checked_file_status(&r->in, status, err);
}

static pl_status check_storage(pl_store_reader *r, const char *path, hid_t set, const pl_shape *shape,
                               pl_error *err) {
  hid_t type = hdf5.H5Dget_type(set);
  pl_status status = pl_storage_check(&r->in, set, shape, hdf5.H5Tget_size(type), err);
  hdf5.H5Tclose(type);
  if (status) pl_error_prefix(err, "cannot read '%s' of %s", path, r->path);
  return status;
}

/* Reading turns unsigned numbers that do not fit into the largest that does. */
static bool is_clipped(hid_t set, const int64_t *data, size_t n) {
  hid_t type = hdf5.H5Dget_type(set);
  bool wide = hdf5.H5Tget_class(type) == H5T_INTEGER && hdf5.H5Tget_size(type) == 8 &&
    hdf5.H5Tget_sign(type) == H5T_SGN_NONE, clipped = false;
  hdf5.H5Tclose(type);
  for (size_t i = 0; wide && !clipped && i < n; i++) clipped = data[i] == INT64_MAX;
  return clipped;
}

pl_status pl_store_read(pl_store_reader *r, const char *path, pl_store_type type, void *data, size_t bytes,
                        pl_error *err) {
  pl_store_info info;
  pl_error local;
  if (err == NULL) err = &local;
  if (pl_store_stat(r, path, &info, err)) return err->status;
  if (info.group) return pl_error_set(err, PL_ERROR_TYPE, "'%s' of %s is a group; expected a dataset", path, r->path);
  if (!converts(info.type, type)) {
    return pl_error_set(err, PL_ERROR_TYPE, "'%s' of %s holds %s, which does not become %s without loss", path, r->path,
                        pl_store_type_name(info.type), pl_store_type_name(type));
  }
  size_t needed = info.bytes / pl_store_type_size(info.type) * pl_store_type_size(type);
  if (bytes != needed) {
    return pl_error_set(err, PL_ERROR_SHAPE, "'%s' of %s has %zu bytes as %s; found room for %zu", path, r->path,
                        needed, pl_store_type_name(type), bytes);
  }
  hid_t set = pl_reader_enter(r, path, err);
  if (set < 0) return err->status;
  hid_t memory = type == PL_STORE_TEXT ? hdf5.H5Dget_type(set) : hdf5.H5Tcopy(pl_store_memory_type(type));
  pl_status status = check_storage(r, path, set, &info.shape, err);
  if (status == PL_OK && bytes > 0 && hdf5.H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) {
    status = pl_hdf5_error(err, PL_ERROR_CORRUPT, "cannot read '%s' of %s", path, r->path);
  }
  if (status == PL_OK && type == PL_STORE_I64 && is_clipped(set, data, bytes / sizeof(int64_t))) {
    status = pl_error_set(err, PL_ERROR_VALUE, "'%s' of %s has a number of 2^63 - 1 or more, which is too large", path,
                          r->path);
  }
  hdf5.H5Tclose(memory);
  hdf5.H5Oclose(set);
  return pl_checked_file_status(&r->in, status, err);
}
