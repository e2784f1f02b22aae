/* IDX files: what is read, and the text of every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <zlib.h>
#include "perilune/alloc.h"
#include "perilune/data.h"

static const char *scratch(const char *name) {
  static char path[2][512];
  static int turn;
  const char *folder = getenv("TEST_TMP");
  turn = !turn;
  snprintf(path[turn], sizeof path[turn], "%s/%s", folder ? folder : "/tmp", name);
  return path[turn];
}

static void write_plain(const char *path, const void *bytes, size_t n) {
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, n, f), n);
  fclose(f);
}

static void write_gzip(const char *path, const void *bytes, size_t n) {
  gzFile f = gzopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(gzwrite(f, bytes, (unsigned)n), n);
  gzclose(f);
}

/* u8 [3, 2, 2]: header of 16 bytes, then 12. */
static const uint8_t images[] = { 0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
                                  255 };
static const uint8_t labels[] = { 0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 9 };

static void reads_plain_and_gzip_alike(void **state) {
  (void)state;
  pl_error err;
  char sums[2][PL_SHA256_TEXT];
  for (int zip = 0; zip < 2; zip++) {
    const char *path = scratch("images");
    (zip ? write_gzip : write_plain)(path, images, sizeof images);
    pl_tensor *t = pl_idx_read(path, sums[zip], &err);
    assert_non_null(t);
    assert_true(pl_shape_equal(pl_tensor_shape(t), &(pl_shape){ 3, { 3, 2, 2 } }));
    assert_memory_equal(pl_tensor_data(t), images + 16, 12);
    pl_tensor_free(t);
  }
  /* printf '\0\0\10\3...' | sha256sum */
  assert_string_equal(sums[0], "5603f07e28ac340323e301d2bb200f2b8ea878a181e6f002e9da085451d7c3fd");
  assert_string_equal(sums[1], sums[0]);
  char again[PL_SHA256_TEXT];
  assert_int_equal(pl_file_sha256(again, scratch("images"), true, &err), PL_OK);
  assert_string_equal(again, sums[0]);
  assert_int_equal(pl_file_sha256(again, scratch("images"), false, &err), PL_OK);
  assert_string_not_equal(again, sums[0]);
}

static void words_are_big_endian(void **state) {
  (void)state;
  pl_error err;
  static const uint8_t ints[] = { 0, 0, 0x0c, 1, 0, 0, 0, 2, 0, 0, 1, 2, 0xff, 0xff, 0xff, 0xfe };
  static const uint8_t floats[] = { 0, 0, 0x0d, 1, 0, 0, 0, 2, 0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0 };
  write_plain(scratch("ints"), ints, sizeof ints);
  pl_tensor *t = pl_idx_read(scratch("ints"), NULL, &err);
  assert_int_equal(pl_tensor_type(t), PL_I32);
  assert_int_equal(((int32_t *)pl_tensor_data(t))[0], 258);
  assert_int_equal(((int32_t *)pl_tensor_data(t))[1], -2);
  pl_tensor_free(t);
  write_gzip(scratch("floats"), floats, sizeof floats);
  t = pl_idx_read(scratch("floats"), NULL, &err);
  assert_int_equal(pl_tensor_type(t), PL_F32);
  assert_true(((float *)pl_tensor_data(t))[0] == 1.0f && ((float *)pl_tensor_data(t))[1] == -2.5f);
  pl_tensor_free(t);
}

static void a_pair_of_files_is_a_data_set(void **state) {
  (void)state;
  pl_error err;
  pl_idx_sums sums;
  char both[PL_SHA256_TEXT];
  uint8_t joined[sizeof images + sizeof labels];
  memcpy(joined, images, sizeof images);
  memcpy(joined + sizeof images, labels, sizeof labels);
  write_plain(scratch("both"), joined, sizeof joined);
  assert_int_equal(pl_file_sha256(both, scratch("both"), false, &err), PL_OK);
  write_gzip(scratch("images"), images, sizeof images);
  write_plain(scratch("labels"), labels, sizeof labels);
  pl_dataset *ds = pl_dataset_read_idx(scratch("images"), scratch("labels"), 10, &sums, &err);
  assert_non_null(ds);
  pl_shape shape = pl_dataset_shape(ds);
  assert_true(pl_shape_equal(&shape, &(pl_shape){ 3, { 2, 2, 1 } }));
  assert_int_equal(pl_dataset_count(ds), 3);
  assert_int_equal(pl_dataset_label(ds, 0), 7);
  assert_int_equal(pl_dataset_label(ds, 2), 9);
  assert_string_equal(sums.images, "5603f07e28ac340323e301d2bb200f2b8ea878a181e6f002e9da085451d7c3fd");
  assert_string_equal(pl_dataset_sha256(ds), both);
  pl_dataset_free(ds);
  assert_null(pl_dataset_read_idx(scratch("images"), scratch("labels"), 9, NULL, &err));
  assert_non_null(strstr(err.text, "label 9 of sample 3 is out of range: 9 classes have labels 0 to 8"));
}

/* Reading `path` fails with that status and a text that begins with the path and contains `text`. */
static void refused(const char *path, pl_status status, const char *text) {
  pl_error err;
  size_t before = pl_alloc_live();
  assert_null(pl_idx_read(path, NULL, &err));
  if (strstr(err.text, text) == NULL) print_message("got: %s\n", err.text);
  assert_int_equal(err.status, status);
  assert_non_null(strstr(err.text, path));
  assert_non_null(strstr(err.text, text));
  assert_int_equal(pl_alloc_live(), before);
}

static void refuses_what_is_missing(void **state) {
  (void)state;
  refused(scratch("nowhere"), PL_ERROR_IO, ": No such file or directory");
  mkdir(scratch("folder"), 0755);
  refused(scratch("folder"), PL_ERROR_IO, ": not a file");
}

static void refuses_what_is_damaged(void **state) {
  (void)state;
  const char *path = scratch("bad");
  uint8_t bytes[64];
  write_plain(path, "", 0);
  refused(path, PL_ERROR_CORRUPT, " is empty");
  write_plain(path, "\0\0\10", 3);
  refused(path, PL_ERROR_CORRUPT, " is truncated");
  write_plain(path, images, 10);
  refused(path, PL_ERROR_CORRUPT, " is truncated");
  write_plain(path, images, sizeof images - 1);
  refused(path, PL_ERROR_CORRUPT, " is truncated: its header says [3, 2, 2], which is 28 bytes, and it has 27");
  memcpy(bytes, images, sizeof images);
  bytes[sizeof images] = 0;
  write_plain(path, bytes, sizeof images + 1);
  refused(path, PL_ERROR_CORRUPT, " is damaged: its header says [3, 2, 2], which is 28 bytes, and it has 29");
  write_gzip(path, bytes, sizeof images + 1);
  refused(path, PL_ERROR_CORRUPT, " is damaged: it goes on after the last element");
  write_gzip(path, images, sizeof images - 1);
  refused(path, PL_ERROR_CORRUPT, " is truncated");
  write_plain(path, "<html><body>404</body></html>", 29);
  refused(path, PL_ERROR_CORRUPT, " is not an IDX file: it begins with 3c 68 74 6d");
  bytes[2] = 0x0a;
  write_plain(path, bytes, sizeof images);
  refused(path, PL_ERROR_CORRUPT, "there is no IDX element type 0x0a; there are 0x08 (u8)");
  memcpy(bytes, images, sizeof images);
  bytes[3] = 7;
  write_plain(path, bytes, sizeof images);
  refused(path, PL_ERROR_CORRUPT, " has 7 axes; at most 6 are read");
}

/* A header that promises 2^64 or 64 GiB elements takes no memory. */
static void refuses_what_cannot_fit(void **state) {
  (void)state;
  static const uint8_t huge[] = { 0, 0, 8, 2, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3 };
  static const uint8_t large[] = { 0, 0, 8, 2, 0, 1, 0, 0, 0, 16, 0, 0, 1, 2, 3 };
  const char *path = scratch("huge");
  pl_alloc_reset_peak();
  size_t before = pl_alloc_peak();
  write_plain(path, huge, sizeof huge);
  refused(path, PL_ERROR_CORRUPT, " is damaged: its header says [4294967295, 4294967295]");
  write_gzip(path, large, sizeof large);
  refused(path, PL_ERROR_CORRUPT, "bytes of gzip can hold");
  write_plain(path, large, sizeof large);
  refused(path, PL_ERROR_CORRUPT, " is truncated: its header says [65536, 1048576], which is 68719476748 bytes, "
                                  "and it has 15");
  assert_int_equal(pl_alloc_peak(), before);
}

/* Every truncation and every flipped byte of a gzip file is refused, or leaves the data as they were. */
static void no_damage_to_gzip_goes_unseen(void **state) {
  (void)state;
  pl_error err;
  uint8_t file[512];
  write_gzip(scratch("zip"), images, sizeof images);
  FILE *f = fopen(scratch("zip"), "rb");
  size_t n = fread(file, 1, sizeof file, f);
  fclose(f);
  for (size_t cut = 0; cut < n; cut++) {
    write_plain(scratch("cut"), file, cut);
    pl_tensor *t = pl_idx_read(scratch("cut"), NULL, &err);
    assert_null(t);
    assert_int_equal(err.status, PL_ERROR_CORRUPT);
  }
  for (size_t i = 0; i < n; i++) {
    for (int bit = 0; bit < 8; bit++) {
      file[i] ^= (uint8_t)(1 << bit);
      write_plain(scratch("flip"), file, n);
      pl_tensor *t = pl_idx_read(scratch("flip"), NULL, &err);
      if (t != NULL) {
        assert_int_equal(pl_tensor_count(t), 12);
        assert_memory_equal(pl_tensor_data(t), images + 16, 12);
        pl_tensor_free(t);
      }
      file[i] ^= (uint8_t)(1 << bit);
    }
  }
}

static void refuses_an_empty_data_set(void **state) {
  (void)state;
  pl_error err;
  static const uint8_t none[] = { 0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 28, 0, 0, 0, 28 },
    no_labels[] = { 0, 0, 8, 1, 0, 0, 0, 0 };
  write_plain(scratch("none"), none, sizeof none);
  write_plain(scratch("no-labels"), no_labels, sizeof no_labels);
  assert_null(pl_dataset_read_idx(scratch("none"), scratch("no-labels"), 10, NULL, &err));
  assert_non_null(strstr(err.text, "the data set is empty: its samples are [0, 28, 28, 1]"));
  write_plain(scratch("images"), images, sizeof images);
  assert_null(pl_dataset_read_idx(scratch("images"), scratch("no-labels"), 10, NULL, &err));
  assert_non_null(strstr(err.text, "samples [3, 2, 2, 1] and targets [0] differ in number"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(reads_plain_and_gzip_alike), cmocka_unit_test(words_are_big_endian),
    cmocka_unit_test(a_pair_of_files_is_a_data_set),
    cmocka_unit_test(refuses_what_is_missing), cmocka_unit_test(refuses_what_is_damaged),
    cmocka_unit_test(refuses_what_cannot_fit),
    cmocka_unit_test(no_damage_to_gzip_goes_unseen), cmocka_unit_test(refuses_an_empty_data_set),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
