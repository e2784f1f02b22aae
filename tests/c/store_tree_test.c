/* Trees: what is written comes back bit for bit, in order, the same tree makes the same bytes, and other programs read
   it. */
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
  return scratch_begin("store_tree");
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
  pl_store_reader *r = open_tree(at("sample.h5"));
  check_data(r, "/zeta/f32", PL_STORE_F32, 2, sample_floats, sizeof sample_floats);
  check_data(r, "alpha/f64", PL_STORE_F64, 1, sample_doubles, sizeof sample_doubles);
  check_data(r, "alpha/i64", PL_STORE_I64, 1, sample_longs, sizeof sample_longs);
  check_data(r, "alpha/i32", PL_STORE_I32, 2, sample_ints, sizeof sample_ints);
  check_data(r, "alpha/u8", PL_STORE_U8, 6, sample_bytes, sizeof sample_bytes);
  check_data(r, "alpha/scalar", PL_STORE_F32, 0, &sample_nan, 4);
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
  pl_store_reader *r = open_tree(at("order.h5"));
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
  pl_store_writer *w = create_tree(at("many.h5"));
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
  pl_store_reader *r = open_tree(at("many.h5"));
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
  pl_store_reader *r = open_tree(at("attrs.h5"));
  GOOD(pl_store_attrs(r, "/", gather_attr, found, &err));
  GOOD(pl_store_attrs(r, "zeta", gather_attr, found, &err));
  assert_string_equal(found, "format=6:sample;pi=3.1415926535897931;nan=nan;big=-9223372036854775808;"
                      "yes=bool1;empty=0:;größe=9:naïve\n;");
  pl_store_close(r);
}

static void large_texts_come_back(void **state) {
  (void)state;
  size_t size = 3000000;
  char *text = malloc(size), *found = malloc(size);
  for (size_t i = 0; i < size; i++) text[i] = (char)('a' + i * i % 23);
  pl_store_writer *w = create_tree(at("large.h5"));
  GOOD(pl_store_text(w, "script", text, size, &err));
  GOOD(pl_store_attr(w, "/", "state", PL_STORE_TEXT, text, 200000, &err));
  GOOD(pl_store_commit(w, &err));
  pl_store_reader *r = open_tree(at("large.h5"));
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
  pl_store_writer *w = create_tree(at("big.h5"));
  GOOD(pl_store_data(w, "big", PL_STORE_F32, &shape, data, 0, &err));
  GOOD(pl_store_commit(w, &err));
  pl_store_reader *r = open_tree(at("big.h5"));
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
  pl_store_reader *r = open_tree(at("convert.h5"));
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
                              "DIMENSION_SCALE dump.txt && grep -q 9223372036854775807 dump.txt", scratch_folder);
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
    cmocka_unit_test(h5dump_reads_the_file),
    cmocka_unit_test(h5py_reads_the_file),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
