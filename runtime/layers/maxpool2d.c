/* MaxPool2d: y[n][oy][ox][c] = the largest x in the window at (oy*sy - top, ox*sx - left), kernel kh x kw.
   x [N, H, W, C]. Padding never wins, the first of equal values does, NaN is passed on. What won is kept as the
   number of its tap, ky*kw + kx. */
#include "layers/pool.h"

static const pl_pool_config defaults;
static const pl_option options[] = { PL_POOL_OPTIONS, { 0 } };

static void memory(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch, pl_memory *m) {
  (void)self, (void)in;
  m->saved = sizeof(float) * batch * (size_t)pl_shape_count(out);
}

static void forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  pl_windows w = pl_pool_windows(self->config, &pass->in);
  size_t from, to, row = w.ow * w.channels;
  float *tap = pass->saved;
  pl_team_share(pass->team, pass->batch * w.oh, 1, &from, &to);
  for (size_t r = to; r-- > from;)
    pl_kernel.maxpool_forward(y + r * row, tap + r * row, x + r / w.oh * w.h * w.w * w.channels, &w, r % w.oh);
}

static void backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  pl_windows w = pl_pool_windows(self->config, &pass->in);
  size_t from, to, row = w.w * w.channels, out = w.oh * w.ow * w.channels;
  const float *tap = pass->saved;
  (void)x, (void)y;
  if (dx == NULL) return;
  pl_team_share(pass->team, pass->batch * w.h, 1, &from, &to);
  /* y = x[tap]  gives  dx[tap] += dy */
  for (size_t r = to; r-- > from;)
    pl_kernel.maxpool_backward(dx + r * row, dy + r / w.h * out, tap + r / w.h * out, &w, r % w.h);
}

const pl_layer_class pl_maxpool2d = {
  .head = { "MaxPool2d", sizeof(pl_pool_config), &defaults, options }, .flags = PL_PER_SAMPLE,
  .setup = pl_pool_setup, .shape = pl_pool_shape, .memory = memory, .forward = forward, .backward = backward,
  .example = { "[2]", { 3, { 6, 4, 3 } } },
};
