/* A lock that one process holds at a time and that the kernel frees when the process dies, however it dies: flock(2) on
   a file that also says who holds it. The holder removes the file before it lets go, so whoever then gets the lock of a
   file that is no longer the one at `path` has locked nothing, and tries again. Programs that the process starts do not
   inherit it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "perilune/store.h"

static bool is_at(int fd, const char *path) {
  struct stat held, there;
  return fstat(fd, &held) == 0 && stat(path, &there) == 0 && held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

static pl_status held(int fd, const char *path, pl_error *err) {
  char text[32] = "";
  ssize_t n = pread(fd, text, sizeof text - 1, 0);
  long pid = n > 0 ? strtol(text, NULL, 10) : 0;
  if (pid <= 0) return pl_error_set(err, PL_ERROR_STATE, "%s is held by another process", path);
  return pl_error_set(err, PL_ERROR_STATE, "%s is held by process %ld", path, pid);
}

pl_status pl_store_lock(const char *path, int *lock, pl_error *err) {
  enum { TRIES = 1000 };
  for (int i = 0; i < TRIES; i++) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (fd < 0) return pl_error_set(err, PL_ERROR_IO, "cannot open %s: %s", path, strerror(errno));
    /* A file system without locks is no reason not to work there. */
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      pl_status status = held(fd, path, err);
      close(fd);
      return status;
    }
    if (is_at(fd, path)) {
      if (ftruncate(fd, 0) == 0) dprintf(fd, "%ld\n", (long)getpid());
      *lock = fd;
      return PL_OK;
    }
    close(fd);
  }
  return pl_error_set(err, PL_ERROR_IO, "cannot lock %s: it is replaced all the time", path);
}

void pl_store_unlock(const char *path, int lock) {
  if (is_at(lock, path)) unlink(path);
  close(lock);
}
