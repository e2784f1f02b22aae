/* What readers of HDF5 files ask of libhdf5, and how far they follow lists. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "perilune/readers.h"
#include "store/stream.h"
#include "support_store.h"

static int asked;
static __typeof__(&H5Dget_chunk_info_by_coord) ask;

static herr_t counted(hid_t set, const hsize_t *corner, unsigned *mask, haddr_t *address, hsize_t *size) {
  asked++;
  return ask(set, corner, mask, address, size);
}

/* Each question takes a walk through the index: one for all chunks, not one for each. */
static void chunks_are_found_by_one_walk(void **state) {
  (void)state;
  pl_error err = { 0 };
  pl_array_info info;
  GOOD(pl_hdf5_load(&err));
  ask = hdf5.H5Dget_chunk_info_by_coord;
  hdf5.H5Dget_chunk_info_by_coord = counted;
  pl_stream *s = pl_stream_hdf5("tests/golden/readers/sets.h5", "chunked", &info, &err);
  hdf5.H5Dget_chunk_info_by_coord = ask;
  if (s == NULL) fail_msg("%s", err.text);
  assert_int_equal(((pl_hdf5_stream *)s)->in.bands * ((pl_hdf5_stream *)s)->in.band_chunks, 18);
  assert_int_equal(asked, 1);
  pl_stream_free(s);
}

static void put(uint8_t *at, uint64_t number) {
  for (int i = 0; i < 8; i++) at[i] = (uint8_t)(number >> 8 * i);
}

/* As many heaps as somebody likes may claim the same list of free blocks. */
static void lists_are_followed_only_so_far(void **state) {
  enum { BLOCKS = 4000, BLOCK = 16, HEAP = 32, MOST = 1 << 16 };
  static uint8_t file[HEAP + BLOCKS * BLOCK] = "HEAP";
  (void)state;
  pl_checked_file f = { .path = "a file", .memory = file, .size = sizeof file, .address = 8, .length = 8,
                        .blocks_left = MOST };
  put(file + 8, BLOCKS * BLOCK);
  put(file + 16, 0);
  put(file + 24, HEAP);
  for (uint64_t b = 0; b < BLOCKS; b++) {
    put(file + HEAP + BLOCK * b, b + 1 < BLOCKS ? BLOCK * (b + 1) : 1);
    put(file + HEAP + BLOCK * b + 8, BLOCK);
  }
  int heaps = 0;
  while (pl_local_heap_check(&f, 0, file, sizeof file)) assert_true(++heaps < MOST);
  assert_int_equal(heaps, MOST / BLOCKS);
  assert_string_equal(f.error.text, "a file is damaged: the free blocks of a heap of names are no list");
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(chunks_are_found_by_one_walk),
    cmocka_unit_test(lists_are_followed_only_so_far),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
