/* Files out of a tar.gz or zip archive, read by libarchive, which is loaded by name when the first one is unpacked: a
   build needs nothing of it, so the few functions that are used are declared here, as its interface 13 has them.

   Only the members that are asked for are written, under the last part of their names: an archive decides neither
   where a file goes nor how much is written. They are called <name>.part until the archive has been read to its end. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/library.h"
#include "perilune/alloc.h"
#include "perilune/data.h"

struct archive;
struct archive_entry;
enum { ARCHIVE_END = 1, ARCHIVE_GOOD = 0, ARCHIVE_REMARK = -20 };

static struct {
  struct archive *(*open)(void);
  int (*gzip)(struct archive *), (*tar)(struct archive *), (*zip)(struct archive *), (*close)(struct archive *);
  int (*open_file)(struct archive *, const char *path, size_t block);
  int (*next)(struct archive *, struct archive_entry **);
  ssize_t (*read)(struct archive *, void *bytes, size_t size);
  const char *(*problem)(struct archive *);
  const char *(*name)(struct archive_entry *), *(*hard_link)(struct archive_entry *);
  int64_t (*size)(struct archive_entry *);
  mode_t (*kind)(struct archive_entry *);
} lib;

pl_status pl_unpack_load(pl_error *err) {
  static const char *const files[] = { "libarchive.so.13", "libarchive.13.dylib", "/usr/lib/libarchive.2.dylib",
                                       "/opt/homebrew/opt/libarchive/lib/libarchive.13.dylib", NULL };
  static const char *const functions[] = {
    "archive_read_new", "archive_read_support_filter_gzip", "archive_read_support_format_tar",
    "archive_read_support_format_zip", "archive_read_open_filename", "archive_read_next_header", "archive_read_data",
    "archive_error_string", "archive_entry_pathname", "archive_entry_hardlink", "archive_entry_size",
    "archive_entry_filetype", "archive_read_free", NULL };
  void **const at[] = { (void **)&lib.open, (void **)&lib.gzip, (void **)&lib.tar, (void **)&lib.zip,
                        (void **)&lib.open_file, (void **)&lib.next, (void **)&lib.read, (void **)&lib.problem,
                        (void **)&lib.name, (void **)&lib.hard_link, (void **)&lib.size, (void **)&lib.kind,
                        (void **)&lib.close };
  return pl_load_library("unpacking needs libarchive", files, "libarchive13", functions, at, err);
}

typedef struct unpacking {
  const char *path, *folder;
  const char *const *members;
  size_t n;
  bool *done;                 /* [n]: written to its .part */
  int64_t total, most;        /* bytes of all members so far, wanted or not */
  pl_progress_fn progress;
  void *arg;
  struct archive *archive;
  uint8_t buffer[65536];
} unpacking;

static void part_path(char *out, size_t size, const unpacking *u, size_t i, const char *ending) {
  const char *slash = strrchr(u->members[i], '/');
  snprintf(out, size, "%s/%s%s", u->folder, slash ? slash + 1 : u->members[i], ending);
}

static pl_status too_much(const unpacking *u, pl_error *err) {
  return pl_error_set(err, PL_ERROR_CORRUPT, "%s unpacks to more than %lld bytes; it is not the published archive",
                      u->path, (long long)u->most);
}

static pl_status damaged(const unpacking *u, pl_error *err) {
  const char *problem = lib.problem(u->archive);
  return pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged: %s", u->path, problem ? problem : "it cannot be read");
}

/* Reads a member to its end; into `file` unless that is -1. */
static pl_status copy_member(unpacking *u, int file, const char *target, pl_error *err) {
  for (;;) {
    ssize_t got = lib.read(u->archive, u->buffer, sizeof u->buffer);
    if (got < 0) return damaged(u, err);
    if (got == 0) return PL_OK;
    u->total += got;
    if (u->total > u->most) return too_much(u, err);
    for (ssize_t at = 0; file >= 0 && at < got;) {
      ssize_t wrote = write(file, u->buffer + at, (size_t)(got - at));
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) return pl_error_set(err, PL_ERROR_IO, "cannot write %s: %s", target, strerror(errno));
      at += wrote;
    }
    if (u->progress != NULL && !u->progress(u->arg, u->total, u->most))
      return pl_error_set(err, PL_ERROR_IO, "stopped; %s is kept", u->path);
  }
}

static pl_status write_member(unpacking *u, size_t i, pl_error *err) {
  char target[4096];
  part_path(target, sizeof target, u, i, ".part");
  int file = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) return pl_error_set(err, PL_ERROR_IO, "cannot write %s: %s", target, strerror(errno));
  u->done[i] = true;
  pl_status status = copy_member(u, file, target, err);
  bool synced = fsync(file) == 0;
  int reason = errno;
  if (close(file) != 0 && synced) {
    synced = false;
    reason = errno;
  }
  if (status == PL_OK && !synced)
    return pl_error_set(err, PL_ERROR_IO, "cannot write %s: %s", target, strerror(reason));
  return status;
}

static size_t index_of(const unpacking *u, struct archive_entry *entry) {
  const char *name = lib.name(entry);   /* NULL: one that this locale cannot spell */
  if (name != NULL && strncmp(name, "./", 2) == 0) name += 2;
  for (size_t i = 0; name != NULL && i < u->n; i++)
    if (strcmp(name, u->members[i]) == 0) return i;
  return u->n;
}

static pl_status next_member(unpacking *u, struct archive_entry *entry, pl_error *err) {
  size_t i = index_of(u, entry);
  if (lib.size(entry) > u->most - u->total) return too_much(u, err);
  if (i == u->n) return copy_member(u, -1, NULL, err);
  if (!S_ISREG(lib.kind(entry)) || lib.hard_link(entry) != NULL)
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s: %s is no file there", u->path, u->members[i]);
  if (u->done[i]) return pl_error_set(err, PL_ERROR_CORRUPT, "%s holds %s twice", u->path, u->members[i]);
  return write_member(u, i, err);
}

static pl_status read_all(unpacking *u, pl_error *err) {
  struct archive_entry *entry;
  if (lib.gzip(u->archive) < ARCHIVE_REMARK || lib.tar(u->archive) != ARCHIVE_GOOD ||
      lib.zip(u->archive) < ARCHIVE_REMARK || lib.open_file(u->archive, u->path, sizeof u->buffer) != ARCHIVE_GOOD)
    return damaged(u, err);
  for (;;) {
    int code = lib.next(u->archive, &entry);
    if (code == ARCHIVE_END) break;
    if (code != ARCHIVE_GOOD && code != ARCHIVE_REMARK) return damaged(u, err);
    pl_status status = next_member(u, entry, err);
    if (status) return status;
  }
  for (size_t i = 0; i < u->n; i++)
    if (!u->done[i]) return pl_error_set(err, PL_ERROR_CORRUPT, "%s holds no %s", u->path, u->members[i]);
  return PL_OK;
}

static pl_status check_file(const char *path, pl_error *err) {
  struct stat s;
  if (stat(path, &s) != 0 || access(path, R_OK) != 0)
    return pl_error_set(err, PL_ERROR_IO, "cannot read %s: %s", path, strerror(errno));
  if (S_ISREG(s.st_mode)) return PL_OK;
  return pl_error_set(err, PL_ERROR_IO, "cannot read %s: it is %s, not an archive", path,
                      S_ISDIR(s.st_mode) ? "a folder" : "no regular file");
}

static pl_status rename_parts(const unpacking *u, pl_error *err) {
  char part[4096], target[4096];
  for (size_t i = 0; i < u->n; i++) {
    part_path(part, sizeof part, u, i, ".part");
    part_path(target, sizeof target, u, i, "");
    if (rename(part, target) != 0)
      return pl_error_set(err, PL_ERROR_IO, "cannot rename %s to %s: %s", part, target, strerror(errno));
  }
  return PL_OK;
}

pl_status pl_unpack(const char *path, const char *folder, const char *const *members, size_t n, int64_t most,
                    pl_progress_fn progress, void *arg, pl_error *err) {
  pl_status status = pl_unpack_load(err);
  if (status || (status = check_file(path, err))) return status;
  for (size_t i = 0; i < n; i++)
    if (strlen(folder) + strlen(members[i]) + sizeof "/.part" > 4096)
      return pl_error_set(err, PL_ERROR_IO, "%s/%s is too long a path", folder, members[i]);
  unpacking *u = pl_alloc(sizeof *u, err);
  if (u == NULL) return PL_ERROR_MEMORY;
  u->path = path, u->folder = folder, u->members = members, u->n = n, u->most = most;
  u->progress = progress, u->arg = arg;
  u->done = pl_alloc_array(n, sizeof *u->done, err);
  u->archive = u->done ? lib.open() : NULL;
  if (u->done == NULL) status = PL_ERROR_MEMORY;
  else if (u->archive == NULL) status = pl_error_set(err, PL_ERROR_MEMORY, "libarchive does not start");
  else status = read_all(u, err);
  if (status == PL_OK) status = rename_parts(u, err);
  for (size_t i = 0; status && u->done && i < n; i++) {
    char part[4096];
    part_path(part, sizeof part, u, i, ".part");
    if (u->done[i]) unlink(part);
  }
  if (u->archive != NULL) lib.close(u->archive);
  pl_free(u->done);
  pl_free(u);
  return status;
}
