/* The tree reader: opening, and finding one's way. */
#include <string.h>
#include "store/user_block.h"
#include "store/reader.h"
#include "perilune/alloc.h"

static void reader_free(pl_store_reader *r) {
  pl_checked_file_end(&r->in);
  pl_free((void *)r->in.memory);
  pl_free(r);
}

pl_store_reader *pl_store_open(const char *path, bool foreign, pl_error *err) {
  pl_store_reader *r = pl_alloc(sizeof *r + strlen(path) + 1, err);
  void *data = NULL;
  size_t size = 0;
  if (r == NULL) return NULL;
  strcpy(r->path, path);
  pl_status status = pl_store_read_file(path, &data, &size, err);
  r->in = (pl_checked_file){ .path = r->path, .memory = data, .size = size };
  bool ours = !foreign || (status == PL_OK && pl_user_block_present(data, size));
  if (status == PL_OK && ours) status = pl_user_block_check(path, data, size, r->digest, err);
  if (status == PL_OK) status = pl_checked_file_begin(&r->in, err);
  if (status == PL_OK) status = pl_hdf5_load(err);
  if (status == PL_OK && (r->file = pl_checked_file_open(&r->in, err)) < 0)
    status = pl_checked_file_status(&r->in, PL_ERROR_CORRUPT, err);
  if (status == PL_OK) return r;
  reader_free(r);
  return NULL;
}

void pl_store_close(pl_store_reader *r) {
  if (r != NULL && hdf5.H5Fclose(r->file) >= 0) reader_free(r);
}

const char *pl_store_digest(const pl_store_reader *r) { return r->digest; }

/* Whoever walks through a file visits an object as often as there are ways to it: with two links to each group 2^depth
   times, with a link back up for ever. A group may have one link. So may a dataset of ours, since we make no other. */
static bool has_one_link(const pl_store_reader *r, hid_t object) {
  pl_object_info info;
  if (hdf5.OBJECT_INFO(object, &info, H5O_INFO_BASIC) < 0) return false;
  return info.rc <= 1 || (r->digest[0] == '\0' && hdf5.H5Iget_type(object) == H5I_DATASET);
}

static hid_t enter_link(hid_t group, const char *name, int *names, bool *soft);

/* What the path in a soft link leads to, from the link's own group; it may lead over other links, but not out of the
   file. */
static hid_t enter_soft(hid_t group, const char *name, size_t size, int *names) {
  enum { PATH_MOST = 1024 };
  char path[PATH_MOST], part[STORE_NAME_MOST];
  const char *rest = path;
  pl_error bad = { PL_OK, "" };
  if (size > sizeof path || hdf5.H5Lget_val(group, name, path, sizeof path, H5P_DEFAULT) < 0) return -1;
  path[sizeof path - 1] = '\0';
  hid_t object = hdf5.H5Oopen(group, path[0] == '/' ? "/" : ".", H5P_DEFAULT);
  while (object >= 0 && pl_store_next_name(&rest, part, &bad)) {
    hid_t next = hdf5.H5Iget_type(object) == H5I_GROUP ? enter_link(object, part, names, NULL) : -1;
    hdf5.H5Oclose(object);
    object = next;
  }
  if (bad.status == PL_OK || object < 0) return object;
  hdf5.H5Oclose(object);
  return -1;
}

/* A link's target in the same file, or -1. Of *names one is used up, and one for each name in soft links: these may
   lead to soft links, in circles or in paths whose every name is a path. */
static hid_t enter_link(hid_t group, const char *name, int *names, bool *soft) {
  if (--*names < 0) return -1;
  H5L_info_t info;
  if (hdf5.H5Lexists(group, name, H5P_DEFAULT) <= 0 || hdf5.H5Lget_info(group, name, &info, H5P_DEFAULT) < 0) return -1;
  if (soft != NULL) *soft = info.type == H5L_TYPE_SOFT;
  if (info.type == H5L_TYPE_SOFT) return enter_soft(group, name, info.u.val_size, names);
  return info.type == H5L_TYPE_HARD ? hdf5.H5Oopen(group, name, H5P_DEFAULT) : -1;
}

hid_t pl_reader_enter(pl_store_reader *r, const char *path, pl_error *err) {
  char name[STORE_NAME_MOST];
  const char *rest = path;
  pl_error bad = { PL_OK, "" };
  hid_t object = hdf5.H5Oopen(r->file, "/", H5P_DEFAULT);
  int names = STORE_PATH_MOST;
  while (object >= 0 && pl_store_next_name(&rest, name, &bad)) {
    hid_t next = hdf5.H5Iget_type(object) == H5I_GROUP ? enter_link(object, name, &names, NULL) : -1;
    hdf5.H5Oclose(object);
    object = next;
  }
  if (object >= 0 && !has_one_link(r, object)) {
    hdf5.H5Oclose(object);
    pl_error_set(err, PL_ERROR_CORRUPT, "'%.120s' of %s is linked from several places; what is read here is a tree",
                 path, r->path);
    return -1;
  }
  if (bad.status != PL_OK && object >= 0) {
    hdf5.H5Oclose(object);
    object = -1;
  }
  if (names < 0)
    pl_error_set(err, PL_ERROR_CORRUPT, "%s nests deeper than %d groups at '%.60s...'", r->path, STORE_PATH_MOST, path);
  else if (bad.status != PL_OK) pl_error_set(err, bad.status, "%s has no '%.120s': %s", r->path, path, bad.text);
  else if (object < 0) pl_error_set(err, PL_ERROR_CORRUPT, "%s has no '%s'", r->path, path);
  if (object < 0) pl_checked_file_status(&r->in, PL_OK, err);
  return object;
}

bool pl_store_has(pl_store_reader *r, const char *path) {
  hid_t object = pl_reader_enter(r, path, NULL);
  if (object >= 0) hdf5.H5Oclose(object);
  return object >= 0;
}

/* Files of others may keep no order of creation: then by name. */
static H5_index_t child_order(hid_t group) {
  unsigned flags = 0;
  hid_t creation = hdf5.H5Gget_create_plist(group);
  hdf5.H5Pget_link_creation_order(creation, &flags);
  hdf5.H5Pclose(creation);
  return flags & H5P_CRT_ORDER_TRACKED ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
}

typedef struct listing {
  pl_status (*each)(void *arg, const char *name, pl_error *err);
  void *arg;
  pl_error *err;
  pl_status status;
} listing;

/* A group that a soft link leads to is no member: who walks through a file would go in circles. */
static herr_t list_link(hid_t group, const char *name, const H5L_info_t *info, void *arg) {
  listing *l = arg;
  bool soft = false;
  int names = STORE_PATH_MOST;
  (void)info;
  if (strlen(name) >= STORE_NAME_MOST) return 0;
  hid_t object = enter_link(group, name, &names, &soft);
  if (object < 0) return 0;
  H5I_type_t kind = hdf5.H5Iget_type(object);
  hdf5.H5Oclose(object);
  if ((kind == H5I_GROUP && !soft) || kind == H5I_DATASET) l->status = l->each(l->arg, name, l->err);
  return l->status == PL_OK ? 0 : 1;
}

pl_status pl_store_list(pl_store_reader *r, const char *path,
                        pl_status (*each)(void *arg, const char *name, pl_error *err), void *arg,
                        pl_error *err) {
  listing l = { each, arg, err, PL_OK };
  hid_t group = pl_reader_enter(r, path, err);
  if (group < 0) return err ? err->status : PL_ERROR_CORRUPT;
  if (hdf5.H5Iget_type(group) != H5I_GROUP)
    l.status = pl_error_set(err, PL_ERROR_VALUE, "'%s' of %s is a dataset: it has no members", path, r->path);
  else if (hdf5.H5Literate(group, child_order(group), H5_ITER_INC, NULL, list_link, &l) < 0 && l.status == PL_OK) {
    l.status = pl_hdf5_error(err, PL_ERROR_CORRUPT, "cannot list '%s' of %s", path, r->path);
  }
  hdf5.H5Oclose(group);
  return pl_checked_file_status(&r->in, l.status, err);
}

enum { STORE_DEPTH_MOST = 64 };

static pl_status verify_tree(pl_store_reader *r, const char *path, int depth, pl_error *err);

typedef struct visit { pl_store_reader *r; const char *path; int depth; } visit;

static pl_status verify_child(void *arg, const char *name, pl_error *err) {
  visit *at = arg;
  char path[4096];
  if (at->depth > STORE_DEPTH_MOST || strlen(at->path) + strlen(name) + 2 > sizeof path) {
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s nests deeper than %d groups", at->r->path, STORE_DEPTH_MOST);
  }
  strcpy(path, at->path);
  strcat(strcat(path, "/"), name);
  return verify_tree(at->r, path, at->depth + 1, err);
}

static pl_status verify_attr(void *arg, const char *name, const pl_store_value *value, pl_error *err) {
  (void)arg; (void)name; (void)value; (void)err;
  return PL_OK;
}

static pl_status verify_tree(pl_store_reader *r, const char *path, int depth, pl_error *err) {
  pl_store_info info;
  pl_status status = pl_store_stat(r, path, &info, err);
  if (status == PL_OK) status = pl_store_attrs(r, path, verify_attr, NULL, err);
  if (status != PL_OK) return status;
  if (info.group) return pl_store_list(r, path, verify_child, &(visit){ r, path, depth }, err);
  void *data = pl_alloc(info.bytes, err);
  if (data == NULL) return PL_ERROR_MEMORY;
  status = pl_store_read(r, path, info.type, data, info.bytes, err);
  pl_free(data);
  return status;
}

pl_status pl_store_verify(const char *path, pl_error *err) {
  pl_error local;
  if (err == NULL) err = &local;
  pl_store_reader *r = pl_store_open(path, false, err);
  if (r == NULL) return err->status;
  pl_status status = verify_tree(r, "", 0, err);
  pl_store_close(r);
  return status;
}
