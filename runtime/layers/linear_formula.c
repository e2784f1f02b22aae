/* Linear as a formula writes it: y = x w + b, the bits of the product and of the sum one after the other. */
#include "layers/linear.h"

static linear linear_of(const pl_layer *self, const pl_operation *o) {
  const int64_t *arg = o->args.v;
  pl_param *weight = &self->param[arg[LINEAR_WEIGHT]];
  return (linear){ .weight = weight, .bias = arg[LINEAR_BIAS] < 0 ? NULL : &self->param[arg[LINEAR_BIAS]],
                   .in = (size_t)weight->shape.size[0], .out = (size_t)weight->shape.size[1], .bias_last = true };
}

static void need(const pl_operation *o, size_t batch, pl_memory *m) {
  size_t out = (size_t)o->out.size[o->out.axes - 1], rows = batch * ((size_t)pl_shape_count(&o->out) / out);
  m->needs_x = true;
  m->scratch_param_grads = sizeof(float) * pl_row_sums_scratch(rows, out);
}

void linear_formula_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y, pl_layer *activation) {
  const linear l = linear_of(self, pass->op);
  linear_forward(&l, pass, x, y, activation);
}

static void forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  linear_formula_forward(self, pass, x, y, NULL);
}

static void backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  const linear l = linear_of(self, pass->op);
  (void)x, (void)y;
  if (dx != NULL) linear_backward(&l, pass, dy, dx);
}

static void param_grads(pl_layer *self, const pl_pass *pass, const float *x, const float *dy) {
  const linear l = linear_of(self, pass->op);
  linear_param_grads(&l, pass, x, dy);
}

static bool pack(const pl_layer *self, int param, float *to, const float *from, bool back) {
  return linear_pack(&self->param[param], to, from, back);
}

static double work(const pl_operation *o) {
  return (double)pl_shape_count(&o->in[0]) * (double)o->out.size[o->out.axes - 1];
}

static const pl_option none[] = { { 0 } };

const pl_layer_class pl_op_linear = {
  .head = { "linear", 0, NULL, none }, .flags = PL_PER_SAMPLE, .need = need, .forward = forward, .backward = backward,
  .param_grads = param_grads, .pack = pack, .operation_work = work };
