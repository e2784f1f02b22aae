/* Inside the stream of an HDF5 data set: where its bytes lie, known from libhdf5 when it was opened. */
#ifndef STORE_STREAM_H
#define STORE_STREAM_H

#include "data/readers/elements.h"
#include "data/readers/source.h"
#include "data/stream.h"
#include "store/chunks.h"
#include "store/fletcher32.h"

typedef struct pl_hdf5_stream {
  pl_stream stream;
  pl_source file;
  pl_element element;
  bool as_bytes;                 /* rows are u8, else f32 */
  bool as_in_memory;             /* rows are that already in the file */
  pl_shape shape;
  size_t row_elements, row_stored;   /* elements of a row, and their bytes in the file */
  uint64_t offset;               /* contiguous: of the first row */
  pl_stored_chunk *chunks;       /* NULL: contiguous; [in.bands, in.band_chunks] */
  pl_chunks in;
  size_t band_rows;
  bool chunk_is_band;            /* the one, and all of it inside the data set, but for its rows */
  bool plain_chunks;             /* through no filter, or only a sum was put after them */
  uint8_t *band, *packed, *plain;   /* under stream.lock: the band read last [band_rows, row], and room for a chunk */
  size_t band_held;              /* which; SIZE_MAX: none */
  /* under stream.lock, too: of a chunk that is being read to its place, all of it: what is still to be read, in the
     list of who asks (NULL: none), and the first row of that; the sum of what was read */
  const uint32_t *part_next;
  uint32_t part_row;
  pl_fletcher32 part_sum;
} pl_hdf5_stream;

pl_status pl_hdf5_stream_read(pl_stream *s, void *out, const uint32_t *rows, size_t n, size_t *done, pl_error *err);
void pl_hdf5_stream_fetch(const pl_stream *s, const uint32_t *rows, size_t n);
pl_status pl_hdf5_stream_check(const pl_stream *s, pl_error *err);
void pl_hdf5_stream_free(pl_stream *s);

#endif
