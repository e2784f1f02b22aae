/* A model: a tree of layers, the graph of its operations, one flat block of parameter values and one of gradients.
   What a pass needs besides is an exec's. Model, layers and execs belong to one thread of the host at a time.

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

/* The root is borrowed, with all layers below it. Parameters whose shape is known get their address at once: zero, or
   the values that a layer has from an earlier model, which is then still there. A layer is in one model at a time.
   PL_ERROR_STATE: the root is part of a larger tree. */
PL_API pl_model *pl_model_new(pl_layer *root, pl_error *err);
/* Before its layers; its execs may be freed after it. */
PL_API void pl_model_free(pl_model *model);
/* [borrowed] */
PL_API pl_layer *pl_model_root(pl_model *model);

/* Checks all shapes for an input of `sample` (one sample, no batch axis) and lays out the parameters. Building again
   for another shape is allowed as long as the parameters stay the same; execs keep theirs until pl_exec_follow. A
   loaded formula refuses shapes of which sizes that its function used are others (PL_ERROR_STATE).
   PL_ERROR_SHAPE names the layer that does not fit; PL_ERROR_VALUE or PL_ERROR_STATE: a graph or formula that cannot be
   computed, or a call from a function of the script that the model is calling. */
PL_API pl_status pl_model_build(pl_model *model, const pl_shape *sample, pl_error *err);
/* Whether it has been; before that the next are NULL, NULL and of count 0. */
PL_API bool pl_model_is_built(const pl_model *model);
/* [borrowed] until the next build: of one sample; several outputs are one flat row. */
PL_API const pl_shape *pl_model_input(const pl_model *model);
PL_API const pl_shape *pl_model_output(const pl_model *model);
/* The outputs, normally one. */
PL_API pl_outputs pl_model_outputs(const pl_model *model);
/* Fills every parameter from its initializer: a function of the seed and the layer's position. Statistics are reset,
   gradients zero. PL_ERROR_STATE: some shapes are not known before a build. */
PL_API pl_status pl_model_initialize(pl_model *model, uint64_t seed, pl_error *err);
/* Seed of dropout masks, and the step that they are a function of (advanced by each pass that has dropout on). */
PL_API void pl_model_set_random(pl_model *model, uint64_t seed, uint64_t step);
PL_API uint64_t pl_model_step(const pl_model *model);
PL_API void pl_model_advance(pl_model *model, uint64_t steps);

/* ---- the flat blocks: trained parameters, each at a multiple of 16 floats, padding zero ----
   Sizes are floats. */

/* Whether all shapes are known. Before that sizes are 0, and blocks NULL. */
PL_API bool pl_model_has_params(const pl_model *model);
/* Of a block, padding included; and the trained values alone. */
PL_API size_t pl_model_size(const pl_model *model);
PL_API size_t pl_model_parameters(const pl_model *model);
/* [borrowed], at the same address as long as the model lives. */
PL_API float *pl_model_values(pl_model *model);
PL_API float *pl_model_grads(pl_model *model);
/* What is learned but not trained: running statistics; [borrowed] as above. */
PL_API size_t pl_model_states_size(const pl_model *model);
PL_API float *pl_model_states(pl_model *model);
/* The blocks are counted, so that a tensor may outlive the model: retain before pl_tensor_wrap, release as its release,
   on any thread. */
PL_API void *pl_model_block(pl_model *model);
PL_API void pl_block_retain(void *block);
PL_API void pl_block_release(void *block);

typedef struct pl_slice {
  const pl_layer *layer;     /* [borrowed]; NULL is allowed where only an optimizer sees it */
  char path[PL_PATH_TEXT];   /* of the layer: "05_linear" */
  const char *name;          /* [borrowed] of the layer, the parameter's: "weight" */
  size_t offset, count;      /* floats, in the flat blocks; the shape's elements, without padding */
  int param;                 /* its index among the layer's parameters */
  int axes;                  /* of its shape: 1 for biases */
} pl_slice;
/* [borrowed] the trained parameters, in the order of layers, depth first; how many. */
PL_API size_t pl_model_slices(const pl_model *model, const pl_slice **slices);

/* The fewest samples of a training pass; *layer is set to the layer that asks for more than one, else left. */
PL_API size_t pl_model_least_batch(const pl_model *model, const pl_layer **layer);

/* Gradients of 0, to which the next backward adds. */
PL_API void pl_model_zero_grads(pl_model *model);
/* The next backward replaces gradients instead of adding to them; until then they stay as they are. */
PL_API void pl_model_replace_grads(pl_model *model);
PL_API bool pl_model_replaces_grads(const pl_model *model);
/* Whether a layer is a function of the script. */
PL_API bool pl_model_has_host(const pl_model *model);

/* Of a built model. scan = true: finds out, on `threads`, which weights are all zero or normal numbers, before a
   training that leaves them so: layers may then skip zero inputs. scan = false: after it, or when weights may change
   otherwise. */
PL_API void pl_model_scan_weights(pl_model *model, bool scan, int threads);
/* Floats of the largest parameter that has another order for training (pl_exec_pack); 0: none, or not built. */
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
/* 0: not built. */
PL_API int pl_model_rows(const pl_model *model);
PL_API pl_model_row pl_model_row_at(const pl_model *model, int i);

/* ---- profile: where the time of passes and steps goes ----
   Each operation and stage ends at a barrier; the leader of the team then adds the time since the one before it
   to what ended. Fused operations count as the first of them. Off, it costs a comparison an operation. */
typedef enum pl_stage {
  PL_STAGE_OTHER,    /* between steps and passes; operations past those that there were at the start */
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

/* All times zero, and on. PL_ERROR_STATE: the model is not built, it is profiled already, or a function of the script
   that it is calling calls this. */
PL_API pl_status pl_model_profile_start(pl_model *model, pl_error *err);
/* Off; the times are [borrowed] until the next start. ops = 0: it was never started. */
PL_API pl_profile pl_model_profile_stop(pl_model *model);
/* A stage has ended. Every member of a team may call it, after the barrier. */
PL_API void pl_model_profile_stage(pl_model *model, const pl_team *team, pl_stage stage);

#endif
