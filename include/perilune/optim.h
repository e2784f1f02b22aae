/* Optimizers: one step of gradient descent, in many forms, on a model's flat blocks of values and gradients.

   Intended use:  pl_optimizer_new("Adam", options)  ->  pl_optimizer_bind(slices of the model)
                  each epoch: pl_optimizer_epoch; each step: pl_optimizer_advance, then pl_optimizer_step by the team
   A trainer (train.h) takes the steps by itself. One thread of the host at a time; pl_optimizer_step and
   pl_optimizer_step_tile are called by members of a team. */
#ifndef PERILUNE_OPTIM_H
#define PERILUNE_OPTIM_H

#include "perilune/model.h"
#include "perilune/options.h"

typedef struct pl_optimizer pl_optimizer;

/* An optimizer of the named type (pl_optimizer_type_name). `args` as for pl_options_read, which also says the errors,
   plus the option that every optimizer takes:
   groups = { { layers = { "fc1", ... } | match = "conv", parameters = { "bias" }, lr = .. | lr_scale = ..,
                weight_decay = .. }, ... }
   A parameter belongs to the first group that names it: its layer by name or path (`layers`), by a part of either
   (`match`), and its own name (`parameters`); what is not given is not asked. lr: the group's rate where the
   optimizer's is its configured lr; a schedule moves both in proportion. lr_scale: the same as a factor. frozen = true:
   its parameters never move, by weight decay neither; statistics of layers do (BatchNorm's). */
PL_API pl_optimizer *pl_optimizer_new(const char *type, const struct cJSON *args, pl_error *err);
PL_API void pl_optimizer_free(pl_optimizer *opt);
/* "Adam"; [borrowed]. */
PL_API const char *pl_optimizer_type(const pl_optimizer *opt);
/* { type = "Adam", config = { ... } }, NULL when memory is short; and back: errors of pl_optimizer_new, or
   PL_ERROR_VALUE where there is no type. */
PL_API struct cJSON *pl_optimizer_to_json(const pl_optimizer *opt);
PL_API pl_optimizer *pl_optimizer_from_json(const struct cJSON *json, pl_error *err);
/* Types in the registry's order; NULL past the end. */
PL_API const char *pl_optimizer_type_name(int i);

/* An unbound optimizer with the same configuration (and definition). */
PL_API pl_optimizer *pl_optimizer_clone(const pl_optimizer *opt, pl_error *err);

/* ---- optimizers whose step is the host's: a function of a script ---- */

/* definition: { type = "Lion", slots = { "m", ... }, scalars = { { name = "t", initial = 0 }, ... },
   decay_form = "l2" | "decoupled" | "own", options = { ... } }. A slot is a tensor of each parameter, a scalar a number
   of each (`initial`: 0 unless given), counted among the counters; at most 16 of either. decay_form ("l2" unless
   given): weight_decay w is added to the gradient, or w <- w - lr weight_decay w comes before the step, or the step
   does it. options: as configured, only described here; `args`: those that every optimizer takes. PL_ERROR_VALUE: the
   definition, which is copied, is none. */
PL_API pl_optimizer *pl_optimizer_new_host(const struct cJSON *definition, const struct cJSON *args, pl_error *err);
PL_API bool pl_optimizer_is_host(const pl_optimizer *opt);

/* The step of one parameter: the host moves its values, its part of each slot, and `scalar`. */
typedef struct pl_host_step_call {     /* [borrowed] all of it, during the call */
  const pl_slice *slice;
  const pl_tensor *grad;               /* [borrowed] flat: the gradient in use is its first slice->count elements */
  double lr, weight_decay;             /* the group's, decay applied */
  double step, epoch;                  /* from 1 */
  size_t scalars;
  const char *const *scalar_name;
  double *scalar;                      /* [scalars] in and out */
} pl_host_step_call;
typedef pl_status (*pl_host_step_fn)(void *context, pl_host_step_call *call, pl_error *err);

/* May a step begin now? Asked before pl_optimizer_advance, whether the step is the host's or not (then fn is not looked
   at). PL_ERROR_STATE: it is the host's, and runs; PL_ERROR_VALUE: it is, and fn is NULL. */
PL_API pl_status pl_optimizer_check_step(const pl_optimizer *opt, pl_host_step_fn fn, pl_error *err);
/* As pl_optimizer_step, on one thread outside of any region, after pl_optimizer_advance. *finite [out]: whether
   gradients in use and new weights are. An error of `fn` is passed on, and leaves the parameters before it moved.
   PL_ERROR_STATE: the optimizer's step is not the host's; errors of pl_optimizer_check_step. */
PL_API pl_status pl_optimizer_step_host(pl_optimizer *opt, float *values, const float *grads, pl_host_step_fn fn,
                                        void *context, bool *finite, pl_error *err);

/* Gives the optimizer its parameters: `n` slices (copied; their layers and names are borrowed) of blocks of `size`
   floats. Allocates its slots, zeroed, and sets all counters back but "lr", which stays. PL_ERROR_VALUE (no slices, not
   at multiples of 16 floats, a group that no parameter belongs to) leaves it unbound, as lack of memory does;
   PL_ERROR_STATE: called by the host's step. */
PL_API pl_status pl_optimizer_bind(pl_optimizer *opt, const pl_slice *slices, size_t n, size_t size, pl_error *err);
/* Floats of the blocks; 0: not bound. */
PL_API size_t pl_optimizer_size(const pl_optimizer *opt);
/* [borrowed] until the next bind; how many. */
PL_API size_t pl_optimizer_slices(const pl_optimizer *opt, const pl_slice **slices);

/* The rate before `decay` and groups. May be set between steps. */
PL_API double pl_optimizer_lr(const pl_optimizer *opt);
PL_API void pl_optimizer_set_lr(pl_optimizer *opt, double lr);
/* The rate as configured. */
PL_API double pl_optimizer_base_lr(const pl_optimizer *opt);

/* An epoch begins (Adam's correction = "epoch" counts them). */
PL_API void pl_optimizer_epoch(pl_optimizer *opt);
/* A step begins: advances the counter and computes the scalars of the step. One thread calls it, outside the region,
   or inside with a barrier after it. */
PL_API void pl_optimizer_advance(pl_optimizer *opt);
/* values -= step; both blocks are of pl_optimizer_size floats. Every member of a team calls it after
   pl_optimizer_advance, once the gradients are complete; work is shared in fixed blocks. Barriers inside only for
   clip_norm and LAMB. The caller must issue a barrier afterwards. Returns whether all weights of this member's share
   are finite; where a gradient that the step uses is not, a weight is not. */
PL_API bool pl_optimizer_step(pl_optimizer *opt, const pl_team *team, float *values, const float *grads);
/* Which gradients that does not concern: those of a frozen slice are not used. Infinite ones are finite in the step
   where clip_value cuts them; but not after clip_norm, whose factor 0 makes NaN of them. */
PL_API bool pl_optimizer_is_frozen(const pl_optimizer *opt, size_t slice);
PL_API bool pl_optimizer_cuts_infinite(const pl_optimizer *opt);

/* (Of an optimizer of the host's neither this nor what follows is called.)
   Whether a step needs nothing but each value's own gradient: then pl_optimizer_step_tile, called for parts that make
   up the parameters, does to the bit what pl_optimizer_step does. (Not so with clip_norm or LAMB.) */
PL_API bool pl_optimizer_is_local(const pl_optimizer *opt);
/* The step of one part, by the member that calls; whether the new values are finite. */
PL_API bool pl_optimizer_step_tile(pl_optimizer *opt, float *values, const pl_grad_tile *tile);

/* Exact state, for checkpoints. Counters: "steps", "epochs", "lr", and what a type remembers besides; names [borrowed]
   until the next bind. */
PL_API int pl_optimizer_counters(const pl_optimizer *opt);
PL_API const char *pl_optimizer_counter_name(const pl_optimizer *opt, int i);
/* Its value; and set, from a checkpoint, after the bind. */
PL_API double pl_optimizer_counter(const pl_optimizer *opt, int i);
PL_API void pl_optimizer_set_counter(pl_optimizer *opt, int i, double value);
/* Slots: flat f32 tensors of pl_optimizer_size elements, laid out as the values; [borrowed] until the next bind. None
   before it. Names such as "m" are borrowed as long as the optimizer lives. */
PL_API int pl_optimizer_slots(const pl_optimizer *opt);
PL_API const char *pl_optimizer_slot_name(const pl_optimizer *opt, int i);
PL_API pl_tensor *pl_optimizer_slot(const pl_optimizer *opt, int i);

#endif
