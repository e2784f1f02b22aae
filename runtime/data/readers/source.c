/* Plain bytes and deflated ones (RFC 1951); the archive's directory is read in zip.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "data/readers/source.h"

#ifdef __APPLE__
#define st_mtim st_mtimespec
#endif

enum { BUFFER = 1 << 16 };

pl_status pl_source_open(pl_source *s, const char *path, pl_error *err) {
  struct stat info;
  *s = (pl_source){ .file = -1 };
  snprintf(s->name, sizeof s->name, "%s", path);
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);   /* else a named pipe would wait for a writer */
  if (file < 0) return pl_error_set(err, PL_ERROR_IO, "cannot open %s: %s", path, strerror(errno));
  if (fstat(file, &info) || !S_ISREG(info.st_mode)) {
    close(file);
    return pl_error_set(err, PL_ERROR_IO, "cannot read %s: not a file", path);
  }
  if (info.st_size == 0) {
    close(file);
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s is empty", path);
  }
  s->file = file;
  s->length = info.st_size;
  s->changed = info.st_mtim;
  s->end = s->left = (uint64_t)info.st_size;
  return PL_OK;
}

pl_status pl_source_check_unchanged(const pl_source *s, pl_error *err) {
  struct stat info;
  if (fstat(s->file, &info)) return pl_error_set(err, PL_ERROR_IO, "cannot read %s: %s", s->name, strerror(errno));
  if (info.st_size == s->length && info.st_mtim.tv_sec == s->changed.tv_sec &&
      info.st_mtim.tv_nsec == s->changed.tv_nsec) return PL_OK;
  return pl_error_set(err, PL_ERROR_CORRUPT, "%s was changed while it was read; begin again with a file that stays "
                      "as it is", s->name);
}

void pl_source_close(pl_source *s) {
  if (s->file >= 0) close(s->file);
  if (s->deflated && s->buffer != NULL) inflateEnd(&s->z);
  pl_free(s->buffer);
  s->file = -1;
  s->buffer = NULL;
}

pl_status pl_source_read_at(const pl_source *s, uint64_t offset, void *out, size_t n, pl_error *err) {
  char *to = out;
  while (n > 0) {
    ssize_t got = pread(s->file, to, n < 1 << 30 ? n : 1 << 30, (off_t)offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return pl_error_set(err, PL_ERROR_IO, "cannot read %s: %s", s->name, strerror(errno));
    if (got == 0)
      return pl_error_set(err, PL_ERROR_CORRUPT, "%s is truncated (the file ends too early)", s->name);
    to += got;
    offset += (uint64_t)got;
    n -= (size_t)got;
  }
  return PL_OK;
}

void pl_source_fetch(const pl_source *s, uint64_t offset, uint64_t n) {
#ifdef POSIX_FADV_WILLNEED
  if (n > 0) posix_fadvise(s->file, (off_t)offset, (off_t)n, POSIX_FADV_WILLNEED);   /* 0: to the file's end */
#else
  (void)s, (void)offset, (void)n;
#endif
}

static pl_status damaged(const pl_source *s, const char *why, pl_error *err) {
  return pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged (%s)", s->name, why);
}

static pl_status inflate_bytes(pl_source *s, uint8_t *out, size_t n, pl_error *err) {
  while (n > 0) {
    if (s->z.avail_in == 0) {
      size_t more = s->end - s->at < BUFFER ? (size_t)(s->end - s->at) : BUFFER;
      if (more == 0) return damaged(s, "its compressed bytes end too early", err);
      pl_status status = pl_source_read_at(s, s->at, s->buffer, more, err);
      if (status) return status;
      s->at += more;
      s->z.next_in = s->buffer;
      s->z.avail_in = (unsigned)more;
    }
    unsigned room = n < 1 << 30 ? (unsigned)n : 1u << 30;
    s->z.next_out = out;
    s->z.avail_out = room;
    int code = inflate(&s->z, Z_NO_FLUSH);
    size_t got = room - s->z.avail_out;
    out += got;
    n -= got;
    if (code == Z_MEM_ERROR) return pl_error_set(err, PL_ERROR_MEMORY, "%s: not enough memory", s->name);
    if (code == Z_STREAM_END && n > 0) return damaged(s, "it unpacks to fewer bytes than it says", err);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
      return damaged(s, s->z.msg ? s->z.msg : "not deflate", err);
  }
  return PL_OK;
}

pl_status pl_source_read(void *source, uint8_t *out, size_t n, pl_error *err) {
  pl_source *s = source;
  if (n > s->left) return pl_error_set(err, PL_ERROR_CORRUPT, "%s is truncated (it ends too early)", s->name);
  pl_status status = s->deflated ? inflate_bytes(s, out, n, err) : pl_source_read_at(s, s->at, out, n, err);
  if (status) return status;
  if (!s->deflated) s->at += n;
  s->left -= n;
  if (s->sums)
    for (size_t i = 0; i < n; i += 1u << 30)
      s->crc = (uint32_t)crc32(s->crc, out + i, n - i < 1u << 30 ? (unsigned)(n - i) : 1u << 30);
  return PL_OK;
}

pl_status pl_source_finish(pl_source *s, pl_error *err) {
  if (s->left > 0) return damaged(s, "it goes on after the last element", err);
  if (s->sums && s->crc != s->expected) return damaged(s, "its CRC-32 is not that of its bytes", err);
  return PL_OK;
}
