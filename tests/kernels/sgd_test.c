/* Gradient descent by the product x[r] dy[j], as single samples give it: against a loop in double and, bit for bit,
   against the same step from a gradient in memory; rows between, lanes behind, and what is not finite. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../c/support_kernels.h"
#include "kernels/kernels.h"

static const size_t widths[] = { 1, 3, 4, 5, 8, 10, 15, 16, 17, 31, 32, 33, 50, 63, 64, 65, 100, 127, 128, 129, 200,
                                 260 };
enum { WIDTHS = sizeof widths / sizeof *widths };

static pl_update plain(float *w, size_t rows, size_t count, size_t stride) {
  return (pl_update){ .w = w, .rows = rows, .count = count, .stride = stride, .scale = 1, .limit = INFINITY,
                      .rate_g = 0.1f, .weight_decay_factor = 1 };
}

static void outer_product(void **state) {
  (void)state;
  for (size_t k = 0; k < WIDTHS; k++) for (int still = 0; still < 2; still++) {
    size_t count = widths[k], rows = (size_t)random_int(1, k % 3 == 0 ? 600 : 20),
    stride = count + (size_t)random_int(0, 20), size = (rows - 1) * stride + count;
    float *before = random_floats(size), *x = random_floats(rows), *dy = random_floats(count),
      *w = copy_floats(before, size), *bits = NULL;
    float *g = random_floats(rows * count), *same = copy_floats(before, size);
    for (size_t r = 0; r < rows; r++) if (random_int(0, 3) > 0) x[r] = 0;
    for (size_t r = 0; r < rows; r++) for (size_t j = 0; j < count; j++) g[r * count + j] = x[r] * dy[j] + 0.0f;
    for (int i = 0; next_isa(&i); i++) {
      memcpy(w, before, size * sizeof *w), memcpy(same, before, size * sizeof *w);
      pl_update u = plain(w, rows, count, stride), from = plain(same, rows, count, stride);
      u.x = x, u.dy = dy, u.unchanged = still;
      from.g = g, from.g_stride = count;
      assert_true(pl_kernel.sgd(&u));
      assert_true(pl_kernel.sgd(&from));
      assert_memory_equal(w, same, size * sizeof *w);
      for (size_t at = 0; at < size; at++) {
        size_t r = at / stride, j = at % stride;
        double expected = (double)before[at] - (j < count ? 0.1 * (double)x[r] * (double)dy[j] : 0);
        if (!(fabs((double)w[at] - expected) <= 1e-6 * (1 + fabs(expected))))
          fail_msg("w[%zu][%zu]: %.9g, expected %.9g", r, j, (double)w[at], expected);
        if (j >= count && w[at] != before[at]) fail_msg("row %zu: column %zu of %zu was written", r, j, count);
      }
      same_bits(&bits, w, size, "sgd");
    }
    free(bits), free(before), free(x), free(dy), free(w), free(g), free(same);
  }
}

/* One number that is not finite, in any column of w or dy, is told. */
static void not_finite(void **state) {
  (void)state;
  for (size_t k = 0; k < WIDTHS; k++) for (int i = 0; next_isa(&i); i++) for (size_t j = 0; j < widths[k]; j++) {
    size_t rows = 3, count = widths[k];
    float *w = random_floats(rows * count), *x = random_floats(rows), *dy = random_floats(count);
    pl_update u = plain(w, rows, count, count);
    u.x = x, u.dy = dy, u.unchanged = true;
    x[1] = 2;
    if (j % 2) w[count + j] = j % 4 == 1 ? INFINITY : NAN;
    else dy[j] = j % 4 == 0 ? -INFINITY : NAN;
    assert_false(pl_kernel.sgd(&u));
    free(w), free(x), free(dy);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(outer_product), cmocka_unit_test(not_finite) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
