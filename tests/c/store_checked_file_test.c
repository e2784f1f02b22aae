/* How far readers of HDF5 files follow lists. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "store/checked_file.h"
#include "support_store.h"

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
    cmocka_unit_test(lists_are_followed_only_so_far),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
