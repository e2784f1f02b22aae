/* The atomic file. Replacing a file passes through these states, and a crash in any of them leaves one whole file:

     write a temporary file, fsync, close    <path> is the old file; the next save removes a stale temporary
     rename it to <path>                     the old file or the new one, whose data is on disk already
     fsync the folder                        the new file

   Where <path> is a symbolic link, all of this happens to the file that it leads to.

   Only when all of it succeeded is the save acknowledged. A failed fsync is not tried again: the system may have
   dropped the pages that it could not write, and a second fsync would succeed without them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "perilune/alloc.h"
#include "perilune/store.h"
#include "store/syscalls.h"
#include "store/temporary.h"

#define SYS pl_store_syscalls

static pl_status refused(pl_error *err, const char *path, const char *what) {
  return pl_error_set(err, PL_ERROR_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

static char *text_join(const char *a, size_t length, const char *b, pl_error *err) {
  char *text = pl_alloc(length + strlen(b) + 1, err);
  if (text == NULL) return NULL;
  memcpy(text, a, length);
  strcpy(text + length, b);
  return text;
}

static char *folder_of(const char *path, pl_error *err) {
  const char *slash = strrchr(path, '/');
  if (slash == NULL) return text_join(".", 1, "", err);
  return text_join(path, slash == path ? 1 : (size_t)(slash - path), "", err);
}

/* Returns 0 when all was written. A write that makes no progress counts as a full disk. */
static int write_all(int fd, const char *data, size_t size) {
  enum { MOST = 1 << 30 };   /* Linux writes at most 2 GiB at a time, macOS refuses more */
  while (size > 0) {
    ssize_t n = SYS.write(fd, data, size < MOST ? size : MOST);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = ENOSPC;
    if (n <= 0) return -1;
    data += n;
    size -= (size_t)n;
  }
  return 0;
}

/* The names in a folder are durable once the folder itself is synced. Some file systems cannot sync a folder and
   say EINVAL; they promise nothing either way. */
static pl_status sync_folder(const char *folder, pl_error *err) {
  int fd = SYS.open(folder, O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0) return refused(err, folder, "open the folder");
  pl_status status = PL_OK;
  if (SYS.fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP) status = refused(err, folder, "sync the folder");
  if (SYS.close(fd) != 0 && status == PL_OK && errno != EINTR) status = refused(err, folder, "close the folder");
  return status;
}

/* All of the data on disk, and the file closed. */
static pl_status fill_temporary(int fd, const char *temporary, const void *data, size_t size, pl_error *err) {
  pl_status status = PL_OK;
  if (write_all(fd, data, size) != 0) status = refused(err, temporary, "write");
  else if (SYS.fsync(fd) != 0) status = refused(err, temporary, "sync");
  if (SYS.close(fd) != 0 && status == PL_OK && errno != EINTR) status = refused(err, temporary, "close");
  return status;
}

static pl_status replace(const char *path, const char *target, const char *folder, const void *data, size_t size,
                         pl_error *err) {
  char *temporary;
  pl_store_remove_stale(target);
  int fd = pl_store_temporary(target, &temporary, err);
  if (fd < 0) {
    pl_error_prefix(err, "not saved (an earlier file is unchanged)");
    return err->status;
  }
  pl_status status = fill_temporary(fd, temporary, data, size, err);
  if (status == PL_OK && SYS.rename(temporary, target) != 0) {
    status = pl_error_set(err, PL_ERROR_IO, "cannot rename %s to %s: %s", temporary, target, strerror(errno));
  }
  if (status != PL_OK) {
    SYS.unlink(temporary);
    pl_error_prefix(err, "not saved (an earlier file is unchanged)");
  } else if ((status = sync_folder(folder, err)) != PL_OK) {
    pl_error_prefix(err, "%s is written, but may not outlast a power cut", path);
  }
  pl_free(temporary);
  return status;
}

pl_status pl_store_write_file(const char *path, const void *data, size_t size, pl_error *err) {
  pl_error unused;
  if (err == NULL) err = &unused;
  size_t length = strlen(path);
  if (length == 0 || path[length - 1] == '/') {
    return pl_error_set(err, PL_ERROR_IO, "cannot save '%s': expected the name of a file", path);
  }
  char *target = pl_store_target(path, err);
  if (target == NULL) return err->status;
  char *folder = folder_of(target, err);
  pl_status status = PL_ERROR_MEMORY;
  if (folder != NULL) {
    pl_store_save_begins();
    status = replace(path, target, folder, data, size, err);
    pl_store_save_ends();
  }
  pl_free(folder);
  pl_free(target);
  return status;
}

pl_status pl_store_read_file(const char *path, void **data, size_t *size, pl_error *err) {
  struct stat st;
  *data = NULL;
  *size = 0;
  /* Without O_NONBLOCK, opening a named pipe would wait for a writer for ever. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return refused(err, path, "open");
  pl_status status = PL_OK;
  char *bytes = NULL;
  size_t have = 0;
  if (fstat(fd, &st) != 0) status = refused(err, path, "inspect");
  else if (!S_ISREG(st.st_mode))
    status = pl_error_set(err, PL_ERROR_IO, "cannot read %s: expected a file, found a %s", path,
                          S_ISDIR(st.st_mode) ? "folder" : "device or pipe");
  else if ((bytes = pl_alloc((size_t)st.st_size + 1, err)) == NULL) {
    pl_error_prefix(err, "reading %s", path);
    status = PL_ERROR_MEMORY;
  }
  while (status == PL_OK && have < (size_t)st.st_size) {
    ssize_t n = read(fd, bytes + have, (size_t)st.st_size - have);
    if (n > 0) have += (size_t)n;
    else if (n == 0)
      status = pl_error_set(err, PL_ERROR_IO, "cannot read %s: it became shorter while being read", path);
    else if (errno != EINTR) status = refused(err, path, "read");
  }
  close(fd);
  if (status != PL_OK) {
    pl_free(bytes);
    return status;
  }
  *data = bytes;
  *size = have;
  return PL_OK;
}

pl_status pl_store_append(const char *path, const void *data, size_t size, pl_error *err) {
  struct stat st;
  int fd = SYS.open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0666);
  if (fd < 0) return refused(err, path, "open");
  pl_status status = PL_OK;
  ssize_t n = 0;
  if (fstat(fd, &st) != 0) status = refused(err, path, "inspect");
  else if (!S_ISREG(st.st_mode))
    status = pl_error_set(err, PL_ERROR_IO, "cannot append to %s: it is a device or pipe", path);
  else {
    do n = SYS.write(fd, data, size); while (n < 0 && errno == EINTR);
    if (n < 0 || (size_t)n != size) {
      if (n >= 0) errno = ENOSPC;
      status = refused(err, path, "append to");
      if (n > 0 && SYS.ftruncate(fd, st.st_size) != 0) pl_error_prefix(err, "a line of %s is cut short", path);
    }
  }
  if (SYS.close(fd) != 0 && status == PL_OK && errno != EINTR) status = refused(err, path, "close");
  return status;
}

pl_status pl_store_mkdir(const char *path, pl_error *err) {
  struct stat st;
  if (*path == '\0') return pl_error_set(err, PL_ERROR_IO, "cannot make a folder: its name is empty");
  char *part = text_join(path, strlen(path), "", err);
  pl_status status = part ? PL_OK : PL_ERROR_MEMORY;
  for (char *slash = part; status == PL_OK && slash != NULL; ) {
    slash = strchr(slash + 1, '/');
    if (slash != NULL) *slash = '\0';
    if (SYS.mkdir(part, 0777) == 0) {
      char *folder = folder_of(part, err);
      status = folder ? sync_folder(folder, err) : PL_ERROR_MEMORY;
      pl_free(folder);
    } else {
      int reason = errno;
      if (stat(part, &st) != 0) {
        errno = reason;
        status = refused(err, part, "make the folder");
      } else if (!S_ISDIR(st.st_mode)) {
        status = pl_error_set(err, PL_ERROR_IO, "cannot make the folder %s: %s is a file", path, part);
      }
    }
    if (slash != NULL) *slash = '/';
  }
  pl_free(part);
  return status;
}

pl_status pl_store_remove(const char *path, pl_error *err) {
  if (SYS.unlink(path) == 0 || errno == ENOENT) return PL_OK;
  return refused(err, path, "remove");
}
