/* Operations on elements, and their derivatives: out[i] = f(a[i], b[i], c[i]), all contiguous. `out` may be one of the
   inputs. Comparisons give 1 or 0. Tensors compute with them what formulas are made of, so that both have the same
   bits; functions without a vector form are those of base, in double, rounded once. */
#include <math.h>
#include "kernels/kernels.h"
#include "kernels/operations.h"
#include "kernels/vec_math.h"
#include "perilune/math.h"

/* `value` of vectors x, y, z, g (unused ones are not loaded). */
#define LOOP(load, value) \
  do { \
    size_t i = 0; \
    for (; i + PL_LANES <= n; i += PL_LANES) { \
      enum { PART = PL_LANES }; \
      load \
      vf_write(out + i, value, PART); \
    } \
    if (i < n) { \
      const size_t PART = n - i; \
      load \
      vf_write(out + i, value, PART); \
    } \
  } while (0)

#define X const vf x = vf_read(a + i, PART);
#define Y const vf y = vf_read(b + i, PART);
#define Z const vf z = vf_read(c + i, PART);
#define R const vf r = vf_read(result + i, PART);
#define G const vf g = vf_read(dy + i, PART);

#define EACH(value) for (size_t i = 0; i < n; i++) out[i] = (float)(value)

static const float one = 1;

static inline vf at_least(vf x, vf y, vf yes, vf no) { return vf_greater(x, y, yes, vf_equal(x, y, yes, no)); }

/* a^b. The exponents 1, 2, 3 and -1 are products and a quotient, all others the power in double, rounded once. */
static inline float power_of(float a, float b) {
  if (b == 2) return a * a;
  if (b == 1) return a;
  if (b == 3) return a * a * a;
  if (b == -1) return 1 / a;
  return (float)pl_pow((double)a, (double)b);
}

static bool is_constant(const float *b, size_t n) {
  bool same = n > 0;
  for (size_t i = 0; i < n; i++) same &= b[i] == b[0];
  return same;
}

static void power(float *out, const float *a, const float *b, size_t n) {
  bool constant = is_constant(b, n);
  if (constant && b[0] == 2) LOOP(X, x * x);
  else if (constant && b[0] == 3) LOOP(X, x * x * x);
  else EACH(power_of(a[i], b[i]));
}

void PL_KERNEL(elementwise)(int op, float *out, const float *a, const float *b, const float *c, size_t n) {
  const vf yes = vf_set(one), no = vf_set(0);
  switch (op) {
    case PL_EL_add: LOOP(X Y, x + y); break;
    case PL_EL_sub: LOOP(X Y, x - y); break;
    case PL_EL_mul: LOOP(X Y, x * y); break;
    case PL_EL_div: LOOP(X Y, x / y); break;
    case PL_EL_pow: power(out, a, b, n); break;
    case PL_EL_neg: LOOP(X, -x); break;
    case PL_EL_exp: PL_KERNEL(exponential)(out, a, n); break;
    case PL_EL_log: LOOP(X, vf_log(x)); break;
    case PL_EL_sqrt: LOOP(X, vf_sqrt(x)); break;
    case PL_EL_square: LOOP(X, x * x); break;
    case PL_EL_abs: LOOP(X, vf_absolute(x)); break;
    case PL_EL_sin: EACH(pl_sin((double)a[i])); break;
    case PL_EL_cos: EACH(pl_cos((double)a[i])); break;
    case PL_EL_tanh: PL_KERNEL(tanh_forward)(out, a, n, 0); break;
    case PL_EL_sigmoid: PL_KERNEL(sigmoid_forward)(out, a, n, 0); break;
    case PL_EL_relu: PL_KERNEL(relu_forward)(out, a, n); break;
    case PL_EL_gelu: PL_KERNEL(gelu_forward)(out, a, n, 0); break;
    case PL_EL_silu: PL_KERNEL(silu_forward)(out, a, n, 0); break;
    case PL_EL_maximum: LOOP(X Y, vf_greater(x, y, x, vf_equal(x, x, y, x))); break;   /* NaN of either passes */
    case PL_EL_minimum: LOOP(X Y, vf_greater(y, x, x, vf_equal(x, x, y, x))); break;
    case PL_EL_where: LOOP(X Y Z, vf_equal(x, no, z, y)); break;
    case PL_EL_lt: LOOP(X Y, vf_greater(y, x, yes, no)); break;
    case PL_EL_le: LOOP(X Y, at_least(y, x, yes, no)); break;
    case PL_EL_gt: LOOP(X Y, vf_greater(x, y, yes, no)); break;
    case PL_EL_ge: LOOP(X Y, at_least(x, y, yes, no)); break;
    case PL_EL_eq: LOOP(X Y, vf_equal(x, y, yes, no)); break;
    case PL_EL_ne: LOOP(X Y, vf_equal(x, y, no, yes)); break;
  }
}

/* d(a^b)/da = b a^(b-1);  d(a^b)/db = a^b log a, which is 0 where a^b is */
static double pow_slope(double a, double b) { return b == 0 ? 0 : b * pl_pow(a, b - 1); }
static double pow_slope_b(double a, double b, double y) { return a == 0 && b >= 0 ? 0 : y * pl_log(a); }

/* The slopes of squares and cubes without the power, which is exact there. */
static void power_grad(float *out, const float *dy, const float *a, const float *b, size_t n) {
  bool constant = is_constant(b, n);
  if (constant && b[0] == 2) EACH((double)dy[i] * (2 * (double)a[i]));
  else if (constant && b[0] == 3) EACH((double)dy[i] * (3 * ((double)a[i] * (double)a[i])));
  else EACH((double)dy[i] * pow_slope((double)a[i], (double)b[i]));
}

/* out = dy (a x + b), in double, rounded once. */
void PL_KERNEL(scale_and_shift)(float *out, const float *x, size_t n, double a, double b, double dy) {
  for (size_t i = 0; i < n; i++) out[i] = (float)(dy * (a * (double)x[i] + b));
}

/* out = dy * d f / d input k. Inputs, or the result, are given where the operation keeps them. Of two equal inputs of
   maximum and minimum each has half of the gradient. */
void PL_KERNEL(elementwise_grad)(int op, int k, float *out, const float *dy, const float *a, const float *b,
                                 const float *result, size_t n) {
  const vf no = vf_set(0), half = vf_set(0.5f);
  switch (op) {
    case PL_EL_add: LOOP(G, g); break;
    case PL_EL_sub: if (k == 0) LOOP(G, g); else LOOP(G, -g); break;
    case PL_EL_mul: if (k == 0) LOOP(G Y, g * y); else LOOP(G X, g * x); break;
    case PL_EL_div: if (k == 0) LOOP(G Y, g / y); else LOOP(G Y R, -(g * (r / y))); break;
    case PL_EL_pow:
      if (k == 0) power_grad(out, dy, a, b, n);
      else EACH((double)dy[i] * pow_slope_b((double)a[i], (double)b[i], (double)result[i]));
      break;
    case PL_EL_neg: LOOP(G, -g); break;
    case PL_EL_exp: LOOP(G R, g * r); break;
    case PL_EL_log: LOOP(G X, g / x); break;
    case PL_EL_sqrt: LOOP(G R, g * half / r); break;
    case PL_EL_square: LOOP(G X, g * (x + x)); break;
    case PL_EL_abs: LOOP(G X, vf_greater(x, no, g, vf_greater(no, x, -g, x * g))); break;
    case PL_EL_sin: EACH((double)dy[i] * pl_cos((double)a[i])); break;
    case PL_EL_cos: EACH(-(double)dy[i] * pl_sin((double)a[i])); break;
    case PL_EL_tanh: PL_KERNEL(tanh_backward)(out, result, dy, n, 0); break;
    case PL_EL_sigmoid: PL_KERNEL(sigmoid_backward)(out, result, dy, n, 0); break;
    case PL_EL_relu: PL_KERNEL(relu_backward)(out, result, dy, n); break;
    case PL_EL_gelu: PL_KERNEL(gelu_backward)(out, a, dy, n, 0); break;
    case PL_EL_silu: PL_KERNEL(silu_backward)(out, a, dy, n, 0); break;
    case PL_EL_maximum:
      if (k == 0) LOOP(G X Y, vf_greater(x, y, g, vf_equal(x, y, g * half, vf_equal(x, x, no, g))));
      else LOOP(G X Y, vf_greater(y, x, g, vf_equal(x, y, g * half, vf_equal(x, x, vf_equal(y, y, no, g), no))));
      break;
    case PL_EL_minimum:
      if (k == 0) LOOP(G X Y, vf_greater(y, x, g, vf_equal(x, y, g * half, vf_equal(x, x, no, g))));
      else LOOP(G X Y, vf_greater(x, y, g, vf_equal(x, y, g * half, vf_equal(x, x, vf_equal(y, y, no, g), no))));
      break;
    case PL_EL_where:
      if (k == 0) LOOP(, no);
      else if (k == 1) LOOP(G X, vf_equal(x, no, no, g));
      else LOOP(G X, vf_equal(x, no, g, no));
      break;
  }
}

/* The sum of n elements, `stride` apart, in double and in the fixed tree of tensor/reduce.c: chunks of 256 are folded
   in halves, chunks are added in pairs, as the digits of a binary counter carry. `squares`: of (x - shift)^2. */
double PL_KERNEL(sum_tree)(const float *x, size_t n, size_t stride, bool squares, double shift) {
  enum { CHUNK = 256 };
  double chunk[CHUNK], sum[64], total = 0;
  int depth = 0;
  size_t count = 0;
  for (size_t done = 0; done < n; done += CHUNK) {
    size_t m = n - done < CHUNK ? n - done : CHUNK, width = 1;
    if (stride == 1) for (size_t i = 0; i < m; i++) chunk[i] = (double)x[done + i];
    else for (size_t i = 0; i < m; i++) chunk[i] = (double)x[(done + i) * stride];
    if (squares) for (size_t i = 0; i < m; i++) chunk[i] = (chunk[i] - shift) * (chunk[i] - shift);
    while (width < m) width *= 2;
    for (size_t i = m; i < width; i++) chunk[i] = 0;
    for (width /= 2; width > 0; width /= 2)
      for (size_t i = 0; i < width; i++) chunk[i] += chunk[i + width];
    double value = chunk[0];
    for (size_t carry = count++; carry & 1; carry >>= 1) value = sum[--depth] + value;
    sum[depth++] = value;
  }
  for (int i = depth - 1; i >= 0; i--) total = sum[i] + total;
  return total;
}
