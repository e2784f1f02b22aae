/* MaxPool2d: y[n][oy][ox][c] = the largest x in the window at (oy*sy - top, ox*sx - left), kernel kh x kw.
   x [N, H, W, C]. Padding never wins, the first of equal values does, NaN is passed on. What won is kept as the
   number of its tap, ky*kw + kx. */
#include <string.h>
#include "layers/pool.h"

static const pl_pool_config defaults;
static const pl_option options[] = { PL_POOL_OPTIONS, { 0 } };

/* Windows side by side, which no two rows share: the activation before them, and the rows of outputs before that, are computed
   window by window in the cache. Only what is largest is kept; what the activation sends back is worked out for it alone. */
static bool fuses(const pl_layer *self, const pl_layer *activation, const pl_shape *in) {
  pl_windows w = pl_pool_windows(self->config, in);
  (void)activation;
  return w.sy == w.kh && w.sx == w.kw && w.top + w.left == 0 && w.oh * w.kh <= w.h && w.ow * w.kw <= w.w;
}

static void memory(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch, pl_memory *m) {
  pl_windows w = pl_pool_windows(self->config, in);
  m->saved = sizeof(float) * batch * (size_t)pl_shape_count(out);
  if (!m->fused) return;
  m->needs_y = true;
  m->scratch_forward = sizeof(float) * (size_t)m->members * pl_member_floats(w.kh * w.w * w.channels);
  m->scratch_backward = sizeof(float) * (size_t)m->members * pl_member_floats(w.oh * w.ow * w.channels);
}

static void forward_fused(const pl_before *before, const pl_pass *pass, const pl_windows *w, const float *x, float *y) {
  size_t from, to, row = w->ow * w->channels, width = w->w * w->channels;
  pl_work work = pl_work_begin(pass->team, pass->batch * w->oh, w->oh, 1, PL_FROM_START);
  float *tap = pass->saved, *image = (float *)pass->scratch + (size_t)pass->team->rank * pl_member_floats(w->kh * width);
  pl_windows band = *w;
  pl_rows made;
  band.h = w->kh;
  band.oh = 1;
  if (before->maker != NULL) before->maker->cls->rows(before->maker, &before->pass->in, before->pass, x, &made);
  while (pl_work_take(&work, &from, &to)) for (size_t r = from; r < to; r++) {
    size_t n = r / w->oh, oy = r % w->oh;
    const float *in = image;
    if (before->maker != NULL) pl_make_rows(&made, n, oy * w->kh, w->kh, image);
    else in = x + (n * w->h + oy * w->kh) * width;
    before->activation->cls->apply(before->activation, image, in, w->kh * width);
    pl_kernel.maxpool_forward(y + r * row, tap + r * row, image, &band, 0);
  }
}

static void backward_fused(const pl_before *before, const pl_pass *pass, const pl_windows *w, const float *y, const float *dy, float *dx) {
  size_t from, to, row = w->ow * w->channels, width = w->w * w->channels;
  const float *tap = pass->saved;
  float *back = (float *)pass->scratch + (size_t)pass->team->rank * pl_member_floats(w->oh * row);
  pl_windows band = *w;
  band.h = w->kh;
  band.oh = 1;
  pl_team_share(pass->team, pass->batch * w->oh, 1, &from, &to);
  for (size_t r = from, end; r < to; r = end) {   /* as many rows as an image has: what is just written is not yet to be read */
    end = r + w->oh < to ? r + w->oh : to;
    before->activation->cls->apply_back(before->activation, back, y + r * row, dy + r * row, (end - r) * row);
    for (size_t k = r; k < end; k++) {
      size_t n = k / w->oh, oy = k % w->oh, below = oy + 1 < w->oh ? 0 : w->h - w->oh * w->kh;
      float *out = dx + (n * w->h + oy * w->kh) * width;
      for (size_t ky = 0; ky < w->kh; ky++) pl_kernel.maxpool_backward(out + ky * width, back + (k - r) * row, tap + k * row, &band, ky);
      memset(out + w->kh * width, 0, below * width * sizeof *out);
    }
  }
}

static void forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  pl_windows w = pl_pool_windows(self->config, &pass->in);
  size_t from, to, row = w.ow * w.channels;
  float *tap = pass->saved;
  if (pass->before != NULL) {
    forward_fused(pass->before, pass, &w, x, y);
    return;
  }
  pl_team_share(pass->team, pass->batch * w.oh, 1, &from, &to);
  for (size_t r = to; r-- > from;)
    pl_kernel.maxpool_forward(y + r * row, tap + r * row, x + r / w.oh * w.h * w.w * w.channels, &w, r % w.oh);
}

static void backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  pl_windows w = pl_pool_windows(self->config, &pass->in);
  size_t from, to, row = w.w * w.channels, out = w.oh * w.ow * w.channels;
  const float *tap = pass->saved;
  (void)x;
  if (dx == NULL) return;
  if (pass->before != NULL) {
    backward_fused(pass->before, pass, &w, y, dy, dx);
    return;
  }
  pl_team_share(pass->team, pass->batch * w.h, 1, &from, &to);
  /* y = x[tap]  gives  dx[tap] += dy */
  for (size_t r = to; r-- > from;) pl_kernel.maxpool_backward(dx + r * row, dy + r / w.h * out, tap + r / w.h * out, &w, r % w.h);
}

const pl_layer_class pl_maxpool2d = {
  .head = { "MaxPool2d", sizeof(pl_pool_config), &defaults, options },
  .setup = pl_pool_setup, .shape = pl_pool_shape, .memory = memory, .forward = forward, .backward = backward, .fuses = fuses,
};
