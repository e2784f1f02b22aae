/* AvgPool2d: y[n][oy][ox][c] = (sum of x over the window at (oy*sy - top, ox*sx - left), kernel kh x kw) / count.
   x [N, H, W, C]. count is kh*kw, padding included (zeros), or with count_include_pad = false the number of pixels in
   the window. */
#include "layers/pool.h"

typedef struct { pl_pool_config pool; bool count_include_pad; } config;

static const config defaults = { .count_include_pad = true };
static const pl_option options[] = {
  PL_POOL_OPTIONS, { .name = "count_include_pad", .kind = PL_OPTION_BOOL,
                     .offset = offsetof(config, count_include_pad) }, { 0 }
};

static pl_windows windows_of(const config *c, const pl_shape *in) {
  pl_windows w = pl_pool_windows(&c->pool, in);
  w.count_padding = c->count_include_pad;
  return w;
}

static void forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  pl_windows w = windows_of(self->config, &pass->in);
  size_t from, to;
  pl_team_share(pass->team, pass->batch * w.oh, 1, &from, &to);
  for (size_t r = from; r < to; r++)
    pl_kernel.avgpool_forward(y + r * w.ow * w.channels, x + r / w.oh * w.h * w.w * w.channels, &w, r % w.oh);
}

static void backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  pl_windows w = windows_of(self->config, &pass->in);
  size_t from, to;
  (void)x, (void)y;
  if (dx == NULL) return;
  pl_team_share(pass->team, pass->batch * w.h, 1, &from, &to);
  /* y = sum of x / count  gives  dx += dy / count for every pixel of the window */
  for (size_t r = from; r < to; r++)
    pl_kernel.avgpool_backward(dx + r * w.w * w.channels, dy + r / w.h * w.oh * w.ow * w.channels, &w, r % w.h);
}

const pl_layer_class pl_avgpool2d = {
  .head = { "AvgPool2d", sizeof(config), &defaults, options }, .flags = PL_PER_SAMPLE,
  .setup = pl_pool_setup, .shape = pl_pool_shape, .forward = forward, .backward = backward,
  .example = { "[2]", { 3, { 6, 4, 3 } } },
};
