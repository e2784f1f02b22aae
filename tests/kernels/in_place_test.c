/* What kernels.def calls "in place" is: an output that is one of the inputs gets the bits that it gets elsewhere; for
   every length around a vector, wherever the array begins, on every width. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "../c/support_kernels.h"
#include "kernels/kernels.h"
#include "perilune/rng.h"

enum { MOST = 70, COLS = 7 };

/* Memory for an array that begins at any float of a cache line. */
typedef struct { float all[MOST + 16], *at; } array;

static void fill(array *a, uint64_t stream, size_t begin) {
  pl_rng_fill_normal(a->all, MOST + 16, (pl_rng){ 1, stream }, 0, 2);
  a->all[begin + 3] = NAN;
  a->all[begin + 6] = INFINITY;
  a->at = a->all + begin;
}

typedef void forward_fn(float *y, const float *x, size_t n);
typedef void backward_fn(float *dx, const float *kept, const float *dy, size_t n);

/* All of one shape: a name, and the kernel with what else it takes. */
#define FORWARD(name, ...) static void name(float *y, const float *x, size_t n) { pl_kernel.__VA_ARGS__; }
#define BACKWARD(name, ...) \
  static void name(float *dx, const float *kept, const float *dy, size_t n) { pl_kernel.__VA_ARGS__; }

FORWARD(f_clamp, clamp(y, x, n, -1, 1))
FORWARD(f_exponential, exponential(y, x, n))
FORWARD(f_relu, relu_forward(y, x, n))
FORWARD(f_tanh, tanh_forward(y, x, n, 0))
FORWARD(f_sigmoid, sigmoid_forward(y, x, n, 0))
FORWARD(f_leaky_relu, leaky_relu_forward(y, x, n, 0.1f))
FORWARD(f_elu, elu_forward(y, x, n, 1))
FORWARD(f_silu, silu_forward(y, x, n, 0))
FORWARD(f_mish, mish_forward(y, x, n, 0))
FORWARD(f_gelu, gelu_forward(y, x, n, 0))
FORWARD(f_gelu_tanh, gelu_tanh_forward(y, x, n, 0))
FORWARD(f_scale_and_shift, scale_and_shift(y, x, n, 2, 3, 0.5))
FORWARD(f_dropout, dropout(y, x, n, 1, 2, 64, 1u << 31, 2, NULL, false))
FORWARD(f_softmax, softmax_forward(y, x, n / COLS, COLS))

BACKWARD(b_relu, relu_backward(dx, kept, dy, n))
BACKWARD(b_tanh, tanh_backward(dx, kept, dy, n, 0))
BACKWARD(b_sigmoid, sigmoid_backward(dx, kept, dy, n, 0))
BACKWARD(b_leaky_relu, leaky_relu_backward(dx, kept, dy, n, 0.1f))
BACKWARD(b_elu, elu_backward(dx, kept, dy, n, 1))
BACKWARD(b_silu, silu_backward(dx, kept, dy, n, 0))
BACKWARD(b_mish, mish_backward(dx, kept, dy, n, 0))
BACKWARD(b_gelu, gelu_backward(dx, kept, dy, n, 0))
BACKWARD(b_gelu_tanh, gelu_tanh_backward(dx, kept, dy, n, 0))
BACKWARD(b_add, add(dx, kept, dy, n))
BACKWARD(b_add_relu, add_relu(dx, kept, dy, n))
BACKWARD(b_add_relu_backward, add_relu_backward(dx, kept, dy, dy, n))
BACKWARD(b_log_softmax, log_softmax_backward(dx, kept, dy, n / COLS, COLS))
/* as normalize takes its residual, and its backward x */
static const float columns[4][COLS] = { { 0, 1, -1, 2, 0.5f, 3, -2 }, { 1, 2, 0.5f, -1, 1, 3, 0.1f },
                                        { 0, 1, 2, 3, 4, 5, 6 }, { 1, 1, 2, 2, 3, 3, 4 } };
BACKWARD(b_normalize, normalize(dx, kept, columns[0], columns[1], columns[2], dy, n / COLS, COLS, true))
BACKWARD(b_normalize_backward, normalize_backward(dx, dy, kept, columns[0], columns[1], columns[2], columns[3], NULL,
                                                  n / COLS, COLS, true))

static forward_fn *const forwards[] = { f_clamp, f_exponential, f_relu, f_tanh, f_sigmoid, f_leaky_relu, f_elu, f_silu,
  f_mish, f_gelu, f_gelu_tanh, f_scale_and_shift, f_dropout, f_softmax };
static backward_fn *const backwards[] = { b_relu, b_tanh, b_sigmoid, b_leaky_relu, b_elu, b_silu, b_mish, b_gelu,
  b_gelu_tanh, b_add, b_add_relu, b_add_relu_backward, b_log_softmax, b_normalize, b_normalize_backward };

static void assert_same(const array *want, const array *got, const char *what, size_t i, size_t n) {
  if (memcmp(want->at, got->at, n * sizeof *want->at) != 0) fail_msg("%s %zu, of %zu elements", what, i, n);
}

static void each_length(size_t n, size_t begin) {
  array x, dy, want, a;
  for (size_t i = 0; i < sizeof forwards / sizeof *forwards; i++) {
    fill(&x, i, begin);
    fill(&a, i, begin);
    fill(&want, 99, 0);
    forwards[i](want.at, x.at, n);
    forwards[i](a.at, a.at, n);
    assert_same(&want, &a, "forward", i, forwards[i] == f_softmax ? n - n % COLS : n);
  }
  for (size_t i = 0; i < sizeof backwards / sizeof *backwards; i++) {
    bool rows = backwards[i] == b_log_softmax || backwards[i] == b_normalize || backwards[i] == b_normalize_backward;
    size_t m = rows ? n - n % COLS : n;
    fill(&x, i, begin);
    fill(&dy, i + 50, begin);
    fill(&want, 99, 0);
    backwards[i](want.at, x.at, dy.at, n);
    fill(&a, i, begin);
    backwards[i](a.at, a.at, dy.at, n);
    assert_same(&want, &a, "in place of what is kept: backward", i, m);
    backwards[i](dy.at, x.at, dy.at, n);
    assert_same(&want, &dy, "in place of dy: backward", i, m);
  }
}

static void outputs_may_be_inputs(void **state) {
  (void)state;
  for (int isa = 0; next_isa(&isa); isa++)
    for (size_t n = 0; n <= MOST; n++) each_length(n, n % 5);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(outputs_may_be_inputs) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
