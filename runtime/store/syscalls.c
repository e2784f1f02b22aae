#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "store/syscalls.h"

/* open(2) takes its mode as a variable argument, which a pointer to it would lose. */
static int open_file(const char *path, int flags, mode_t mode) { return open(path, flags | O_CLOEXEC, mode); }

#ifdef F_FULLFSYNC   /* macOS: fsync alone stops at the drive's cache */
static int sync_file(int fd) { return fcntl(fd, F_FULLFSYNC) == 0 ? 0 : fsync(fd); }
#else
static int sync_file(int fd) { return fsync(fd); }
#endif

pl_syscalls pl_store_syscalls = {
  .open = open_file, .write = write, .ftruncate = ftruncate, .fsync = sync_file, .fchmod = fchmod, .fchown = fchown,
  .close = close,
  .rename = rename, .unlink = unlink, .mkdir = mkdir,
};
