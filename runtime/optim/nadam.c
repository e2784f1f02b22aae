/* Nadam (Dozat, Incorporating Nesterov momentum into Adam, 2016): Adam with the momentum of the next step already
   applied.
   With mu_t = b1 (1 - 0.96^(t momentum_decay) / 2) and P_t = mu_1 ... mu_t:
     m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2
     w <- w - lr (mu_t+1 m / (1 - P_t+1) + (1 - mu_t) g / (1 - P_t)) / (sqrt(v / (1 - b2^t)) + eps)
   weight_decay w is added to g. */
#include "optim/optim.h"
#include "perilune/math.h"

typedef struct { pl_optim_common common; double betas[2], eps, momentum_decay; } config;

static const config defaults = { .common = { .lr = 2e-3 }, .betas = { 0.9, 0.999 }, .eps = 1e-8,
                                 .momentum_decay = 4e-3 };
static const pl_option options[] = { 
  PL_OPTIM_COMMON(config), PL_OPTIM_BETAS(config), PL_OPTIM_EPS(config),
  PL_OPTIM_NUMBER(config, momentum_decay, 0, 1e15), { 0 }
};

static double momentum(const config *c, double t) {
  return c->betas[0] * (1 - 0.5 * pl_pow(0.96, t * c->momentum_decay));
}

/* P_t from P_t-1 */
static double remember(const void *settings, double product, double step) { return product * momentum(settings, step); }

static void prepare(const void *settings, const pl_optim_clock *now, double lr, double weight_decay, pl_update *u) {
  const config *c = settings;
  double product = now->memory, here = momentum(c, now->step), next = momentum(c, now->step + 1);
  pl_optim_moments(c->betas, now->step, lr, u);
  u->rate_m = (float)(lr * next / (1 - product * next));
  u->rate_g = (float)(lr * (1 - here) / (1 - product));
  u->eps_out = (float)c->eps;
  u->l2 = (float)weight_decay;
}

static bool update(const pl_update *u) { return pl_kernel.adam(u); }

const pl_optimizer_class pl_optim_nadam = {
  .head = { "Nadam", sizeof(config), &defaults, options }, .slot_names = { "m", "v" }, .prepare = prepare,
  .update = update,
  .remember = remember, .memory_name = "momentum_product"
};
