/* Activation functions and their derivatives, element by element: y = f(x), and dx = f'(x) dy where f' is written in
   what the layer keeps, y or x. `option` is the function's parameter, if it has one. */
#include "kernels/kernels.h"
#include "kernels/vec_math.h"

#define FORWARD(name, value) \
  void PL_KERNEL(name##_forward)(float *out, const float *in, size_t n, float number) { \
    const vf option = vf_set(number); \
    size_t i = 0; \
    for (; i + PL_LANES <= n; i += PL_LANES) { \
      vf x = vf_load(in + i); \
      vf_store(out + i, value); \
    } \
    if (i < n) { \
      vf x = vf_load_part(in + i, n - i); \
      vf_store_part(out + i, value, n - i); \
    } \
    (void)option; \
  }

/* `kept` is x or y, whichever the formula is written in. */
#define BACKWARD(name, kept, value) \
  void PL_KERNEL(name##_backward)(float *out, const float *in, const float *in_dy, size_t n, float number) { \
    const vf option = vf_set(number); \
    size_t i = 0; \
    for (; i + PL_LANES <= n; i += PL_LANES) { \
      vf kept = vf_load(in + i), dy = vf_load(in_dy + i); \
      vf_store(out + i, value); \
    } \
    if (i < n) { \
      vf kept = vf_load_part(in + i, n - i), dy = vf_load_part(in_dy + i, n - i); \
      vf_store_part(out + i, value, n - i); \
    } \
    (void)option; \
  }

FORWARD(tanh, vf_tanh(x))
BACKWARD(tanh, y, dy * vf_fma(-y, y, vf_set(1)))                     /* tanh' = 1 - tanh^2 */

FORWARD(sigmoid, vf_sigmoid(x))
BACKWARD(sigmoid, y, dy * vf_fma(-y, y, y))                          /* s' = s - s^2 */

FORWARD(leaky_relu, vf_greater(x, vf_set(0), x, option * x))
/* y > 0 where x > 0, as the slope is not negative */
BACKWARD(leaky_relu, y, vf_greater(y, vf_set(0), dy, option * dy))

FORWARD(elu, vf_greater(x, vf_set(0), x, option * vf_expm1(x)))
/* (a (e^x - 1))' = a e^x: not y + a, where y has been rounded to -a long before e^x is 0 */
BACKWARD(elu, x, vf_greater(x, vf_set(0), dy, dy * (option * vf_exp(x))))

/* x s,  s = sigmoid(x) */
FORWARD(silu, x * vf_sigmoid(x))
static inline vf silu_slope(vf x) {   /* s + x s',  s' = s - s^2 */
  vf s = vf_sigmoid(x);
  return vf_fma(x, vf_fma(-s, s, s), s);
}
BACKWARD(silu, x, dy * silu_slope(x))

/* x t,  t = tanh(ln(1 + e)) = n / (n + 2),  e = e^x,  n = e (e + 2); from 20 on t is 1, long before n overflows */
static inline vf mish_exponential(vf x) {
  const vf most = vf_set(20);
  return vf_exp(vf_greater(x, most, most, x));
}
static inline vf mish_value(vf x) {
  vf e = mish_exponential(x), n = vf_fma(e, e, e + e);
  return x * (n / (n + vf_set(2)));
}
FORWARD(mish, mish_value(x))
static inline vf mish_slope(vf x) {   /* t + x t',  t' = (1 - t^2) e / (1 + e) = 4 e (1 + e) / (n + 2)^2 */
  const vf most = vf_set(20);
  vf e = mish_exponential(x), n = vf_fma(e, e, e + e), d = n + vf_set(2), bounded = vf_greater(x, most, most, x);
  return vf_fma(bounded, vf_set(4) * vf_fma(e, e, e) / d / d, n / d);
}
BACKWARD(mish, x, dy * mish_slope(x))

/* x P,  P = (1 + erf(x / sqrt 2)) / 2, the normal distribution */
static inline vf normal_probability(vf x) {
  return vf_fma(vf_set(0.5f), vf_erf(x * vf_set(0x1.6a09e6p-1f)), vf_set(0.5f));
}
FORWARD(gelu, x * normal_probability(x))
static inline vf gelu_slope(vf x) {   /* P + x P',  P' = e^(-x^2/2) / sqrt(2 pi) */
  vf density = vf_exp(x * x * vf_set(-0.5f)) * vf_set(0x1.988454p-2f);
  return vf_fma(x, density, normal_probability(x));
}
BACKWARD(gelu, x, dy * gelu_slope(x))

/* x/2 (1 + tanh u) = x s,  s = sigmoid(2 u),  u = sqrt(2/pi) (x + 0.044715 x^3) */
static inline vf gelu_tanh_sigmoid(vf x) {
  vf two_u = x * vf_fma(x * x, vf_set(0x1.988454p+0f * 0.044715f), vf_set(0x1.988454p+0f));
  return vf_sigmoid(two_u);
}
FORWARD(gelu_tanh, x * gelu_tanh_sigmoid(x))
static inline vf gelu_tanh_slope(vf x) {   /* s + x (s - s^2) 2 u',  2 u' = 2 sqrt(2/pi) (1 + 3 * 0.044715 x^2) */
  const vf most = vf_set(64);               /* from there on 0 or 1, before x^2 overflows */
  x = vf_greater(x, most, most, x);
  x = vf_greater(-most, x, -most, x);
  vf s = gelu_tanh_sigmoid(x);
  vf inner = vf_fma(x * x, vf_set(0x1.988454p+0f * 3 * 0.044715f), vf_set(0x1.988454p+0f));
  return vf_fma(x * vf_fma(-s, s, s), inner, s);
}
BACKWARD(gelu_tanh, x, dy * gelu_tanh_slope(x))
