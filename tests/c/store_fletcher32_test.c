/* Fletcher-32 in lanes and in pieces equals the sums as they are defined, one word after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "store/fletcher32.h"

enum { MOST = 300001 };
static uint8_t bytes[MOST];

/* 65535 stands for 0, but in the sum of zeros. */
static uint32_t naive(const uint8_t *data, size_t n) {
  uint64_t a = 0, b = 0, any = 0;
  for (size_t i = 0; i < n; i += 2) {
    uint32_t w = (uint32_t)data[i] << 8 | (i + 1 < n ? data[i + 1] : 0);
    any |= w;
    a = (a + w) % 65535;
    b = (b + a) % 65535;
  }
  if (any && a == 0) a = 65535;
  if (any && b == 0) b = 65535;
  return (uint32_t)(b << 16 | a);
}

static uint32_t sum_of(const uint8_t *data, size_t n, size_t piece) {
  pl_fletcher32 f = { 0 };
  for (size_t at = 0; at < n; at += piece) pl_fletcher32_update(&f, data + at, n - at < piece ? n - at : piece);
  return pl_fletcher32_sum(&f);
}

static void fill(int kind) {
  for (size_t i = 0; i < MOST; i++) bytes[i] = kind == 0 ? (uint8_t)rand() : kind == 1 ? 0xff : 0;
}

static void equals_the_naive_sums(void **state) {
  (void)state;
  srand(3);
  for (int kind = 0; kind < 3; kind++) {
    fill(kind);
    for (size_t n = 0; n < MOST; n += n < 200 ? 1 : n < 12000 ? 509 : 11483) {
      uint32_t expected = naive(bytes + 1, n);   /* not aligned */
      assert_int_equal(sum_of(bytes + 1, n, MOST), expected);
      assert_int_equal(sum_of(bytes + 1, n, 2 + 2 * ((size_t)rand() % 9000)), expected);
    }
  }
}

/* Sums that are multiples of 65535, and zeros before and after what is not zero. */
static void zero_is_told_from_65535(void **state) {
  (void)state;
  static const uint8_t pair[] = { 0xff, 0xfe, 0, 1 };
  fill(2);
  for (size_t at = 0; at < 2000; at += 62) {
    memcpy(bytes + at, pair, sizeof pair);
    for (size_t n = at + 4; n < at + 400; n += 33) assert_int_equal(sum_of(bytes, n, MOST), naive(bytes, n));
    memset(bytes + at, 0, sizeof pair);
  }
  assert_int_equal(sum_of(bytes, 1000, MOST), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(equals_the_naive_sums),
    cmocka_unit_test(zero_is_told_from_65535),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
