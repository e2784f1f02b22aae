/* The model's inside, shared by the files of this room. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "layers/layer.h"
#include "perilune/model.h"

/* Values, gradients and states in one counted allocation, so that a tensor of weights may outlive its model. */
typedef struct pl_block {
  _Atomic int references;
  size_t size, state_size;
  float *values, *grads, *states;
} pl_block;

/* Operations that take the activation behind them along: the value between the two has no place of its own. */
typedef enum pl_along {
  PL_ALONG_NONE,
  PL_ALONG_FORWARD,             /* forwards only: a join, with max(x, 0); a layer that activates */
  PL_ALONG_BOTH                 /* backwards too: a layer that clamps */
} pl_along;

/* Where each value, gradient and workspace of a batch lies in the arena. */
typedef struct pl_plan {
  size_t capacity;              /* samples it was made for; 0: not yet made */
  int members;                  /* and the largest team */
  size_t bytes;
  bool *wanted;                 /* per value: its gradient is needed */
  int *act_root, *grad_root;    /* per value: the value in whose place it lies */
  size_t *act, *grad;           /* per value: offset in the arena (roots only) */
  size_t *saved, *scratch[3];   /* per operation; scratch: forward, backward, learn */
  int *runner;                  /* per operation: the one, of those behind it, into whose loops it is fused; else itself */
  bool *alone;                  /* per operation: too small to be shared by a team */
  unsigned char *along;         /* per operation: pl_along */
  bool *joined;                 /* per operation: a layer that takes the join behind it along, forwards */
  bool *merged;                 /* per operation: a fork whose branches' gradients the layer y = max(x, 0) before it adds up */
  pl_memory *need;              /* per operation */
  size_t piece, slot;           /* answers by pieces (pieces.c): samples of a piece, bytes that a member has for it; 0: all at once */
} pl_plan;

enum { WITH_INPUT_GRADIENT = PL_TRAIN + 1, BY_PIECES, PLANS };   /* plans: one a mode, then variants of PL_TRAIN and of PL_INFER */

typedef struct pl_stopwatch {
  bool on;
  int ops;
  double mark;                  /* when the last stage or operation ended */
  double seconds[];             /* by stage, then by operation forward, then backward */
} pl_stopwatch;

struct pl_model {
  pl_layer *root;
  pl_graph graph;
  bool built, has_params, has_host;
  pl_block *block;
  pl_slice *slice;
  size_t slices, parameters;
  pl_plan plan[PLANS];
  char *arena[2];               /* [1] training, [0] the rest */
  size_t arena_bytes[2];
  uint64_t seed, step;
  /* the last pass */
  const pl_plan *current;
  const float *x, *dy;
  float *dx;
  size_t n;
  pl_mode mode;
  bool defer;                   /* layers that can leave the gradients of their parameters to `learn` */
  bool overwrite;               /* the next backward replaces gradients instead of adding to them */
  bool pending;                 /* a training pass waits for its backward */
  pl_stopwatch *watch;          /* NULL: never started */
  bool calling;                 /* a function of the script runs, in the middle of a pass */
};

/* For teams of at most `members`. */
pl_status pl_plan_make(const pl_model *model, pl_plan *plan, size_t batch, int members, pl_mode mode, bool input_gradient, pl_error *err);
void pl_plan_clear(pl_plan *plan);
/* The first of the operations that operation i runs, itself the last. */
static inline int pl_plan_first(const pl_plan *plan, int i) {
  while (i > 0 && plan->runner[i - 1] == plan->runner[i]) i--;
  return i;
}
static inline bool pl_plan_is_gone(const pl_plan *plan, int i) { return i > 0 && plan->along[i - 1] == PL_ALONG_BOTH; }
/* An error while a pass is under way: what the function of a Lambda calls may neither run nor rebuild the model it is in. */
pl_status pl_model_idle(const pl_model *model, pl_error *err);
/* Plan and arena for a pass; sets model->current and the fields of the pass. */
pl_status pl_model_prepare(pl_model *model, size_t batch, pl_mode mode, bool input_gradient, pl_error *err);

/* Answers by pieces: whether a pass goes by pieces, its plan, and the pass (every member calls; result in the arena). */
bool pl_pieces_wanted(const pl_model *model, size_t batch, pl_mode mode);
pl_status pl_pieces_plan(const pl_model *model, pl_plan *plan, size_t batch, int members, pl_error *err);
const float *pl_pieces_forward(const pl_model *model, const pl_team *team);
/* The operations of a model (or of a member's view of one) forwards; the output. */
const float *pl_model_forward_ops(const pl_model *model, pl_stages *stages);

/* Operation i has ended, forward or backward. */
void pl_model_profile_op(const pl_model *model, const pl_team *team, int i, bool backward);

#endif
