/* A model: a tree of layers, one flat block of parameter values and one of gradients, and a planned arena for the
   activations of a batch.

   Intended use:  pl_model_new(root)  ->  pl_model_build(input shape)  ->  pl_model_initialize(seed)
                  pl_model_forward(x, n, PL_TRAIN)  ->  pl_model_backward(dy)  ... */
#ifndef PERILUNE_MODEL_H
#define PERILUNE_MODEL_H

#include "perilune/layers.h"

typedef struct pl_model pl_model;

typedef enum pl_mode {
  PL_INFER,   /* running statistics, no dropout, nothing kept */
  PL_NOISE,   /* as PL_INFER, with dropout */
  PL_LOOK,    /* as PL_INFER, all activations kept (pl_model_activation) */
  PL_TRAIN    /* remembers what backward needs */
} pl_mode;

/* The root is borrowed and must outlive the model. Parameters whose shape is known get their place at once. */
PL_API pl_model *pl_model_new(pl_layer *root, pl_error *err);
PL_API void pl_model_free(pl_model *model);
PL_API pl_layer *pl_model_root(pl_model *model);

/* Checks all shapes for an input of `sample` (one sample, no batch axis) and lays out the parameters. Building again
   for another shape is allowed as long as the parameters stay the same. */
PL_API pl_status pl_model_build(pl_model *model, const pl_shape *sample, pl_error *err);
PL_API bool pl_model_is_built(const pl_model *model);
PL_API const pl_shape *pl_model_input(const pl_model *model);    /* [borrowed] one sample */
PL_API const pl_shape *pl_model_output(const pl_model *model);   /* [borrowed] one sample */
/* Fills every parameter from its initializer: a function of the seed and the layer's position. Statistics are reset. */
PL_API pl_status pl_model_initialize(pl_model *model, uint64_t seed, pl_error *err);
/* Seed of dropout masks, and the step that they are a function of (advanced by each training pass). */
PL_API void pl_model_set_random(pl_model *model, uint64_t seed, uint64_t step);
PL_API uint64_t pl_model_step(const pl_model *model);

/* The flat blocks: trained parameters, each at a multiple of 16 floats, padding zero. */
PL_API bool pl_model_has_params(const pl_model *model);
PL_API size_t pl_model_size(const pl_model *model);       /* floats in a block, padding included */
PL_API size_t pl_model_parameters(const pl_model *model); /* trained numbers, padding not included */
PL_API float *pl_model_values(pl_model *model);           /* [borrowed] */
PL_API float *pl_model_grads(pl_model *model);            /* [borrowed] */
PL_API size_t pl_model_states_size(const pl_model *model);   /* floats that are learned but not trained: running statistics */
PL_API float *pl_model_states(pl_model *model);              /* [borrowed] */
/* The block is counted, so that a tensor may outlive the model: retain before pl_tensor_wrap, release as its release. */
PL_API void *pl_model_block(pl_model *model);
PL_API void pl_block_retain(void *block);
PL_API void pl_block_release(void *block);

typedef struct pl_slice {
  const pl_layer *layer;
  char path[PL_PATH_TEXT];   /* of the layer: "05_linear" */
  const char *name;          /* of the parameter: "weight" */
  size_t offset, count;      /* in the flat blocks */
  int axes;                  /* of its shape: 1 for biases */
} pl_slice;
PL_API size_t pl_model_slices(const pl_model *model, const pl_slice **slices);   /* [borrowed] */

/* The fewest samples of a training pass; *layer is set to the layer that asks for more than one. And the error if these are fewer. */
PL_API size_t pl_model_least_batch(const pl_model *model, const pl_layer **layer);
PL_API pl_status pl_model_check_batch(const pl_model *model, size_t batch, pl_error *err);

/* Makes the plan and sets memory aside for a batch; forward does it by itself. */
PL_API pl_status pl_model_reserve(pl_model *model, size_t batch, pl_mode mode, pl_error *err);
PL_API size_t pl_model_arena(pl_model *model, size_t batch, pl_mode mode);   /* bytes that a batch needs */

/* x [n, sample...]; the result [n, output...] is borrowed until the next call. */
PL_API pl_status pl_model_forward(pl_model *model, const float *x, size_t n, pl_mode mode, const float **y, pl_error *err);
/* dy [n, output...] for the last forward in PL_TRAIN. dx may be NULL. Parameter gradients are added to the gradient
   block, or replace it after pl_model_zero_grads. x of the forward must still be there. */
PL_API pl_status pl_model_backward(pl_model *model, const float *dy, float *dx, pl_error *err);
PL_API void pl_model_zero_grads(pl_model *model);
PL_API void pl_model_replace_grads(pl_model *model);   /* the next backward replaces, without zeroing first */

/* For callers that are already inside a parallel region, with a model that has no host layers. First, outside it,
   pl_model_reserve for the mode and the largest batch (n below is at most that), and pl_model_set_random for the seed.
   Then every member calls; `step` is what dropout masks are a function of. Gradients replace what was there. */
PL_API bool pl_model_has_host(const pl_model *model);
PL_API const float *pl_model_forward_team(pl_model *model, const pl_team *team, const float *x, size_t n, pl_mode mode, uint64_t step);
PL_API void pl_model_backward_team(pl_model *model, const pl_team *team, const float *dy);

/* Training in stages, for callers inside a region (as above, after pl_model_reserve and pl_model_set_random): passes without a
   barrier between operations that are too small to share. Every member calls, with the same batch.
   forward: the result is there for the first member at once, for the others after pl_stage_meet.
   backward: all but the gradients of parameters whose layer defers them; they are computed by
   learn: with a stepper, the step of every parameter is taken, and deferred gradients are not written anywhere; with NULL they
   are written. The caller ends its stage (pl_stage_end), and may do more in it. */
typedef struct pl_batch {
  const float *x, *dy;       /* dy: the place for the gradient of the output */
  size_t n;
  uint64_t step;
} pl_batch;
PL_API const float *pl_model_forward_stages(const pl_model *model, pl_stages *stages, const pl_batch *batch);
PL_API void pl_model_backward_stages(const pl_model *model, pl_stages *stages, const pl_batch *batch);
PL_API void pl_model_learn_stages(const pl_model *model, pl_stages *stages, const pl_batch *batch, const pl_stepper *stepper);
/* After backward, by one member: whether all deferred gradients are sure to be finite. */
PL_API bool pl_model_is_bounded(const pl_model *model, const pl_batch *batch);
/* Before a training: look = true finds out which weights are all zero or normal numbers; layers may then pass over zeros of
   their input, as long as steps leave them so. After it, or when weights may change otherwise: look = false. */
PL_API void pl_model_trust(pl_model *model, bool look);

/* Some layers train faster with their weights in another order. For each such parameter `reorder` is called, to bring what
   lies at [offset, offset + count) of the flat blocks (values, gradients, what the optimizer keeps) into that order with
   pl_order_apply, or back. Returns the largest count. reorder NULL: only that. Between the two calls the model is only trained. */
typedef struct pl_order { const pl_layer *layer; int param; bool back; } pl_order;
typedef void (*pl_reorder_fn)(void *context, const pl_order *order, size_t offset, size_t count);
PL_API size_t pl_model_pack(pl_model *model, pl_reorder_fn reorder, void *context, bool back);
PL_API void pl_order_apply(const pl_order *order, float *out, const float *in);

PL_API int pl_model_team_size(const pl_model *model);   /* threads that are worth their while for the reserved batch */

/* Operations in order, for summaries, activations and profiles. */
typedef enum pl_model_op_kind { PL_MODEL_LAYER, PL_MODEL_FORK, PL_MODEL_JOIN } pl_model_op_kind;

typedef struct pl_model_op {
  pl_model_op_kind kind;     /* fork and join: the two ends of a Residual */
  const pl_layer *layer;     /* [borrowed] */
  pl_shape output;           /* one sample */
  double work;               /* multiply-adds a sample */
  size_t memory;             /* bytes of activations kept for one sample */
} pl_model_op;
PL_API int pl_model_ops(const pl_model *model);
PL_API pl_model_op pl_model_op_at(const pl_model *model, int i);
/* Output of operation i in the last PL_LOOK pass. */
PL_API const float *pl_model_activation(const pl_model *model, int i);

/* ---- profile: where the time of passes and steps goes ----
   Each operation and stage ends at a barrier; the first member of the team then adds the time since the one before it to
   what ended. Fused operations count as the first of them. Off, it costs a comparison an operation. */
typedef enum pl_stage {
  PL_STAGE_OTHER,    /* between steps and passes */
  PL_STAGE_DATA,     /* gathering and augmenting a batch */
  PL_STAGE_LOSS,
  PL_STAGE_UPDATE,   /* the optimizer */
  PL_STAGES
} pl_stage;

typedef struct pl_profile {
  double stage[PL_STAGES];          /* seconds */
  int ops;
  const double *forward, *backward; /* seconds, per operation */
} pl_profile;

PL_API pl_status pl_model_profile_start(pl_model *model, pl_error *err);   /* all times zero, and on; the model is built */
PL_API pl_profile pl_model_profile_stop(pl_model *model);                  /* off; the times are [borrowed] until the next start */
/* A stage has ended. Every member may call it, after the barrier. */
PL_API void pl_model_profile_stage(pl_model *model, const pl_team *team, pl_stage stage);

#endif
