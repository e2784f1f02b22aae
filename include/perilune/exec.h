/* An exec is what passes through a model need: a plan, memory for a batch (the arena), and the state of the last pass.
   A model may have several, for instance one that trains and one that evaluates: their passes do not disturb each
   other.

   An exec keeps to the shapes that the model was built for when it was made, until pl_exec_follow. It borrows the
   model, and may be freed after it. All execs of a model are used by one thread of the host at a time; functions that
   end in _team or _stages are called by every member of a team, inside a parallel region.

   Intended use:  pl_exec_new(model)  ->  pl_exec_forward(x, n, PL_TRAIN)  ->  pl_exec_backward(dy)  ... */
#ifndef PERILUNE_EXEC_H
#define PERILUNE_EXEC_H

#include "perilune/model.h"

typedef struct pl_exec pl_exec;

/* The model has been built (else PL_ERROR_STATE). */
PL_API pl_exec *pl_exec_new(pl_model *model, pl_error *err);
PL_API void pl_exec_free(pl_exec *exec);
/* [borrowed] */
PL_API pl_model *pl_exec_model(const pl_exec *exec);
/* [borrowed] until pl_exec_follow: of one sample; several outputs are one flat row. */
PL_API const pl_shape *pl_exec_input(const pl_exec *exec);
PL_API const pl_shape *pl_exec_output(const pl_exec *exec);
/* The outputs, normally one. */
PL_API pl_outputs pl_exec_outputs(const pl_exec *exec);
/* Are so many samples enough for a training pass (pl_model_least_batch)? Else PL_ERROR_VALUE. */
PL_API pl_status pl_exec_check_batch(const pl_exec *exec, size_t batch, pl_error *err);
/* Takes over the shapes that the model is built for now. If they are others, a pass that waits for its backward is
   dropped. */
PL_API void pl_exec_follow(pl_exec *exec);

/* Makes the plan and takes the memory for batches of up to `batch` samples; forward does it by itself. A pass that
   waits for its backward is dropped. On an error the exec is as it was before, its pending pass included:
   PL_ERROR_VALUE (no samples, or in training fewer than pl_model_least_batch), PL_ERROR_STATE (weights are packed for
   another exec, or a function of the script that the model is calling calls this), PL_ERROR_MEMORY. */
PL_API pl_status pl_exec_reserve(pl_exec *exec, size_t batch, pl_mode mode, pl_error *err);
/* Bytes that a batch needs; 0: not built, or no memory. */
PL_API size_t pl_exec_arena(pl_model *model, size_t batch, pl_mode mode);

/* x [n, sample...] must stay until the backward of a training pass; the result [n, output...] is borrowed until the
   exec's next call. PL_TRAIN advances the model's step before the pass, PL_INFER_DROPOUT after it. Errors of
   pl_exec_reserve leave the exec as it was; one of a function of the script, passed on as it is, leaves it without a
   pass. Values that are not finite are no error. */
PL_API pl_status pl_exec_forward(pl_exec *exec, const float *x, size_t n, pl_mode mode, const float **y, pl_error *err);
/* Samples of the training pass that waits for its backward; 0: there is none. */
PL_API size_t pl_exec_pending(const pl_exec *exec);
/* dy [n, output...] for that pass, on as many threads as it had. dx [out, n, sample...] may be NULL, and overlaps
   neither x nor dy. Parameter gradients are added to the model's gradient block, or replace it after
   pl_model_replace_grads. PL_ERROR_STATE: no pass waits; an error of a function of the script is
   passed on. The pass is then used up. */
PL_API pl_status pl_exec_backward(pl_exec *exec, const float *dy, float *dx, pl_error *err);
/* Rows as the model's (pl_model_row_at), for the exec's shapes: the model may have been built for others since. */
PL_API int pl_exec_rows(const pl_exec *exec);
PL_API pl_model_row pl_exec_row_at(const pl_exec *exec, int i);
/* Output of row i (pl_exec_row_at) in the exec's last pass, if that was PL_CAPTURE; [borrowed] until its next call.
   Else NULL. */
PL_API const float *pl_exec_activation(const pl_exec *exec, int i);

/* Threads that are worth their while for the batch that was reserved or passed last; at most what the plan has memory
   for. */
PL_API int pl_exec_team_size(const pl_exec *exec);

/* For callers that are already inside a parallel region, with a model that has no host layers; first, outside it,
   pl_exec_reserve for the mode and the largest batch, and a team of at most pl_exec_team_size. Every member calls,
   with the same arguments; `step` is what dropout masks are a function of. The result is as pl_exec_forward's, complete
   for all members. */
PL_API const float *pl_exec_forward_team(pl_exec *exec, const pl_team *team, const float *x, size_t n, uint64_t step);

typedef struct pl_batch {
  const float *x, *dy;       /* [borrowed] dy: the address for the gradient of the output */
  size_t n;
  uint64_t step;             /* what dropout masks are a function of */
} pl_batch;
/* Training in stages: passes without a barrier between operations that are too small to share. Reserved for PL_TRAIN
   as above.
   Every member calls, with the same batch.
   forward: the result is there for the leader at once, for the others after pl_stage_barrier_wait.
   backward: gradients of inputs, and of those parameters whose layers have no phase of their own for them.
   param_grads: that phase. With a sink each tile of a gradient is handed to it, and need not be written anywhere; with
   NULL gradients are written. The caller ends its stage (pl_stage_end), and may do more in it. */
PL_API const float *pl_exec_forward_stages(const pl_exec *exec, pl_stages *stages, const pl_batch *batch);
PL_API void pl_exec_backward_stages(const pl_exec *exec, pl_stages *stages, const pl_batch *batch);
PL_API void pl_exec_param_grads_stages(const pl_exec *exec, pl_stages *stages, const pl_batch *batch,
                                       const pl_grad_sink *sink);
/* After backward, by one member: whether all gradients of the param_grads phase are sure to be finite. */
PL_API bool pl_exec_grads_cannot_overflow(const pl_exec *exec, const pl_batch *batch);

/* Whether the model has formulas of a script. Then a training pass over x [n, sample...], with a made-up gradient of
   the output, is compared with its operations one after the other, each value in memory of its own: to the last bit,
   else PL_ERROR_STATE (beside the errors of pl_exec_reserve). Nothing of the model changes but its gradients, which are
   zero afterwards. Of models without formulas, or with functions that the script runs (Lambda): nothing. */
PL_API bool pl_exec_has_formulas(const pl_exec *exec);
PL_API pl_status pl_exec_verify(pl_exec *exec, const float *x, size_t n, uint64_t step, pl_error *err);

typedef struct pl_order {
  const pl_layer *layer;
  int param;
  bool back;
  const struct pl_layer_class *cls;   /* of the operation whose order it is */
} pl_order;
typedef void (*pl_reorder_fn)(void *context, const pl_order *order, size_t offset, size_t count);
/* Weights for training (the exec is reserved for PL_TRAIN). Some layers train faster with their weights in another
   order. For each such parameter `reorder` is called, to bring what lies at [offset, offset + count) of the flat
   blocks (values, gradients, what the optimizer keeps) into that order with pl_order_apply, or back. Until it is
   undone no other exec runs the model (PL_ERROR_STATE). pl_order_apply: `count` floats, out apart from in. */
PL_API void pl_exec_pack(pl_exec *exec, pl_reorder_fn reorder, void *context, bool back);
PL_API void pl_order_apply(const pl_order *order, float *out, const float *in);

#endif
