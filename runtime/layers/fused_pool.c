/* MaxPool2d with windows side by side, which no two rows share: the activation before it, and the rows of outputs
   before that, are computed window by window in the cache. Only what is largest is kept; what the activation sends
   back is worked out for it alone. */
#include <string.h>
#include "layers/conv2d.h"
#include "layers/fused.h"
#include "layers/pool.h"

bool pl_fused_pool_fits(const pl_layer *pool, const pl_shape *in) {
  pl_windows w = pl_pool_windows(pool->config, in);
  return w.sy == w.kh && w.sx == w.kw && w.top + w.left == 0 && w.oh * w.kh <= w.h && w.ow * w.kw <= w.w;
}

void pl_fused_pool_memory(const pl_layer *pool, const pl_shape *in, pl_memory *m) {
  pl_windows w = pl_pool_windows(pool->config, in);
  m->needs_y = true;
  m->scratch_forward = sizeof(float) * (size_t)m->members * pl_member_floats(w.kh * w.w * w.channels);
  m->scratch_backward = sizeof(float) * (size_t)m->members * pl_member_floats(w.oh * w.ow * w.channels);
}

/* `made`: how the activation's input is made; NULL: it is in memory, at x. */
static void forward(const pl_fused *f, const conv2d_rows *made) {
  const pl_pass *pass = &f->pass[f->ops - 1];
  pl_layer *activation = f->layer[f->ops - 2];
  pl_windows w = pl_pool_windows(f->layer[f->ops - 1]->config, &pass->in), band = w;
  size_t from, to, row = w.ow * w.channels, width = w.w * w.channels;
  float *tap = pass->saved, *image = (float *)pass->scratch + (size_t)pass->team->rank * pl_member_floats(w.kh * width);
  pl_work work = pl_work_begin(pass->team, pass->batch * w.oh, w.oh, 1, PL_FROM_START);
  band.h = w.kh;
  band.oh = 1;
  while (pl_work_take(&work, &from, &to)) for (size_t r = from; r < to; r++) {
    size_t n = r / w.oh, oy = r % w.oh;
    if (made != NULL) conv2d_make_rows(made, n, oy * w.kh, w.kh, image);
    pl_elementwise(activation, image, made ? image : f->x + (n * w.h + oy * w.kh) * width, w.kh * width);
    pl_kernel.maxpool_forward(f->y + r * row, tap + r * row, image, &band, 0);
  }
}

void pl_fused_activation_pool(const pl_fused *f) { forward(f, NULL); }

void pl_fused_conv2d_activation_pool(const pl_fused *f) {
  conv2d_rows made = conv2d_rows_begin(f->layer[0], &f->pass[0], f->x);
  forward(f, &made);
}

void pl_fused_activation_pool_backward(const pl_fused *f) {
  const pl_pass *pass = &f->pass[f->ops - 1];
  pl_windows w = pl_pool_windows(f->layer[f->ops - 1]->config, &pass->in), band = w;
  size_t from, to, row = w.ow * w.channels, width = w.w * w.channels;
  const float *tap = pass->saved;
  float *back = (float *)pass->scratch + (size_t)pass->team->rank * pl_member_floats(w.oh * row);
  band.h = w.kh;
  band.oh = 1;
  if (f->dx == NULL) return;
  pl_team_share(pass->team, pass->batch * w.oh, 1, &from, &to);
  /* as many rows as an image has: what is just written is not yet to be read */
  for (size_t r = from, end; r < to; r = end) {
    end = r + w.oh < to ? r + w.oh : to;
    pl_elementwise_backward(f->layer[f->ops - 2], back, f->y + r * row, f->dy + r * row, (end - r) * row);
    for (size_t k = r; k < end; k++) {
      size_t n = k / w.oh, oy = k % w.oh, below = oy + 1 < w.oh ? 0 : w.h - w.oh * w.kh;
      float *out = f->dx + (n * w.h + oy * w.kh) * width;
      for (size_t ky = 0; ky < w.kh; ky++)
        pl_kernel.maxpool_backward(out + ky * width, back + (k - r) * row, tap + k * row, &band, ky);
      memset(out + w.kh * width, 0, below * width * sizeof *out);
    }
  }
}
