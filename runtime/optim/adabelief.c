/* AdaBelief (Zhuang et al., AdaBelief optimizer: adapting stepsizes by the belief in observed gradients, 2020):
     m <- b1 m + (1 - b1) g,   s <- b2 s + (1 - b2) (g - m)^2 + eps
     w <- w - lr (m / (1 - b1^t)) / (sqrt(s / (1 - b2^t)) + eps)
   weight_decay w is added to g. */
#include "optim/optim.h"

typedef struct { pl_optim_common common; double betas[2], eps; } config;

static const config defaults = { .common = { .lr = 1e-3 }, .betas = { 0.9, 0.999 }, .eps = 1e-16 };
static const pl_option options[] = { PL_OPTIM_COMMON(config), PL_OPTIM_BETAS(config), PL_OPTIM_EPS(config), { 0 } };

static void prepare(const void *settings, const pl_optim_clock *now, double lr, double weight_decay, pl_update *u) {
  const config *c = settings;
  pl_optim_moments(c->betas, now->step, lr, u);
  u->lift = u->eps_out = (float)c->eps;
  u->l2 = (float)weight_decay;
}

static bool update(const pl_update *u) { return pl_kernel.adabelief(u); }

const pl_optimizer_class pl_optim_adabelief = {
  .head = { "AdaBelief", sizeof(config), &defaults, options }, .slot_names = { "m", "s" }, .prepare = prepare,
  .update = update
};
