/* Operations of formulas that move elements and compute nothing. Axes are those of a sample (of the whole where fixed),
   from 0.
   reshape: the same elements in order; arguments: the sizes.
   permute: axis i was axes[i]; arguments: the axes.
   slice: [from, to) of an axis; arguments: axis, from, to.
   cat: side by side along an axis; argument: the axis. */
#include <string.h>
#include "kernels/kernels.h"
#include "layers/layer.h"

static const pl_option none[] = { { 0 } };

static void share_values(const pl_pass *pass, const pl_shape *shape, size_t *from, size_t *to) {
  pl_team_share(pass->team, pass->batch * (size_t)pl_shape_count(shape), 64, from, to);
}

/* ---- reshape ---- */

static pl_status reshape_infer(pl_operation *o, pl_error *err) {
  char text[PL_SHAPE_TEXT];
  o->out_fixed = o->fixed[0];
  o->out = (pl_shape){ .axes = o->args.n };
  if (o->inputs != 1 || o->args.n > PL_MAX_AXES) return pl_operation_refuse(o, err, "takes one input, and sizes");
  for (int a = 0; a < o->args.n; a++) o->out.size[a] = o->args.v[a];
  if (pl_shape_count(&o->out) != pl_shape_count(&o->in[0]))
    return pl_operation_refuse(o, err, "cannot become %s, which has another number of elements",
                               pl_operation_shape(text, &o->out, o->out_fixed));
  return PL_OK;
}

static void copy_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  size_t from, to;
  (void)self;
  share_values(pass, &pass->out, &from, &to);
  if (from < to) memcpy(y + from, x + from, (to - from) * sizeof *y);
}

static void copy_backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy,
                          float *dx) {
  (void)x, (void)y;
  if (dx != NULL) copy_forward(self, pass, dy, dx);
}

const pl_layer_class pl_op_reshape = {
  .head = { "reshape", 0, NULL, none }, .flags = PL_PER_SAMPLE | PL_ALIAS, .infer = reshape_infer,
  .forward = copy_forward, .backward = copy_backward };

/* ---- permute ---- */

static pl_status permute_infer(pl_operation *o, pl_error *err) {
  bool seen[PL_MAX_AXES] = { false };
  o->out_fixed = o->fixed[0];
  o->out = (pl_shape){ .axes = o->in[0].axes };
  if (o->inputs != 1 || o->args.n != o->in[0].axes)
    return pl_operation_refuse(o, err, "takes one input, and each of its %d axes once", o->in[0].axes);
  for (int a = 0; a < o->args.n; a++) {
    int64_t axis = o->args.v[a];
    if (axis < 0 || axis >= o->args.n || seen[axis]) return pl_operation_refuse(o, err, "each axis is named once");
    seen[axis] = true;
    o->out.size[a] = o->in[0].size[axis];
  }
  return PL_OK;
}

/* Copies between the permuted (dense) and the original order; `back`: to the original. */
static void permute(const pl_pass *pass, const float *in, float *out, bool back) {
  const pl_operation *o = pass->op;
  size_t stride[PL_MAX_AXES], step[PL_MAX_AXES + 1], next = 1, from, to, each = (size_t)pl_shape_count(&o->out);
  int axes = o->out.axes;
  if (axes == 0) {
    share_values(pass, &o->out, &from, &to);
    if (from < to) memcpy(out + from, in + from, (to - from) * sizeof *out);
    return;
  }
  for (int a = axes - 1; a >= 0; a--) stride[a] = next, next *= (size_t)o->in[0].size[a];
  for (int a = 0; a < axes; a++) step[a] = stride[o->args.v[a]];
  size_t width = (size_t)o->out.size[axes - 1];
  pl_team_share(pass->team, width == 0 ? 0 : pass->batch * each / width, 8, &from, &to);
  for (size_t row = from; row < to; row++) {
    size_t rest = row, at = 0, last = step[axes - 1];
    for (int a = axes - 2; a >= 0; a--) {
      at += rest % (size_t)o->out.size[a] * step[a];
      rest /= (size_t)o->out.size[a];
    }
    at += rest * each;
    if (back) for (size_t i = 0; i < width; i++) out[at + i * last] = in[row * width + i];
    else for (size_t i = 0; i < width; i++) out[row * width + i] = in[at + i * last];
  }
}

static void permute_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  (void)self;
  permute(pass, x, y, false);
}

static void permute_backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy,
                             float *dx) {
  (void)self, (void)x, (void)y;
  if (dx != NULL) permute(pass, dy, dx, true);
}

const pl_layer_class pl_op_permute = {
  .head = { "permute", 0, NULL, none }, .flags = PL_PER_SAMPLE, .infer = permute_infer, .forward = permute_forward,
  .backward = permute_backward };

/* ---- slice and cat: stretches of `width` elements, `whole` apart ---- */

static size_t product(const pl_shape *s, int from, int to) {
  size_t n = 1;
  for (int a = from; a < to; a++) n *= (size_t)s->size[a];
  return n;
}

static pl_status slice_infer(pl_operation *o, pl_error *err) {
  const int64_t *v = o->args.v;
  o->out_fixed = o->fixed[0];
  o->out = o->in[0];
  if (o->inputs != 1 || o->args.n != 3 || v[0] < 0 || v[0] >= o->in[0].axes)
    return pl_operation_refuse(o, err, "there is no such axis");
  if (v[1] < 0 || v[2] < v[1] || v[2] > o->in[0].size[v[0]])
    return pl_operation_refuse(o, err, "%lld to %lld is not within the axis, which has %lld", (long long)v[1] + 1,
                               (long long)v[2], (long long)o->in[0].size[v[0]]);
  o->out.size[v[0]] = v[2] - v[1];
  return PL_OK;
}

typedef struct { size_t rows, width, whole, before; } stretches;

static stretches slice_of(const pl_pass *pass) {
  const pl_operation *o = pass->op;
  int axis = (int)o->args.v[0];
  size_t inner = product(&o->in[0], axis + 1, o->in[0].axes);
  return (stretches){ pass->batch * product(&o->in[0], 0, axis), (size_t)o->out.size[axis] * inner,
                      (size_t)o->in[0].size[axis] * inner, (size_t)o->args.v[1] * inner };
}

static void copy(float *to, const float *from, size_t n) {
  if (n > 0) memcpy(to, from, n * sizeof *to);
}

static void slice_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  stretches s = slice_of(pass);
  size_t from, to;
  (void)self;
  pl_team_share(pass->team, s.rows, 8, &from, &to);
  for (size_t r = from; r < to; r++) copy(y + r * s.width, x + r * s.whole + s.before, s.width);
}

static void slice_backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy,
                           float *dx) {
  stretches s = slice_of(pass);
  size_t from, to;
  (void)self, (void)x, (void)y;
  if (dx == NULL) return;
  pl_team_share(pass->team, s.rows, 8, &from, &to);
  if (from == to || s.whole == 0) return;
  memset(dx + from * s.whole, 0, (to - from) * s.whole * sizeof *dx);
  for (size_t r = from; r < to; r++) copy(dx + r * s.whole + s.before, dy + r * s.width, s.width);
}

const pl_layer_class pl_op_slice = {
  .head = { "slice", 0, NULL, none }, .flags = PL_PER_SAMPLE, .infer = slice_infer, .forward = slice_forward,
  .backward = slice_backward };

static pl_status cat_infer(pl_operation *o, pl_error *err) {
  int64_t axis = o->args.v[0];
  o->out_fixed = o->fixed[0];
  o->out = o->in[0];
  if (o->inputs < 1 || o->args.n != 1 || axis < 0 || axis >= o->in[0].axes)
    return pl_operation_refuse(o, err, "there is no such axis");
  for (int k = 1; k < o->inputs; k++) {
    pl_shape other = o->in[k];
    if (o->fixed[k] != o->fixed[0])
      return pl_operation_refuse(o, err, "values with a batch axis are joined with others that have one");
    if (other.axes == o->in[0].axes) other.size[axis] = o->in[0].size[axis];
    if (!pl_shape_equal(&other, &o->in[0])) return pl_operation_refuse(o, err, "all axes but the joined one are equal");
    o->out.size[axis] += o->in[k].size[axis];
  }
  return PL_OK;
}

/* Each input's stretch of every row, between the inputs and the output. */
static void cat(const pl_pass *pass, float *whole, bool back) {
  const pl_operation *o = pass->op;
  int axis = (int)o->args.v[0];
  size_t inner = product(&o->out, axis + 1, o->out.axes), rows = pass->batch * product(&o->out, 0, axis), from, to;
  size_t length = (size_t)o->out.size[axis] * inner, before = 0;
  pl_team_share(pass->team, rows, 8, &from, &to);
  for (int k = 0; k < o->inputs; k++) {
    size_t width = (size_t)o->in[k].size[axis] * inner;
    for (size_t r = from; r < to; r++) {
      if (!back) copy(whole + r * length + before, pass->input[k] + r * width, width);
      else if (pass->input_grad[k] != NULL) copy(pass->input_grad[k] + r * width, whole + r * length + before, width);
    }
    before += width;
  }
}

static void cat_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  (void)self, (void)x;
  cat(pass, y, false);
}

static void cat_backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy,
                         float *dx) {
  (void)self, (void)x, (void)y, (void)dx;
  cat(pass, (float *)dy, true);
}

const pl_layer_class pl_op_cat = {
  .head = { "cat", 0, NULL, none }, .flags = PL_PER_SAMPLE, .infer = cat_infer, .forward = cat_forward,
  .backward = cat_backward };
