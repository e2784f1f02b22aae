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
