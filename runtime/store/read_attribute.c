/* The tree reader: single-valued attributes. */
#include <string.h>
#include "store/reader.h"
#include "perilune/alloc.h"

static pl_status read_fixed_text(hid_t attr, hid_t type, size_t most, pl_store_value *value, void **text,
                                 pl_error *err) {
  size_t size = hdf5.H5Tget_size(type);
  if (size > most) return pl_error_set(err, PL_ERROR_CORRUPT, "a text of %zu bytes does not fit into the file", size);
  if ((*text = pl_alloc(size + 1, err)) == NULL) return PL_ERROR_MEMORY;
  if (hdf5.H5Aread(attr, type, *text) < 0) return pl_hdf5_error(err, PL_ERROR_CORRUPT, "unreadable text");
  value->text = *text;
  value->length = pl_store_text_length(*text, size);
  return PL_OK;
}

/* Reads one value. A text lies in *text (free with pl_free) or, of variable length, in *foreign (libhdf5's memory).
   `known` is false when the attribute is of a kind that is passed over. */
static pl_status read_value(const pl_store_reader *r, const char *name, hid_t attr, hid_t type, pl_store_value *value,
                            bool *known, void **text, char **foreign, pl_error *err) {
  herr_t good = 0;
  *known = true;
  switch (hdf5.H5Tget_class(type)) {
    case H5T_STRING:
      value->type = PL_STORE_TEXT;
      if (hdf5.H5Tis_variable_str(type) == 0) return read_fixed_text(attr, type, (size_t)r->in.size, value, text, err);
      if (!pl_variable_text_is_whole(r, name))
        return pl_error_set(err, PL_ERROR_CORRUPT, "its text is not where it should be: the file is damaged");
      good = hdf5.H5Aread(attr, type, foreign);
      value->text = *foreign ? *foreign : "";
      value->length = strlen(value->text);
      break;
    case H5T_FLOAT:
      value->type = PL_STORE_F64;
      good = hdf5.H5Aread(attr, hdf5.H5T_NATIVE_DOUBLE_g, &value->number);
      break;
    case H5T_INTEGER:
      *known = hdf5.H5Tget_size(type) < 8 || hdf5.H5Tget_sign(type) != H5T_SGN_NONE;
      value->type = PL_STORE_I64;
      if (*known) good = hdf5.H5Aread(attr, hdf5.H5T_NATIVE_INT64_g, &value->integer);
      break;
    case H5T_ENUM: {
      unsigned char byte = 0;
      *known = hdf5.H5Tget_size(type) == 1 && hdf5.H5Tget_nmembers(type) == 2;
      value->type = PL_STORE_BOOL;
      if (*known) good = hdf5.H5Aread(attr, type, &byte);
      value->integer = byte != 0;
      break;
    }
    default: *known = false;
  }
  return good < 0 ? pl_hdf5_error(err, PL_ERROR_CORRUPT, "unreadable value") : PL_OK;
}

typedef pl_status each_attr(void *arg, const char *name, const pl_store_value *value, pl_error *err);

static pl_status visit(pl_store_reader *r, hid_t attr, each_attr *each, void *arg, pl_error *err) {
  char name[STORE_NAME_MOST], *foreign = NULL;
  void *text = NULL;
  bool known = false;
  pl_store_value value = { 0 };
  pl_status status = PL_OK;
  hid_t type = hdf5.H5Aget_type(attr), space = hdf5.H5Aget_space(attr);
  ssize_t length = hdf5.H5Aget_name(attr, sizeof name, name);
  if (type < 0 || space < 0 || length < 0) status = pl_hdf5_error(err, PL_ERROR_CORRUPT, "unreadable attribute");
  else if (hdf5.H5Sget_simple_extent_type(space) == H5S_SCALAR && (size_t)length < sizeof name) {
    status = read_value(r, name, attr, type, &value, &known, &text, &foreign, err);
    if (status != PL_OK) pl_error_prefix(err, "attribute '%s'", name);
  }
  if (status == PL_OK && known) status = each(arg, name, &value, err);
  if (foreign != NULL) hdf5.H5free_memory(foreign);
  pl_free(text);
  hdf5.H5Sclose(space);
  hdf5.H5Tclose(type);
  return status;
}

/* Files of others may keep no order of creation: then by name. */
static H5_index_t attr_order(hid_t object) {
  unsigned flags = 0;
  if (hdf5.H5Iget_type(object) == H5I_GROUP) {
    hid_t creation = hdf5.H5Gget_create_plist(object);
    hdf5.H5Pget_attr_creation_order(creation, &flags);
    hdf5.H5Pclose(creation);
  }
  return flags & H5P_CRT_ORDER_TRACKED ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
}

typedef struct visiting {
  pl_store_reader *r;
  each_attr *each;
  void *arg;
  pl_error *err;
  pl_status status;
} visiting;

static herr_t visit_named(hid_t object, const char *name, const H5A_info_t *info, void *arg) {
  visiting *v = arg;
  (void)info;
  hid_t attr = hdf5.H5Aopen(object, name, H5P_DEFAULT);
  if (attr < 0) v->status = pl_hdf5_error(v->err, PL_ERROR_CORRUPT, "unreadable attribute '%.60s'", name);
  else {
    v->status = visit(v->r, attr, v->each, v->arg, v->err);
    hdf5.H5Aclose(attr);
  }
  return v->status == PL_OK ? 0 : 1;
}

pl_status pl_store_attrs(pl_store_reader *r, const char *path, each_attr *each, void *arg, pl_error *err) {
  pl_error local;
  if (err == NULL) err = &local;
  hid_t object = pl_reader_enter(r, path, err);
  if (object < 0) return err->status;
  visiting v = { r, each, arg, err, PL_OK };
  if (hdf5.H5Aiterate2(object, attr_order(object), H5_ITER_INC, NULL, visit_named, &v) < 0 && v.status == PL_OK) {
    v.status = pl_hdf5_error(err, PL_ERROR_CORRUPT, "unreadable attributes");
  }
  if (v.status == PL_ERROR_CORRUPT) pl_error_prefix(err, "'%s' of %s", path, r->path);
  hdf5.H5Oclose(object);
  return pl_checked_file_status(&r->in, v.status, err);
}
