/* LAMB (You et al., Large batch optimization for deep learning, 2020): Adam's direction, made as long as the weights
   that it moves, parameter by parameter:
     m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2
     r = (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps) + weight_decay w
     w <- w - lr (|w| / |r|) r          (lr r where either length is 0)
   The lengths are sums over a parameter's blocks, in order. */
#include <math.h>
#include "optim/optim.h"

typedef struct { pl_optim_common common; double betas[2], eps; } config;

static const config defaults = { .common = { .lr = 1e-3, .weight_decay = 0.01 }, .betas = { 0.9, 0.999 }, .eps = 1e-6 };
static const pl_option options[] = { PL_OPTIM_COMMON(config), PL_OPTIM_BETAS(config), PL_OPTIM_EPS(config), { 0 } };

static void prepare(const void *settings, const pl_optim_clock *now, double lr, double weight_decay, pl_update *u) {
  const config *c = settings;
  pl_optim_moments(c->betas, now->step, 1, u);
  u->eps_out = (float)c->eps;
  u->weight_decay_factor = (float)weight_decay;
  u->rate = (float)lr;
}

/* |w| / |r| of the parameter that block i belongs to. */
static double trust(const pl_optimizer *opt, size_t i) {
  const double *of_w = opt->partial + opt->blocks, *of_r = opt->partial + 2 * opt->blocks;
  uint32_t slice = opt->block[i].slice;
  double w = 0, r = 0;
  while (i > 0 && opt->block[i - 1].slice == slice) i--;
  for (; i < opt->blocks && opt->block[i].slice == slice; i++) {
    w += of_w[i];
    r += of_r[i];
  }
  return w > 0 && r > 0 ? sqrt(w) / sqrt(r) : 1;
}

static bool step(pl_optimizer *opt, const pl_team *team, float *values, const float *grads, float scale) {
  size_t from, to;
  pl_team_share(team, opt->blocks, 1, &from, &to);
  for (size_t i = from; i < to; i++) {
    if (opt->group[opt->block[i].group].frozen) continue;
    pl_update u = pl_optimizer_update(opt, &opt->block[i], values, grads, scale);
    pl_kernel.lamb_direction(&u);
    opt->partial[opt->blocks + i] = pl_kernel.sum_squares(u.w, u.count);
    opt->partial[2 * opt->blocks + i] = pl_kernel.sum_squares(u.slot[2], u.count);
  }
  pl_team_barrier(team);
  bool finite = true;
  for (size_t i = from; i < to; i++) {
    if (opt->group[opt->block[i].group].frozen) continue;
    pl_update u = pl_optimizer_update(opt, &opt->block[i], values, grads, scale);
    finite &= pl_kernel.descend(u.w, u.slot[2], (float)((double)u.rate * trust(opt, i)), u.count);
  }
  return finite;
}

const pl_optimizer_class pl_optim_lamb = {
  .head = { "LAMB", sizeof(config), &defaults, options },
  .slot_names = { "m", "v", "" /* the direction r */ }, .prepare = prepare, .step = step
};
