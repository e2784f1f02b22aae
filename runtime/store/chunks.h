/* How an HDF5 data set is stored: its chunks, where they are and what they went through. libhdf5 believes that a chunk
   unpacks to its length and skipped the filters that the file names, and that as much is stored as the axes say, and
   reads beyond the end where that is not so. So all of that is checked here before it reads values. */
#ifndef STORE_CHUNKS_H
#define STORE_CHUNKS_H

#include "perilune/tensor.h"
#include "store/checked_file.h"

enum { DEFLATE = 1, SHUFFLE = 2, FLETCHER32 = 3, SCALE_OFFSET = 6, LZF = 32000 };   /* filters' numbers in HDF5 */
enum { CHUNK_FILTERS_MOST = 32 };   /* as many as HDF5 allows */

typedef struct pl_stored_chunk {
  uint64_t offset;               /* from the file's beginning */
  uint64_t size;                 /* bytes as stored; 0: never written */
  uint32_t without;              /* bit f: it did not go through filter f (which would not have made it shorter) */
} pl_stored_chunk;

typedef struct pl_chunks {
  int axes;
  int64_t size[PL_MAX_AXES], chunk[PL_MAX_AXES];   /* of the data set, of a chunk */
  size_t element, bytes;         /* of an element; of a chunk, once its filters are undone */
  size_t bands, band_chunks;     /* a band is the chunks of the same rows (entries of axis 0) */
  int filters[CHUNK_FILTERS_MOST], filter_count;   /* in the order in which they were applied */
  bool edges_plain;              /* chunks that reach beyond the data set went through none */
  char unknown[64];              /* a filter that cannot be undone here; "": there is none */
  bool opaque;                   /* nor can be told whether it makes as much of a chunk as it should */
} pl_chunks;

/* Of a data set of that shape in chunks, with elements of `element` bytes. Errors do not name it. */
pl_status pl_chunks_find(pl_chunks *c, pl_checked_file *file, hid_t set, const pl_shape *shape, size_t element,
                         pl_error *err);
/* All chunks, [bands, band_chunks]; an error where one was never written. */
pl_status pl_chunks_locate(const pl_chunks *c, pl_checked_file *file, hid_t set, pl_stored_chunk *chunks,
                           pl_error *err);
static inline void pl_swap_buffers(uint8_t **a, uint8_t **b) {
  uint8_t *old = *a;
  *a = *b;
  *b = old;
}

enum { CHUNK_SPARE = 64 };
/* `size` bytes as stored, in *packed, become the elements of a chunk in *plain. Both hold at least what is stored and
   c->bytes + CHUNK_SPARE, and may be exchanged. NULL, or what is wrong. */
const char *pl_chunk_unpack(const pl_chunks *c, uint8_t **packed, uint8_t **plain, size_t size, uint32_t without);

/* Whether H5Dread may read a data set. Errors do not name it. */
pl_status pl_storage_check(pl_checked_file *file, hid_t set, const pl_shape *shape, size_t element, pl_error *err);

#endif
