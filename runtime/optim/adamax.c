/* AdaMax (Kingma and Ba, Adam, section 7.1, 2015): the second average is a decaying maximum, which needs no correction:
     m <- b1 m + (1 - b1) g,   n <- max(b2 n, |g| + eps),   w <- w - (lr / (1 - b1^t)) m / n
   weight_decay w is added to g. (The paper has no eps; PyTorch adds it where it is here.) */
#include "optim/optim.h"

typedef struct { pl_optim_common common; double betas[2], eps; } config;

static const config defaults = { .common = { .lr = 2e-3 }, .betas = { 0.9, 0.999 }, .eps = 1e-8 };
static const pl_option options[] = { PL_OPTIM_COMMON(config), PL_OPTIM_BETAS(config), PL_OPTIM_EPS(config), { 0 } };

static void prepare(const void *settings, const pl_optim_clock *now, double lr, double weight_decay, pl_update *u) {
  const config *c = settings;
  pl_optim_moments(c->betas, now->step, lr, u);
  u->eps_in = (float)c->eps;
  u->l2 = (float)weight_decay;
}

static bool update(const pl_update *u) { return pl_kernel.adamax(u); }

const pl_optimizer_class pl_optim_adamax = {
  .head = { "AdaMax", sizeof(config), &defaults, options }, .slot_names = { "m", "n" }, .prepare = prepare,
  .update = update
};
