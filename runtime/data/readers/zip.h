/* The directory of a zip archive (PKWARE's APPNOTE 6.3.10), 64-bit sizes included. */
#ifndef READERS_ZIP_H
#define READERS_ZIP_H

#include "data/readers/source.h"

typedef struct pl_zip_entry {
  char name[256];
  uint16_t flags, method;
  uint32_t crc;
  uint64_t packed, size, offset;   /* offset: of the member's own header */
} pl_zip_entry;

/* Calls each(context, entry) for every member until it returns false. */
pl_status pl_zip_each(const pl_source *archive, bool (*each)(void *context, const pl_zip_entry *entry), void *context,
                      pl_error *err);

#endif
