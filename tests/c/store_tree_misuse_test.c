/* Trees that are written wrongly, replaced while they are read, or for which memory is short. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "perilune/alloc.h"
#include "support_store.h"

static int set_up(void **state) {
  (void)state;
  return scratch_begin("store_tree_misuse");
}

/* After each misuse the tree must not be published. */
static void misuse_is_an_error_and_is_never_published(void **state) {
  (void)state;
  static const char *const expected[] = { "as a path inside a file", "as a path inside a file",
                                          "write the group or dataset first", "is there already",
                                          "is a dataset, not a group", "its name is missing", "end with a zero byte",
                                          "expected numbers",
                                          "as a path inside a file", "write the dataset first",
                                          "expected a name of 1 to 255 bytes", "expected a name of 1 to 255 bytes" };
  float x = 1;
  pl_shape one = { 1, { 1 } }, bad = { 1, { -1 } };
  char long_name[400];
  memset(long_name, 'x', sizeof long_name);
  long_name[399] = '\0';
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
    pl_error err = { 0 }, later = { 0 };
    pl_store_writer *w = create_tree(at("misuse.h5"));
    GOOD(pl_store_data(w, "x", PL_STORE_F32, &one, &x, 0, &err));
    switch (i) {
      case 0: pl_store_group(w, "a//b", &err); break;
      case 1: pl_store_group(w, "../b", &err); break;
      case 2: pl_store_attr(w, "none", "a", PL_STORE_F64, &(double){ 1 }, 0, &err); break;
      case 3: pl_store_data(w, "/x", PL_STORE_F32, &one, &x, 0, &err); break;
      case 4: pl_store_data(w, "/x/y", PL_STORE_F32, &one, &x, 0, &err); break;
      case 5: pl_store_data(w, "/", PL_STORE_F32, &one, &x, 0, &err); break;
      case 6: pl_store_text(w, "t", "a\0", 2, &err); break;
      case 7: pl_store_data(w, "y", PL_STORE_F32, &bad, &x, 0, &err); break;
      case 8: pl_store_group(w, long_name, &err); break;
      case 9: pl_store_scale(w, "none", "epoch", &err); break;
      case 10: pl_store_attr(w, "x", long_name, PL_STORE_F64, &(double){ 1 }, 0, &err); break;
      case 11: pl_store_attr(w, "x", "", PL_STORE_F64, &(double){ 1 }, 0, &err); break;
    }
    assert_int_equal(err.status, PL_ERROR_VALUE);
    if (strstr(err.text, expected[i]) == NULL) fail_msg("case %zu: '%s' lacks '%s'", i, err.text, expected[i]);
    assert_int_equal(pl_store_group(w, "fine", &later), PL_ERROR_VALUE);
    assert_string_equal(later.text, err.text);
    assert_int_equal(pl_store_commit(w, &later), PL_ERROR_VALUE);
    assert_int_equal(access(at("misuse.h5"), F_OK), -1);
  }
  pl_error err;
  pl_store_writer *w = create_tree(at("misuse.h5"));
  GOOD(pl_store_attr(w, "/", "a", PL_STORE_F64, &(double){ 1 }, 0, &err));
  assert_int_equal(pl_store_attr(w, "/", "a", PL_STORE_F64, &(double){ 1 }, 0, &err), PL_ERROR_VALUE);
  assert_non_null(strstr(err.text, "HDF5 says"));
  pl_store_discard(w);
  pl_store_discard(NULL);
  pl_store_close(NULL);
}

static void a_file_replaced_while_open_is_read_as_it_was(void **state) {
  (void)state;
  float one = 1, two = 2, found = 0;
  pl_shape scalar = { 0, { 0 } };
  pl_store_reader *r[2];
  for (int i = 0; i < 2; i++) {
    pl_store_writer *w = create_tree(at("same.h5"));
    GOOD(pl_store_data(w, "x", PL_STORE_F32, &scalar, i ? &two : &one, 0, &err));
    GOOD(pl_store_commit(w, &err));
    r[i] = open_tree(at("same.h5"));
  }
  GOOD(pl_store_read(r[0], "x", PL_STORE_F32, &found, 4, &err));
  assert_true(found == 1);
  GOOD(pl_store_read(r[1], "x", PL_STORE_F32, &found, 4, &err));
  assert_true(found == 2);
  pl_store_close(r[0]);
  pl_store_close(r[1]);
}

/* A save of `count` numbers and of groups with a text each, in which each allocation fails in turn. Returns how many
   there are. */
static long save_with_failures(int64_t count, int groups) {
  long n = 1;
  for (int clean = 0; !clean; n++) {
    size_t before = pl_alloc_live();
    pl_error err = { 0 };
    pl_alloc_fail_at(n);
    pl_store_writer *w = pl_store_create(at("memory.h5"), &err);
    if (w != NULL) {
      static float data[200000];
      pl_store_data(w, "a/x", PL_STORE_F32, &(pl_shape){ 1, { count } }, data, 0, &err);
      for (int i = 0; i < groups; i++) {
        char path[20], text[500];
        memset(text, 'x', sizeof text);
        snprintf(path, sizeof path, "b/%d", i);
        pl_store_group(w, path, &err);
        pl_store_attr(w, path, "name", PL_STORE_TEXT, text, sizeof text, &err);
      }
      if (pl_store_commit(w, &err) == PL_OK) clean = 1;
      else assert_int_equal(err.status, PL_ERROR_MEMORY);
    }
    pl_alloc_fail_at(0);
    assert_int_equal(pl_alloc_live(), before);
    GOOD(pl_store_verify(at("memory.h5"), &err));
  }
  return n - 2;
}

/* The file's memory grows as the data is written; for groups and attributes only as the file is closed. */
static void nothing_is_leaked_when_memory_is_short(void **state) {
  (void)state;
  write_sample(at("memory.h5"));
  assert_true(save_with_failures(10, 300) > 3);
  assert_true(save_with_failures(200000, 1) > 3);
  long n;
  for (n = 1; n < 40; n++) {
    size_t before = pl_alloc_live();
    pl_error err = { 0 };
    pl_alloc_fail_at(n);
    pl_status status = pl_store_verify(at("memory.h5"), &err);
    pl_alloc_fail_at(0);
    assert_int_equal(pl_alloc_live(), before);
    if (status == PL_OK) break;
    assert_int_equal(err.status, PL_ERROR_MEMORY);
  }
  assert_true(n > 2 && n < 40);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(misuse_is_an_error_and_is_never_published),
    cmocka_unit_test(a_file_replaced_while_open_is_read_as_it_was),
    cmocka_unit_test(nothing_is_leaked_when_memory_is_short),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
