/* Taking a step. Every block is updated by one member, element by element; the only sums (of squares, for clip_norm and
   LAMB) are made block by block and added in the order of the blocks, so the number of threads changes no bit. */
#include <math.h>
#include <string.h>
#include "optim/optim.h"
#include "perilune/math.h"

void pl_optimizer_epoch(pl_optimizer *opt) { opt->epochs += 1; }

void pl_optimizer_advance(pl_optimizer *opt) {
  const pl_optim_common *c = opt->config;
  double decayed = opt->lr / (1 + c->decay * opt->steps);   /* the first step has the full rate */
  opt->steps += 1;
  if (opt->cls->remember) opt->memory = opt->cls->remember(opt->config, opt->memory, opt->steps);
  pl_optim_clock now = { opt->steps, opt->epochs > 0 ? opt->epochs : 1, opt->memory };
  for (size_t i = 0; i < opt->groups; i++) {
    pl_optim_group *g = &opt->group[i];
    float limit = c->clip_value > 0 ? (float)c->clip_value : INFINITY;
    g->lr = decayed * g->lr_scale;
    g->update = (pl_update){ .scale = 1, .limit = limit, .weight_decay_factor = 1 };
    opt->cls->prepare(opt->config, &now, g->lr, g->weight_decay, &g->update);
  }
}

void pl_optim_moments(const double betas[2], double t, double lr, pl_update *u) {
  u->beta1 = (float)betas[0];
  u->one_minus_beta1 = (float)(1 - betas[0]);
  u->beta2 = (float)betas[1];
  u->one_minus_beta2 = (float)(1 - betas[1]);
  u->rate_m = (float)(lr / (1 - pl_pow(betas[0], t)));
  u->root = (float)(1 / (1 - pl_pow(betas[1], t)));
}

pl_update pl_optimizer_update(const pl_optimizer *opt, const pl_optim_block *b, float *values, const float *grads,
                              float scale) {
  pl_update u = opt->group[b->group].update;
  u.w = values + b->offset;
  u.g = grads + b->offset;
  u.rows = 1;
  u.count = b->count;
  u.scale = scale;
  for (int i = 0; i < PL_MOST_SLOTS; i++)
    u.slot[i] = opt->slot[i] ? (float *)pl_tensor_data(opt->slot[i]) + b->offset : NULL;
  return u;
}

/* min(1, clip_norm / (|g| + 1e-6)), |g| over all parameters: Pascanu et al., On the difficulty of training recurrent
   neural networks (2013); the 1e-6 is PyTorch's. */
float pl_optim_clip_scale(pl_optimizer *opt, const pl_team *team, const float *grads, size_t from, size_t to) {
  const pl_optim_common *c = opt->config;
  if (c->clip_norm == 0) return 1;
  for (size_t i = from; i < to; i++) {
    const pl_optim_block *b = &opt->block[i];
    opt->partial[i] = opt->group[b->group].frozen ? 0 : pl_kernel.sum_squares(grads + b->offset, b->count);
  }
  pl_team_barrier(team);
  double sum = 0;
  for (size_t i = 0; i < opt->blocks; i++) sum += opt->partial[i];
  double scale = c->clip_norm / (sqrt(sum) + 1e-6);
  return scale > 1 ? 1 : (float)scale;
}

bool pl_optimizer_step(pl_optimizer *opt, const pl_team *team, float *values, const float *grads) {
  size_t from, to;
  bool finite = true;
  pl_team_share(team, opt->blocks, 1, &from, &to);
  float scale = pl_optim_clip_scale(opt, team, grads, from, to);
  if (opt->cls->step) return opt->cls->step(opt, team, values, grads, scale);
  for (size_t i = from; i < to; i++) {
    if (opt->group[opt->block[i].group].frozen) continue;
    pl_update u = pl_optimizer_update(opt, &opt->block[i], values, grads, scale);
    finite &= opt->cls->update(&u);
  }
  return finite;
}

bool pl_optimizer_is_frozen(const pl_optimizer *opt, size_t slice) {
  return slice < opt->slices && opt->group[opt->group_of[slice]].frozen;
}

bool pl_optimizer_cuts_infinite(const pl_optimizer *opt) {
  const pl_optim_common *c = opt->config;
  return c->clip_value > 0 && c->clip_norm == 0;
}

bool pl_optimizer_is_local(const pl_optimizer *opt) {
  return opt->host == NULL && opt->cls->step == NULL && ((const pl_optim_common *)opt->config)->clip_norm == 0;
}

static bool step_rows(const pl_optimizer *opt, float *values, const pl_grad_tile *p) {
  const pl_optim_group *group = &opt->group[opt->group_of[p->slice]];
  if (group->frozen) return true;
  pl_update u = group->update;
  size_t at = opt->slice[p->slice].offset + p->offset;
  bool slots = false;
  u.w = values + at;
  u.g = p->grad;
  u.x = p->x;
  u.dy = p->dy;
  u.rows = p->rows;
  u.count = p->cols;
  u.stride = p->stride;
  u.g_stride = p->grad_stride;
  for (int i = 0; i < PL_MOST_SLOTS; i++) {
    u.slot[i] = opt->slot[i] ? (float *)pl_tensor_data(opt->slot[i]) + at : NULL;
    slots = slots || opt->slot[i];
  }
  u.unchanged = !slots && u.l2 == 0 && u.weight_decay_factor == 1;
  return opt->cls->update(&u);
}

/* With the last value of a slice goes the padding after it, whose gradient is zero. */
bool pl_optimizer_step_tile(pl_optimizer *opt, float *values, const pl_grad_tile *tile) {
  static const float zeros[16];
  size_t count = opt->slice[tile->slice].count, padding = (16 - count % 16) % 16;
  bool finite = step_rows(opt, values, tile);
  if (padding == 0 || tile->rows == 0 || tile->offset + (tile->rows - 1) * tile->stride + tile->cols != count)
    return finite;
  return step_rows(opt, values, &(pl_grad_tile){ .slice = tile->slice, .offset = count, .rows = 1, .cols = padding,
                                                 .grad = zeros }) && finite;
}
