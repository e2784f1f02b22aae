/* The tree writer. Whatever fails is kept in w->failure, so that a commit never publishes a tree with a hole. */
#include <string.h>
#include "perilune/alloc.h"
#include "perilune/store.h"
#include "store/hdf5.h"
#include "store/user_block.h"
#include "store/hdf5_types.h"

struct pl_store_writer {
  pl_memory_file memory;
  hid_t file;
  hid_t links, groups;    /* property lists: names in UTF-8; children and attributes in order, without times */
  pl_error failure;
  char path[];
};

static void writer_free(pl_store_writer *w) {
  hdf5.H5Pclose(w->links);
  hdf5.H5Pclose(w->groups);
  pl_free(w->memory.data);
  pl_free(w);
}

pl_store_writer *pl_store_create(const char *path, pl_error *err) {
  if (pl_hdf5_load(err)) return NULL;
  pl_store_writer *w = pl_alloc(sizeof *w + strlen(path) + 1, err);
  if (w == NULL) return NULL;
  enum { ORDER = H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED };
  strcpy(w->path, path);
  w->links = hdf5.H5Pcreate(hdf5.H5P_CLS_LINK_CREATE_ID_g);
  w->groups = hdf5.H5Pcreate(hdf5.H5P_CLS_GROUP_CREATE_ID_g);
  if (hdf5.H5Pset_char_encoding(w->links, H5T_CSET_UTF8) < 0 || hdf5.H5Pset_link_creation_order(w->groups, ORDER) < 0 ||
      hdf5.H5Pset_attr_creation_order(w->groups, ORDER) < 0 || hdf5.H5Pset_obj_track_times(w->groups, 0) < 0) {
    pl_hdf5_error(err, PL_ERROR_MEMORY, "cannot begin a file");
  } else if ((w->file = pl_memory_file_create(&w->memory, err)) >= 0) {
    return w;
  }
  writer_free(w);
  return NULL;
}

/* Ends every function of the writer: hands out the failure, if there is one. */
static pl_status done(const pl_store_writer *w, pl_error *err) {
  if (w->failure.status != PL_OK && err != NULL) *err = w->failure;
  return w->failure.status;
}

/* The group `name` in `parent`, made if it is not there; -1 on failure. Closes `parent`. */
static hid_t enter_group(pl_store_writer *w, hid_t parent, const char *name, const char *path) {
  htri_t there = hdf5.H5Lexists(parent, name, H5P_DEFAULT);
  hid_t group = there > 0 ? hdf5.H5Gopen2(parent, name, H5P_DEFAULT)
    : hdf5.H5Gcreate2(parent, name, w->links, w->groups, H5P_DEFAULT);
  if (group < 0 && there > 0)
    pl_error_set(&w->failure, PL_ERROR_VALUE, "cannot write %s: '%s' is a dataset, not a group", path, name);
  else if (group < 0) pl_hdf5_error(&w->failure, PL_ERROR_MEMORY, "cannot make the group '%s' of %s", name, path);
  hdf5.H5Gclose(parent);
  return group;
}

/* Opens the group of all names of `path` but the last, which it gives in `leaf` ("" for the root); -1 on failure. */
static hid_t enter_parent(pl_store_writer *w, const char *path, char leaf[STORE_NAME_MOST]) {
  char name[STORE_NAME_MOST];
  const char *rest = path;
  hid_t group = hdf5.H5Gopen2(w->file, "/", H5P_DEFAULT);
  if (group < 0) pl_hdf5_error(&w->failure, PL_ERROR_MEMORY, "cannot write %.120s", path);
  leaf[0] = '\0';
  while (group >= 0 && pl_store_next_name(&rest, name, &w->failure)) {
    if (leaf[0] != '\0') group = enter_group(w, group, leaf, path);
    strcpy(leaf, name);
  }
  if (w->failure.status == PL_OK) return group;
  if (group >= 0) pl_error_prefix(&w->failure, "cannot write %.120s", path);
  if (group >= 0) hdf5.H5Gclose(group);
  return -1;
}

pl_status pl_store_group(pl_store_writer *w, const char *path, pl_error *err) {
  char leaf[STORE_NAME_MOST];
  if (w->failure.status) return done(w, err);
  hid_t group = enter_parent(w, path, leaf);
  if (group >= 0 && leaf[0] != '\0') group = enter_group(w, group, leaf, path);
  if (group >= 0) hdf5.H5Gclose(group);
  return done(w, err);
}

/* name: of the attribute, or NULL. */
static bool text_fits(pl_store_writer *w, const char *path, const char *name, const char *text, size_t length) {
  if (length == 0 || text[length - 1] != '\0') return true;
  pl_error_set(&w->failure, PL_ERROR_VALUE, "cannot write %.120s%s%.120s: a text in a file may not end with a zero "
               "byte", path, name ? "/" : "", name ? name : "");
  return false;
}

/* The two datatypes of one value: as it lies in the file, and in memory. Both new, or -1. */
static void value_types(pl_store_type type, size_t length, hid_t *file, hid_t *memory) {
  *file = type == PL_STORE_TEXT ? pl_store_text_type(length)
        : type == PL_STORE_BOOL ? pl_store_bool_type(hdf5.H5T_STD_I8LE_g) : hdf5.H5Tcopy(pl_store_file_type(type));
  *memory = type == PL_STORE_TEXT ? pl_store_text_type(length)
          : type == PL_STORE_BOOL ? pl_store_bool_type(hdf5.H5T_NATIVE_INT8_g)
            : hdf5.H5Tcopy(pl_store_memory_type(type));
}

/* `list`: how many values there are, in one axis; NULL: one, without an axis. */
static void write_attr(pl_store_writer *w, hid_t object, const char *path, const char *name, hid_t file, hid_t memory,
                       const hsize_t *list, const void *value) {
  hid_t names = hdf5.H5Pcreate(hdf5.H5P_CLS_ATTRIBUTE_CREATE_ID_g), attr = -1;
  hid_t space = list ? hdf5.H5Screate_simple(1, list, NULL) : hdf5.H5Screate(H5S_SCALAR);
  if (hdf5.H5Pset_char_encoding(names, H5T_CSET_UTF8) >= 0 && space >= 0) {
    attr = hdf5.H5Acreate2(object, name, file, space, names, H5P_DEFAULT);
  }
  if (attr < 0 || hdf5.H5Awrite(attr, memory, value) < 0) {
    pl_hdf5_error(&w->failure, PL_ERROR_VALUE, "cannot write the attribute '%s' of %s", name, path);
  }
  hdf5.H5Aclose(attr);
  hdf5.H5Sclose(space);
  hdf5.H5Pclose(names);
}

static pl_status put_attr(pl_store_writer *w, const char *path, const char *name, pl_store_type type,
                          const hsize_t *list, const void *value, size_t length, pl_error *err) {
  char leaf[STORE_NAME_MOST];
  hid_t file, memory;
  if (w->failure.status == PL_OK && (name[0] == '\0' || strlen(name) >= STORE_NAME_MOST)) {
    pl_error_set(&w->failure, PL_ERROR_VALUE,
                 "cannot write an attribute '%.40s' of %s: expected a name of 1 to %d bytes", name, path,
                 STORE_NAME_MOST - 1);
  }
  if (w->failure.status || (type == PL_STORE_TEXT && !list && !text_fits(w, path, name, value, length)))
    return done(w, err);
  hid_t parent = enter_parent(w, path, leaf);
  if (parent < 0) return done(w, err);
  hid_t object = hdf5.H5Oopen(parent, leaf[0] ? leaf : ".", H5P_DEFAULT);
  value_types(type, length, &file, &memory);
  if (object < 0)
    pl_error_set(&w->failure, PL_ERROR_VALUE, "cannot give '%s' the attribute '%s': write the group or dataset first",
                 path, name);
  else write_attr(w, object, path, name, file, memory, list, length == 0 && type == PL_STORE_TEXT ? "" : value);
  hdf5.H5Tclose(memory);
  hdf5.H5Tclose(file);
  hdf5.H5Oclose(object);
  hdf5.H5Gclose(parent);
  return done(w, err);
}

pl_status pl_store_attr(pl_store_writer *w, const char *path, const char *name, pl_store_type type, const void *value,
                        size_t length, pl_error *err) {
  return put_attr(w, path, name, type, NULL, value, length, err);
}

pl_status pl_store_attr_texts(pl_store_writer *w, const char *path, const char *name, const char *const *texts,
                              size_t n, pl_error *err) {
  size_t longest = 1;
  for (size_t i = 0; i < n; i++) longest = strlen(texts[i]) > longest ? strlen(texts[i]) : longest;
  char *rows = pl_alloc_array(n + 1, longest, &w->failure);   /* zeroed */
  if (rows == NULL) return done(w, err);
  for (size_t i = 0; i < n; i++) memcpy(rows + i * longest, texts[i], strlen(texts[i]));
  pl_status status = put_attr(w, path, name, PL_STORE_TEXT, &(hsize_t){ n }, rows, longest, err);
  pl_free(rows);
  return status;
}

/* Creates and writes one dataset; takes over `space` and `creation`. */
static pl_status write_data(pl_store_writer *w, const char *path, hid_t file, hid_t memory, hid_t space, hid_t creation,
                            const void *data,
                            pl_error *err) {
  char leaf[STORE_NAME_MOST];
  hid_t set = -1, parent = enter_parent(w, path, leaf);
  if (parent >= 0 && leaf[0] == '\0')
    pl_error_set(&w->failure, PL_ERROR_VALUE, "cannot write a dataset '%s': its name is missing", path);
  else if (parent >= 0 && hdf5.H5Lexists(parent, leaf, H5P_DEFAULT) > 0) {
    pl_error_set(&w->failure, PL_ERROR_VALUE, "cannot write %s: it is there already", path);
  } else if (parent >= 0) {
    set = hdf5.H5Dcreate2(parent, leaf, file, space, w->links, creation, H5P_DEFAULT);
    if (set < 0 || hdf5.H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0 || hdf5.H5Dclose(set) < 0) {
      pl_hdf5_error(&w->failure, PL_ERROR_MEMORY, "cannot write %.120s", path);
    }
  }
  hdf5.H5Gclose(parent);
  hdf5.H5Pclose(creation);
  hdf5.H5Sclose(space);
  return done(w, err);
}

/* Without the time of writing and without a first pass of fill values: the same tree is the same bytes. */
static hid_t data_creation(void) {
  hid_t creation = hdf5.H5Pcreate(hdf5.H5P_CLS_DATASET_CREATE_ID_g);
  hdf5.H5Pset_obj_track_times(creation, 0);
  hdf5.H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER);
  return creation;
}

/* The sum needs chunks: one for the whole dataset, unless that is large. */
static void set_chunks(hid_t creation, const pl_shape *shape, size_t size, int gzip) {
  enum { MOST = 32 << 20 };
  hsize_t chunk[PL_MAX_AXES];
  uint64_t bytes = size;
  for (int i = 0; i < shape->axes; i++) bytes *= chunk[i] = (hsize_t)shape->size[i];
  for (int i = 0; i < shape->axes; i++) {
    while (bytes > MOST && chunk[i] > 1) {
      bytes /= chunk[i];
      bytes *= chunk[i] = (chunk[i] + 1) / 2;
    }
  }
  hdf5.H5Pset_chunk(creation, shape->axes, chunk);
  if (gzip > 0) hdf5.H5Pset_deflate(creation, (unsigned)gzip);
  hdf5.H5Pset_fletcher32(creation);
}

pl_status pl_store_data(pl_store_writer *w, const char *path, pl_store_type type, const pl_shape *shape,
                        const void *data, int gzip, pl_error *err) {
  hsize_t size[PL_MAX_AXES];
  int64_t count = pl_shape_count(shape);
  if (w->failure.status) return done(w, err);
  if (type > PL_STORE_I64 || count < 0 || gzip < 0 || gzip > 9) {
    char text[PL_SHAPE_TEXT];
    pl_error_set(&w->failure, PL_ERROR_VALUE,
                 "cannot write %s: expected numbers and gzip from 0 to 9, found %s %s and gzip %d", path,
                 pl_store_type_name(type), pl_shape_text(text, shape, false), gzip);
    return done(w, err);
  }
  for (int i = 0; i < shape->axes; i++) size[i] = (hsize_t)shape->size[i];
  hid_t creation = data_creation();
  hid_t space = shape->axes ? hdf5.H5Screate_simple(shape->axes, size, NULL) : hdf5.H5Screate(H5S_SCALAR);
  if (shape->axes == 0) hdf5.H5Pset_layout(creation, H5D_COMPACT);
  else if (count > 0) set_chunks(creation, shape, pl_store_type_size(type), gzip);
  return write_data(w, path, pl_store_file_type(type), pl_store_memory_type(type), space, creation, data ? data : "",
                    err);
}

/* In one piece; a short one lies in the object's header, whose checksum covers it. */
pl_status pl_store_text(pl_store_writer *w, const char *path, const char *text, size_t length, pl_error *err) {
  enum { COMPACT_MOST = 60000 };
  if (w->failure.status || !text_fits(w, path, NULL, text, length)) return done(w, err);
  hid_t creation = data_creation(), type = pl_store_text_type(length);
  if (length <= COMPACT_MOST) hdf5.H5Pset_layout(creation, H5D_COMPACT);
  pl_status status = write_data(w, path, type, type, hdf5.H5Screate(H5S_SCALAR), creation, length ? text : "", err);
  hdf5.H5Tclose(type);
  return status;
}

/* CLASS is what makes a dataset a scale; readers want it fixed, 16 bytes, ended by a zero (HDF5 Dimension Scale
   Specification). */
pl_status pl_store_scale(pl_store_writer *w, const char *path, const char *name, pl_error *err) {
  static const char class[] = "DIMENSION_SCALE";
  if (w->failure.status) return done(w, err);
  hid_t object = hdf5.H5Oopen(w->file, path, H5P_DEFAULT), type = hdf5.H5Tcopy(hdf5.H5T_C_S1_g);
  if (object < 0)
    pl_error_set(&w->failure, PL_ERROR_VALUE, "cannot make '%s' a dimension scale: write the dataset first", path);
  else {
    hdf5.H5Tset_size(type, sizeof class);
    write_attr(w, object, path, "CLASS", type, type, NULL, class);
    hdf5.H5Tset_size(type, strlen(name) + 1);
    if (w->failure.status == PL_OK) write_attr(w, object, path, "NAME", type, type, NULL, name);
  }
  hdf5.H5Tclose(type);
  hdf5.H5Oclose(object);
  return done(w, err);
}

pl_status pl_store_commit(pl_store_writer *w, pl_error *err) {
  pl_error failure = w->failure;
  if (failure.status) {
    pl_store_discard(w);
    pl_error_prefix(&failure, "not saved");
  } else if (pl_memory_file_close(&w->memory, w->file, &failure)) {
    pl_error_prefix(&failure, "%s is not saved", w->path);
    if (w->memory.released) writer_free(w);
  } else {
    pl_user_block_write(w->memory.data, w->memory.size);
    if (pl_store_write_file(w->path, w->memory.data, w->memory.size, &failure) == PL_OK) failure.status = PL_OK;
    writer_free(w);
  }
  if (failure.status && err != NULL) *err = failure;
  return failure.status;
}

void pl_store_discard(pl_store_writer *w) {
  if (w == NULL) return;
  hdf5.H5Fclose(w->file);
  if (w->memory.released) writer_free(w);   /* else libhdf5 may still use the image */
}
