/* What is put before an error's text, and what is cut off where both do not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "perilune/error.h"

static void prefix(void **state) {
  pl_error err = { 0 };
  (void)state;
  pl_error_set(&err, PL_ERROR_SHAPE, "expects %d", 3);
  pl_error_prefix(&err, "layer %s", "01_linear");
  assert_int_equal(err.status, PL_ERROR_SHAPE);
  assert_string_equal(err.text, "layer 01_linear: expects 3");
  pl_error_prefix(NULL, "layer");
}

/* Prefixes and texts of all lengths around the room that there is: the beginning of "prefix: text". */
static void cut(void **state) {
  enum { ROOM = sizeof ((pl_error *)0)->text };
  char text[ROOM + 8], before[ROOM + 8], whole[2 * sizeof text + 8];
  (void)state;
  for (size_t length = 0; length < ROOM + 4; length++) for (size_t old = 0; old < ROOM + 4; old += 51) {
    pl_error err = { 0 };
    memset(before, 'b', length), before[length] = 0;
    memset(text, 't', old), text[old] = 0;
    pl_error_set(&err, PL_ERROR_VALUE, "%s", text);
    text[old < ROOM - 1 ? old : ROOM - 1] = 0;
    pl_error_prefix(&err, "%s", before);
    strcat(strcat(strcpy(whole, before), ": "), text);
    assert_true(strlen(err.text) < ROOM);
    assert_memory_equal(err.text, whole, strlen(err.text));
    if (strlen(whole) < ROOM) assert_string_equal(err.text, whole);
    else assert_true(strlen(err.text) + 4 > ROOM);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(prefix), cmocka_unit_test(cut) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
