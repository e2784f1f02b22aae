/* Axes and broadcasting: shapes are compared from the last axis; sizes fit when equal or when one of them is 1. */
#include "tensor/internal.h"

pl_status pl_shape_check(const pl_shape *shape, pl_error *err) {
  char text[PL_SHAPE_TEXT];
  int64_t product = 1;
  if (shape->axes < 0 || shape->axes > PL_MAX_AXES)
    return pl_error_set(err, PL_ERROR_SHAPE, "a tensor has at most %d axes, got %d", PL_MAX_AXES, shape->axes);
  for (int a = 0; a < shape->axes; a++) {
    int64_t n = shape->size[a];
    if (n < 0)
      return pl_error_set(err, PL_ERROR_SHAPE, "shape %s: sizes are 0 or more, axis %d has %lld",
                          pl_shape_text(text, shape, false), a + 1, (long long)n);
    if (__builtin_mul_overflow(product, n > 0 ? n : 1, &product) || product > PL_MOST_ELEMENTS)
      return pl_error_set(err, PL_ERROR_MEMORY, "shape %s: more elements than any memory holds",
                          pl_shape_text(text, shape, false));
  }
  return PL_OK;
}

pl_status pl_axis_resolve(int *axis, int axes, const char *what, pl_error *err) {
  int found = *axis;
  if (found < 0) found += axes;
  if (found >= 0 && found < axes) {
    *axis = found;
    return PL_OK;
  }
  int shown = *axis < 0 ? *axis : *axis + 1;
  if (axes == 0) return pl_error_set(err, PL_ERROR_SHAPE, "%s: axis %d of a tensor without axes", what, shown);
  return pl_error_set(err, PL_ERROR_SHAPE, "%s: axis %d is out of range; the tensor has axes 1 to %d (or -1 to -%d)",
                      what, shown, axes, axes);
}

pl_status pl_shape_broadcast(pl_shape *out, const pl_shape *a, const pl_shape *b, const char *what, pl_error *err) {
  int axes = a->axes > b->axes ? a->axes : b->axes;
  pl_shape result = { .axes = axes };
  for (int i = 1; i <= axes; i++) {
    int64_t m = i <= a->axes ? a->size[a->axes - i] : 1, n = i <= b->axes ? b->size[b->axes - i] : 1;
    if (m != n && m != 1 && n != 1) {
      char first[PL_SHAPE_TEXT], second[PL_SHAPE_TEXT], *advice = "";
      if (a->axes != b->axes) advice = "; add or move axes with unsqueeze or reshape";
      return pl_error_set(err, PL_ERROR_SHAPE, "%s: shapes %s and %s do not broadcast: axis %d has %lld and %lld%s",
                          what,
                          pl_shape_text(first, a, false), pl_shape_text(second, b, false),
                          axes - i + 1, (long long)m, (long long)n, advice);
    }
    result.size[axes - i] = m == 1 ? n : m;
  }
  *out = result;
  return PL_OK;
}
