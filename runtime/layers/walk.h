/* Visiting all elements of an operation's output in order, with the addresses of what is broadcast to it. Axes that lie
   side by side in all operands are one. */
#ifndef LAYERS_WALK_H
#define LAYERS_WALK_H

#include "layers/layer.h"

enum { PL_WALK_OPERANDS = 3, PL_WALK_DIMS = PL_MAX_AXES + 2, PL_STRIP = 512 };

typedef struct pl_walk {
  int dims, operands;
  size_t size[PL_WALK_DIMS];                            /* the first is the batch, unless it was merged */
  ptrdiff_t stride[PL_WALK_OPERANDS][PL_WALK_DIMS];
} pl_walk;

/* A stretch of elements along the last axis: [at, at + n) of the output; the operands' first elements. */
typedef struct pl_stretch {
  size_t at, n;
  ptrdiff_t offset[PL_WALK_OPERANDS];
} pl_stretch;

pl_walk pl_walk_make(const pl_operation *o, size_t batch);
/* The stretch that begins at element `at`, up to `end` and at most PL_STRIP elements. */
pl_stretch pl_walk_stretch(const pl_walk *w, size_t at, size_t end);
/* From one element to the next along the last axis. */
static inline ptrdiff_t pl_walk_step(const pl_walk *w, int k) { return w->dims ? w->stride[k][w->dims - 1] : 0; }
/* Broadcasting of all inputs, with the batch axis in front: o->out, o->out_fixed. */
pl_status pl_broadcast_infer(pl_operation *o, pl_error *err);
/* Whether input k has an element for each of the output's. */
bool pl_walk_is_dense(const pl_operation *o, int k);

/* How an input lies beside the output as a matrix [rows, cols], cols being its last axis. */
typedef enum pl_lane {
  PL_LANE_DENSE,    /* an element for each */
  PL_LANE_ROW,      /* a fixed row for all rows */
  PL_LANE_COLUMN,   /* a number for each row */
  PL_LANE_SCALAR,   /* a fixed number for all */
  PL_LANE_OTHER
} pl_lane;
pl_lane pl_lane_of(const pl_operation *o, int k);
static inline size_t pl_lane_cols(const pl_shape *out) { return out->axes > 0 ? (size_t)out->size[out->axes - 1] : 1; }

#endif
