/* Adam (Kingma and Ba, Adam: a method for stochastic optimization, 2015):
     m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2,   w <- w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
   correction = "step": t counts steps, as in the paper. "epoch": t counts epochs (pl_optimizer_epoch): the same
   direction, but its length is multiplied by sqrt(1 - b2^t) / (1 - b1^t), 0.32 in the first epoch.
   eps_inside_root: sqrt(v / (1 - b2^t) + eps). weight_decay w is added to g. */
#include "optim/optim.h"

typedef struct { pl_optim_common common; double betas[2], eps; int correction; bool eps_inside_root; } config;

enum { STEP, EPOCH };
static const char *const corrections[] = { "step", "epoch", NULL };

static const config defaults = { .common = { .lr = 1e-3 }, .betas = { 0.9, 0.999 }, .eps = 1e-8 };
static const pl_option options[] = {
  PL_OPTIM_COMMON(config), PL_OPTIM_BETAS(config), PL_OPTIM_EPS(config),
  { .name = "correction", .kind = PL_OPTION_CHOICE, .offset = offsetof(config, correction), .choices = corrections },
  { .name = "eps_inside_root", .kind = PL_OPTION_BOOL, .offset = offsetof(config, eps_inside_root) },
  { 0 }
};

static void prepare(const void *settings, const pl_optim_clock *now, double lr, double weight_decay, pl_update *u) {
  const config *c = settings;
  pl_optim_moments(c->betas, c->correction == EPOCH ? now->epoch : now->step, lr, u);
  if (c->eps_inside_root) u->eps_in = (float)c->eps;
  else u->eps_out = (float)c->eps;
  u->l2 = (float)weight_decay;
}

static bool update(const pl_update *u) { return pl_kernel.adam(u); }

const pl_optimizer_class pl_optim_adam = {
  .head = { "Adam", sizeof(config), &defaults, options }, .slot_names = { "m", "v" }, .prepare = prepare,
  .update = update
};
