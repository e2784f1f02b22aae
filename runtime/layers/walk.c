#include <string.h>
#include "layers/walk.h"

/* Size and stride of input k along the output's axis `axis`: axes are aligned at the end. */
static int64_t size_at(const pl_operation *o, int k, int axis) {
  int from = axis + o->in[k].axes - o->out.axes;
  return from < 0 ? 1 : o->in[k].size[from];
}

/* An axis of size 1 where the batch axis is: as if it were not there. */
static void drop_batch_of_one(pl_shape *shape, int axes) {
  if (shape->axes != axes + 1 || shape->size[0] != 1) return;
  memmove(shape->size, shape->size + 1, (size_t)axes * sizeof shape->size[0]);
  shape->axes = axes;
}

pl_status pl_broadcast_infer(pl_operation *o, pl_error *err) {
  int axes = 0;
  o->out_fixed = true;
  for (int k = 0; k < o->inputs; k++) o->out_fixed = o->out_fixed && o->fixed[k];
  for (int k = 0; k < o->inputs; k++)
    if (o->out_fixed || !o->fixed[k]) axes = o->in[k].axes > axes ? o->in[k].axes : axes;
  o->out = (pl_shape){ .axes = axes };
  for (int k = 0; k < o->inputs; k++) {
    if (!o->out_fixed && o->fixed[k]) drop_batch_of_one(&o->in[k], axes);
    if (o->in[k].axes > axes)
      return pl_operation_refuse(o, err, "the second has more axes than a sample of the first; the batch stays the "
                                         "first axis");
    if (!o->out_fixed && !o->fixed[k] && o->in[k].axes < axes)
      return pl_operation_refuse(o, err, "the batch is the first axis of both, so both need as many axes; "
                                         "use unsqueeze, or keepdim where an axis was summed");
  }
  for (int a = 0; a < axes; a++) {
    o->out.size[a] = 1;
    for (int k = 0; k < o->inputs; k++) {
      int64_t size = size_at(o, k, a);
      if (size == o->out.size[a] || size == 1) continue;
      if (o->out.size[a] != 1) return pl_operation_refuse(o, err, "the shapes do not broadcast");
      o->out.size[a] = size;
    }
  }
  return PL_OK;
}

bool pl_walk_is_dense(const pl_operation *o, int k) {
  return o->fixed[k] == o->out_fixed && pl_shape_count(&o->in[k]) == pl_shape_count(&o->out);
}

pl_lane pl_lane_of(const pl_operation *o, int k) {
  const pl_shape *in = &o->in[k], *out = &o->out;
  int64_t count = pl_shape_count(in), cols = out->axes > 0 ? out->size[out->axes - 1] : 1;
  if (pl_walk_is_dense(o, k)) return PL_LANE_DENSE;
  if (o->out_fixed) return PL_LANE_OTHER;
  if (o->fixed[k]) {
    if (count == 1) return PL_LANE_SCALAR;
    return in->axes > 0 && in->size[in->axes - 1] == cols && count == cols ? PL_LANE_ROW : PL_LANE_OTHER;
  }
  return in->axes == out->axes && count * cols == pl_shape_count(out) && in->size[in->axes - 1] == 1 ?
    PL_LANE_COLUMN : PL_LANE_OTHER;
}

/* Adds an axis after the others, as part of the last one where it can be. */
static void add_axis(pl_walk *w, size_t size, const ptrdiff_t *stride) {
  bool merges = w->dims > 0;
  if (size == 1) return;
  for (int k = 0; k < w->operands && merges; k++)
    merges = w->stride[k][w->dims - 1] == stride[k] * (ptrdiff_t)size;
  if (merges) w->size[w->dims - 1] *= size;
  else w->size[w->dims++] = size;
  for (int k = 0; k < w->operands; k++) w->stride[k][w->dims - 1] = stride[k];
}

pl_walk pl_walk_make(const pl_operation *o, size_t batch) {
  pl_walk w = { .operands = o->inputs };
  ptrdiff_t stride[PL_WALK_OPERANDS], last[PL_WALK_OPERANDS][PL_MAX_AXES] = { 0 };
  for (int k = 0; k < o->inputs; k++) {
    ptrdiff_t next = 1;
    for (int a = o->out.axes - 1; a >= 0; a--) {
      int64_t size = size_at(o, k, a);
      last[k][a] = size == 1 ? 0 : next;
      next *= size;
    }
    stride[k] = o->fixed[k] ? 0 : next;
  }
  add_axis(&w, o->out_fixed ? 1 : batch, stride);
  for (int a = 0; a < o->out.axes; a++) {
    for (int k = 0; k < o->inputs; k++) stride[k] = last[k][a];
    add_axis(&w, (size_t)o->out.size[a], stride);
  }
  return w;
}

pl_stretch pl_walk_stretch(const pl_walk *w, size_t at, size_t end) {
  pl_stretch s = { .at = at, .n = end - at };
  size_t rest = at;
  for (int d = w->dims - 1; d >= 0; d--) {
    size_t i = rest % w->size[d];
    rest /= w->size[d];
    if (d == w->dims - 1 && w->size[d] - i < s.n) s.n = w->size[d] - i;
    for (int k = 0; k < w->operands; k++) s.offset[k] += (ptrdiff_t)i * w->stride[k][d];
  }
  if (s.n > PL_STRIP) s.n = PL_STRIP;
  return s;
}
