#include <string.h>
#include "store/hdf5_types.h"

static const struct { const char *name; size_t size; const hid_t *file, *memory; } types[] = {
  [PL_STORE_F32] = { "f32", 4, &hdf5.H5T_IEEE_F32LE_g, &hdf5.H5T_NATIVE_FLOAT_g },
  [PL_STORE_U8] = { "u8", 1, &hdf5.H5T_STD_U8LE_g, &hdf5.H5T_NATIVE_UINT8_g },
  [PL_STORE_I32] = { "i32", 4, &hdf5.H5T_STD_I32LE_g, &hdf5.H5T_NATIVE_INT32_g },
  [PL_STORE_F64] = { "f64", 8, &hdf5.H5T_IEEE_F64LE_g, &hdf5.H5T_NATIVE_DOUBLE_g },
  [PL_STORE_I64] = { "i64", 8, &hdf5.H5T_STD_I64LE_g, &hdf5.H5T_NATIVE_INT64_g },
  [PL_STORE_BOOL] = { "bool", 1, NULL, NULL },
  [PL_STORE_TEXT] = { "text", 1, NULL, NULL },
};

const char *pl_store_type_name(pl_store_type type) { return types[type].name; }
size_t pl_store_type_size(pl_store_type type) { return types[type].size; }
hid_t pl_store_file_type(pl_store_type type) { return *types[type].file; }
hid_t pl_store_memory_type(pl_store_type type) { return *types[type].memory; }

hid_t pl_store_text_type(size_t length) {
  hid_t type = hdf5.H5Tcopy(hdf5.H5T_C_S1_g);
  if (type >= 0 && hdf5.H5Tset_size(type, length ? length : 1) >= 0 && hdf5.H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0 &&
      hdf5.H5Tset_cset(type, H5T_CSET_UTF8) >= 0) return type;
  hdf5.H5Tclose(type);
  return -1;
}

hid_t pl_store_bool_type(hid_t base) {
  static const char no = 0, yes = 1;
  hid_t type = hdf5.H5Tenum_create(base);
  if (type >= 0 && hdf5.H5Tenum_insert(type, "FALSE", &no) >= 0 && hdf5.H5Tenum_insert(type, "TRUE", &yes) >= 0)
    return type;
  hdf5.H5Tclose(type);
  return -1;
}

bool pl_store_next_name(const char **path, char name[STORE_NAME_MOST], pl_error *err) {
  const char *from = *path;
  err->status = PL_OK;
  if (*from == '/') from++;
  if (*from == '\0') return false;
  size_t length = strcspn(from, "/");
  if (length == 0 || length >= STORE_NAME_MOST || (length == 1 && *from == '.') ||
      (length == 2 && from[0] == '.' && from[1] == '.')) {
    pl_error_set(err, PL_ERROR_VALUE, "'%.60s' does not go on as a path inside a file: expected names of 1 to %d "
                                      "bytes, other than '.' and '..', between single slashes", *path,
                 STORE_NAME_MOST - 1);
    return false;
  }
  memcpy(name, from, length);
  name[length] = '\0';
  *path = from + length;
  return true;
}

size_t pl_store_text_length(const char *text, size_t size) {
  while (size > 0 && text[size - 1] == '\0') size--;
  return size;
}
