/* Activation kernels and the elementary functions under them: error bounds over dense scans of floats, derivatives,
   special values, every length, the same bits on every width. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../c/support_kernels.h"
#include "kernels/kernels.h"
#include "kernels/vec_math.h"

static double normal(double x) { return erfc(-x * 0.70710678118654752) / 2; }
static double density(double x) { return exp(-x * x / 2) * 0.39894228040143268; }

/* f(x), and f' in what the kernel is given: y (then `by_y`) or x. `option` is 0.7 where there is one. */
static double f_tanh(double x) { return tanh(x); }
static double d_tanh(double y) { return 1 - y * y; }
static double f_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double d_sigmoid(double y) { return y - y * y; }
static double f_leaky(double x) { return x > 0 ? x : (double)0.7f * x; }
static double d_leaky(double y) { return y > 0 ? 1 : (double)0.7f; }
static double f_elu(double x) { return x > 0 ? x : (double)0.7f * expm1(x); }
static double d_elu(double x) { return x > 0 ? 1 : (double)0.7f * exp(x); }
static double f_silu(double x) { return x * f_sigmoid(x); }
static double d_silu(double x) { return f_sigmoid(x) * (1 + x * f_sigmoid(-x)); }
static double f_mish(double x) { return x * tanh(log1p(exp(x))); }
static double d_mish(double x) {
  double t = tanh(log1p(exp(x)));
  return t + x * (1 - t * t) * f_sigmoid(x);
}
static double f_gelu(double x) { return x * normal(x); }
static double d_gelu(double x) { return normal(x) + x * density(x); }
static double inner(double x) { return 0.79788456080286536 * (x + 0.044715 * x * x * x); }
static double f_gelu_tanh(double x) { return x / (1 + exp(-2 * inner(x))); }
static double d_gelu_tanh(double x) {
  double s = 1 / (1 + exp(-2 * inner(x)));
  return s + 2 * x * s / (1 + exp(2 * inner(x))) * 0.79788456080286536 * (1 + 3 * 0.044715 * x * x);
}

typedef void (*forward)(float *, const float *, size_t, float);
typedef void (*backward)(float *, const float *, const float *, size_t, float);

/* Errors: relative to |y|, or (the Gaussian ones, which lose digits where y is far below x) to |x|. */
typedef struct { const char *name; forward *f; backward *b; double (*value)(double), (*slope)(double); bool by_y, to_x;
                 double bound; } function;
static const function functions[] = {
  { "tanh", &pl_kernel.tanh_forward, &pl_kernel.tanh_backward, f_tanh, d_tanh, true, false, 4e-7 },
  { "sigmoid", &pl_kernel.sigmoid_forward, &pl_kernel.sigmoid_backward, f_sigmoid, d_sigmoid, true, false, 4e-7 },
  { "leaky_relu", &pl_kernel.leaky_relu_forward, &pl_kernel.leaky_relu_backward, f_leaky, d_leaky, true, false, 7e-8 },
  { "elu", &pl_kernel.elu_forward, &pl_kernel.elu_backward, f_elu, d_elu, false, false, 3e-7 },
  { "silu", &pl_kernel.silu_forward, &pl_kernel.silu_backward, f_silu, d_silu, false, false, 4e-7 },
  { "mish", &pl_kernel.mish_forward, &pl_kernel.mish_backward, f_mish, d_mish, false, false, 6e-7 },
  { "gelu", &pl_kernel.gelu_forward, &pl_kernel.gelu_backward, f_gelu, d_gelu, false, true, 2e-7 },
  { "gelu_tanh", &pl_kernel.gelu_tanh_forward, &pl_kernel.gelu_tanh_backward, f_gelu_tanh, d_gelu_tanh, false, true,
    2e-7 },
};
enum { FUNCTIONS = sizeof functions / sizeof *functions, BLOCK = 4096, STEP = 1709 };

/* Fills x with the next floats of a scan by bit pattern from +-0 to +-`most`; how many, 0 at the end. */
static size_t scan(float x[BLOCK], uint64_t *at, float most) {
  size_t n = 0;
  for (; n < BLOCK; n++, *at += STEP) {
    uint32_t bits = (uint32_t)(*at / 2) | (uint32_t)(*at % 2) << 31;
    memcpy(&x[n], &bits, sizeof bits);
    if (fabsf(x[n]) > most) break;
    if (x[n] != 0 && fabsf(x[n]) < FLT_MIN) x[n] = FLT_MIN;
  }
  return n;
}

static void values(void **state) {
  static float x[BLOCK], y[BLOCK];
  (void)state;
  for (size_t k = 0; k < FUNCTIONS; k++) for (int i = 0; next_isa(&i); i++) {
    const function *f = &functions[k];
    double worst = 0, where = 0;
    uint64_t at = 0;
    for (size_t n; (n = scan(x, &at, 80)) > 0;) {
      (*f->f)(y, x, n, 0.7f);
      for (size_t j = 0; j < n; j++) {
        double exact = f->value((double)x[j]), size = f->to_x ? fabs((double)x[j]) : fabs(exact),
        error = fabs((double)y[j] - exact) / fmax(size, (double)FLT_MIN);
        if (!(error <= worst)) worst = error, where = (double)x[j];
      }
    }
    if (!(worst <= f->bound)) fail_msg("%s(%.9g): error %g, promised %g", f->name, where, worst, f->bound);
  }
}

static void slopes(void **state) {
  static float x[BLOCK], dy[BLOCK], dx[BLOCK];
  (void)state;
  for (size_t j = 0; j < BLOCK; j++) dy[j] = (float)j / 1000 - 2;
  for (size_t k = 0; k < FUNCTIONS; k++) for (int i = 0; next_isa(&i); i++) {
    const function *f = &functions[k];
    uint64_t at = 0;
    for (size_t n; (n = scan(x, &at, f->by_y ? 1 : 30)) > 0;) {
      (*f->b)(dx, x, dy, n, 0.7f);
      for (size_t j = 0; j < n; j++) {
        double exact = (double)dy[j] * f->slope((double)x[j]);
        if (!(fabs((double)dx[j] - exact) <= 2e-6 * fabs((double)dy[j])))
          fail_msg("%s' at %.9g: %.9g, expected %.9g", f->name, (double)x[j], (double)dx[j], exact);
      }
    }
  }
}

/* As long as e^x is a normal number; from y alone nothing is left below -17. */
static void elu_far_below_zero(void **state) {
  static float x[BLOCK], dy[BLOCK], dx[BLOCK];
  (void)state;
  for (size_t j = 0; j < BLOCK; j++) x[j] = -87 * (float)j / BLOCK, dy[j] = 3;
  for (int i = 0; next_isa(&i); i++) {
    pl_kernel.elu_backward(dx, x, dy, BLOCK, 0.7f);
    for (size_t j = 0; j < BLOCK; j++) {
      double exact = 3 * (double)0.7f * exp((double)x[j]);
      if (!(fabs((double)dx[j] - exact) <= 5e-7 * exact))
        fail_msg("elu' at %.9g: %.9g, expected %.9g", (double)x[j], (double)dx[j], exact);
    }
  }
}

/* Slopes are 1 and 0 at both ends, also where a power of x overflows; ELU's, LeakyReLU's as they are. */
static void slopes_at_the_ends(void **state) {
  float x[] = { 100, 1e15f, 3e38f, -100, -1e15f, -3e38f }, y[6], dy[] = { 2, 2, 2, 2, 2, 2 }, dx[6];
  (void)state;
  for (int i = 0; next_isa(&i); i++) for (size_t k = 0; k < FUNCTIONS; k++) {
    const function *f = &functions[k];
    bool flat = f->value == f_tanh || f->value == f_sigmoid;
    (*f->f)(y, x, 6, 0.7f);
    (*f->b)(dx, f->by_y ? y : x, dy, 6, 0.7f);
    for (int j = 0; j < 6; j++) {
      float expected = j < 3 ? (flat ? 0 : 2) : f->value == f_leaky ? 2 * 0.7f : 0;
      if (!(fabsf(dx[j] - expected) <= 1e-30f))
        fail_msg("%s' at %g: %g, expected %g", f->name, (double)x[j], (double)dx[j] / 2, (double)expected / 2);
    }
  }
}

static void special_values(void **state) {
  float x[] = { NAN, 0, -0.0f, INFINITY, -INFINITY, 1e30f, -1e30f, 100, -100 }, y[9];
  (void)state;
  for (int i = 0; next_isa(&i); i++) {
    for (size_t k = 0; k < FUNCTIONS; k++) {
      (*functions[k].f)(y, x, 9, 0.7f);
      assert_true(isnan(y[0]));
      assert_true(fabs((double)y[1] - functions[k].value(0)) == 0 && fabs((double)y[2] - functions[k].value(0)) == 0);
      (*functions[k].b)(y, x, x, 9, 0.7f);
      assert_true(isnan(y[0]));
    }
    pl_kernel.tanh_forward(y, x, 9, 0);
    assert_true(y[3] == 1 && y[4] == -1 && y[5] == 1 && y[6] == -1);
    pl_kernel.sigmoid_forward(y, x, 9, 0);
    assert_true(y[3] == 1 && y[4] == 0 && y[5] == 1 && y[6] == 0);
    pl_kernel.elu_forward(y, x, 9, 0.7f);
    assert_true(y[3] == INFINITY && y[4] == -0.7f && y[5] == 1e30f && y[6] == -0.7f);
    pl_kernel.gelu_forward(y, x, 9, 0);
    assert_true(y[3] == INFINITY && y[7] == 100 && y[8] == 0);
    pl_kernel.gelu_tanh_forward(y, x, 9, 0);
    assert_true(y[3] == INFINITY && y[7] == 100 && y[8] == 0);
    pl_kernel.silu_forward(y, x, 9, 0);
    assert_true(y[3] == INFINITY && y[7] == 100 && y[8] == 0);
  }
}

/* Whatever the length: nothing else is touched, and an element's value does not depend on its place. */
static void lengths(void **state) {
  (void)state;
  for (size_t k = 0; k < FUNCTIONS; k++) for (int i = 0; next_isa(&i); i++) for (size_t n = 0; n <= 50; n++) {
    float *x = random_floats(n), *dy = random_floats(n), *y = random_floats(n + 2), *dx = random_floats(n + 2), one;
    y[0] = y[n + 1] = dx[0] = dx[n + 1] = -7;
    (*functions[k].f)(y + 1, x, n, 0.7f);
    (*functions[k].b)(dx + 1, x, dy, n, 0.7f);
    for (size_t j = 0; j < n; j++) {
      (*functions[k].f)(&one, &x[j], 1, 0.7f);
      assert_memory_equal(&one, &y[j + 1], sizeof one);
      (*functions[k].b)(&one, &x[j], &dy[j], 1, 0.7f);
      assert_memory_equal(&one, &dx[j + 1], sizeof one);
    }
    assert_true(y[0] == -7 && y[n + 1] == -7 && dx[0] == -7 && dx[n + 1] == -7);
    free(x), free(dy), free(y), free(dx);
  }
}

static void same_on_every_width(void **state) {
  enum { N = 20011 };
  float *x = malloc(N * sizeof *x), *dy = random_floats(N), *out = random_floats(N);
  (void)state;
  for (size_t j = 0; j < N; j++) x[j] = (float)((double)j * 0.01 - 100);
  for (size_t k = 0; k < FUNCTIONS; k++) {
    float *bits[2] = { NULL, NULL };
    for (int i = 0; next_isa(&i); i++) {
      (*functions[k].f)(out, x, N, 0.7f);
      same_bits(&bits[0], out, N, functions[k].name);
      (*functions[k].b)(out, x, dy, N, 0.7f);
      same_bits(&bits[1], out, N, functions[k].name);
    }
    free(bits[0]), free(bits[1]);
  }
  free(x), free(dy), free(out);
}

/* The bounds that vec_math.h states, on the path without fused operations, which is the least exact. */
static void elementary_functions(void **state) {
  static float x[BLOCK], y[BLOCK];
  uint64_t at = 0;
  (void)state;
  for (size_t n; (n = scan(x, &at, 88)) > 0;) {
    for (size_t j = n; j % PL_LANES; j++) x[j] = 1;
    for (int which = 0; which < 4; which++) {
      double (*const exact[])(double) = { expm1, tanh, erf, f_sigmoid };
      const double bound[] = { 4e-7, 4e-7, 4e-7, 4e-7 };
      for (size_t j = 0; j < n; j += PL_LANES) {
        vf v = vf_load(x + j);
        vf_store(y + j, which == 0 ? vf_expm1(v) : which == 1 ? vf_tanh(v) : which == 2 ? vf_erf(v) : vf_sigmoid(v));
      }
      for (size_t j = 0; j < n; j++) {
        double e = exact[which]((double)x[j]);
        if (fabs(e) < 2 * (double)FLT_MIN) continue;
        if (!(fabs((double)y[j] - e) <= bound[which] * fabs(e)))
          fail_msg("function %d of %.9g: %.9g, expected %.9g: %g", which, (double)x[j], (double)y[j], e,
                   fabs((double)y[j] / e - 1));
      }
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(values), cmocka_unit_test(slopes), cmocka_unit_test(elu_far_below_zero),
    cmocka_unit_test(slopes_at_the_ends), cmocka_unit_test(special_values), cmocka_unit_test(lengths),
    cmocka_unit_test(same_on_every_width), cmocka_unit_test(elementary_functions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
