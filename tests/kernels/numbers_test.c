/* row_product against contract, to the bit; what largest and ordinary say of every kind of number. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../c/support_kernels.h"
#include "kernels/kernels.h"

/* Most of x is zero, of either sign; some columns of w are zero, so that some results are. */
static void row_product(void **state) {
  (void)state;
  for (int times = 0; times < 300; times++) {
    size_t in = (size_t)random_int(1, times % 10 ? 90 : 700), cols = (size_t)random_int(1, times % 7 ? 70 : 300), stride = cols + (size_t)random_int(0, 3);
    float *x = random_floats(in), *w = random_floats((in - 1) * stride + cols), *bias = random_floats(cols), *y = random_floats(cols), *expected = random_floats(cols);
    for (size_t k = 0; k < in; k++) if (random_int(0, 4) > 0) x[k] = k % 2 ? -0.0f : 0;
    for (size_t j = 0; j < cols; j += 5) {
      bias[j] = j % 2 ? -0.0f : 0;
      for (size_t k = 0; k < in; k++) w[k * stride + j] = (k + j) % 3 ? -0.0f : 0;
    }
    for (int biased = 0; biased < 2; biased++) for (int i = 0; next_isa(&i); i++) {
      pl_kernel.row_product(y, x, w, biased ? bias : NULL, in, cols, stride);
      pl_kernel.contract(&(pl_contraction){ .c = expected, .c_row = (ptrdiff_t)cols, .a = x, .a_row = (ptrdiff_t)in, .a_inner = 1, .b = w, .b_inner = (ptrdiff_t)stride,
                                            .rows = 1, .cols = cols, .outer = 1, .inner = in, .bias = biased ? bias : NULL });
      assert_memory_equal(y, expected, cols * sizeof *y);
    }
    free(x), free(w), free(bias), free(y), free(expected);
  }
}

static void largest_and_ordinary(void **state) {
  (void)state;
  for (size_t n = 1; n <= 67; n++) for (size_t at = 0; at < n; at += 3) {
    float *x = random_floats(n);
    for (int i = 0; next_isa(&i); i++) {
      x[at] = -20;
      assert_true(pl_kernel.largest(x, n) == 20 && pl_kernel.ordinary(x, n));
      x[at] = -0.0f;
      assert_true(pl_kernel.largest(x, n) < 20 && pl_kernel.ordinary(x, n));
      x[at] = 1e-40f;
      assert_false(pl_kernel.ordinary(x, n));
      x[at] = NAN;
      assert_true(isinf(pl_kernel.largest(x, n)) && !pl_kernel.ordinary(x, n));
      x[at] = -INFINITY;
      assert_true(isinf(pl_kernel.largest(x, n)) && !pl_kernel.ordinary(x, n));
    }
    free(x);
  }
  for (int i = 0; next_isa(&i); i++) assert_true(pl_kernel.largest(NULL, 0) == 0 && pl_kernel.ordinary(NULL, 0));
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(row_product), cmocka_unit_test(largest_and_ordinary) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
