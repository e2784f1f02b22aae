/* Local heaps of a file, which libhdf5 1.10 follows without counting: checked before libhdf5 gets them. */
#ifndef STORE_LOCAL_HEAP_H
#define STORE_LOCAL_HEAP_H

#include "data/readers/source.h"
#include "store/hdf5.h"

typedef struct pl_heaps {
  const pl_source *source;       /* NULL: the file is in memory */
  const uint8_t *memory;
  uint64_t size, base;           /* addresses count from the signature */
  unsigned address, length;      /* bytes of an address and of a length; 0: no superblock */
  uint64_t blocks_left;          /* that may still be followed, in all heaps together */
  bool damaged;                  /* a heap was found whose free blocks are no list */
} pl_heaps;

/* Given source or memory, and size: an error if the file counts in numbers that are not read. */
pl_status pl_heaps_begin(pl_heaps *h, const char *path, pl_error *err);
bool pl_heaps_get(const pl_heaps *h, uint64_t at, void *out, size_t n);
bool pl_is_local_heap(const uint8_t *bytes, size_t n);      /* do they begin as one? */
bool pl_local_heap_ends(pl_heaps *h, uint64_t at);          /* else h is damaged */
pl_status pl_heaps_error(const char *path, pl_error *err);
/* All heaps of a file in memory. */
pl_status pl_local_heaps_check(const char *path, const uint8_t *file, size_t size, pl_error *err);

/* An HDF5 file on disk, for reading; `heaps` has begun, and outlives it. Reading fails where it becomes damaged. */
hid_t pl_checked_file_open(const char *path, pl_heaps *heaps, pl_error *err);

#endif
