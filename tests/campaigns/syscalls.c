/* Linked into a program of its own (BUILD/campaigns/perilune): the system calls of its saves obey the environment.

     CAMPAIGN_FAULT="K COUNT WHAT [die]"   calls number K to K + COUNT - 1 of the process meet a fault:
                        die-before, die-after    SIGKILL before or after the call (die-half: a write writes half first)
                        ENOSPC, EIO, EDQUOT      the call fails
                        short                    a write writes half and says so; other calls succeed
                                           and with "die" the process kills itself before the next file is opened after
                                           that
     CAMPAIGN_RECORD=PATH                  every call is appended to the file: a line, then a write's bytes */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "store/syscalls.h"

enum fault { NONE, DIE_BEFORE, DIE_AFTER, DIE_HALF, SHORT, FAIL };

static pl_syscalls real;
static long calls, first, last;
static enum fault kind;
static int number, then_die, record = -1;

static enum fault next_call(void) {
  calls++;
  enum fault fault = calls >= first && calls <= last ? kind : NONE;
  if (fault == DIE_BEFORE) raise(SIGKILL);
  errno = number;
  return fault;
}

static void note(const void *bytes, size_t size, const char *format, ...) {
  char line[4400];
  va_list args;
  if (record < 0) return;
  va_start(args, format);
  int length = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (write(record, line, (size_t)length) != length || write(record, bytes, size) != (ssize_t)size) abort();
}

#define AROUND(call, ...) \
  enum fault fault = next_call(); \
  if (fault == FAIL) return -1; \
  int result = call; \
  if (result >= 0) note("", 0, __VA_ARGS__); else note("", 0, "failed\n"); \
  if (fault == DIE_AFTER || fault == DIE_HALF) raise(SIGKILL); \
  return result;

static int my_open(const char *path, int flags, mode_t mode) {
  if (then_die && calls >= last && !(flags & O_DIRECTORY)) raise(SIGKILL);
  AROUND(real.open(path, flags, mode), "open %d %s %s\n", result,
         flags & O_DIRECTORY ? "folder" : flags & O_EXCL ? "new" : "append", path)
}

static int my_fsync(int fd) { AROUND(real.fsync(fd), "fsync %d\n", fd) }
static int my_ftruncate(int fd, off_t size) {
  AROUND(real.ftruncate(fd, size), "ftruncate %d %lld\n", fd, (long long)size)
}
static int my_fchmod(int fd, mode_t mode) { AROUND(real.fchmod(fd, mode), "fchmod %d\n", fd) }
static int my_fchown(int fd, uid_t user, gid_t group) { AROUND(real.fchown(fd, user, group), "fchown %d\n", fd) }
static int my_rename(const char *from, const char *to) { AROUND(real.rename(from, to), "rename %s\t%s\n", from, to) }
static int my_unlink(const char *path) { AROUND(real.unlink(path), "unlink %s\n", path) }
static int my_mkdir(const char *path, mode_t mode) { AROUND(real.mkdir(path, mode), "mkdir %s\n", path) }

static int my_close(int fd) {   /* a failing close still closes */
  enum fault fault = next_call();
  int result = real.close(fd);
  note("", 0, "close %d\n", fd);
  if (fault == DIE_AFTER || fault == DIE_HALF) raise(SIGKILL);
  if (fault == FAIL) errno = number;
  return fault == FAIL ? -1 : result;
}

static ssize_t my_write(int fd, const void *data, size_t size) {
  enum fault fault = next_call();
  if (fault == FAIL) return -1;
  if (fault == DIE_HALF || fault == SHORT) size = (size + 1) / 2;
  ssize_t result = real.write(fd, data, size);
  if (result >= 0) note(data, (size_t)result, "write %d %zd\n", fd, result);
  if (fault == DIE_AFTER || fault == DIE_HALF) raise(SIGKILL);
  return result;
}

__attribute__((constructor)) static void obey(void) {
  const char *wish = getenv("CAMPAIGN_FAULT"), *path = getenv("CAMPAIGN_RECORD");
  static const struct { const char *name; enum fault kind; int number; } known[] = {
    { "die-before", DIE_BEFORE, 0 }, { "die-after", DIE_AFTER, 0 }, { "die-half", DIE_HALF, 0 }, { "short", SHORT, 0 },
    { "ENOSPC", FAIL, ENOSPC }, { "EIO", FAIL, EIO }, { "EDQUOT", FAIL, EDQUOT },
  };
  char what[20] = "", die[8] = "";
  long count;
  if (wish != NULL) {
    if (sscanf(wish, "%ld %ld %19s %7s", &first, &count, what, die) < 3) abort();
    last = first + count - 1;
    then_die = strcmp(die, "die") == 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
      if (strcmp(what, known[i].name) == 0) kind = known[i].kind, number = known[i].number;
    }
    if (kind == NONE) abort();
  }
  if (path != NULL && (record = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) < 0) abort();
  if (wish == NULL && path == NULL) return;
  real = pl_store_syscalls;
  pl_store_syscalls = (pl_syscalls){ .open = my_open, .write = my_write, .ftruncate = my_ftruncate, .fsync = my_fsync,
                                     .fchmod = my_fchmod, .fchown = my_fchown, .close = my_close, .rename = my_rename,
                                     .unlink = my_unlink, .mkdir = my_mkdir };
}
