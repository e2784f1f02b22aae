/* Softmax kernels against double loops: every width around a vector, large logits, NaN, the same bits on every
   width. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../c/support_kernels.h"
#include "kernels/kernels.h"

static void near(double found, double expected, double tolerance, const char *what) {
  if (!(fabs(found - expected) <= tolerance)) fail_msg("%s: %.9g, expected %.9g", what, found, expected);
}

static void check(size_t rows, size_t cols, float scale, float shift) {
  size_t n = rows * cols;
  float *x = random_floats(n), *dy = random_floats(n), *y = random_floats(n), *dx = random_floats(n),
    *bits[4] = { NULL, NULL, NULL, NULL };
  double *p = malloc(cols * sizeof *p);
  for (size_t i = 0; i < n; i++) x[i] = x[i] * scale + shift;
  for (int isa = 0; next_isa(&isa); isa++) {
    for (int logarithm = 0; logarithm < 2; logarithm++) {
      (logarithm ? pl_kernel.log_softmax_forward : pl_kernel.softmax_forward)(y, x, rows, cols);
      (logarithm ? pl_kernel.log_softmax_backward : pl_kernel.softmax_backward)(dx, y, dy, rows, cols);
      for (size_t i = 0; i < rows; i++) {
        double most = -INFINITY, sum = 0, mean = 0, total = 0;
        for (size_t j = 0; j < cols; j++) most = fmax(most, (double)x[i * cols + j]);
        for (size_t j = 0; j < cols; j++) sum += exp((double)x[i * cols + j] - most);
        for (size_t j = 0; j < cols; j++) {
          p[j] = exp((double)x[i * cols + j] - most) / sum;
          mean += p[j] * (double)dy[i * cols + j];
          total += fabs((double)dy[i * cols + j]);
        }
        double sum_dy = 0;
        for (size_t j = 0; j < cols; j++) sum_dy += (double)dy[i * cols + j];
        for (size_t j = 0; j < cols; j++) {
          size_t at = i * cols + j;
          double far = 1 + fabs((double)x[at] - most);   /* rounding of x - most becomes a relative error of its
                                                            exponential */
          if (logarithm) {
            near((double)y[at], (double)x[at] - most - log(sum), 5e-7 * far, "log_softmax");
            near((double)dx[at], (double)dy[at] - p[j] * sum_dy, 1e-6 * far * (1 + total), "log_softmax_backward");
          } else {
            near((double)y[at], p[j], 5e-7 * far * p[j] + 1e-37, "softmax");
            near((double)dx[at], p[j] * ((double)dy[at] - mean), 1e-6 * far * p[j] * (1 + total) + 1e-37,
                 "softmax_backward");
          }
        }
      }
      same_bits(&bits[logarithm], y, n, "softmax");
      same_bits(&bits[2 + logarithm], dx, n, "softmax_backward");
    }
  }
  for (int k = 0; k < 4; k++) free(bits[k]);
  free(x), free(dy), free(y), free(dx), free(p);
}

static void widths(void **state) {
  (void)state;
  for (size_t cols = 1; cols <= 70; cols++) check(1 + cols % 4, cols, 2, 0);
  check(2, 1000, 1, 0);
  check(300, 10, 3, 0);
}

static void large_numbers(void **state) {
  (void)state;
  check(5, 11, 20, 3e4f);
  check(5, 33, 20, -3e4f);
  check(3, 10, 1000, 0);
}

static void one_nan_makes_the_row_nan(void **state) {
  (void)state;
  for (size_t cols = 2; cols < 40; cols += 5) for (size_t where = 0; where < cols; where++) {
    float *x = random_floats(3 * cols), *y = random_floats(3 * cols);
    x[cols + where] = NAN;
    for (int isa = 0; next_isa(&isa); isa++) for (int logarithm = 0; logarithm < 2; logarithm++) {
      (logarithm ? pl_kernel.log_softmax_forward : pl_kernel.softmax_forward)(y, x, 3, cols);
      for (size_t j = 0; j < 3 * cols; j++) assert_int_equal(isnan(y[j]) != 0, j / cols == 1);
    }
    free(x), free(y);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(widths), cmocka_unit_test(large_numbers),
                                      cmocka_unit_test(one_nan_makes_the_row_nan) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
