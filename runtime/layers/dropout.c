/* Dropout: y = x / (1 - p) with probability 1 - p, else 0; the identity in inference.
   Srivastava et al., JMLR 15, 2014 ("inverted": scaled in training). The mask is a function of the seed, the layer,
   the step and the element's number; one bit of it an element is kept for the backward pass. A layer max(x, 0) before it, and the
   rows of outputs before that, are made in the same loop; then the bit tells what passed both. */
#include <string.h>
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

enum { GROUP = 64 };   /* elements whose fate is kept in one word */

static void memory(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch, pl_memory *m) {
  (void)self, (void)out;
  m->saved = (batch * (size_t)pl_shape_count(in) + GROUP - 1) / GROUP * sizeof(uint64_t);
}

static bool fuses(const pl_layer *self, const pl_layer *activation, const pl_shape *in) {
  (void)self, (void)in;
  return activation->cls->clamp;
}

/* Elements from `first`, a multiple of GROUP, on. */
static void drop(const pl_layer *self, const pl_pass *pass, const float *x, float *y, size_t first, size_t n) {
  double p = ((const config *)self->config)->p;
  pl_rng rng = pl_pass_rng(self, pass);
  pl_kernel.dropout(y, x, n, rng.seed, rng.stream, first, (uint32_t)(p * 0x1p32), (float)(1 / (1 - p)), (uint64_t *)pass->saved + first / GROUP,
                    pass->before != NULL);   /* see `fuses` */
}

/* Rows are made where their outputs will be, as many at a time as fill whole groups of elements. */
static void forward_rows(const pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  const pl_before *before = pass->before;
  size_t from, to, together = 1;
  pl_rows made;
  before->maker->cls->rows(before->maker, &before->pass->in, before->pass, x, &made);
  size_t row = made.first.rows * made.first.cols, height = (size_t)pl_shape_count(&pass->in) / row;
  while (together * row % (2 * GROUP)) together *= 2;   /* the kernel makes random words for two groups at a time */
  pl_work work = pl_work_begin(pass->team, pass->batch * height, together, (height + together - 1) / together, PL_FROM_START);
  while (pl_work_take(&work, &from, &to)) for (size_t r = from, end; r < to; r = end) {
    end = r + together < to ? r + together : to;
    for (size_t k = r; k < end; k++) pl_make_rows(&made, k / height, k % height, 1, y + k * row);
    drop(self, pass, y + r * row, y + r * row, r * row, (end - r) * row);
  }
}

static void forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  size_t from, to;
  if (pass->before != NULL && pass->before->maker != NULL) {
    forward_rows(self, pass, x, y);
    return;
  }
  pl_team_share(pass->team, pass->batch * (size_t)pl_shape_count(&pass->in), GROUP, &from, &to);
  if (!pass->training && !pass->noise) memcpy(y + from, x + from, (to - from) * sizeof *y);
  else drop(self, pass, x + from, y + from, from, to - from);
}

static void backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  double p = ((const config *)self->config)->p;
  const uint64_t *kept = pass->saved;
  size_t from, to;
  (void)x, (void)y;
  if (dx == NULL) return;
  pl_team_share(pass->team, pass->batch * (size_t)pl_shape_count(&pass->in), GROUP, &from, &to);
  /* y = mask(x) * x / (1 - p)  gives  dx = mask(x) * dy / (1 - p) */
  pl_kernel.dropout_backward(dx + from, dy + from, kept + from / GROUP, to - from, (float)(1 / (1 - p)));
}

const pl_layer_class pl_dropout = {
  .head = { "Dropout", sizeof(config), &defaults, options },
  .alias_in_inference = true, .shape = shape, .memory = memory, .forward = forward, .backward = backward, .fuses = fuses,
};
