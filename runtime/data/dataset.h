/* Inside the module: what a data set is made of. */
#ifndef DATA_DATASET_H
#define DATA_DATASET_H

#include "perilune/data.h"

/* Position p of the data set is row rows[p] of the storage. The value of element e of a row is
     (stored * scale - mean[e]) / std[e],     scale = 1/255 for u8, 1 for f32,
   where mean and std have one value, or one for each element. */
struct pl_dataset {
  _Atomic int references;
  pl_tensor *samples;            /* u8 or f32 [N, ...], contiguous; of a stream: a placeholder without values */
  pl_stream *stream;             /* NULL: the samples are in memory */
  pl_tensor *labels;             /* i32 [N] or NULL */
  pl_tensor *targets;            /* f32 [N, ...] or NULL */
  pl_tensor *mean, *std;   /* f32, NULL: 0 and 1 */
  uint32_t *rows;
  size_t count;
  int64_t classes;
  char *label_names;             /* `classes` strings one after the other, or NULL */
  size_t label_bytes;
  char name[64], sha256[PL_SHA256_TEXT];
};

/* As pl_dataset_new; stream (retained) NULL: of the samples themselves. */
pl_dataset *pl_dataset_make(const pl_tensor *samples, const pl_tensor *targets, int64_t classes, pl_stream *stream,
                            pl_error *err);
/* One sample as it is stored becomes what the data set gives. */
void pl_dataset_finish(const pl_dataset *ds, const void *stored, float *x);

/* A data set that shares everything of `ds` but has capacity for `count` rows, to be filled by the caller. */
pl_dataset *pl_dataset_like(const pl_dataset *ds, size_t count, pl_error *err);

#endif
