/* A model: a tree of layers, the graph of its operations, one flat block of parameter values and one of gradients.
   What a pass needs besides is an exec's.

   Intended use:  pl_model_new(root)  ->  pl_model_build(input shape)  ->  pl_model_initialize(seed); passes: exec.h */
#ifndef PERILUNE_MODEL_H
#define PERILUNE_MODEL_H

#include "perilune/layers.h"
#include "perilune/threads.h"

typedef struct pl_model pl_model;

typedef enum pl_mode {
  PL_INFER,           /* running statistics, no dropout, nothing kept */
  PL_INFER_DROPOUT,   /* as PL_INFER, with dropout: Monte Carlo dropout */
  PL_CAPTURE,         /* as PL_INFER, all activations kept (pl_exec_activation) */
  PL_TRAIN            /* remembers what backward needs */
} pl_mode;

/* The root is borrowed and must outlive the model. Parameters whose shape is known get their address at once. */
PL_API pl_model *pl_model_new(pl_layer *root, pl_error *err);
PL_API void pl_model_free(pl_model *model);
PL_API pl_layer *pl_model_root(pl_model *model);

/* Checks all shapes for an input of `sample` (one sample, no batch axis) and lays out the parameters. Building again
   for another shape is allowed as long as the parameters stay the same. */
PL_API pl_status pl_model_build(pl_model *model, const pl_shape *sample, pl_error *err);
PL_API bool pl_model_is_built(const pl_model *model);
PL_API const pl_shape *pl_model_input(const pl_model *model);    /* [borrowed] one sample */
PL_API const pl_shape *pl_model_output(const pl_model *model);   /* [borrowed] one sample; several outputs: flat */
PL_API pl_outputs pl_model_outputs(const pl_model *model);       /* the outputs, normally one */
/* Fills every parameter from its initializer: a function of the seed and the layer's position. Statistics are reset. */
PL_API pl_status pl_model_initialize(pl_model *model, uint64_t seed, pl_error *err);
/* Seed of dropout masks, and the step that they are a function of (advanced by each training pass). */
PL_API void pl_model_set_random(pl_model *model, uint64_t seed, uint64_t step);
PL_API uint64_t pl_model_step(const pl_model *model);

/* The flat blocks: trained parameters, each at a multiple of 16 floats, padding zero. */
PL_API bool pl_model_has_params(const pl_model *model);
PL_API size_t pl_model_size(const pl_model *model);       /* floats in a block, padding included */
PL_API size_t pl_model_parameters(const pl_model *model); /* trained values, padding not included */
PL_API float *pl_model_values(pl_model *model);           /* [borrowed] */
PL_API float *pl_model_grads(pl_model *model);            /* [borrowed] */
/* floats that are learned but not trained: running statistics */
PL_API size_t pl_model_states_size(const pl_model *model);
PL_API float *pl_model_states(pl_model *model);              /* [borrowed] */
/* The block is counted, so that a tensor may outlive the model: retain before pl_tensor_wrap, release as its
   release. */
PL_API void *pl_model_block(pl_model *model);
PL_API void pl_block_retain(void *block);
PL_API void pl_block_release(void *block);

typedef struct pl_slice {
  const pl_layer *layer;
  char path[PL_PATH_TEXT];   /* of the layer: "05_linear" */
  const char *name;          /* of the parameter: "weight" */
  size_t offset, count;      /* in the flat blocks */
  int param;                 /* its index among the layer's parameters */
  int axes;                  /* of its shape: 1 for biases */
} pl_slice;
PL_API size_t pl_model_slices(const pl_model *model, const pl_slice **slices);   /* [borrowed] */

/* The fewest samples of a training pass; *layer is set to the layer that asks for more than one. */
PL_API size_t pl_model_least_batch(const pl_model *model, const pl_layer **layer);

PL_API void pl_model_zero_grads(pl_model *model);      /* and the next backward replaces them */
PL_API void pl_model_replace_grads(pl_model *model);   /* the next backward replaces, without zeroing first */
PL_API bool pl_model_has_host(const pl_model *model);  /* whether a layer is a function of the script */

/* scan = true: finds out, on `threads`, which weights are all zero or normal numbers, before a training that leaves
   them so: layers may then skip zero inputs. scan = false: after it, or when weights may change otherwise. */
PL_API void pl_model_scan_weights(pl_model *model, bool scan, int threads);
/* Floats of the largest parameter that has another order for training (pl_exec_pack); 0: none. */
PL_API size_t pl_model_largest_packed(const pl_model *model);

/* What a model consists of, in order, for summaries, activations and profiles. */
typedef enum pl_model_row_kind { PL_MODEL_LAYER, PL_MODEL_BEGIN, PL_MODEL_END } pl_model_row_kind;

typedef struct pl_model_row {
  pl_model_row_kind kind;    /* begin and end: of a container whose ways are added up (Residual) */
  const pl_layer *layer;     /* [borrowed] */
  int op;                    /* the operation, as profiles count them; -1: none, it is a beginning */
  pl_shape output;           /* one sample */
  double work;               /* multiply-adds a sample */
  size_t memory;             /* bytes of activations kept for one sample */
  bool again;                /* a further use of a layer that has a row already */
} pl_model_row;
PL_API int pl_model_rows(const pl_model *model);                          /* the model is built */
PL_API pl_model_row pl_model_row_at(const pl_model *model, int i);

/* ---- profile: where the time of passes and steps goes ----
   Each operation and stage ends at a barrier; the leader of the team then adds the time since the one before it
   to what ended. Fused operations count as the first of them. Off, it costs a comparison an operation. */
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

/* all times zero, and on; the model is built */
PL_API pl_status pl_model_profile_start(pl_model *model, pl_error *err);
/* off; the times are [borrowed] until the next start */
PL_API pl_profile pl_model_profile_stop(pl_model *model);
/* A stage has ended. Every member may call it, after the barrier. */
PL_API void pl_model_profile_stage(pl_model *model, const pl_team *team, pl_stage stage);

#endif
