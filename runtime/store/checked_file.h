/* An HDF5 file for reading, on disk or in memory, that libhdf5 reads through us (as a driver of it). Where a damage, or
   somebody, made a circle of what should be a list or a tree, libhdf5 goes round in it until memory or the stack ends:
   so these are checked as they are read, before it sees them. */
#ifndef STORE_CHECKED_FILE_H
#define STORE_CHECKED_FILE_H

#include "data/readers/source.h"
#include "store/hdf5.h"

typedef struct pl_node_claim { uint64_t node, by; } pl_node_claim;

typedef struct pl_checked_file {
  H5FD_t driver;                 /* libhdf5's part, first */
  haddr_t end;                   /* as libhdf5 says */
  const char *path;
  const pl_source *source;       /* NULL: the file is in memory */
  const uint8_t *memory;
  uint64_t size, base;           /* addresses count from the signature */
  unsigned address, length;      /* bytes of an address and of a length; 0: no superblock */
  pl_error error;                /* once there is one, because of what is no list or no tree, nothing more is read */
  uint64_t blocks_left;          /* of free blocks of heaps, that may still be followed */
  pl_node_claim *claims;         /* [claim_capacity], a table of nodes and who leads to them */
  size_t claim_count, claim_capacity;
  int chunk_axes;                /* of the data set whose chunks will be looked up */
  bool locating;                 /* values are not read, but where they would have been: */
  uint64_t located, located_size;
} pl_checked_file;

/* Given path, source or memory, and size: an error if the file counts in numbers that are not read. */
pl_status pl_checked_file_begin(pl_checked_file *f, pl_error *err);
/* The HDF5 file, or -1. f has begun; until H5Fclose it must neither move nor end. */
hid_t pl_checked_file_open(pl_checked_file *f, pl_error *err);
void pl_checked_file_end(pl_checked_file *f);
bool pl_checked_file_get(const pl_checked_file *f, uint64_t at, void *out, size_t n);
/* The given status, or f's error where there is one. */
pl_status pl_checked_file_status(const pl_checked_file *f, pl_status status, pl_error *err);

/* n bytes were read at `at`: do they begin what is no list or no tree? False, and f->error says so. */
bool pl_local_heap_check(pl_checked_file *f, uint64_t at, const uint8_t *bytes, size_t n);
bool pl_tree_node_check(pl_checked_file *f, uint64_t at, const uint8_t *bytes, size_t n);

static inline bool pl_checked_file_refuse(pl_checked_file *f, const char *what) {
  pl_error_set(&f->error, PL_ERROR_CORRUPT, "%s is damaged: %s", f->path, what);
  return false;
}

/* A number of the file. */
static inline uint64_t pl_file_number(const uint8_t *p, unsigned bytes) {
  uint64_t n = 0;
  while (bytes-- > 0) n = n << 8 | p[bytes];
  return n;
}

#endif
