#include <stdio.h>
#include <string.h>
#include "perilune/shape.h"

int64_t pl_shape_count(const pl_shape *shape) {
  int64_t count = 1;
  for (int i = 0; i < shape->axes; i++) {
    if (shape->size[i] < 0 || __builtin_mul_overflow(count, shape->size[i], &count)) return -1;
  }
  return count;
}

bool pl_shape_equal(const pl_shape *a, const pl_shape *b) {
  if (a->axes != b->axes) return false;
  for (int i = 0; i < a->axes; i++) {
    if (a->size[i] != b->size[i]) return false;
  }
  return true;
}

bool pl_outputs_equal(const pl_outputs *a, const pl_outputs *b) {
  bool equal = a->count == b->count;
  for (int i = 0; equal && i < a->count; i++) equal = pl_shape_equal(&a->shape[i], &b->shape[i]);
  return equal;
}

pl_shape pl_outputs_flat(const pl_outputs *outputs) {
  if (outputs->count == 1) return outputs->shape[0];
  pl_shape flat = { 1, { 0 } };
  for (int i = 0; i < outputs->count; i++) flat.size[0] += pl_shape_count(&outputs->shape[i]);
  return flat;
}

const char *pl_shape_text(char text[PL_SHAPE_TEXT], const pl_shape *shape, bool batch) {
  /* "[N" and then at most ", -9223372036854775808" an axis, "]" and the final zero */
  _Static_assert(2 + 22 * PL_MAX_AXES + 2 <= PL_SHAPE_TEXT, "the text of every shape fits");
  char *at = text + sprintf(text, "[%s", batch ? "N" : "");
  for (int i = 0; i < shape->axes && i < PL_MAX_AXES; i++)
    at += sprintf(at, "%s%lld", i || batch ? ", " : "", (long long)shape->size[i]);
  strcpy(at, "]");
  return text;
}
