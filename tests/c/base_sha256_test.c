/* Digests in pieces of any lengths equal libmd's in one piece, and the standard's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/sha256.h"

static void equals_libmd_in_any_pieces(void **state) {
  (void)state;
  enum { MOST = 5000 };
  static uint8_t bytes[MOST];
  char expected[SHA256_DIGEST_STRING_LENGTH], got[SHA256_DIGEST_STRING_LENGTH];
  srand(7);
  for (size_t i = 0; i < MOST; i++) bytes[i] = (uint8_t)rand();
  for (size_t size = 0; size < MOST; size += size < 200 ? 1 : 97) {
    SHA256Data(bytes, size, expected);
    for (int round = 0; round < 4; round++) {
      SHA2_CTX running;
      SHA256Init(&running);
      for (size_t at = 0, n; at < size; at += n) {
        n = round == 0 ? size : (size_t)rand() % (round == 1 ? 70 : 700);
        if (n > size - at) n = size - at;
        pl_sha256_update(&running, bytes + at, n);
      }
      SHA256End(&running, got);
      assert_string_equal(got, expected);
    }
  }
}

/* FIPS 180-4's third example: a million times "a". */
static void equals_the_standard(void **state) {
  (void)state;
  size_t size = 1000000;
  char got[SHA256_DIGEST_STRING_LENGTH], *text = malloc(size);
  assert_non_null(text);
  SHA2_CTX running;
  SHA256Init(&running);
  pl_sha256_update(&running, memset(text, 'a', size), size);
  SHA256End(&running, got);
  free(text);
  assert_string_equal(got, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(equals_libmd_in_any_pieces),
                                      cmocka_unit_test(equals_the_standard) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
