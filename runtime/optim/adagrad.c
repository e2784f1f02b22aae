/* AdaGrad (Duchi, Hazan and Singer, Adaptive subgradient methods, 2011):
     v <- v + g^2,   w <- w - lr g / (sqrt(v) + eps)
   weight_decay w is added to g. */
#include "optim/optim.h"

typedef struct { pl_optim_common common; double eps; } config;

static const config defaults = { .common = { .lr = 0.01 }, .eps = 1e-10 };
static const pl_option options[] = { PL_OPTIM_COMMON(config), PL_OPTIM_EPS(config), { 0 } };

static void prepare(const void *settings, const pl_optim_clock *now, double lr, double weight_decay, pl_update *u) {
  const config *c = settings;
  (void)now;
  u->rate_g = (float)lr;
  u->eps_out = (float)c->eps;
  u->l2 = (float)weight_decay;
}

static bool update(const pl_update *u) { return pl_kernel.adagrad(u); }

const pl_optimizer_class pl_optim_adagrad = {
  .head = { "AdaGrad", sizeof(config), &defaults, options }, .slot_names = { "v" }, .prepare = prepare, .update = update
};
