/* Views: the same storage under other shapes and strides. No element is moved. */
#include "tensor/internal.h"

static void remove_axis(pl_tensor *t, int axis) {
  t->shape.axes--;
  for (int a = axis; a < t->shape.axes; a++) {
    t->shape.size[a] = t->shape.size[a + 1];
    t->stride[a] = t->stride[a + 1];
  }
}

static void advance(pl_tensor *t, int axis, int64_t index) {
  if (index != 0) t->base += index * t->stride[axis] * (int64_t)pl_dtype_size(t->type);
}

pl_tensor *pl_tensor_select(const pl_tensor *t, int axis, int64_t index, pl_error *err) {
  if (pl_axis_resolve(&axis, t->shape.axes, "select", err)) return NULL;
  int64_t n = t->shape.size[axis], i = index < 0 ? index + n : index;
  if (i < 0 || i >= n) {
    char text[PL_SHAPE_TEXT];
    pl_error_set(err, PL_ERROR_VALUE, "index %lld is out of range: axis %d of shape %s has %lld items",
                 (long long)(index < 0 ? index : index + 1), axis + 1, pl_shape_text(text, &t->shape, false),
                 (long long)n);
    return NULL;
  }
  pl_tensor *view = pl_tensor_view(t, err);
  if (view == NULL) return NULL;
  advance(view, axis, i);
  remove_axis(view, axis);
  return view;
}

pl_tensor *pl_tensor_slice(const pl_tensor *t, int axis, int64_t from, int64_t to, pl_error *err) {
  if (pl_axis_resolve(&axis, t->shape.axes, "slice", err)) return NULL;
  int64_t n = t->shape.size[axis];
  if (from < 0 || to > n || from > to) {
    char text[PL_SHAPE_TEXT];
    pl_error_set(err, PL_ERROR_VALUE, "slice: items %lld to %lld of axis %d, but shape %s has items 1 to %lld there",
                 (long long)from + 1, (long long)to, axis + 1, pl_shape_text(text, &t->shape, false), (long long)n);
    return NULL;
  }
  pl_tensor *view = pl_tensor_view(t, err);
  if (view == NULL) return NULL;
  if (from < to) advance(view, axis, from);
  view->shape.size[axis] = to - from;
  return view;
}

pl_tensor *pl_tensor_transpose(const pl_tensor *t, int a, int b, pl_error *err) {
  if (pl_axis_resolve(&a, t->shape.axes, "transpose", err) || pl_axis_resolve(&b, t->shape.axes, "transpose", err))
    return NULL;
  pl_tensor *view = pl_tensor_view(t, err);
  if (view == NULL) return NULL;
  view->shape.size[a] = t->shape.size[b];
  view->shape.size[b] = t->shape.size[a];
  view->stride[a] = t->stride[b];
  view->stride[b] = t->stride[a];
  return view;
}

pl_tensor *pl_tensor_permute(const pl_tensor *t, const int *axes, int n, pl_error *err) {
  int order[PL_MAX_AXES];
  bool used[PL_MAX_AXES] = { false };
  if (n != t->shape.axes) {
    pl_error_set(err, PL_ERROR_SHAPE, "permute: expects every axis of the tensor once (%d axes), got %d", t->shape.axes,
                 n);
    return NULL;
  }
  for (int i = 0; i < n; i++) {
    order[i] = axes[i];
    if (pl_axis_resolve(&order[i], n, "permute", err)) return NULL;
    if (used[order[i]]) {
      pl_error_set(err, PL_ERROR_SHAPE, "permute: expects every axis once, got axis %d twice", order[i] + 1);
      return NULL;
    }
    used[order[i]] = true;
  }
  pl_tensor *view = pl_tensor_view(t, err);
  if (view == NULL) return NULL;
  for (int i = 0; i < n; i++) {
    view->shape.size[i] = t->shape.size[order[i]];
    view->stride[i] = t->stride[order[i]];
  }
  return view;
}

pl_tensor *pl_tensor_squeeze(const pl_tensor *t, int axis, pl_error *err) {
  if (pl_axis_resolve(&axis, t->shape.axes, "squeeze", err)) return NULL;
  if (t->shape.size[axis] != 1) {
    char text[PL_SHAPE_TEXT];
    pl_error_set(err, PL_ERROR_SHAPE, "squeeze: axis %d of shape %s has size %lld; only an axis of size 1 can be "
                                      "dropped", axis + 1,
                 pl_shape_text(text, &t->shape, false), (long long)t->shape.size[axis]);
    return NULL;
  }
  pl_tensor *view = pl_tensor_view(t, err);
  if (view != NULL) remove_axis(view, axis);
  return view;
}

pl_tensor *pl_tensor_squeeze_all(const pl_tensor *t, pl_error *err) {
  pl_tensor *view = pl_tensor_view(t, err);
  if (view == NULL) return NULL;
  for (int a = t->shape.axes - 1; a >= 0; a--) {
    if (t->shape.size[a] == 1) remove_axis(view, a);
  }
  return view;
}

pl_tensor *pl_tensor_unsqueeze(const pl_tensor *t, int axis, pl_error *err) {
  if (t->shape.axes == PL_MAX_AXES) {
    pl_error_set(err, PL_ERROR_SHAPE, "unsqueeze: the tensor already has %d axes, the most there are", PL_MAX_AXES);
    return NULL;
  }
  if (pl_axis_resolve(&axis, t->shape.axes + 1, "unsqueeze", err)) return NULL;
  pl_tensor *view = pl_tensor_view(t, err);
  if (view == NULL) return NULL;
  for (int a = view->shape.axes; a > axis; a--) {
    view->shape.size[a] = view->shape.size[a - 1];
    view->stride[a] = view->stride[a - 1];
  }
  view->shape.axes++;
  view->shape.size[axis] = view->stride[axis] = 1;
  return view;
}

pl_tensor *pl_tensor_expand(const pl_tensor *t, const pl_shape *shape, pl_error *err) {
  int more = shape->axes - t->shape.axes;
  bool fits = more >= 0;
  for (int a = 0; fits && a < t->shape.axes; a++)
    fits = t->shape.size[a] == 1 || t->shape.size[a] == shape->size[a + more];
  if (fits && pl_shape_check(shape, err)) return NULL;
  if (!fits) {
    char from[PL_SHAPE_TEXT], to[PL_SHAPE_TEXT];
    pl_error_set(err, PL_ERROR_SHAPE, "expand: shape %s cannot become %s; only axes of size 1 (and new ones in "
                                      "front) are repeated",
                 pl_shape_text(from, &t->shape, false), pl_shape_text(to, shape, false));
    return NULL;
  }
  pl_tensor *view = pl_tensor_view(t, err);
  if (view == NULL) return NULL;
  view->shape = *shape;
  for (int a = 0; a < shape->axes; a++) {
    bool repeated = a < more || (t->shape.size[a - more] == 1 && shape->size[a] != 1);
    view->stride[a] = repeated ? 0 : t->stride[a - more];
    view->expanded = view->expanded || (repeated && shape->size[a] > 1);
  }
  return view;
}

/* The size written as -1 follows from the others. */
static bool deduce(pl_shape *shape, int64_t count) {
  int unknown = -1;
  int64_t known = 1;
  for (int a = 0; a < shape->axes; a++) {
    if (shape->size[a] == -1 && unknown < 0) unknown = a;
    else if (shape->size[a] < 0 || __builtin_mul_overflow(known, shape->size[a], &known)) return false;
  }
  if (unknown >= 0) {
    if (known == 0 || count % known != 0) return false;
    shape->size[unknown] = count / known;
    return true;
  }
  return known == count;
}

pl_tensor *pl_tensor_reshape(const pl_tensor *t, const pl_shape *shape, pl_error *err) {
  pl_shape wanted = *shape;
  if (!deduce(&wanted, pl_tensor_count(t))) {
    char from[PL_SHAPE_TEXT], to[PL_SHAPE_TEXT];
    pl_error_set(err, PL_ERROR_SHAPE,
                 "reshape: shape %s (%lld elements) cannot become %s; the number of elements must stay the same "
                 "(one size may be -1)",
                 pl_shape_text(from, &t->shape, false), (long long)pl_tensor_count(t), pl_shape_text(to, shape, false));
    return NULL;
  }
  if (pl_shape_check(&wanted, err)) return NULL;
  pl_tensor *view = pl_tensor_to_contiguous(t, err);
  if (view == NULL) return NULL;
  view->shape = wanted;
  pl_strides_contiguous(view->stride, &wanted);
  return view;
}
