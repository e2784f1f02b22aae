/* The padding around an image. */
#include <string.h>
#include "data/sample.h"

const char *const pl_outside_names[] = { "zero", "edge", "value", NULL };

pl_status pl_padded_check(const char *what, pl_outside outside, double value, pl_error *err) {
  if (value == 0 || outside == PL_OUTSIDE_VALUE) return PL_OK;
  return pl_error_set(err, PL_ERROR_VALUE, "%s: value = %g is what fill = \"value\" fills with; say that too", what,
                      value);
}

static int64_t clamp(int64_t i, int64_t n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

pl_padded_image pl_padded_fill(float *memory, const float *image, pl_image_size s, pl_outside outside, float value) {
  const int64_t c = s.channels, row = (s.width + 3) * c;
  if (outside == PL_OUTSIDE_ZERO) value = 0;
  if (outside != PL_OUTSIDE_EDGE) for (size_t i = 0; i < pl_padded_floats(s); i++) memory[i] = value;
  for (int64_t y = -1; y < s.height + 2; y++) {
    bool inside = y >= 0 && y < s.height;
    if (!inside && outside != PL_OUTSIDE_EDGE) continue;
    float *to = memory + (y + 1) * row + c;
    const float *from = image + clamp(y, s.height) * s.width * c;
    memcpy(to, from, (size_t)(s.width * c) * sizeof *to);
    if (outside != PL_OUTSIDE_EDGE) continue;
    for (int64_t k = 0; k < c; k++) {
      to[k - c] = from[k];
      to[s.width * c + k] = to[(s.width + 1) * c + k] = from[(s.width - 1) * c + k];
    }
  }
  return (pl_padded_image){ memory + row + c, row, c, (float)s.height, (float)s.width };
}
