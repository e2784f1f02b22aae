/* Operations of formulas with class labels, which count from 0 and are whole numbers.
   pick(x, label): the element of the last axis that the label names: x [.., K], label [..] gives [..].
   one_hot(label): argument K: a row of K with 1 at the label: label [..] gives [.., K].
   A label that names nothing gives NaN. */
#include <math.h>
#include <string.h>
#include "layers/layer.h"

static const pl_option none[] = { { 0 } };

static pl_status pick_infer(pl_operation *o, pl_error *err) {
  o->out = o->in[0];
  o->out_fixed = o->fixed[0];
  if (o->inputs != 2 || o->in[0].axes < 1) return pl_operation_refuse(o, err, "takes values and labels");
  o->out.axes--;
  if (!pl_shape_equal(&o->out, &o->in[1]) || o->fixed[0] != o->fixed[1])
    return pl_operation_refuse(o, err, "there is one label for each row along the last axis");
  return PL_OK;
}

static size_t width_of(const pl_shape *shape) { return (size_t)shape->size[shape->axes - 1]; }

/* The index that a label names, or `width` if there is none. */
static size_t index_of(float label, size_t width) {
  return label >= 0 && label < (float)width && label == floorf(label) ? (size_t)label : width;
}

static void pick_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  size_t from, to, width = width_of(&pass->op->in[0]);
  (void)self;
  pl_team_share(pass->team, pass->batch * (size_t)pl_shape_count(&pass->out), 16, &from, &to);
  for (size_t r = from; r < to; r++) {
    size_t i = index_of(pass->input[1][r], width);
    y[r] = i < width ? x[r * width + i] : NAN;
  }
}

static void keeps_inputs(const pl_operation *o, size_t batch, pl_memory *m) {
  (void)o, (void)batch;
  m->needs_x = true;
}

static void pick_backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy,
                          float *dx) {
  size_t from, to, width = width_of(&pass->op->in[0]);
  (void)self, (void)x, (void)y, (void)dx;
  pl_team_share(pass->team, pass->batch * (size_t)pl_shape_count(&pass->out), 16, &from, &to);
  for (size_t r = from; r < to; r++) {
    size_t i = index_of(pass->input[1][r], width);
    if (pass->input_grad[1] != NULL) pass->input_grad[1][r] = 0;
    if (pass->input_grad[0] == NULL) continue;
    memset(pass->input_grad[0] + r * width, 0, width * sizeof(float));
    if (i < width) pass->input_grad[0][r * width + i] = dy[r];
  }
}

const pl_layer_class pl_op_pick = {
  .head = { "pick", 0, NULL, none }, .flags = PL_PER_SAMPLE, .infer = pick_infer, .need = keeps_inputs,
  .forward = pick_forward, .backward = pick_backward };

static pl_status one_hot_infer(pl_operation *o, pl_error *err) {
  o->out = o->in[0];
  o->out_fixed = o->fixed[0];
  if (o->inputs != 1 || o->args.n != 1 || o->args.v[0] < 1 || o->out.axes == PL_MAX_AXES)
    return pl_operation_refuse(o, err, "takes labels and a number of classes");
  o->out.size[o->out.axes++] = o->args.v[0];
  return PL_OK;
}

static void one_hot_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  size_t from, to, width = width_of(&pass->out);
  (void)self;
  pl_team_share(pass->team, pass->batch * (size_t)pl_shape_count(&pass->op->in[0]), 16, &from, &to);
  for (size_t r = from; r < to; r++) {
    size_t index = index_of(x[r], width);
    for (size_t i = 0; i < width; i++) y[r * width + i] = index == width ? NAN : i == index ? 1 : 0;
  }
}

const pl_layer_class pl_op_one_hot = {
  .head = { "one_hot", 0, NULL, none }, .flags = PL_PER_SAMPLE | PL_NO_GRAD, .infer = one_hot_infer,
  .forward = one_hot_forward };
