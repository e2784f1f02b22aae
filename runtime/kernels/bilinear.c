/* Reading an image of one channel along a line, between its pixels (see data/sample.h): output j is at (y + j step_y, x
   + j step_x). The clamps keep positions inside a frame that is one pixel wide above and to the left, two below and to
   the right. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

static inline float clamp(float v, float most) {
  v = v < -1 ? -1 : v;
  return v > most ? most : v;
}

void PL_KERNEL(bilinear)(float *restrict out, const float *restrict origin, int32_t row, float bottom, float right,
                         float y, float x, float step_y, float step_x, size_t n) {
  for (size_t k = 0; k < n; k++) {
    float v = clamp(y + step_y * (float)(int32_t)k, bottom) + 1, h = clamp(x + step_x * (float)(int32_t)k, right) + 1;
    int32_t i = (int32_t)v, j = (int32_t)h, at = (i - 1) * row + (j - 1);   /* v, h >= 0: truncation is floor */
    v -= (float)i;
    h -= (float)j;
    float a = origin[at] + (origin[at + 1] - origin[at]) * h;
    float b = origin[at + row] + (origin[at + row + 1] - origin[at + row]) * h;
    out[k] = a + (b - a) * v;
  }
}
