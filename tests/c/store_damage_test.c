/* Damaged files: every one is refused with a message, before libhdf5 sees it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "perilune/alloc.h"
#include "perilune/rng.h"
#include "store/user_block.h"
#include "support_store.h"

enum { FILES = 500, BLOCK = 512 };

static int set_up(void **state) {
  (void)state;
  return scratch_begin("store_damage");
}

/* A tree whose size and content depend on `n`; returns the file's bytes (free with pl_free). */
static unsigned char *make_file(int n, size_t *size) {
  pl_error err = { 0 };
  float data[3000];
  void *bytes = NULL;
  pl_store_writer *w = pl_store_create(at("good.h5"), &err);
  if (w == NULL) fail_msg("%s", err.text);
  pl_rng_fill_normal(data, 3000, pl_rng_make((uint64_t)n, PL_FOR_DATA, 0, 0), 0, 1);
  pl_store_attr(w, "/", "format", PL_STORE_TEXT, "perilune-run", 12, NULL);
  for (int i = 0; i < n % 12; i++) {
    char name[40];
    snprintf(name, sizeof name, "/model/layers/%02d_linear/weight", i);
    pl_store_data(w, name, PL_STORE_F32, &(pl_shape){ 2, { 1 + n * i, 2 } }, data, 0, NULL);
  }
  if (pl_store_commit(w, &err) || pl_store_read_file(at("good.h5"), &bytes, size, &err)) fail_msg("%s", err.text);
  return bytes;
}

static void write_bytes(const char *path, const unsigned char *bytes, size_t size) {
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, size, f), size);
  assert_int_equal(fclose(f), 0);
}

static void assert_refused(const char *path, const char *what) {
  pl_error err = { 0 };
  pl_store_reader *r = pl_store_open(path, false, &err);
  if (r != NULL) fail_msg("%s: accepted", what);
  if (err.status != PL_ERROR_CORRUPT || strstr(err.text, path) == NULL || strstr(err.text, "HDF5 says") != NULL) {
    fail_msg("%s: status %d, '%s'", what, err.status, err.text);
  }
}

static void flipped_bits_are_refused(void **state) {
  (void)state;
  char what[80];
  for (int n = 0; n < FILES; n++) {
    size_t size;
    unsigned char *bytes = make_file(n % 50, &size);
    pl_rng rng = pl_rng_make(7, PL_FOR_USER, (uint64_t)n, 0);
    size_t place = n % 5 == 0 ? pl_rng_word(rng, 0) % USER_BLOCK_SIZE : pl_rng_word(rng, 0) % size;
    bytes[place] ^= (unsigned char)(1u << pl_rng_word(rng, 1) % 8);
    write_bytes(at("bad.h5"), bytes, size);
    snprintf(what, sizeof what, "file %d, byte %zu of %zu", n, place, size);
    assert_refused(at("bad.h5"), what);
    pl_free(bytes);
  }
}

static void every_bit_of_the_header_counts(void **state) {
  (void)state;
  char what[80];
  size_t size;
  unsigned char *bytes = make_file(3, &size);
  for (size_t bit = 0; bit < USER_BLOCK_SIZE * 8; bit++) {
    pl_error err = { 0 };
    char hex[PROOF_HEX];
    bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    snprintf(what, sizeof what, "bit %zu", bit);
    if (pl_user_block_check("x", bytes, size, hex, &err) != PL_ERROR_CORRUPT) fail_msg("%s: accepted", what);
    bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
  }
  pl_free(bytes);
}

static void every_truncation_is_refused(void **state) {
  (void)state;
  char what[80];
  size_t size;
  unsigned char *bytes = make_file(1, &size);
  write_bytes(at("cut.h5"), bytes, size);
  for (size_t length = size; length-- > 0; ) {
    assert_int_equal(truncate(at("cut.h5"), (off_t)length), 0);
    snprintf(what, sizeof what, "%zu of %zu bytes", length, size);
    assert_refused(at("cut.h5"), what);
  }
  pl_free(bytes);
}

static void additions_are_refused(void **state) {
  (void)state;
  size_t size;
  unsigned char *bytes = make_file(5, &size), *longer = calloc(1, size + 4096);
  memcpy(longer, bytes, size);
  for (size_t more = 1; more <= 4096; more *= 2) {
    write_bytes(at("long.h5"), longer, size + more);
    assert_refused(at("long.h5"), "longer file");
  }
  free(longer);
  pl_free(bytes);
}

static void swapped_blocks_are_refused(void **state) {
  (void)state;
  size_t size;
  unsigned char *bytes = make_file(23, &size), block[BLOCK];
  for (size_t i = 0; (i + 1) * BLOCK <= size; i++) {
    for (size_t j = i + 1; (j + 1) * BLOCK <= size; j++) {
      unsigned char *a = bytes + i * BLOCK, *b = bytes + j * BLOCK;
      if (memcmp(a, b, BLOCK) == 0) continue;
      memcpy(block, a, BLOCK); memcpy(a, b, BLOCK); memcpy(b, block, BLOCK);
      write_bytes(at("swapped.h5"), bytes, size);
      assert_refused(at("swapped.h5"), "swapped blocks");
      memcpy(block, a, BLOCK); memcpy(a, b, BLOCK); memcpy(b, block, BLOCK);
    }
  }
  pl_free(bytes);
}

static void messages_name_the_damage(void **state) {
  (void)state;
  static const struct { size_t place; const char *text; } cases[] = {
    { 0, "does not begin as a Perilune file does" }, { 8, "file version 3, and this program reads up to 1" },
    { 12, "in its header" },
    { 16, "it should have" }, { 30, "SHA-256" }, { 100, "in its header" }, { 600, "SHA-256" },
  };
  size_t size;
  unsigned char *bytes = make_file(7, &size);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    pl_error err = { 0 };
    bytes[cases[i].place] ^= 2;
    write_bytes(at("named.h5"), bytes, size);
    bytes[cases[i].place] ^= 2;
    assert_null(pl_store_open(at("named.h5"), false, &err));
    if (strstr(err.text, cases[i].text) == NULL) fail_msg("byte %zu: '%s'", cases[i].place, err.text);
  }
  pl_free(bytes);
}

/* A file without our user block is read when asked for; one with it must still prove itself. */
static void foreign_files_are_read_only_when_asked(void **state) {
  (void)state;
  pl_error err = { 0 };
  float found[3000];
  size_t size;
  unsigned char *bytes = make_file(11, &size);
  pl_store_reader *r = pl_store_open(at("good.h5"), true, &err);
  assert_non_null(r);
  pl_store_close(r);
  bytes[size - 1] ^= 1;
  write_bytes(at("ours.h5"), bytes, size);
  assert_null(pl_store_open(at("ours.h5"), true, &err));
  bytes[size - 1] ^= 1;
  memset(bytes, 0, USER_BLOCK_SIZE);
  write_bytes(at("foreign.h5"), bytes, size);
  assert_null(pl_store_open(at("foreign.h5"), false, &err));
  assert_non_null(strstr(err.text, "foreign = true"));
  r = pl_store_open(at("foreign.h5"), true, &err);
  if (r == NULL) fail_msg("%s", err.text);
  assert_string_equal(pl_store_digest(r), "");
  assert_int_equal(pl_store_read(r, "/model/layers/01_linear/weight", PL_STORE_F32, found, 12 * 2 * 4, &err), PL_OK);
  pl_store_close(r);
  write_bytes(at("text.h5"), (const unsigned char *)"hello", 5);
  assert_null(pl_store_open(at("text.h5"), true, &err));
  assert_int_equal(err.status, PL_ERROR_CORRUPT);
  assert_non_null(strstr(err.text, "text.h5: not readable as an HDF5 file: HDF5 says"));
  pl_free(bytes);
}

/* h5py makes what only a hostile or odd file holds; none of it may allocate by what the file claims, or follow a link
   out. */
static void odd_foreign_files_are_clear_errors(void **state) {
  (void)state;
  if (system("python3 -c 'import h5py' >/dev/null 2>&1") != 0) {
    print_message("h5py is not installed: not tested\n");
    skip();
  }
  char line[4000];
  snprintf(line, sizeof line, "python3 -c \"\n"
    "import h5py, numpy as np\n"
    "with h5py.File('%s/other.h5', 'w') as o: o['secret'] = 1.0\n"
    "f = h5py.File('%s/odd.h5', 'w')\n"
    "f.create_dataset('huge', shape=(2**40, 2**10), dtype='f4', chunks=(1, 2**10))\n"
    "f.create_dataset('overflow', shape=(2**62, 8), dtype='f4', chunks=(1, 8))\n"
    "f.create_dataset('zip', data=np.zeros((1000, 1000), 'f4'), compression='gzip')\n"
    "f['external'] = h5py.ExternalLink('%s/other.h5', '/secret')\n"
    "f['soft'] = h5py.SoftLink('/zip'); f['soft2'] = h5py.SoftLink('soft'); f['away'] = h5py.SoftLink('/external')\n"
    "f['loop'] = h5py.SoftLink('/loop2'); f['loop2'] = h5py.SoftLink('loop'); f['dangling'] = "
    "h5py.SoftLink('/nothing')\n"
    "f['bool'] = np.array([True, False]); f['labels'] = np.array([0, 7], 'u8')\n"
    "f.create_dataset('enum', data=[2, 0], dtype=h5py.enum_dtype({'a': 0, 'b': 1, 'c': 2}, basetype='i2'))\n"
    "f['complex'] = np.zeros(2, 'c8')\n"
    "f['u64'] = np.array([2**64 - 1], 'u8')\n"
    "f['axes'] = np.zeros((1,) * 8)\n"
    "f['strings'] = np.array([b'a', b'b'])\n"
    "f['half'] = np.array([0.5], 'f2'); f['i16'] = np.array([-7], '>i2'); f['u32'] = np.array([2**32 - 1], 'u4')\n"
    "f.attrs['name'] = 'vlen'; f.attrs['list'] = [1, 2]; f.attrs['u64'] = np.uint64(2**64 - 1); f.attrs['half'] = "
    "np.float16(0.5)\n"
    "g = f.create_group('g'); g['self'] = g\n"
    "v = h5py.VirtualLayout(shape=(1,), dtype='f8'); v[0] = h5py.VirtualSource('%s/other.h5', 'secret', shape=())\n"
    "f.create_virtual_dataset('virtual', v)\n"
    "f.create_dataset('outside', shape=(1,), dtype='u1', external=[('%s/other.h5', 0, 1)])\n"
    "f.close()\"", scratch_folder, scratch_folder, scratch_folder, scratch_folder, scratch_folder);
  assert_int_equal(system(line), 0);
  static const struct { const char *name, *text; } cases[] = {
    { "huge", "more than the" }, { "overflow", "more elements than memory has addresses" },
    { "external", "has no 'external'" },
    { "away", "has no 'away'" }, { "loop", "nests deeper than" }, { "dangling", "has no 'dangling'" },
    { "complex", "neither whole numbers" },  { "axes", "has 8 axes" },
    { "strings", "expected one of fixed length" }, { "virtual", "in another file" }, { "outside", "in another file" },
  };
  pl_error err = { 0 };
  pl_store_info info;
  pl_store_reader *r = pl_store_open(at("odd.h5"), true, &err);
  if (r == NULL) fail_msg("%s", err.text);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (pl_store_stat(r, cases[i].name, &info, &err) == PL_OK) fail_msg("%s: accepted", cases[i].name);
    if (strstr(err.text, cases[i].text) == NULL) fail_msg("%s: '%s'", cases[i].name, err.text);
  }
  float half;
  int32_t number;
  int64_t wide;
  assert_int_equal(pl_store_read(r, "half", PL_STORE_F32, &half, 4, &err), PL_OK);
  assert_true(half == 0.5f);
  assert_int_equal(pl_store_read(r, "i16", PL_STORE_I32, &number, 4, &err), PL_OK);
  assert_int_equal(number, -7);
  assert_int_equal(pl_store_read(r, "u32", PL_STORE_I64, &wide, 8, &err), PL_OK);
  assert_true(wide == 4294967295);
  static const char *const zips[] = { "zip", "soft", "soft2" };
  for (size_t i = 0; i < sizeof zips / sizeof *zips; i++) {
    assert_int_equal(pl_store_stat(r, zips[i], &info, &err), PL_OK);
    assert_int_equal(info.bytes, 4000000);
  }
  int32_t flags[2], kinds[2];
  int64_t labels[2];
  assert_int_equal(pl_store_read(r, "bool", PL_STORE_I32, flags, 8, &err), PL_OK);
  assert_true(flags[0] == 1 && flags[1] == 0);
  assert_int_equal(pl_store_read(r, "enum", PL_STORE_I32, kinds, 8, &err), PL_OK);
  assert_true(kinds[0] == 2 && kinds[1] == 0);
  assert_int_equal(pl_store_read(r, "labels", PL_STORE_I64, labels, 16, &err), PL_OK);
  assert_true(labels[0] == 0 && labels[1] == 7);
  assert_int_equal(pl_store_read(r, "u64", PL_STORE_I64, labels, 8, &err), PL_ERROR_VALUE);
  assert_non_null(strstr(err.text, "too large"));
  pl_store_close(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(flipped_bits_are_refused),
    cmocka_unit_test(every_bit_of_the_header_counts),
    cmocka_unit_test(every_truncation_is_refused),
    cmocka_unit_test(additions_are_refused),
    cmocka_unit_test(swapped_blocks_are_refused),
    cmocka_unit_test(messages_name_the_damage),
    cmocka_unit_test(foreign_files_are_read_only_when_asked),
    cmocka_unit_test(odd_foreign_files_are_clear_errors),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
