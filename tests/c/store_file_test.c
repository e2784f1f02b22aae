/* Atomic replacement: whatever call of a save fails, at whatever call the process dies, a reader finds the old file or
   the new one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
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
#include "perilune/store.h"
#include "store/syscalls.h"
#include "store/temporary.h"

/* ---- a table that counts calls, and at the k-th fails, writes short, or dies ---- */

enum fault { FAIL, SHORT_THEN_FAIL, SHORT, NOTHING, DIE_BEFORE, DIE_AFTER };

static pl_syscalls real;
static int calls, fault_at, fault_errno;
static enum fault fault;
static char trace[400];

static int faulty(const char *name) {
  if (strlen(trace) + strlen(name) + 2 < sizeof trace) strcat(strcat(trace, name), " ");
  if (++calls != fault_at) return 0;
  if (fault == DIE_BEFORE) raise(SIGKILL);
  errno = fault_errno;
  return 1;
}

#define FINISH(name, call) \
  int hit = faulty(name); \
  if (hit && fault == FAIL) return -1; \
  int result = call; \
  if (hit && fault == DIE_AFTER) raise(SIGKILL); \
  return result;

static int my_open(const char *path, int flags, mode_t mode) {
  FINISH(flags & O_DIRECTORY ? "opendir" : "open", real.open(path, flags, mode))
}
static int my_fsync(int fd) { FINISH("fsync", real.fsync(fd)) }
static int my_ftruncate(int fd, off_t size) { FINISH("ftruncate", real.ftruncate(fd, size)) }
static int my_fchmod(int fd, mode_t mode) { FINISH("fchmod", real.fchmod(fd, mode)) }
static int my_fchown(int fd, uid_t user, gid_t group) { FINISH("fchown", real.fchown(fd, user, group)) }
static int my_rename(const char *from, const char *to) { FINISH("rename", real.rename(from, to)) }
static int my_unlink(const char *path) { FINISH("unlink", real.unlink(path)) }
static int my_mkdir(const char *path, mode_t mode) { FINISH("mkdir", real.mkdir(path, mode)) }

static int my_close(int fd) {   /* a failing close still closes */
  int hit = faulty("close");
  int result = real.close(fd);
  if (hit && fault == DIE_AFTER) raise(SIGKILL);
  return hit && fault == FAIL ? -1 : result;
}

static ssize_t my_write(int fd, const void *data, size_t size) {
  static int failing;
  int hit = faulty("write");
  if (failing) {
    failing = 0;
    errno = fault_errno;
    return -1;
  }
  if (hit && fault == FAIL) return -1;
  if (hit && fault == NOTHING) return 0;
  if (hit && fault != DIE_AFTER) size /= 2;
  ssize_t result = real.write(fd, data, size);
  if (hit && fault == DIE_AFTER) raise(SIGKILL);
  failing = hit && fault == SHORT_THEN_FAIL;
  return result;
}

static void arm(int at, enum fault kind, int number) {
  calls = 0;
  trace[0] = '\0';
  fault_at = at;
  fault = kind;
  fault_errno = number;
  pl_store_syscalls = (pl_syscalls){ .open = my_open, .write = my_write, .ftruncate = my_ftruncate, .fsync = my_fsync,
                                     .fchmod = my_fchmod, .fchown = my_fchown, .close = my_close, .rename = my_rename,
                                     .unlink = my_unlink, .mkdir = my_mkdir };
}

static void disarm(void) { pl_store_syscalls = real; }

/* ---- scratch ---- */

static char folder[256];

static const char *at(const char *name) {
  static char path[4][700];
  static int turn;
  turn = (turn + 1) % 4;
  snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
  return path[turn];
}

static int set_up(void **state) {
  (void)state;
  const char *scratch = getenv("TEST_TMP");
  snprintf(folder, sizeof folder, "%s/store_file_XXXXXX", scratch ? scratch : "/tmp");
  real = pl_store_syscalls;
  return mkdtemp(folder) == NULL;
}

static void assert_holds(const char *path, const char *text) {
  pl_error err = { 0 };
  void *data;
  size_t size;
  assert_int_equal(pl_store_read_file(path, &data, &size, &err), PL_OK);
  assert_int_equal(size, strlen(text));
  assert_string_equal(data, text);
  pl_free(data);
}

/* Temporary files of `name` in the folder. */
static int left_behind(const char *name) {
  int n = 0;
  DIR *dir = opendir(folder);
  assert_non_null(dir);
  for (const struct dirent *e; (e = readdir(dir)) != NULL; )
    n += strncmp(e->d_name, name, strlen(name)) == 0 && strstr(e->d_name, ".tmp") != NULL;
  closedir(dir);
  return n;
}

static void save(const char *path, const char *text) {
  pl_error err = { 0 };
  if (pl_store_write_file(path, text, strlen(text), &err)) fail_msg("%s", err.text);
}

/* ---- tests ---- */

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
      assert_non_null(strstr(err.text, folder));
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
  assert_int_equal(pl_store_read_file(folder, &data, &size, &err), PL_ERROR_IO);
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
  assert_int_equal(pl_store_remove(folder, &err), PL_ERROR_IO);
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

/* ---- where a save goes ---- */

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
