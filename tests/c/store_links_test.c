/* Files whose groups can be reached in several ways: each would be walked through as often as there are ways. They are
   crafted with libhdf5 and carry a digest of their own, as a hostile file would. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "perilune/alloc.h"
#include "perilune/store.h"
#include "store/hdf5.h"
#include "store/user_block.h"

static char path[400];
static herr_t (*link_soft)(const char *target, hid_t group, const char *name, hid_t, hid_t);
static herr_t (*link_hard)(hid_t from, const char *name, hid_t to, const char *other, hid_t, hid_t);

static int set_up(void **state) {
  (void)state;
  const char *scratch = getenv("TEST_TMP");
  snprintf(path, sizeof path, "%s/store_links_XXXXXX", scratch ? scratch : "/tmp");
  if (mkdtemp(path) == NULL || pl_hdf5_load(NULL)) return 1;
  strcat(path, "/x.h5");
  Dl_info library;
  void *handle = dladdr(__extension__ (void *)hdf5.H5open, &library) ? dlopen(library.dli_fname, RTLD_NOW) : NULL;
  if (handle != NULL) *(void **)&link_hard = dlsym(handle, "H5Lcreate_hard");
  if (handle != NULL) *(void **)&link_soft = dlsym(handle, "H5Lcreate_soft");
  return link_hard == NULL || link_soft == NULL;
}

static void fill_doubled(hid_t file);

/* `fill` makes the tree below the root; the file is then one of ours, or of another program. */
static void make_file(void (*fill)(hid_t file), bool ours) {
  hid_t creation = hdf5.H5Pcreate(hdf5.H5P_CLS_FILE_CREATE_ID_g);
  hdf5.H5Pset_userblock(creation, USER_BLOCK_SIZE);
  hid_t file = hdf5.H5Fcreate(path, H5F_ACC_TRUNC, creation, H5P_DEFAULT);
  assert_true(file >= 0);
  fill(file);
  hdf5.H5Pclose(creation);
  hdf5.H5Fclose(file);
  void *bytes;
  size_t size;
  assert_int_equal(pl_store_read_file(path, &bytes, &size, NULL), PL_OK);
  if (ours) pl_user_block_write(bytes, size);
  assert_int_equal(pl_store_write_file(path, bytes, size, NULL), PL_OK);
  /* how tests/golden/linked_groups.h5 came about */
  const char *keep = ours && fill == fill_doubled ? getenv("KEEP_LINKED_GROUPS") : NULL;
  if (keep != NULL) assert_int_equal(pl_store_write_file(keep, bytes, size, NULL), PL_OK);
  pl_free(bytes);
}

static void group(hid_t file, const char *name) {
  hdf5.H5Gclose(hdf5.H5Gcreate2(file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}
static void link_to(hid_t file, const char *target, const char *name) {
  assert_true(link_hard(file, target, file, name, H5P_DEFAULT, H5P_DEFAULT) >= 0);
}

enum { LEVELS = 60 };   /* 2^60 ways */

static void fill_doubled(hid_t file) {
  char at[LEVELS * 4] = "", next[LEVELS * 4 + 8];
  for (int i = 0; i < LEVELS; i++) {
    snprintf(next, sizeof next, "%s/a", at);
    group(file, next);
    snprintf(next, sizeof next, "%s/b", at);
    char a[LEVELS * 4 + 8];
    snprintf(a, sizeof a, "%s/a", at);
    link_to(file, a, next);
    strcat(at, "/a");
  }
}

static void fill_circle(hid_t file) {
  group(file, "/a");
  group(file, "/a/b");
  link_to(file, "/a", "/a/b/again");
}

static void fill_up_to_the_root(hid_t file) {
  group(file, "/a");
  link_to(file, "/", "/a/root");
}

static void fill_deep(hid_t file) {
  hid_t at = hdf5.H5Oopen(file, "/", H5P_DEFAULT);
  for (int i = 0; i < 3000; i++) {
    hid_t next = hdf5.H5Gcreate2(at, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    hdf5.H5Oclose(at);
    at = next;
  }
  hdf5.H5Oclose(at);
}

static void fill_shared_data(hid_t file) {
  static const hsize_t three = 3;
  static const float values[3] = { 1, 2, 3 };
  hid_t space = hdf5.H5Screate_simple(1, &three, NULL);
  hid_t set = hdf5.H5Dcreate2(file, "x", hdf5.H5T_IEEE_F32LE_g, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  hdf5.H5Dwrite(set, hdf5.H5T_NATIVE_FLOAT_g, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
  hdf5.H5Dclose(set);
  hdf5.H5Sclose(space);
  link_to(file, "/x", "/y");
}

static int visits;

static pl_status descend(void *arg, const char *name, pl_error *err);

static pl_status walk(pl_store_reader *r, const char *at, pl_error *err) {
  pl_store_info info;
  assert_true(++visits < 10000);
  pl_status status = pl_store_stat(r, at, &info, err);
  if (status || !info.group) return status;
  struct { pl_store_reader *r; const char *at; } here = { r, at };
  return pl_store_list(r, at, descend, &here, err);
}

static pl_status descend(void *arg, const char *name, pl_error *err) {
  struct { pl_store_reader *r; const char *at; } *here = arg;
  char below[2000];
  snprintf(below, sizeof below, "%s/%s", here->at, name);
  return walk(here->r, below, err);
}

static void assert_refused(void (*fill)(hid_t file), const char *what) {
  for (int ours = 0; ours < 2; ours++) {
    pl_error err = { 0 };
    make_file(fill, ours);
    if (ours) assert_int_equal(pl_store_verify(path, &err), PL_ERROR_CORRUPT);
    if (ours) assert_non_null(strstr(err.text, what));
    pl_store_reader *r = pl_store_open(path, !ours, &err);
    assert_non_null(r);
    visits = 0;
    assert_int_equal(walk(r, "", &err), PL_ERROR_CORRUPT);
    assert_non_null(strstr(err.text, what));
    pl_store_close(r);
  }
}

static void groups_linked_twice(void **state) {
  (void)state;
  assert_refused(fill_doubled, "linked from several places");
}
static void groups_in_a_circle(void **state) { (void)state; assert_refused(fill_circle, "linked from several places"); }
static void the_root_below_itself(void **state) {
  (void)state;
  assert_refused(fill_up_to_the_root, "linked from several places");
}
static void groups_without_end(void **state) { (void)state; assert_refused(fill_deep, "nests deeper than"); }

/* Each name in the path of a soft link is a soft link with such a path: 100^12 names. */
static void fill_paths_of_paths(hid_t file) {
  for (int i = 0; i < 12; i++) {
    char name[8], target[100 * 4 + 1] = "";
    snprintf(name, sizeof name, "s%02d", i);
    for (int k = 0; k < 100; k++) sprintf(target + strlen(target), "/s%02d", i + 1);
    if (i == 11) strcpy(target, "/");
    assert_true(link_soft(target, file, name, H5P_DEFAULT, H5P_DEFAULT) >= 0);
  }
}

static void paths_of_paths(void **state) {
  (void)state;
  pl_error err = { 0 };
  make_file(fill_paths_of_paths, false);
  pl_store_reader *r = pl_store_open(path, true, &err);
  assert_non_null(r);
  assert_false(pl_store_has(r, "/s00"));
  assert_true(pl_store_has(r, "/s11"));
  visits = 0;
  assert_int_equal(walk(r, "", &err), PL_OK);
  pl_store_close(r);
}

/* Another program's file may name a dataset twice; we never do. */
static void a_dataset_linked_twice(void **state) {
  (void)state;
  pl_error err = { 0 };
  float x[3] = { 0 };
  make_file(fill_shared_data, true);
  assert_int_equal(pl_store_verify(path, &err), PL_ERROR_CORRUPT);
  make_file(fill_shared_data, false);
  pl_store_reader *r = pl_store_open(path, true, &err);
  assert_non_null(r);
  assert_int_equal(pl_store_read(r, "/y", PL_STORE_F32, x, sizeof x, &err), PL_OK);
  assert_float_equal(x[2], 3, 0);
  pl_store_close(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(groups_linked_twice), cmocka_unit_test(groups_in_a_circle),
    cmocka_unit_test(the_root_below_itself),
    cmocka_unit_test(groups_without_end), cmocka_unit_test(paths_of_paths), cmocka_unit_test(a_dataset_linked_twice),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
