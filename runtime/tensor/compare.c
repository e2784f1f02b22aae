/* Comparing whole tensors: equality within a tolerance. */
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
