/* Atomic replacement: whatever call of a save fails, at whatever call the process dies, a reader finds the old file or
   the new one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "perilune/alloc.h"
#include "store/syscalls.h"
#include "store/temporary.h"
#include "support_store.h"

static int set_up(void **state) {
  (void)state;
  return scratch_begin("store_file");
}

static const char *const save_calls = "open write fsync close rename opendir fsync close ";
enum { SAVE_CALLS = 8, RENAME = 5 };

static void saves_in_the_promised_order(void **state) {
  (void)state;
  arm(0, FAIL, 0);
  save(at("order"), "new");
  disarm();
  assert_string_equal(trace, save_calls);
  assert_holds(at("order"), "new");
  assert_int_equal(left_behind("order"), 0);
}

static void every_failing_call_leaves_the_old_file(void **state) {
  (void)state;
  static const int numbers[] = { EIO, ENOSPC, EACCES };
  for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
    for (int k = 1; k <= SAVE_CALLS; k++) {
      pl_error err = { 0 };
      save(at("f"), "old");
      arm(k, FAIL, numbers[n]);
      pl_status status = pl_store_write_file(at("f"), "new", 3, &err);
      disarm();
      assert_int_equal(status, PL_ERROR_IO);
      assert_int_equal(err.status, PL_ERROR_IO);
      assert_non_null(strstr(err.text, strerror(numbers[n])));
      assert_non_null(strstr(err.text, scratch_folder));
      assert_non_null(strstr(err.text, k <= RENAME ? "an earlier file is unchanged" : "may not outlast a power cut"));
      assert_holds(at("f"), k <= RENAME ? "old" : "new");
      assert_int_equal(left_behind("f"), 0);
    }
  }
}

static void messages_say_what_failed(void **state) {
  (void)state;
  static const char *const words[SAVE_CALLS] = { "create ", "write ", "sync ", "close ", "rename ", "open the folder ",
                                                 "sync the folder ", "close the folder " };
  for (int k = 1; k <= SAVE_CALLS; k++) {
    pl_error err = { 0 };
    arm(k, FAIL, ENOSPC);
    pl_store_write_file(at("g"), "new", 3, &err);
    disarm();
    if (strstr(err.text, words[k - 1]) == NULL) fail_msg("call %d: '%s' lacks '%s'", k, err.text, words[k - 1]);
  }
}

static void short_writes_are_continued(void **state) {
  (void)state;
  arm(2, SHORT, 0);
  save(at("short"), "a text of some length");
  disarm();
  assert_string_equal(trace, "open write write fsync close rename opendir fsync close ");
  assert_holds(at("short"), "a text of some length");
}

static void a_disk_that_fills_up_keeps_the_old_file(void **state) {
  (void)state;
  pl_error err = { 0 };
  save(at("full"), "old");
  arm(2, SHORT_THEN_FAIL, ENOSPC);
  assert_int_equal(pl_store_write_file(at("full"), "a longer text", 13, &err), PL_ERROR_IO);
  disarm();
  assert_holds(at("full"), "old");
  assert_int_equal(left_behind("full"), 0);
  assert_non_null(strstr(err.text, strerror(ENOSPC)));
}

static void a_write_of_nothing_counts_as_a_full_disk(void **state) {
  (void)state;
  pl_error err = { 0 };
  arm(2, NOTHING, 0);
  assert_int_equal(pl_store_write_file(at("nothing"), "text", 4, &err), PL_ERROR_IO);
  disarm();
  assert_non_null(strstr(err.text, strerror(ENOSPC)));
  assert_int_equal(access(at("nothing"), F_OK), -1);
}

static void interrupted_writes_are_repeated(void **state) {
  (void)state;
  arm(2, FAIL, EINTR);
  save(at("eintr"), "text");
  disarm();
  assert_holds(at("eintr"), "text");
}

static void folders_that_cannot_be_synced_are_forgiven(void **state) {
  (void)state;
  arm(7, FAIL, EINVAL);
  save(at("einval"), "text");
  disarm();
  assert_holds(at("einval"), "text");
}

static void death_at_any_call_leaves_a_whole_file(void **state) {
  (void)state;
  for (enum fault kind = DIE_BEFORE; kind <= DIE_AFTER; kind++) {
    for (int k = 1; k <= SAVE_CALLS; k++) {
      save(at("killed"), "old");
      pid_t child = fork();
      assert_true(child >= 0);
      if (child == 0) {
        arm(k, kind, 0);
        pl_store_write_file(at("killed"), "new", 3, NULL);
        _exit(0);
      }
      int how;
      assert_int_equal(waitpid(child, &how, 0), child);
      assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
      bool renamed = k > RENAME || (k == RENAME && kind == DIE_AFTER);
      assert_holds(at("killed"), renamed ? "new" : "old");
      save(at("killed"), "after");   /* a stale temporary file is no obstacle */
      assert_holds(at("killed"), "after");
      assert_int_equal(left_behind("killed"), 0);
    }
  }
}

static void bad_names_are_refused(void **state) {
  (void)state;
  pl_error err = { 0 };
  assert_int_equal(pl_store_write_file("", "x", 1, &err), PL_ERROR_IO);
  assert_int_equal(pl_store_write_file(at("folder/"), "x", 1, &err), PL_ERROR_IO);
  assert_non_null(strstr(err.text, "expected the name of a file"));
  assert_int_equal(pl_store_write_file(at("none/x"), "x", 1, &err), PL_ERROR_IO);
  assert_non_null(strstr(err.text, strerror(ENOENT)));
  assert_int_equal(mkdir(at("is_folder"), 0777), 0);
  assert_int_equal(pl_store_write_file(at("is_folder"), "x", 1, &err), PL_ERROR_IO);
  assert_int_equal(left_behind("is_folder"), 0);
}

static void reading_refuses_what_is_no_file(void **state) {
  (void)state;
  pl_error err = { 0 };
  void *data = NULL;
  size_t size;
  assert_int_equal(pl_store_read_file(scratch_folder, &data, &size, &err), PL_ERROR_IO);
  assert_non_null(strstr(err.text, "found a folder"));
  assert_int_equal(mkfifo(at("pipe"), 0666), 0);
  /* and does not wait for a writer */
  assert_int_equal(pl_store_read_file(at("pipe"), &data, &size, &err), PL_ERROR_IO);
  assert_non_null(strstr(err.text, "device or pipe"));
  assert_int_equal(pl_store_read_file(at("missing"), &data, &size, &err), PL_ERROR_IO);
  assert_non_null(strstr(err.text, "cannot open"));
  assert_null(data);
}

static void append_adds_whole_lines_or_nothing(void **state) {
  (void)state;
  pl_error err = { 0 };
  assert_int_equal(pl_store_append(at("log"), "one\n", 4, &err), PL_OK);
  arm(0, FAIL, 0);
  assert_int_equal(pl_store_append(at("log"), "two\n", 4, &err), PL_OK);
  disarm();
  assert_string_equal(trace, "open write close ");
  arm(2, SHORT, 0);
  assert_int_equal(pl_store_append(at("log"), "three\n", 6, &err), PL_ERROR_IO);
  disarm();
  assert_non_null(strstr(err.text, strerror(ENOSPC)));
  for (int k = 1; k <= 2; k++) {
    arm(k, FAIL, EIO);
    assert_int_equal(pl_store_append(at("log"), "four\n", 5, &err), PL_ERROR_IO);
    disarm();
  }
  assert_holds(at("log"), "one\ntwo\n");
}

static void mkdir_makes_all_folders_durably(void **state) {
  (void)state;
  pl_error err = { 0 };
  arm(0, FAIL, 0);
  assert_int_equal(pl_store_mkdir(at("a/b"), &err), PL_OK);
  disarm();
  assert_non_null(strstr(trace, "mkdir opendir fsync close mkdir opendir fsync close "));
  assert_int_equal(pl_store_mkdir(at("a/b"), &err), PL_OK);
  assert_int_equal(pl_store_mkdir(at("a/b/c/"), &err), PL_OK);
  save(at("a/b/c/f"), "x");
  assert_int_equal(pl_store_mkdir(at("a/b/c/f/g"), &err), PL_ERROR_IO);
  assert_non_null(strstr(err.text, "c/f is a file"));
  arm(0, FAIL, 0);
  assert_int_equal(pl_store_mkdir("/dev/null/x", &err), PL_ERROR_IO);
  disarm();
  assert_int_equal(pl_store_mkdir("", &err), PL_ERROR_IO);
  assert_int_equal(pl_store_mkdir("/proc/perilune", &err), PL_ERROR_IO);
  assert_non_null(strstr(err.text, "/proc/perilune"));
}

static void remove_forgives_only_absence(void **state) {
  (void)state;
  pl_error err = { 0 };
  save(at("gone"), "x");
  assert_int_equal(pl_store_remove(at("gone"), &err), PL_OK);
  assert_int_equal(pl_store_remove(at("gone"), &err), PL_OK);
  assert_int_equal(access(at("gone"), F_OK), -1);
  assert_int_equal(pl_store_remove(scratch_folder, &err), PL_ERROR_IO);
}

static void failed_allocations_leave_the_old_file(void **state) {
  (void)state;
  save(at("memory"), "old");
  size_t before = pl_alloc_live();
  for (long n = 1; n <= 3; n++) {
    pl_error err = { 0 };
    pl_alloc_fail_at(n);
    assert_int_equal(pl_store_write_file(at("memory"), "new", 3, &err), PL_ERROR_MEMORY);
    pl_alloc_fail_at(0);
    assert_int_equal(err.status, PL_ERROR_MEMORY);
    assert_holds(at("memory"), "old");
  }
  assert_int_equal(pl_alloc_live(), before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(saves_in_the_promised_order),
    cmocka_unit_test(every_failing_call_leaves_the_old_file),
    cmocka_unit_test(messages_say_what_failed),
    cmocka_unit_test(short_writes_are_continued),
    cmocka_unit_test(a_disk_that_fills_up_keeps_the_old_file),
    cmocka_unit_test(a_write_of_nothing_counts_as_a_full_disk),
    cmocka_unit_test(interrupted_writes_are_repeated),
    cmocka_unit_test(folders_that_cannot_be_synced_are_forgiven),
    cmocka_unit_test(death_at_any_call_leaves_a_whole_file),
    cmocka_unit_test(bad_names_are_refused),
    cmocka_unit_test(reading_refuses_what_is_no_file),
    cmocka_unit_test(append_adds_whole_lines_or_nothing),
    cmocka_unit_test(mkdir_makes_all_folders_durably),
    cmocka_unit_test(remove_forgives_only_absence),
    cmocka_unit_test(failed_allocations_leave_the_old_file),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
