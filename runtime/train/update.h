/* The end of a training step: gradients looked at, weights moved by them. The same for the C loop, for a step in which
   the script takes part, and for a loop by hand; here it is noticed where a gradient or a weight is not finite. */
#ifndef TRAIN_UPDATE_H
#define TRAIN_UPDATE_H

#include <stdatomic.h>
#include "perilune/train.h"

/* Why a step was not taken, or was the last. */
typedef enum pl_trouble {
  PL_NO_TROUBLE,
  PL_BATCH_NOT_READ,       /* of a stream; the step was not begun */
  PL_LOSS_NOT_FINITE,      /* the step was not taken */
  PL_GRADIENT_NOT_FINITE,  /* nor here: gradients are looked at before it where steps may be skipped */
  PL_WEIGHT_NOT_FINITE     /* it was taken; the gradient may have been at fault */
} pl_trouble;

typedef struct pl_weight_update {
  pl_model *model;
  pl_optimizer *optimizer;
  bool may_skip;           /* all gradients are looked at before the step */
  atomic_bool not_finite;  /* a gradient that was looked at, or a weight after an update */
  pl_trouble trouble;      /* what stood before this update stays */
} pl_weight_update;

/* Inside a region, by every member. check: its share of the gradients that the step uses; the leader then asks
   `allows`, after a barrier. all: its share of the weights, after pl_optimizer_advance. */
void pl_weight_update_check(pl_weight_update *u, const pl_team *team);
bool pl_weight_update_allows(pl_weight_update *u);
void pl_weight_update_all(pl_weight_update *u, const pl_team *team);
/* The sink of a pl_exec_param_grads_stages whose gradients need not be written. */
bool pl_weight_update_tile(void *update, const pl_grad_tile *tile);

/* From outside a region: all of that, on so many threads. host_step: of an optimizer that is the host's. */
pl_status pl_weight_update_run(pl_weight_update *u, int threads, pl_host_step_fn host_step, void *context,
                               pl_error *err);

/* After a barrier: what was noticed. */
pl_trouble pl_weight_update_trouble(const pl_weight_update *u);

/* An error unless the optimizer is bound to the model as it is now. */
pl_status pl_check_bound(const pl_optimizer *optimizer, const pl_model *model, pl_error *err);

#endif
