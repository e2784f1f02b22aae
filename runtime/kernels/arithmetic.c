/* Arithmetic of f32, element by element: what tensors compute and formulas are made of. `out` may be an input. */
#include "kernels/kernels.h"
#include "kernels/vec_math.h"
#include "perilune/math.h"

#define UNARY(name, value) \
  void PL_KERNEL(name)(float *out, const float *a, size_t n) { \
    size_t i = 0; \
    for (; i + PL_LANES <= n; i += PL_LANES) { \
      vf x = vf_load(a + i); \
      vf_store(out + i, value); \
    } \
    if (i < n) { \
      vf x = vf_load_part(a + i, n - i); \
      vf_store_part(out + i, value, n - i); \
    } \
  }

#define BINARY(name, value) \
  void PL_KERNEL(name)(float *out, const float *a, const float *b, size_t n) { \
    size_t i = 0; \
    for (; i + PL_LANES <= n; i += PL_LANES) { \
      vf x = vf_load(a + i), y = vf_load(b + i); \
      vf_store(out + i, value); \
    } \
    if (i < n) { \
      vf x = vf_load_part(a + i, n - i), y = vf_load_part(b + i, n - i); \
      vf_store_part(out + i, value, n - i); \
    } \
  }

UNARY(negate, -x)
UNARY(absolute, vf_absolute(x))
UNARY(logarithm, vf_log(x))
UNARY(square_root, vf_sqrt(x))
BINARY(subtract, x - y)
BINARY(multiply, x * y)
BINARY(divide, x / y)
BINARY(maximum, vf_greater(x, y, x, vf_equal(x, x, y, x)))   /* NaN if either is */
BINARY(minimum, vf_greater(y, x, x, vf_equal(x, x, y, x)))

/* least = a < low ? low : a, then least > high ? high : least; NaN stays. */
static inline vf clamped(vf x, vf low, vf high) {
  vf least = vf_greater(low, x, low, x);
  return vf_greater(least, high, high, least);
}

void PL_KERNEL(clamp)(float *out, const float *a, size_t n, float low, float high) {
  const vf least = vf_set(low), most = vf_set(high);
  size_t i = 0;
  for (; i + PL_LANES <= n; i += PL_LANES) vf_store(out + i, clamped(vf_load(a + i), least, most));
  if (i < n) vf_store_part(out + i, clamped(vf_load_part(a + i, n - i), least, most), n - i);
}

/* a^b. The exponents 1, 2, 3 and -1 are products and a quotient, all others the power in double, rounded once. */
static inline float power(float a, float b) {
  if (b == 2) return a * a;
  if (b == 1) return a;
  if (b == 3) return a * a * a;
  if (b == -1) return 1 / a;
  return (float)pl_pow((double)a, (double)b);
}

static void cube(float *out, const float *a, size_t n) {
  size_t i = 0;
  for (vf x; i + PL_LANES <= n; i += PL_LANES) x = vf_load(a + i), vf_store(out + i, x * x * x);
  if (i < n) {
    vf x = vf_load_part(a + i, n - i);
    vf_store_part(out + i, x * x * x, n - i);
  }
}

void PL_KERNEL(power)(float *out, const float *a, const float *b, size_t n) {
  bool same = true;
  for (size_t i = 0; i < n; i++) same &= b[i] == b[0];
  if (same && n > 0 && b[0] == 2) PL_KERNEL(multiply)(out, a, a, n);
  else if (same && n > 0 && b[0] == 3) cube(out, a, n);
  else for (size_t i = 0; i < n; i++) out[i] = power(a[i], b[i]);
}
