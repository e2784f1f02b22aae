/* Where each value, gradient and workspace of a batch lies in the arena, and which operations run together. */
#ifndef GRAPH_PLAN_H
#define GRAPH_PLAN_H

#include "layers/layer.h"
#include "perilune/model.h"

/* Operations that take the activation behind them along: the value between the two has no place of its own. */
typedef enum pl_along {
  PL_ALONG_NONE,
  PL_ALONG_FORWARD,             /* forwards only: a join, with max(x, 0); a layer that activates */
  PL_ALONG_BOTH                 /* backwards too: a layer that clamps */
} pl_along;

typedef struct pl_plan {
  size_t capacity;              /* samples it was made for; 0: not yet made */
  int members;                  /* and the largest team */
  size_t bytes;
  bool *needs_grad;             /* per value: its gradient is needed */
  int *act_alias, *grad_alias;  /* per value: the value in whose place it lies */
  size_t *act, *grad;           /* per value: offset in the arena (where it is its own alias) */
  size_t *saved, *scratch[3];   /* per operation; scratch: forward, backward, param_grads */
  int *fused_into;              /* per operation: the one, of those behind it, into whose loops it is fused; else itself */
  bool *single_thread;          /* per operation: too small to be shared by a team */
  unsigned char *along;         /* per operation: pl_along */
  bool *fused_add;              /* per operation: a layer that takes the join behind it along, forwards */
  bool *relu_grad_in_fork;      /* per operation: a fork whose branches' gradients the layer y = max(x, 0) before it adds up */
  pl_memory *need;              /* per operation */
  size_t chunk, chunk_arena;    /* chunked inference (chunks.c): samples of a chunk, bytes that a member has for it; 0: all at once */
} pl_plan;

enum { PLAN_TRAIN_INPUT = PL_TRAIN + 1, PLAN_CHUNKED, PLANS };   /* plans: one a mode, then variants of PL_TRAIN and of PL_INFER */

typedef struct pl_plan_request {
  size_t batch;
  int members;                  /* of the largest team */
  pl_mode mode;
  bool input_gradient, fuse;
} pl_plan_request;

pl_status pl_plan_make(const pl_graph *graph, pl_plan *plan, const pl_plan_request *request, pl_error *err);
void pl_plan_clear(pl_plan *plan);
/* The first of the operations that operation i runs, itself the last. */
static inline int pl_plan_first(const pl_plan *plan, int i) {
  while (i > 0 && plan->fused_into[i - 1] == plan->fused_into[i]) i--;
  return i;
}
static inline bool pl_plan_is_fused_away(const pl_plan *plan, int i) { return i > 0 && plan->along[i - 1] == PL_ALONG_BOTH; }

/* Memory that is wanted from one time to another (both included), and where it is to lie. */
typedef struct pl_place { size_t bytes, *offset; int birth, death; } pl_place;
/* Gives each an offset, such that places whose times meet do not overlap. Returns the bytes of the whole. Reorders the list. */
size_t pl_arena_arrange(pl_place *list, int count);

#endif
