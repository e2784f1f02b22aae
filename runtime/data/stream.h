/* A source of samples that stay in their files. Row r of it is a sample as a tensor would hold it (u8 or f32).

   Order of an epoch. A block is the neighbours among the samples whose rows are the same `block` rows of the file, in
   which no chunk is cut. Blocks are shuffled, then as many as fit are a window, which is read to memory as a whole, and
   in which samples are shuffled. So every chunk is read once an epoch. The order is a function of (seed, epoch) and of
   the file, not of threads or of what was read before. */
#ifndef DATA_STREAM_H
#define DATA_STREAM_H

#include <pthread.h>
#include <stdatomic.h>
#include "perilune/alloc.h"
#include "perilune/readers.h"

struct pl_stream {
  atomic_int references;
  /* The first of n rows, in ascending order (repeats allowed), into out [n, row_bytes]: as many as are read in some ten
     microseconds if that is possible, at least one; *done says how many. The next call may continue with the others.
     From any thread. */
  pl_status (*read)(pl_stream *s, void *out, const uint32_t *rows, size_t n, size_t *done, pl_error *err);
  /* These rows will be read: the system may begin to fetch them. NULL: only who reads can wait for them. */
  void (*fetch)(const pl_stream *s, const uint32_t *rows, size_t n);
  /* Whether the file is still the one that was opened. NULL: what is read is not of one file. */
  pl_status (*check)(const pl_stream *s, pl_error *err);
  void (*free)(pl_stream *s);    /* what is beyond this struct, and it */
  bool one_reads;                /* reading has a lock: who wants neighbours does not ask from several threads */
  pl_dtype type;                 /* PL_U8 or PL_F32 */
  size_t row_bytes;
  size_t block, window;          /* samples; a window is whole blocks */
  pthread_mutex_t lock;          /* of what follows, and of the implementation */
  bool failed;                   /* since the first failure nothing that was read counts */
  pl_error err;
};

/* Fills in what all have in common; `unit`: samples that the file keeps together (a chunk), 1 if it does not. */
void pl_stream_init(pl_stream *s, pl_dtype type, size_t row_bytes, size_t unit);
void pl_stream_fail(pl_stream *s, const pl_error *err);
/* The first failure; that the file was changed is one. */
pl_status pl_stream_status(pl_stream *s, pl_error *err);
/* The positions 0..n-1, of these rows, in the order of that epoch. first [pl_stream_windows_most + 1], or NULL with
   windows: where in the order each window begins, and the last ends. */
pl_status pl_stream_order(const pl_stream *s, const uint32_t *rows, uint32_t *order, size_t n, uint64_t seed,
                          uint64_t epoch, bool shuffle, size_t *first, size_t *windows, pl_error *err);
size_t pl_stream_windows_most(const pl_stream *s, size_t n);

/* All of n rows in ascending order. */
pl_status pl_stream_read_rows(pl_stream *s, void *out, const uint32_t *rows, size_t n, pl_error *err);
/* Rows in any order, put into the ascending one in which they are read: sorted_at[i] is where rows[i] has gone.
   spare [2 n]. */
void pl_stream_sort(uint32_t *rows, uint32_t *sorted_at, size_t n, uint64_t *spare);

/* ---- reading ahead ---- */

typedef struct pl_read_ahead pl_read_ahead;

/* For a streamed data set: windows are read ahead of those who take samples, by a thread of its own. batch: how many
   are taken together; those from a multiple of it on. */
pl_read_ahead *pl_read_ahead_open(const pl_dataset *ds, size_t batch, pl_error *err);
void pl_read_ahead_close(pl_read_ahead *c);                          /* NULL is allowed */
/* From now on samples come in the order of that epoch. [out] order, of all positions, borrowed until the next start.
   Nobody takes samples meanwhile. */
pl_status pl_read_ahead_start(pl_read_ahead *c, uint32_t *order, uint64_t seed, uint64_t epoch, bool shuffle,
                              pl_error *err);
/* Whether those who take samples have all cores: a thread that reads would displace one of them, for whom the others
   wait. Then each reads a little whenever it takes a sample, where the system fetches what is not in memory. */
void pl_read_ahead_share(pl_read_ahead *c, bool all_cores);
/* The sample at a position of the order, as the data set gives it, into x. Positions below `low` are not asked for any
   more: their memory is used for what comes. Waits for the sample; one that is not near `low` is read by the caller. */
void pl_read_ahead_take(pl_read_ahead *c, size_t position, size_t low, float *x);

#endif
