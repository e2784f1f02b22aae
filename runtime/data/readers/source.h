/* Bytes of a file, or of one member of a zip archive, in order. */
#ifndef READERS_SOURCE_H
#define READERS_SOURCE_H

#include <time.h>
#include <zlib.h>
#include "perilune/alloc.h"
#include "perilune/readers.h"

typedef struct pl_source {
  int file;                   /* -1: closed */
  char name[300];             /* for messages: the path, and the member */
  int64_t length;             /* of the file */
  struct timespec changed;    /* when its bytes last were, as it was opened */
  uint64_t at, end;           /* of the stored bytes that are left */
  uint64_t left;              /* bytes that are still to be given out */
  bool deflated, sums;        /* sums: crc is compared with `expected` at the end */
  uint32_t crc, expected;
  z_stream z;
  uint8_t *buffer;            /* of deflated bytes */
} pl_source;

/* A plain file as a whole. On success it is to be closed. */
pl_status pl_source_open(pl_source *s, const char *path, pl_error *err);
/* A member of a zip archive, by its name there. */
pl_status pl_source_open_member(pl_source *s, const char *path, const char *member, pl_error *err);
/* Whether the file is as it was when it was opened, as far as its length and time tell. */
pl_status pl_source_check_unchanged(const pl_source *s, pl_error *err);
void pl_source_close(pl_source *s);
/* Exactly n bytes: a pl_read_fn, whose context is the source. */
pl_status pl_source_read(void *source, uint8_t *out, size_t n, pl_error *err);
/* Everything was given out: are the sums right? */
pl_status pl_source_finish(pl_source *s, pl_error *err);
/* n bytes at an offset of the file, whatever was read before. */
pl_status pl_source_read_at(const pl_source *s, uint64_t offset, void *out, size_t n, pl_error *err);
/* Bytes that will be read there: the system may fetch them meanwhile. */
void pl_source_fetch(const pl_source *s, uint64_t offset, uint64_t n);

#endif
