/* An archive ends with a record that says where its directory lies: entries of 46 bytes and three texts, one a member.
   A field that is all ones has its value in the 64-bit extra field, or the 64-bit end record. */
#include <stdio.h>
#include <string.h>
#include "data/readers/zip.h"

enum {
  END = 22, END64 = 56, LOCATOR = 20, ENTRY = 46, LOCAL = 30, COMMENT_MOST = 65535,
  DIRECTORY_MOST = 1 << 26,   /* bytes: half a million members */
};

static uint64_t number(const uint8_t *at, int bytes) {
  uint64_t value = 0;
  while (bytes-- > 0) value = value << 8 | at[bytes];
  return value;
}

static pl_status damaged(const pl_source *s, const char *why, pl_error *err) {
  return pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged (%s)", s->name, why);
}

typedef struct directory {
  uint64_t offset, size;
} directory;

/* The 64-bit end record, if there is one before the end record at `end`. */
static pl_status look_for_64(const pl_source *s, uint64_t end, directory *d, pl_error *err) {
  uint8_t locator[LOCATOR], record[END64];
  if (end < LOCATOR) return PL_OK;
  pl_status status = pl_source_read_at(s, end - LOCATOR, locator, LOCATOR, err);
  if (status || memcmp(locator, "PK\6\7", 4) != 0) return status;
  uint64_t at = number(locator + 8, 8);
  if (at > (uint64_t)s->length - END64) return damaged(s, "its 64-bit directory lies outside", err);
  if ((status = pl_source_read_at(s, at, record, END64, err))) return status;
  if (memcmp(record, "PK\6\6", 4) != 0) return damaged(s, "its 64-bit directory is not one", err);
  d->size = number(record + 40, 8);
  d->offset = number(record + 48, 8);
  return PL_OK;
}

static pl_status find_directory(const pl_source *s, directory *d, pl_error *err) {
  size_t length = (uint64_t)s->length < END + COMMENT_MOST ? (size_t)s->length : END + COMMENT_MOST;
  uint64_t from = (uint64_t)s->length - length;
  uint8_t *tail = pl_alloc(length, err);
  if (tail == NULL) return PL_ERROR_MEMORY;
  pl_status status = pl_source_read_at(s, from, tail, length, err);
  size_t at = length < END ? 0 : length - END;
  bool found = false;
  for (; status == PL_OK && length >= END; at--) {
    if ((found = memcmp(tail + at, "PK\5\6", 4) == 0) || at == 0) break;
  }
  if (status == PL_OK && !found) status = damaged(s, "it has no directory of a zip archive; is it whole?", err);
  if (status == PL_OK) {
    d->size = number(tail + at + 12, 4);
    d->offset = number(tail + at + 16, 4);
    if (d->size == UINT32_MAX || d->offset == UINT32_MAX) status = look_for_64(s, from + at, d, err);
  }
  pl_free(tail);
  if (status) return status;
  if (d->offset > (uint64_t)s->length || d->size > (uint64_t)s->length - d->offset)
    return damaged(s, "its directory lies outside", err);
  if (d->size > DIRECTORY_MOST) return damaged(s, "its directory is too large", err);
  return PL_OK;
}

/* The values of an entry that are all ones are in the extra field of type 1, in this order. */
static void read_extra(pl_zip_entry *e, const uint8_t *extra, size_t length) {
  while (length >= 4) {
    size_t type = (size_t)number(extra, 2), n = (size_t)number(extra + 2, 2);
    extra += 4, length -= 4;
    if (n > length) return;
    if (type == 1) {
      const uint8_t *at = extra, *end = extra + n;
      uint64_t *fields[3] = { &e->size, &e->packed, &e->offset };
      for (int i = 0; i < 3; i++)
        if (*fields[i] == UINT32_MAX && end - at >= 8) *fields[i] = number(at, 8), at += 8;
      return;
    }
    extra += n, length -= n;
  }
}

pl_status pl_zip_each(const pl_source *s, bool (*each)(void *context, const pl_zip_entry *entry), void *context,
                      pl_error *err) {
  directory d;
  pl_status status = find_directory(s, &d, err);
  if (status) return status;
  uint8_t *bytes = pl_alloc((size_t)d.size + 1, err);
  if (bytes == NULL) return PL_ERROR_MEMORY;
  status = pl_source_read_at(s, d.offset, bytes, (size_t)d.size, err);
  for (size_t at = 0; status == PL_OK && at < d.size; ) {
    const uint8_t *b = bytes + at;
    if (d.size - at < ENTRY || memcmp(b, "PK\1\2", 4) != 0) {
      status = damaged(s, "an entry of its directory is not one", err);
      break;
    }
    size_t name = (size_t)number(b + 28, 2), extra = (size_t)number(b + 30, 2), comment = (size_t)number(b + 32, 2);
    if (name + extra + comment > d.size - at - ENTRY) {
      status = damaged(s, "an entry of its directory is cut off", err);
      break;
    }
    pl_zip_entry e = {
      .flags = (uint16_t)number(b + 8, 2), .method = (uint16_t)number(b + 10, 2), .crc = (uint32_t)number(b + 16, 4),
      .packed = number(b + 20, 4), .size = number(b + 24, 4), .offset = number(b + 42, 4),
    };
    size_t kept = name < sizeof e.name - 1 ? name : sizeof e.name - 1;
    memcpy(e.name, b + ENTRY, kept);
    read_extra(&e, b + ENTRY + name, extra);
    if (!each(context, &e)) break;
    at += ENTRY + name + extra + comment;
  }
  pl_free(bytes);
  return status;
}

typedef struct search {
  const char *name;
  pl_zip_entry entry;
  bool found;
} search;

static bool is_it(void *context, const pl_zip_entry *entry) {
  search *s = context;
  if (strcmp(entry->name, s->name) != 0) return true;
  s->entry = *entry;
  s->found = true;
  return false;
}

/* From here on `s` gives the member's bytes. */
static pl_status enter(pl_source *s, const pl_zip_entry *e, pl_error *err) {
  enum { STORED = 0, DEFLATED = 8, ENCRYPTED = 1 };
  uint8_t local[LOCAL];
  if (e->flags & ENCRYPTED) return pl_error_set(err, PL_ERROR_CORRUPT, "%s is encrypted", s->name);
  if (e->method != STORED && e->method != DEFLATED)
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s is compressed by method %d; stored (0) and deflated (8) are read",
                        s->name, e->method);
  if (e->offset > (uint64_t)s->length - LOCAL || s->length < LOCAL) return damaged(s, "it lies outside", err);
  pl_status status = pl_source_read_at(s, e->offset, local, LOCAL, err);
  if (status) return status;
  if (memcmp(local, "PK\3\4", 4) != 0) return damaged(s, "it does not lie where the directory says", err);
  s->at = e->offset + LOCAL + number(local + 26, 2) + number(local + 28, 2);
  if (s->at > (uint64_t)s->length || e->packed > (uint64_t)s->length - s->at) return damaged(s, "it is cut off", err);
  s->end = s->at + e->packed;
  s->left = e->size;
  s->expected = e->crc;
  s->sums = true;
  if (e->method == STORED) return e->packed == e->size ? PL_OK : damaged(s, "its two sizes differ", err);
  if (e->size / 1032 > e->packed) return damaged(s, "it cannot unpack to as many bytes as it says", err);
  if ((s->buffer = pl_alloc(1 << 16, err)) == NULL) return PL_ERROR_MEMORY;
  if (inflateInit2(&s->z, -15) != Z_OK) {
    pl_free(s->buffer);
    s->buffer = NULL;
    return pl_error_set(err, PL_ERROR_MEMORY, "%s: not enough memory", s->name);
  }
  s->deflated = true;
  return PL_OK;
}

pl_status pl_source_open_member(pl_source *s, const char *path, const char *member, pl_error *err) {
  pl_status status = pl_source_open(s, path, err);
  if (status) return status;
  search wanted = { .name = member };
  status = pl_zip_each(s, is_it, &wanted, err);
  if (status == PL_OK && !wanted.found)
    status = pl_error_set(err, PL_ERROR_IO, "there is no '%.200s' in %s", member, path);
  if (status == PL_OK) {
    snprintf(s->name, sizeof s->name, "%.180s: %.100s", path, member);
    status = enter(s, &wanted.entry, err);
  }
  if (status) pl_source_close(s);
  return status;
}
