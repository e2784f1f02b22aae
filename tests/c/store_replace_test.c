/* Where a save goes (links, permissions, what is no file), and the temporary files that it leaves or removes. */
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
  return scratch_begin("store_replace");
}

static void through_a_symbolic_link_the_target_is_written(void **state) {
  (void)state;
  struct stat st;
  assert_int_equal(mkdir(at("elsewhere"), 0777), 0);
  save(at("elsewhere/target"), "old");
  assert_int_equal(symlink("elsewhere/target", at("link")), 0);
  assert_int_equal(symlink("link", at("link_to_link")), 0);
  assert_int_equal(symlink(at("elsewhere/target"), at("absolute")), 0);
  static const char *const links[] = { "link", "link_to_link", "absolute" };
  for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
    save(at(links[i]), links[i]);
    assert_holds(at("elsewhere/target"), links[i]);
    assert_int_equal(lstat(at(links[i]), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
  }
  assert_int_equal(symlink("elsewhere/not_yet", at("dangling")), 0);
  save(at("dangling"), "made");
  assert_holds(at("elsewhere/not_yet"), "made");
  assert_int_equal(lstat(at("elsewhere/not_yet"), &st), 0);
  assert_true(S_ISREG(st.st_mode));
  pl_error err = { 0 };
  assert_int_equal(symlink("loop", at("loop")), 0);
  assert_int_equal(pl_store_write_file(at("loop"), "x", 1, &err), PL_ERROR_IO);
  assert_non_null(strstr(err.text, strerror(ELOOP)));
}

static mode_t mode_of(const char *path) {
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  return st.st_mode & 07777;
}

static void permissions_and_owner_of_a_replaced_file_are_kept(void **state) {
  (void)state;
  struct stat st;
  static const mode_t modes[] = { 0600, 0640, 0664, 0755 };
  mode_t mask = umask(027);
  save(at("fresh"), "x");
  assert_int_equal(mode_of(at("fresh")), 0640);
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    save(at("mode"), "old");
    assert_int_equal(chmod(at("mode"), modes[i]), 0);
    save(at("mode"), "new");
    assert_int_equal(mode_of(at("mode")), modes[i]);
  }
  assert_int_equal(chmod(at("mode"), 0666), 0);
  arm(0, FAIL, 0);
  save(at("mode"), "changed");
  umask(mask);
  disarm();
  assert_string_equal(trace, "open fchmod write fsync close rename opendir fsync close ");   /* before the first byte */
  pl_error err = { 0 };
  assert_int_equal(chmod(at("mode"), 0777), 0);
  arm(2, FAIL, EIO);
  assert_int_equal(pl_store_write_file(at("mode"), "new", 3, &err), PL_ERROR_IO);
  disarm();
  assert_holds(at("mode"), "changed");
  assert_int_equal(left_behind("mode"), 0);
  if (getuid() != 0) return;
  save(at("owned"), "old");
  assert_int_equal(chown(at("owned"), 12345, 54321), 0);
  save(at("owned"), "new");
  assert_int_equal(stat(at("owned"), &st), 0);
  assert_int_equal(st.st_uid, 12345);
  assert_int_equal(st.st_gid, 54321);
  arm(2, FAIL, EPERM);      /* what one who is not root meets */
  save(at("owned"), "newer");
  disarm();
  assert_holds(at("owned"), "newer");
}

static void only_files_are_replaced(void **state) {
  (void)state;
  pl_error err = { 0 };
  struct stat st;
  assert_int_equal(mkfifo(at("fifo"), 0666), 0);
  assert_int_equal(symlink("fifo", at("to_fifo")), 0);
  assert_int_equal(pl_store_write_file(at("fifo"), "x", 1, &err), PL_ERROR_IO);
  assert_non_null(strstr(err.text, "only files are replaced"));
  assert_int_equal(pl_store_write_file(at("to_fifo"), "x", 1, &err), PL_ERROR_IO);
  assert_int_equal(lstat(at("fifo"), &st), 0);
  assert_true(S_ISFIFO(st.st_mode));
  assert_int_equal(pl_store_append(at("fifo"), "x\n", 2, &err), PL_ERROR_IO);
  assert_int_equal(pl_store_write_file("/dev/null", "x", 1, &err), PL_ERROR_IO);
  assert_int_equal(stat("/dev/null", &st), 0);
  assert_true(S_ISCHR(st.st_mode));
}

/* ---- temporary files ---- */

static void make_file(const char *name) {
  FILE *f = fopen(at(name), "w");
  assert_non_null(f);
  fclose(f);
}

/* A process that is dead, and what it left when it died inside a save of `name`. */
static void die_while_saving(const char *name) {
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    arm(3, DIE_BEFORE, 0);
    pl_store_write_file(at(name), "half", 4, NULL);
    _exit(0);
  }
  assert_int_equal(waitpid(child, NULL, 0), child);
}

static void leftovers_of_the_dead_are_removed_and_nothing_else(void **state) {
  (void)state;
  char name[400];
  die_while_saving("left");
  die_while_saving("left");
  die_while_saving("left2");
  assert_int_equal(left_behind("left.") + left_behind("left2."), 2);   /* the second removed that of the first */
  snprintf(name, sizeof name, "left.%lx-00000000-0.tmp", (unsigned long)getpid());   /* another machine's */
  make_file(name);
  make_file("left.tmp");
  make_file("left.my-own.tmp");
  save(at("left"), "x");
  assert_int_equal(left_behind("left."), 3);
  assert_int_equal(left_behind("left2."), 1);
  save(at("left2"), "x");
  assert_int_equal(left_behind("left2."), 0);
}

static void a_living_process_keeps_its_temporary_file(void **state) {
  (void)state;
  int ready[2], go[2];
  char byte;
  assert_int_equal(pipe(ready) | pipe(go), 0);
  pid_t child = fork();
  if (child == 0) {
    char *name;
    int fd = pl_store_temporary(at("alive"), &name, NULL);
    if (write(fd, "child", 5) != 5 || write(ready[1], "r", 1) != 1 || read(go[0], &byte, 1) != 1) _exit(1);
    _exit(rename(name, at("alive")) != 0);
  }
  assert_int_equal(read(ready[0], &byte, 1), 1);
  save(at("alive"), "parent");
  assert_holds(at("alive"), "parent");
  assert_int_equal(left_behind("alive"), 1);
  assert_int_equal(write(go[1], "g", 1), 1);
  int how;
  assert_int_equal(waitpid(child, &how, 0), child);
  assert_int_equal(how, 0);
  assert_holds(at("alive"), "child");
}

/* Several savers of one path, and readers: whatever is read is one saver's text, whole. */
static void two_savers_of_one_path_never_tear_it(void **state) {
  (void)state;
  enum { SAVERS = 3, SAVES = 60, MOST = 300000 };
  static char text[MOST];
  pid_t child[SAVERS];
  save(at("shared"), "a");
  for (int s = 0; s < SAVERS; s++) {
    if ((child[s] = fork()) != 0) continue;
    size_t size = (size_t)MOST / (size_t)(s + 1);
    memset(text, 'a' + s, size);
    for (int i = 0; i < SAVES; i++) {
      if (pl_store_write_file(at("shared"), text, size, NULL)) _exit(1);
    }
    _exit(0);
  }
  int running = SAVERS, failed = 0, torn = 0, how;
  while (running > 0) {
    pl_error err = { 0 };
    void *data = NULL;
    size_t size = 0, same = 0;
    if (pl_store_read_file(at("shared"), &data, &size, &err)) torn++;
    else {
      while (same < size && ((char *)data)[same] == ((char *)data)[0]) same++;
      torn += same != size || (size != 1 && size != MOST / (size_t)(((char *)data)[0] - 'a' + 1));
    }
    pl_free(data);
    for (int s = 0; s < SAVERS; s++) {
      if (child[s] > 0 && waitpid(child[s], &how, WNOHANG) == child[s]) child[s] = 0, running--, failed += how != 0;
    }
  }
  assert_int_equal(torn, 0);
  assert_int_equal(failed, 0);
  assert_int_equal(left_behind("shared"), 0);
}

static void the_longest_names_can_be_saved(void **state) {
  (void)state;
  char name[256];
  memset(name, 'n', 255);
  name[255] = '\0';
  save(at(name), "x");
  assert_holds(at(name), "x");
  name[254] = '\0';
  die_while_saving(name);
  save(at(name), "x");
  assert_int_equal(left_behind("nnn"), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(through_a_symbolic_link_the_target_is_written),
    cmocka_unit_test(permissions_and_owner_of_a_replaced_file_are_kept),
    cmocka_unit_test(only_files_are_replaced),
    cmocka_unit_test(leftovers_of_the_dead_are_removed_and_nothing_else),
    cmocka_unit_test(a_living_process_keeps_its_temporary_file),
    cmocka_unit_test(two_savers_of_one_path_never_tear_it),
    cmocka_unit_test(the_longest_names_can_be_saved),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
