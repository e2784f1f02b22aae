/* EAdam (Yuan and Gao, EAdam optimizer: how epsilon impact Adam, 2020): Adam with epsilon added to the second average
   in each step, and none in the denominator:
     m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2 + eps,   w <- w - lr (m / (1 - b1^t)) / sqrt(v / (1 - b2^t))
   weight_decay w is added to g. */
#include "optim/optim.h"

typedef struct { pl_optim_common common; double betas[2], eps; } config;

static const config defaults = { .common = { .lr = 1e-3 }, .betas = { 0.9, 0.999 }, .eps = 1e-8 };
static const pl_option options[] = { PL_OPTIM_COMMON(config), PL_OPTIM_BETAS(config), PL_OPTIM_EPS(config), { 0 } };

static void prepare(const void *settings, const pl_optim_clock *now, double lr, double weight_decay, pl_update *u) {
  const config *c = settings;
  pl_optim_moments(c->betas, now->step, lr, u);
  u->lift = (float)c->eps;
  u->l2 = (float)weight_decay;
}

static bool update(const pl_update *u) { return pl_kernel.adam(u); }

const pl_optimizer_class pl_optim_eadam = {
  .head = { "EAdam", sizeof(config), &defaults, options }, .slot_names = { "m", "v" }, .prepare = prepare,
  .update = update
};
