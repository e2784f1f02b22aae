/* ReLU: y = max(x, 0); NaN is passed on. */
#include "kernels/kernels.h"
#include "layers/layer.h"

static pl_status shape(pl_layer *self, const pl_shape *in, pl_shape *out, pl_error *err) {
  (void)self, (void)err;
  *out = *in;
  return PL_OK;
}

static void memory(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch, pl_memory *m) {
  (void)self, (void)in, (void)out, (void)batch;
  m->needs_y = true;
}

static void forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  size_t from, to;
  (void)self;
  pl_team_share(pass->team, pass->batch * (size_t)pl_shape_count(&pass->in), 64, &from, &to);
  pl_kernel.relu_forward(y + from, x + from, to - from);
}

static void backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  size_t from, to;
  (void)self, (void)x;
  if (dx == NULL) return;
  pl_team_share(pass->team, pass->batch * (size_t)pl_shape_count(&pass->in), 64, &from, &to);
  /* y = max(x, 0) */
  for (pl_chunk p = { to, to }; pl_descend(&p, from, PL_VALUES_AT_ONCE);)
    pl_kernel.relu_backward(dx + p.start, y + p.start, dy + p.start, p.end - p.start);
}

static const pl_option options[] = { { 0 } };

const pl_layer_class pl_relu = {
  .head = { "ReLU", 0, NULL, options }, .flags = PL_PER_SAMPLE | PL_ELEMENTWISE, .shape = shape, .memory = memory,
  .forward = forward,
  .backward = backward,
  .example = { "[]", { 1, { 70 } } },
};
