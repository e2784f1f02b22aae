/* Trees: what is written comes back bit for bit, in order, the same tree makes the same bytes, and other programs read
   it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "perilune/alloc.h"
#include "perilune/store.h"

static char folder[256];

static const char *at(const char *name) {
  static char path[4][400];
  static int turn;
  turn = (turn + 1) % 4;
  snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
  return path[turn];
}

static int set_up(void **state) {
  (void)state;
  const char *scratch = getenv("TEST_TMP");
  snprintf(folder, sizeof folder, "%s/store_tree_XXXXXX", scratch ? scratch : "/tmp");
  return mkdtemp(folder) == NULL;
}

#define GOOD(call) do { pl_error err = { 0 }; if (call) fail_msg("%s: %s", #call, err.text); } while (0)

static pl_store_writer *create(const char *path) {
  pl_error err = { 0 };
  pl_store_writer *w = pl_store_create(path, &err);
  if (w == NULL) fail_msg("%s", err.text);
  return w;
}

static pl_store_reader *open_file(const char *path) {
  pl_error err = { 0 };
  pl_store_reader *r = pl_store_open(path, false, &err);
  if (r == NULL) fail_msg("%s", err.text);
  return r;
}

/* Bits that a careless conversion would change. */
static const float floats[6] = { 0.0f, -0.0f, 1e-45f, INFINITY, 3.4028235e38f, 0.1f };
static const double doubles[4] = { -0.0, 5e-324, 0.1, 1.7976931348623157e308 };
static const int64_t longs[3] = { INT64_MIN, -1, INT64_MAX };
static const int32_t ints[2] = { INT32_MIN, INT32_MAX };
static const uint8_t bytes[3] = { 0, 128, 255 };
static const uint32_t odd_nan = 0x7fc12345;

static void write_sample(const char *path) {
  pl_store_writer *w = create(path);
  double pi = 3.141592653589793, nothing = NAN;
  int64_t big = INT64_MIN;
  bool yes = true;
  float weird;
  memcpy(&weird, &odd_nan, 4);
  GOOD(pl_store_attr(w, "/", "format", PL_STORE_TEXT, "sample", 6, &err));
  GOOD(pl_store_group(w, "/zeta/inner", &err));
  GOOD(pl_store_attr(w, "/zeta", "pi", PL_STORE_F64, &pi, 0, &err));
  GOOD(pl_store_attr(w, "/zeta", "nan", PL_STORE_F64, &nothing, 0, &err));
  GOOD(pl_store_attr(w, "/zeta", "big", PL_STORE_I64, &big, 0, &err));
  GOOD(pl_store_attr(w, "/zeta", "yes", PL_STORE_BOOL, &yes, 0, &err));
  GOOD(pl_store_attr(w, "/zeta", "empty", PL_STORE_TEXT, NULL, 0, &err));
  GOOD(pl_store_attr(w, "/zeta", "größe", PL_STORE_TEXT, "naïve\n\0x", 9, &err));
  GOOD(pl_store_data(w, "/zeta/f32", PL_STORE_F32, &(pl_shape){ 2, { 2, 3 } }, floats, 0, &err));
  GOOD(pl_store_data(w, "alpha/f64", PL_STORE_F64, &(pl_shape){ 1, { 4 } }, doubles, 0, &err));
  GOOD(pl_store_data(w, "alpha/i64", PL_STORE_I64, &(pl_shape){ 1, { 3 } }, longs, 0, &err));
  GOOD(pl_store_data(w, "alpha/i32", PL_STORE_I32, &(pl_shape){ 2, { 1, 2 } }, ints, 0, &err));
  GOOD(pl_store_data(w, "alpha/u8", PL_STORE_U8, &(pl_shape){ 6, { 1, 1, 3, 1, 1, 1 } }, bytes, 9, &err));
  GOOD(pl_store_data(w, "alpha/scalar", PL_STORE_F32, &(pl_shape){ 0, { 0 } }, &weird, 0, &err));
  GOOD(pl_store_data(w, "alpha/none", PL_STORE_F32, &(pl_shape){ 2, { 3, 0 } }, NULL, 0, &err));
  GOOD(pl_store_text(w, "text/short", "return {}\n", 10, &err));
  GOOD(pl_store_text(w, "text/empty", "", 0, &err));
  GOOD(pl_store_scale(w, "alpha/f64", "epoch", &err));
  GOOD(pl_store_commit(w, &err));
}

static pl_status gather(void *arg, const char *name, pl_error *err) {
  (void)err;
  strcat(strcat(arg, name), " ");
  return PL_OK;
}

static void check_data(pl_store_reader *r, const char *path, pl_store_type type, int axes, const void *data,
                       size_t size) {
  pl_store_info info;
  char found[64];
  GOOD(pl_store_stat(r, path, &info, &err));
  assert_false(info.group);
  assert_int_equal(info.type, type);
  assert_int_equal(info.shape.axes, axes);
  assert_int_equal(info.bytes, size);
  GOOD(pl_store_read(r, path, type, found, size, &err));
  assert_memory_equal(found, data, size);
}

static void data_comes_back_bit_for_bit(void **state) {
  (void)state;
  write_sample(at("sample.h5"));
  pl_store_reader *r = open_file(at("sample.h5"));
  check_data(r, "/zeta/f32", PL_STORE_F32, 2, floats, sizeof floats);
  check_data(r, "alpha/f64", PL_STORE_F64, 1, doubles, sizeof doubles);
  check_data(r, "alpha/i64", PL_STORE_I64, 1, longs, sizeof longs);
  check_data(r, "alpha/i32", PL_STORE_I32, 2, ints, sizeof ints);
  check_data(r, "alpha/u8", PL_STORE_U8, 6, bytes, sizeof bytes);
  check_data(r, "alpha/scalar", PL_STORE_F32, 0, &odd_nan, 4);
  check_data(r, "text/short", PL_STORE_TEXT, 0, "return {}\n", 10);
  check_data(r, "alpha/none", PL_STORE_F32, 2, "", 0);
  check_data(r, "text/empty", PL_STORE_TEXT, 0, "", 1);
  assert_int_equal(pl_store_text_length("", 1), 0);
  assert_int_equal(strlen(pl_store_digest(r)), 64);
  pl_store_close(r);
  GOOD(pl_store_verify(at("sample.h5"), &err));
}

static void children_keep_their_order(void **state) {
  (void)state;
  char names[200] = "";
  write_sample(at("order.h5"));
  pl_store_reader *r = open_file(at("order.h5"));
  GOOD(pl_store_list(r, "/", gather, names, &err));
  assert_string_equal(names, "zeta alpha text ");
  names[0] = '\0';
  GOOD(pl_store_list(r, "/alpha", gather, names, &err));
  assert_string_equal(names, "f64 i64 i32 u8 scalar none ");
  assert_true(pl_store_has(r, "alpha/f64"));
  assert_true(pl_store_has(r, "/zeta/inner/"));
  assert_false(pl_store_has(r, "alpha/f65"));
  assert_false(pl_store_has(r, "alpha/f64/deeper"));
  assert_false(pl_store_has(r, "alpha//f64"));
  pl_store_close(r);
}

static void many_children_keep_their_order(void **state) {
  (void)state;
  enum { MANY = 300 };
  pl_store_writer *w = create(at("many.h5"));
  for (int i = 0; i < MANY; i++) {
    char name[32];
    int64_t value = i;
    snprintf(name, sizeof name, "/g/n%d", (i * 7919) % MANY);
    GOOD(pl_store_group(w, name, &err));
    snprintf(name, sizeof name, "a%d", i);
    GOOD(pl_store_attr(w, "/g", name, PL_STORE_I64, &value, 0, &err));
  }
  GOOD(pl_store_commit(w, &err));
  char names[MANY * 8] = "", expected[MANY * 8] = "";
  for (int i = 0; i < MANY; i++) sprintf(expected + strlen(expected), "n%d ", (i * 7919) % MANY);
  pl_store_reader *r = open_file(at("many.h5"));
  GOOD(pl_store_list(r, "g", gather, names, &err));
  assert_string_equal(names, expected);
  pl_store_close(r);
}

static pl_status gather_attr(void *arg, const char *name, const pl_store_value *v, pl_error *err) {
  char *out = (char *)arg + strlen(arg);
  (void)err;
  if (v->type == PL_STORE_TEXT) sprintf(out, "%s=%zu:%s;", name, v->length, v->text);
  else if (v->type == PL_STORE_F64) sprintf(out, "%s=%.17g;", name, v->number);
  else sprintf(out, "%s=%s%lld;", name, v->type == PL_STORE_BOOL ? "bool" : "", (long long)v->integer);
  return PL_OK;
}

static void attributes_come_back(void **state) {
  (void)state;
  char found[500] = "";
  write_sample(at("attrs.h5"));
  pl_store_reader *r = open_file(at("attrs.h5"));
  GOOD(pl_store_attrs(r, "/", gather_attr, found, &err));
  GOOD(pl_store_attrs(r, "zeta", gather_attr, found, &err));
  assert_string_equal(found, "format=6:sample;pi=3.1415926535897931;nan=nan;big=-9223372036854775808;yes=bool1;empty=0:;größe=9:naïve\n;");
  pl_store_close(r);
}

static void large_texts_come_back(void **state) {
  (void)state;
  size_t size = 3000000;
  char *text = malloc(size), *found = malloc(size);
  for (size_t i = 0; i < size; i++) text[i] = (char)('a' + i * i % 23);
  pl_store_writer *w = create(at("large.h5"));
  GOOD(pl_store_text(w, "script", text, size, &err));
  GOOD(pl_store_attr(w, "/", "state", PL_STORE_TEXT, text, 200000, &err));
  GOOD(pl_store_commit(w, &err));
  pl_store_reader *r = open_file(at("large.h5"));
  GOOD(pl_store_read(r, "script", PL_STORE_TEXT, found, size, &err));
  assert_memory_equal(found, text, size);
  char *attr = calloc(1, 200100);
  GOOD(pl_store_attrs(r, "/", gather_attr, attr, &err));
  assert_memory_equal(attr + strlen("state=200000:"), text, 200000);
  pl_store_close(r);
  free(attr); free(text); free(found);
}

static void data_larger_than_a_chunk_comes_back(void **state) {
  (void)state;
  pl_shape shape = { 3, { 3, 5000, 1001 } };   /* 60 MB: cut along the first axis, then the second */
  size_t count = (size_t)pl_shape_count(&shape);
  float *data = malloc(count * 4), *found = malloc(count * 4);
  for (size_t i = 0; i < count; i++) data[i] = (float)i;
  pl_store_writer *w = create(at("big.h5"));
  GOOD(pl_store_data(w, "big", PL_STORE_F32, &shape, data, 0, &err));
  GOOD(pl_store_commit(w, &err));
  pl_store_reader *r = open_file(at("big.h5"));
  GOOD(pl_store_read(r, "big", PL_STORE_F32, found, count * 4, &err));
  assert_memory_equal(found, data, count * 4);
  pl_store_close(r);
  free(data); free(found);
}

static void conversions(void **state) {
  (void)state;
  pl_error err = { 0 };
  double d[3];
  int32_t i[3];
  float f[4];
  write_sample(at("convert.h5"));
  pl_store_reader *r = open_file(at("convert.h5"));
  GOOD(pl_store_read(r, "alpha/u8", PL_STORE_I32, i, sizeof i, &err));
  assert_int_equal(i[2], 255);
  GOOD(pl_store_read(r, "alpha/u8", PL_STORE_F64, d, sizeof d, &err));
  assert_true(d[1] == 128.0);
  GOOD(pl_store_read(r, "alpha/f64", PL_STORE_F32, f, sizeof f, &err));
  assert_true(f[2] == 0.1f);
  assert_int_equal(pl_store_read(r, "alpha/i64", PL_STORE_I32, i, sizeof i, &err), PL_ERROR_TYPE);
  assert_non_null(strstr(err.text, "holds i64, which does not become i32 without loss"));
  assert_int_equal(pl_store_read(r, "alpha/u8", PL_STORE_U8, i, 2, &err), PL_ERROR_SHAPE);
  assert_int_equal(pl_store_read(r, "alpha", PL_STORE_U8, i, 3, &err), PL_ERROR_TYPE);
  assert_int_equal(pl_store_read(r, "text/short", PL_STORE_F64, i, 3, &err), PL_ERROR_TYPE);
  assert_int_equal(pl_store_read(r, "nothing", PL_STORE_F64, i, 3, &err), PL_ERROR_CORRUPT);
  assert_non_null(strstr(err.text, "convert.h5 has no 'nothing'"));
  assert_int_equal(pl_store_list(r, "alpha/u8", gather, NULL, &err), PL_ERROR_VALUE);
  pl_store_close(r);
}

static void the_same_tree_is_the_same_bytes(void **state) {
  (void)state;
  void *a, *b;
  size_t a_size, b_size;
  write_sample(at("one.h5"));
  sleep(1);
  write_sample(at("two.h5"));
  GOOD(pl_store_read_file(at("one.h5"), &a, &a_size, &err));
  GOOD(pl_store_read_file(at("two.h5"), &b, &b_size, &err));
  assert_int_equal(a_size, b_size);
  assert_memory_equal(a, b, a_size);
  pl_free(a);
  pl_free(b);
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
    pl_store_writer *w = create(at("misuse.h5"));
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
  pl_store_writer *w = create(at("misuse.h5"));
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
    pl_store_writer *w = create(at("same.h5"));
    GOOD(pl_store_data(w, "x", PL_STORE_F32, &scalar, i ? &two : &one, 0, &err));
    GOOD(pl_store_commit(w, &err));
    r[i] = open_file(at("same.h5"));
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

static int have(const char *command) {
  char line[200];
  snprintf(line, sizeof line, "%s >/dev/null 2>&1", command);
  return system(line) == 0;
}

static void h5dump_reads_the_file(void **state) {
  (void)state;
  if (!have("h5dump --version")) {
    print_message("h5dump is not installed: not tested\n");
    skip();
  }
  write_sample(at("dump.h5"));
  char line[900];
  snprintf(line, sizeof line, "cd %s && h5dump dump.h5 >dump.txt 2>&1 && grep -q inner dump.txt && grep -q "
                              "DIMENSION_SCALE dump.txt && grep -q 9223372036854775807 dump.txt", folder);
  assert_int_equal(system(line), 0);
}

static void h5py_reads_the_file(void **state) {
  (void)state;
  if (!have("python3 -c 'import h5py'")) {
    print_message("h5py is not installed: not tested\n");
    skip();
  }
  write_sample(at("python.h5"));
  char line[1500];
  snprintf(line, sizeof line, "python3 -c \"\n"
    "import h5py, numpy as np, math\n"
    "f = h5py.File('%s', 'r')\n"
    "assert f.userblock_size == 512 and f.attrs['format'].decode() == 'sample'\n"
    "z = f['zeta']\n"
    "assert math.isnan(z.attrs['nan']) and z.attrs['pi'] == math.pi and z.attrs['big'] == -2**63 and "
    "z.attrs['yes'] == True\n"
    "assert z.attrs['yes'].dtype == bool and z.attrs['größe'].decode().startswith('naïve')\n"
    "assert z['f32'].shape == (2, 3) and z['f32'].fletcher32 and z['f32'].dtype == '<f4' and z['f32'][1, 2] == "
    "np.float32(0.1)\n"
    "a = f['alpha']\n"
    "assert a['f64'].is_scale and a['i64'][0] == -2**63 and a['u8'].compression == 'gzip' and a['none'].shape == "
    "(3, 0)\n"
    "assert f['text/short'][()].decode() == 'return {}\\n'\n\"", at("python.h5"));
  assert_int_equal(system(line), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(data_comes_back_bit_for_bit),
    cmocka_unit_test(children_keep_their_order),
    cmocka_unit_test(many_children_keep_their_order),
    cmocka_unit_test(attributes_come_back),
    cmocka_unit_test(large_texts_come_back),
    cmocka_unit_test(data_larger_than_a_chunk_comes_back),
    cmocka_unit_test(conversions),
    cmocka_unit_test(the_same_tree_is_the_same_bytes),
    cmocka_unit_test(misuse_is_an_error_and_is_never_published),
    cmocka_unit_test(a_file_replaced_while_open_is_read_as_it_was),
    cmocka_unit_test(nothing_is_leaked_when_memory_is_short),
    cmocka_unit_test(h5dump_reads_the_file),
    cmocka_unit_test(h5py_reads_the_file),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
