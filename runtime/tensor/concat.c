/* Joining tensors along an axis, and labels as rows of zeros and a one. */
#include "tensor/internal.h"

static pl_status check(const pl_tensor *const *list, size_t n, int *axis, int more, const char *what, pl_error *err) {
  if (n == 0) return pl_error_set(err, PL_ERROR_VALUE, "%s: expects a list of at least one tensor", what);
  const pl_tensor *first = list[0];
  pl_status status = pl_axis_resolve(axis, first->shape.axes + more, what, err);
  for (size_t i = 1; status == PL_OK && i < n; i++) {
    pl_shape shape = list[i]->shape;
    char a[PL_SHAPE_TEXT], b[PL_SHAPE_TEXT];
    if (more == 0 && shape.axes == first->shape.axes) shape.size[*axis] = first->shape.size[*axis];
    if (list[i]->type != first->type)
      status = pl_error_set(err, PL_ERROR_TYPE, "%s: tensor 1 is %s and tensor %zu is %s; convert with :to", what,
                            pl_dtype_name(first->type), i + 1, pl_dtype_name(list[i]->type));
    else if (!pl_shape_equal(&shape, &first->shape))
      status = pl_error_set(err, PL_ERROR_SHAPE, "%s: shapes %s (tensor 1) and %s (tensor %zu) must be equal%s", what,
                            pl_shape_text(a, &first->shape, false), pl_shape_text(b, &list[i]->shape, false), i + 1,
                            more ? "" : " but for the axis of joining");
  }
  return status;
}

/* Copies `from` to the items `at`... of `axis`. */
static pl_status put(pl_tensor *out, const pl_tensor *from, int axis, int64_t at, pl_error *err) {
  pl_tensor *part = pl_tensor_slice(out, axis, at, at + from->shape.size[axis], err);
  pl_status status = part == NULL ? PL_ERROR_MEMORY : pl_tensor_copy(part, from, err);
  pl_tensor_free(part);
  return status;
}

pl_tensor *pl_tensor_cat(const pl_tensor *const *list, size_t n, int axis, pl_error *err) {
  if (check(list, n, &axis, 0, "cat", err)) return NULL;
  pl_shape shape = list[0]->shape;
  for (size_t i = 1; i < n && shape.size[axis] <= PL_MOST_ELEMENTS; i++) shape.size[axis] += list[i]->shape.size[axis];
  pl_tensor *out = pl_tensor_new(list[0]->type, &shape, err);
  int64_t at = 0;
  for (size_t i = 0; out != NULL && i < n; at += list[i++]->shape.size[axis]) {
    if (list[i]->shape.size[axis] > 0 && put(out, list[i], axis, at, err)) {
      pl_tensor_free(out);
      return NULL;
    }
  }
  return out;
}

pl_tensor *pl_tensor_stack(const pl_tensor *const *list, size_t n, int axis, pl_error *err) {
  if (check(list, n, &axis, 1, "stack", err)) return NULL;
  pl_tensor *lead = pl_tensor_unsqueeze(list[0], axis, err);
  if (lead == NULL) return NULL;
  pl_shape shape = lead->shape;
  pl_tensor_free(lead);
  shape.size[axis] = (int64_t)n;
  pl_tensor *out = pl_tensor_new(list[0]->type, &shape, err);
  for (size_t i = 0; out != NULL && i < n; i++) {
    pl_tensor *part = pl_tensor_select(out, axis, (int64_t)i, err);
    if (part == NULL || pl_tensor_copy(part, list[i], err)) {
      pl_tensor_free(out);
      out = NULL;
    }
    pl_tensor_free(part);
  }
  return out;
}

pl_tensor *pl_tensor_one_hot(const pl_tensor *labels, int64_t classes, pl_error *err) {
  char text[PL_SHAPE_TEXT];
  if (labels->shape.axes != 1 || labels->type == PL_F32) {
    pl_error_set(err, PL_ERROR_SHAPE, "one_hot: expects labels as an i32 or u8 vector, got %s %s",
                 pl_dtype_name(labels->type),
                 pl_shape_text(text, &labels->shape, false));
    return NULL;
  }
  pl_shape shape = { 2, { labels->shape.size[0], classes } };
  pl_tensor *out = pl_tensor_new(PL_F32, &shape, err);
  for (int64_t i = 0; out != NULL && i < shape.size[0]; i++) {
    double label = pl_tensor_get(labels, i);
    if (!(label >= 0 && label < (double)classes)) {
      pl_error_set(err, PL_ERROR_VALUE, "one_hot: label %g (number %lld) is not among the classes 0 to %lld", label,
                   (long long)i + 1, (long long)classes - 1);
      pl_tensor_free(out);
      return NULL;
    }
    ((float *)(void *)out->base)[i * classes + (int64_t)label] = 1;
  }
  return out;
}
