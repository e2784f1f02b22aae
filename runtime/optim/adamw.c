/* AdamW (Loshchilov and Hutter, Decoupled weight decay regularization, 2019): Adam's step, and besides
     w <- w - lr weight_decay w
   instead of adding weight_decay w to the gradient. */
#include "optim/optim.h"

typedef struct { pl_optim_common common; double betas[2], eps; } config;

static const config defaults = { .common = { .lr = 1e-3, .weight_decay = 0.01 }, .betas = { 0.9, 0.999 }, .eps = 1e-8 };
static const pl_option options[] = { PL_OPTIM_COMMON(config), PL_OPTIM_BETAS(config), PL_OPTIM_EPS(config), { 0 } };

static void prepare(const void *settings, const pl_optim_clock *now, double lr, double weight_decay, pl_update *u) {
  const config *c = settings;
  pl_optim_moments(c->betas, now->step, lr, u);
  u->eps_out = (float)c->eps;
  u->weight_decay_factor = (float)(1 - lr * weight_decay);
}

static bool update(const pl_update *u) { return pl_kernel.adam(u); }

const pl_optimizer_class pl_optim_adamw = {
  .head = { "AdamW", sizeof(config), &defaults, options }, .slot_names = { "m", "v" }, .prepare = prepare,
  .update = update
};
