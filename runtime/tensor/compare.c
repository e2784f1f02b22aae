/* Comparing whole tensors: equality within a tolerance, and accuracy of scores. */
#include <math.h>
#include "tensor/internal.h"

bool pl_tensor_equal(const pl_tensor *a, const pl_tensor *b, double tolerance) {
  if (!pl_shape_equal(&a->shape, &b->shape)) return false;
  double x[PL_CHUNK], y[PL_CHUNK];
  int64_t count = pl_tensor_count(a);
  pl_cursor first = pl_cursor_open(a, &a->shape, 0), second = pl_cursor_open(b, &b->shape, 0);
  for (int64_t i = 0; i < count; i += PL_CHUNK) {
    size_t n = pl_chunk_size(i, count);
    pl_cursor_read(&first, x, n);
    pl_cursor_read(&second, y, n);
    for (size_t k = 0; k < n; k++) {
      if (x[k] != y[k] && !(fabs(x[k] - y[k]) <= tolerance)) return false;
    }
  }
  return true;
}

pl_status pl_tensor_accuracy(double *out, const pl_tensor *scores, const pl_tensor *labels, pl_error *err) {
  char first[PL_SHAPE_TEXT], second[PL_SHAPE_TEXT];
  bool matrix = scores->shape.axes == 2 && scores->shape.size[1] > 0;
  bool fits = matrix && labels->shape.axes == 1 && labels->shape.size[0] == scores->shape.size[0];
  if (!fits || labels->type == PL_F32)
    return pl_error_set(err, PL_ERROR_SHAPE, "accuracy: expects scores [N, K] and i32 or u8 labels [N], got %s and %s %s",
                        pl_shape_text(first, &scores->shape, false), pl_dtype_name(labels->type),
                        pl_shape_text(second, &labels->shape, false));
  int64_t rows = scores->shape.size[0], correct = 0;
  if (rows == 0) return pl_error_set(err, PL_ERROR_VALUE, "accuracy: of no rows; expects at least one");
  const pl_reduction_op *argmax = pl_reduction_find("argmax");
  pl_cursor c = pl_cursor_open(scores, &scores->shape, 0);
  for (int64_t i = 0; i < rows; i++) {
    double best = argmax->row(&c, scores->shape.size[1], 0);
    bool known = !isnan(pl_tensor_get(scores, i * scores->shape.size[1] + (int64_t)best));   /* a row with NaN says nothing */
    correct += known && best == pl_tensor_get(labels, i);
  }
  *out = (double)correct / (double)rows;
  return PL_OK;
}
