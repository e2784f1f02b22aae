/* Dropout: y = x / (1 - p) with probability 1 - p, else 0; the identity in inference.
   Srivastava et al., JMLR 15, 2014 ("inverted": scaled in training). The mask is a function of the seed, the layer,
   the step and the element's number; one bit of it an element is kept for the backward pass. */
#include <string.h>
#include "kernels/kernels.h"
#include "layers/dropout.h"

typedef struct { double p; } config;

static const config defaults = { .p = 0.5 };
static const pl_option options[] = {
  { .name = "p", .kind = PL_OPTION_NUMBER, .offset = offsetof(config, p), .position = 1, .low = 0, .high = 0.999999 },
    { 0 }
};

static pl_status shape(pl_layer *self, const pl_shape *in, pl_shape *out, pl_error *err) {
  (void)self, (void)err;
  *out = *in;
  return PL_OK;
}

static void memory(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch, pl_memory *m) {
  (void)self, (void)out;
  m->saved = (batch * (size_t)pl_shape_count(in) + DROPOUT_GROUP - 1) / DROPOUT_GROUP * sizeof(uint64_t);
}

void dropout_range(const pl_layer *self, const pl_pass *pass, const float *x, float *y, size_t first, size_t n,
                   bool relu) {
  double p = ((const config *)self->config)->p;
  pl_rng rng = pl_pass_rng(pass);
  pl_kernel.dropout(y, x, n, rng.seed, rng.stream, first, (uint32_t)(p * 0x1p32), (float)(1 / (1 - p)),
                    (uint64_t *)pass->saved + first / DROPOUT_GROUP, relu);
}

static void forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  size_t from, to;
  pl_team_share(pass->team, pass->batch * (size_t)pl_shape_count(&pass->in), DROPOUT_GROUP, &from, &to);
  if (!pass->training && !pass->dropout) memcpy(y + from, x + from, (to - from) * sizeof *y);
  else dropout_range(self, pass, x + from, y + from, from, to - from, false);
}

static void backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  double p = ((const config *)self->config)->p;
  const uint64_t *kept = pass->saved;
  size_t from, to;
  (void)x, (void)y;
  if (dx == NULL) return;
  pl_team_share(pass->team, pass->batch * (size_t)pl_shape_count(&pass->in), DROPOUT_GROUP, &from, &to);
  /* y = mask(x) * x / (1 - p)  gives  dx = mask(x) * dy / (1 - p) */
  pl_kernel.dropout_backward(dx + from, dy + from, kept + from / DROPOUT_GROUP, to - from, (float)(1 / (1 - p)));
}

const pl_layer_class pl_dropout = {
  .head = { "Dropout", sizeof(config), &defaults, options },
  .flags = PL_IDENTITY_IN_INFERENCE | PL_PER_SAMPLE, .shape = shape, .memory = memory, .forward = forward,
  .backward = backward,
  .example = { "[0.3]", { 1, { 70 } } },
};
