/* AdaDelta (Zeiler, ADADELTA: an adaptive learning rate method, 2012): steps in the units of the weights,
     v <- rho v + (1 - rho) g^2,   d = g sqrt(x + eps) / sqrt(v + eps),   x <- rho x + (1 - rho) d^2,   w <- w - lr d
   The paper has no rate: lr = 1. weight_decay w is added to g. */
#include "optim/optim.h"

typedef struct { pl_optim_common common; double rho, eps; } config;

static const config defaults = { .common = { .lr = 1 }, .rho = 0.9, .eps = 1e-6 };
static const pl_option options[] = { PL_OPTIM_COMMON(config), PL_OPTIM_NUMBER(config, rho, 0, 1), PL_OPTIM_EPS(config),
                                     { 0 } };

static void prepare(const void *settings, const pl_optim_clock *now, double lr, double weight_decay, pl_update *u) {
  const config *c = settings;
  (void)now;
  u->beta2 = (float)c->rho;
  u->one_minus_beta2 = (float)(1 - c->rho);
  u->rate_g = (float)lr;
  u->eps_in = (float)c->eps;
  u->l2 = (float)weight_decay;
}

static bool update(const pl_update *u) { return pl_kernel.adadelta(u); }

const pl_optimizer_class pl_optim_adadelta = {
  .head = { "AdaDelta", sizeof(config), &defaults, options }, .slot_names = { "v", "x" }, .prepare = prepare,
  .update = update
};
