/* Batches of an epoch in order, augmented: loaded at once by a team, or sample by sample ahead of their step by whoever
   has time. There is room for two batches: batch i lies on side i mod 2. */
#ifndef TRAIN_LOADER_H
#define TRAIN_LOADER_H

#include <stdatomic.h>
#include "data/stream.h"
#include "perilune/train.h"

typedef struct pl_loader_side {
  float *x, *targets;
  int32_t *label;
  atomic_size_t next;         /* the first sample of its next batch that nobody has taken on */
} pl_loader_side;

typedef struct pl_loader {
  pl_dataset *data;           /* retained, as the augmentations: a script may end its own while it trains */
  pl_augment **augment;
  size_t augments, batch_size, count, batches, size, target_size;
  uint64_t seed, epoch;
  bool shuffle, labels;
  int threads;                /* the most that the workspace of the augmentations allows */
  int64_t height, width, channels;
  uint32_t *order;
  pl_read_ahead *ahead;          /* of a streamed data set; else NULL */
  /* of each member, for whichever augmentation it is at: members do not wait for each other */
  float *scratch;
  size_t scratch_each;
  pl_loader_side side[2];
} pl_loader;

pl_status pl_loader_open(pl_loader *l, const pl_trainer_options *o, pl_error *err);
void pl_loader_close(pl_loader *l);
/* Batches from now on are of this epoch, from 1; after an error of none. */
pl_status pl_loader_epoch(pl_loader *l, uint64_t epoch, pl_error *err);
size_t pl_loader_length(const pl_loader *l, size_t index);              /* samples in a batch */
float *pl_loader_x(const pl_loader *l, size_t index);
pl_target pl_loader_target(const pl_loader *l, size_t index);
int pl_loader_threads(const pl_loader *l, size_t index);                 /* that a batch is worth, loaded by itself */
/* The whole batch, by the team; a barrier follows. */
void pl_loader_load(pl_loader *l, const pl_team *team, size_t index);
/* One sample of the batch, by one member (`rank`); false if all are taken on. Complete when every member has been told
   so. */
bool pl_loader_take(pl_loader *l, int rank, size_t index);
/* Its next batch may be taken from; by one member. */
void pl_loader_reset(pl_loader *l, size_t side);

#endif
