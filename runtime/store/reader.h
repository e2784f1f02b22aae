#ifndef STORE_READER_H
#define STORE_READER_H

#include "store/checked_file.h"
#include "store/hdf5_types.h"

struct pl_store_reader {
  pl_checked_file in;            /* in memory, but for a stream's */
  hid_t file;
  char digest[65];
  char path[];
};

/* The group or dataset at `path` inside the file (close with H5Oclose), or -1 and an error. Links that lead out of the
   file are not followed. */
hid_t pl_reader_enter(pl_store_reader *r, const char *path, pl_error *err);
/* Whether the text of variable length in any attribute of that name can be read: what it refers to is there. */
bool pl_variable_text_is_whole(const pl_store_reader *r, const char *name);

#endif
