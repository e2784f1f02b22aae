/* Softmax: y_j = e^(x_j) / sum over k of e^(x_k), along the last axis; LogSoftmax: its logarithm. (Losses on logits
   contain it already: nn.CrossEntropy takes the output of the last Linear.) And the same as operations of formulas. */
#include "kernels/kernels.h"
#include "layers/layer.h"

static pl_status shape(pl_layer *self, const pl_shape *in, pl_shape *out, pl_error *err) {
  (void)self;
  if (in->axes < 1) return pl_error_set(err, PL_ERROR_SHAPE,
                                        "acts along the last axis of a sample, got samples that are single values");
  *out = *in;
  return PL_OK;
}

static void memory(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch, pl_memory *m) {
  (void)self, (void)in, (void)out, (void)batch;
  m->needs_y = true;
}

/* This member's rows, as elements [*at, *at + rows * cols). */
static size_t rows_of(const pl_pass *pass, size_t *cols, size_t *at) {
  size_t from, to, count = (size_t)pl_shape_count(&pass->out);
  *cols = (size_t)pass->out.size[pass->out.axes - 1];
  pl_team_share(pass->team, count == 0 ? 0 : pass->batch * count / *cols, 8, &from, &to);
  *at = from * *cols;
  return to - from;
}

static void softmax_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  size_t cols, at, rows = rows_of(pass, &cols, &at);
  (void)self;
  pl_kernel.softmax_forward(y + at, x + at, rows, cols);
}

static void softmax_backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy,
                             float *dx) {
  size_t cols, at, rows = rows_of(pass, &cols, &at);
  (void)self, (void)x;
  if (dx != NULL) pl_kernel.softmax_backward(dx + at, y + at, dy + at, rows, cols);
}

static void log_softmax_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  size_t cols, at, rows = rows_of(pass, &cols, &at);
  (void)self;
  pl_kernel.log_softmax_forward(y + at, x + at, rows, cols);
}

static void log_softmax_backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy,
                                 float *dx) {
  size_t cols, at, rows = rows_of(pass, &cols, &at);
  (void)self, (void)x;
  if (dx != NULL) pl_kernel.log_softmax_backward(dx + at, y + at, dy + at, rows, cols);
}

static const pl_option options[] = { { 0 } };

const pl_layer_class pl_softmax = { .head = { "Softmax", 0, NULL, options }, .flags = PL_PER_SAMPLE, .shape = shape,
                                    .memory = memory, .forward = softmax_forward, .backward = softmax_backward,
                                    .example = { "[]", { 1, { 7 } } } };
const pl_layer_class pl_log_softmax = { .head = { "LogSoftmax", 0, NULL, options }, .flags = PL_PER_SAMPLE,
                                        .shape = shape, .memory = memory, .forward = log_softmax_forward,
                                        .backward = log_softmax_backward,
                                        .example = { "[]", { 1, { 7 } } } };

/* ---- in formulas ---- */

static pl_status infer(pl_operation *o, pl_error *err) {
  o->out = o->in[0];
  o->out_fixed = o->fixed[0];
  if (o->inputs != 1 || o->in[0].axes < 1) return pl_operation_refuse(o, err, "acts along the last axis of a sample");
  return PL_OK;
}

static void need(const pl_operation *o, size_t batch, pl_memory *m) {
  (void)o, (void)batch;
  m->needs_y = true;
}

const pl_layer_class pl_op_softmax = {
  .head = { "softmax", 0, NULL, options }, .flags = PL_PER_SAMPLE, .infer = infer, .need = need,
  .forward = softmax_forward, .backward = softmax_backward };
const pl_layer_class pl_op_log_softmax = {
  .head = { "log_softmax", 0, NULL, options }, .flags = PL_PER_SAMPLE, .infer = infer, .need = need,
  .forward = log_softmax_forward, .backward = log_softmax_backward };
