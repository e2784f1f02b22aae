/* Dropout: y = x / (1 - p) with probability 1 - p, else 0; the identity in inference.
   Srivastava et al., JMLR 15, 2014 ("inverted": scaled in training). The mask is a function of the seed, the layer,
   the step and the element's number, and is computed again in the backward pass instead of being kept. */
#include "kernels/kernels.h"
#include "layers/layer.h"

typedef struct { double p; } config;

static const config defaults = { .p = 0.5 };
static const pl_option options[] = {
  { .name = "p", .kind = PL_OPTION_NUMBER, .offset = offsetof(config, p), .place = 1, .low = 0, .high = 0.999999 }, { 0 }
};

static pl_status shape(pl_layer *self, const pl_shape *in, pl_shape *out, pl_error *err) {
  (void)self, (void)err;
  *out = *in;
  return PL_OK;
}

static void mask(const pl_layer *self, const pl_pass *pass, const float *in, float *out) {
  double p = ((const config *)self->config)->p;
  pl_rng rng = pl_pass_rng(self, pass);
  size_t from, to;
  pl_team_share(pass->team, pass->batch * (size_t)pl_shape_count(&pass->in), 64, &from, &to);
  if (!pass->training && !pass->noise) {
    for (size_t i = from; i < to; i++) out[i] = in[i];
  } else {
    pl_kernel.dropout(out + from, in + from, to - from, rng.seed, rng.stream, from, (uint32_t)(p * 0x1p32), (float)(1 / (1 - p)));
  }
}

static void forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) { mask(self, pass, x, y); }

static void backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  (void)x, (void)y;
  /* y = mask(x) * x / (1 - p)  gives  dx = mask(x) * dy / (1 - p) */
  if (dx != NULL) mask(self, pass, dy, dx);
}

const pl_layer_class pl_dropout = {
  .head = { "Dropout", sizeof(config), &defaults, options },
  .alias_in_inference = true, .shape = shape, .forward = forward, .backward = backward,
};
