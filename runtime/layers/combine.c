/* Operations of several inputs, without parameters. Add: y = sum of the inputs. Multiply: y = their product, element
   by element.
   Concat: the inputs side by side along the last axis. */
#include <string.h>
#include "kernels/kernels.h"
#include "layers/layer.h"

static pl_status same_shapes(const pl_shape *in, int inputs, pl_shape *out, pl_error *err, const char *does) {
  char s[PL_SHAPE_TEXT], t[PL_SHAPE_TEXT];
  for (int k = 1; k < inputs; k++) {
    if (pl_shape_equal(&in[0], &in[k])) continue;
    return pl_error_set(err, PL_ERROR_SHAPE, "%s values of the same shape, got %s and %s", does,
                        pl_shape_text(s, &in[0], true), pl_shape_text(t, &in[k], true));
  }
  *out = in[0];
  return PL_OK;
}

static pl_status add_shape(const pl_shape *in, int inputs, pl_shape *out, pl_error *err) {
  char s[PL_SHAPE_TEXT], t[PL_SHAPE_TEXT];
  if (inputs == 2 && !pl_shape_equal(&in[0], &in[1]))
    return pl_error_set(err, PL_ERROR_SHAPE,
                        "adds two paths of the same shape, got %s from the branch and %s from the shortcut; "
                        "give the shortcut a projection, such as nn.Conv2d(in, out, 1)",
                        pl_shape_text(s, &in[0], true), pl_shape_text(t, &in[1], true));
  return same_shapes(in, inputs, out, err, "adds");
}

static size_t values_of(const pl_pass *pass) { return pass->batch * (size_t)pl_shape_count(&pass->out); }

/* From the end, as a pass forwards does that follows an ascending one (see layer.h). */
static void add_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  size_t from, to;
  (void)self;
  pl_team_share(pass->team, values_of(pass), 64, &from, &to);
  if (pass->inputs == 1) memcpy(y + from, x + from, (to - from) * sizeof *y);
  for (int k = 1; k < pass->inputs; k++) {
    const float *sum = k == 1 ? x : y;
    for (pl_chunk p = { to, to }; pl_descend(&p, from, PL_VALUES_AT_ONCE);)
      pl_kernel.add(y + p.start, sum + p.start, pass->input[k] + p.start, p.end - p.start);
  }
}

static pl_status multiply_shape(const pl_shape *in, int inputs, pl_shape *out, pl_error *err) {
  return same_shapes(in, inputs, out, err, "multiplies");
}

static void keeps_x(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch, pl_memory *m) {
  (void)self, (void)in, (void)out, (void)batch;
  m->needs_x = true;
}

static void multiply_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  size_t from, to;
  (void)self;
  pl_team_share(pass->team, values_of(pass), 64, &from, &to);
  for (size_t i = from; i < to; i++) {
    float product = x[i];
    for (int k = 1; k < pass->inputs; k++) product *= pass->input[k][i];
    y[i] = product;
  }
}

/* y = x_0 x_1 ...  gives  dx_k = dy * product of the others */
static void multiply_backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy,
                              float *dx) {
  size_t from, to;
  (void)self, (void)x, (void)y, (void)dx;
  pl_team_share(pass->team, values_of(pass), 64, &from, &to);
  for (int k = 0; k < pass->inputs; k++) {
    if (pass->input_grad[k] == NULL) continue;
    for (size_t i = from; i < to; i++) {
      float product = dy[i];
      for (int other = 0; other < pass->inputs; other++) if (other != k) product *= pass->input[other][i];
      pass->input_grad[k][i] = product;
    }
  }
}

static pl_status concat_shape(const pl_shape *in, int inputs, pl_shape *out, pl_error *err) {
  char s[PL_SHAPE_TEXT], t[PL_SHAPE_TEXT];
  *out = in[0];
  for (int k = 1; k < inputs; k++) {
    pl_shape other = in[k];
    if (other.axes > 0 && other.axes == in[0].axes) other.size[other.axes - 1] = in[0].size[in[0].axes - 1];
    if (in[0].axes == 0 || !pl_shape_equal(&other, &in[0]))
      return pl_error_set(err, PL_ERROR_SHAPE,
                          "joins values along the last axis, whose other sizes are equal, got %s and %s",
                          pl_shape_text(s, &in[0], true), pl_shape_text(t, &in[k], true));
    out->size[out->axes - 1] += in[k].size[out->axes - 1];
  }
  return PL_OK;
}

static size_t width_of(const pl_shape *shape) { return (size_t)shape->size[shape->axes - 1]; }

static void concat_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  size_t from, to, width = width_of(&pass->out), at = 0;
  (void)self, (void)x;
  pl_team_share(pass->team, values_of(pass) / width, 8, &from, &to);
  for (int k = 0; k < pass->inputs; k++) {
    size_t part = width_of(&pass->input_shape[k]);
    for (size_t r = from; r < to; r++) memcpy(y + r * width + at, pass->input[k] + r * part, part * sizeof *y);
    at += part;
  }
}

static void concat_backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy,
                            float *dx) {
  size_t from, to, width = width_of(&pass->out), at = 0;
  (void)self, (void)x, (void)y, (void)dx;
  pl_team_share(pass->team, values_of(pass) / width, 8, &from, &to);
  for (int k = 0; k < pass->inputs; k++) {
    size_t part = width_of(&pass->input_shape[k]);
    for (size_t r = from; r < to && pass->input_grad[k] != NULL; r++)
      memcpy(pass->input_grad[k] + r * part, dy + r * width + at, part * sizeof *dy);
    at += part;
  }
}

static const pl_option none[] = { { 0 } };

const pl_layer_class pl_add = { .head = { "Add", 0, NULL, none }, .flags = PL_PER_SAMPLE | PL_PASSES_GRAD,
                                .combine = add_shape, .forward = add_forward };
const pl_layer_class pl_multiply = { .head = { "Multiply", 0, NULL, none }, .flags = PL_PER_SAMPLE,
                                     .combine = multiply_shape, .memory = keeps_x,
                                     .forward = multiply_forward, .backward = multiply_backward };
const pl_layer_class pl_concat = { .head = { "Concat", 0, NULL, none }, .flags = PL_PER_SAMPLE,
                                   .combine = concat_shape, .forward = concat_forward,
                                   .backward = concat_backward };
