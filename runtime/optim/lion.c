/* Lion (Chen et al., Symbolic discovery of optimization algorithms, 2023):
     w <- w - lr (sign(b1 m + (1 - b1) g) + weight_decay w),   m <- b2 m + (1 - b2) g */
#include "optim/optim.h"

typedef struct { pl_optim_common common; double betas[2]; } config;

static const config defaults = { .common = { .lr = 1e-4 }, .betas = { 0.9, 0.99 } };
static const pl_option options[] = { PL_OPTIM_COMMON(config), PL_OPTIM_BETAS(config), { 0 } };

static void prepare(const void *settings, const pl_optim_clock *now, double lr, double weight_decay, pl_update *u) {
  const config *c = settings;
  (void)now;
  u->beta1 = (float)c->betas[0];
  u->one_minus_beta1 = (float)(1 - c->betas[0]);
  u->beta2 = (float)c->betas[1];
  u->one_minus_beta2 = (float)(1 - c->betas[1]);
  u->rate_m = (float)lr;
  u->weight_decay_factor = (float)(1 - lr * weight_decay);
}

static bool update(const pl_update *u) { return pl_kernel.lion(u); }

const pl_optimizer_class pl_optim_lion = {
  .head = { "Lion", sizeof(config), &defaults, options }, .slot_names = { "m" }, .prepare = prepare, .update = update
};
