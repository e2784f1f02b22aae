/* Gradients of kernels with one input channel, and patches added up: against gemm and plain loops, to the
   bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernels/kernels.h"
#include "../c/support_kernels.h"

/* Each kernel row by gemm: the same sums in the same order. */
static void taps(void **state) {
  (void)state;
  for (int width = 3; width <= 5; width += 2)
  for (size_t kh = 1; kh <= 7; kh++) for (size_t cols = 1; cols <= 40; cols += 3) {
    size_t pw = 12, oh = 4, ow = 7, k = (size_t)width;
    float *x = random_floats((oh + kh) * pw), *dy = random_floats(oh * ow * cols);
    for (int accumulate = 0; accumulate < 2; accumulate++) for (int i = 0; next_isa(&i); i++) {
      float *got = random_floats(kh * k * cols), *wanted = random_floats(kh * k * cols);
      memcpy(wanted, got, kh * k * cols * sizeof *got);
      pl_gemm c = { .c = got, .c_row = (ptrdiff_t)cols, .a = x, .a_row = (ptrdiff_t)pw, .a_outer = (ptrdiff_t)pw,
                           .a_inner = 1, .b = dy,
        .b_outer = (ptrdiff_t)(ow * cols), .b_inner = (ptrdiff_t)cols, .rows = kh, .cols = cols, .outer = oh,
        .inner = ow, .accumulate = accumulate };
      pl_kernel.conv_weight_grad_1ch(&c, width);
      for (size_t ky = 0; ky < kh; ky++) {
        pl_gemm row = c;
        row.c = wanted + ky * k * cols;
        row.a = x + ky * pw;
        row.a_row = 1;
        row.rows = k;
        pl_kernel.gemm(&row);
      }
      assert_memory_equal(got, wanted, kh * k * cols * sizeof *got);
      free(got), free(wanted);
    }
    free(x), free(dy);
  }
}

static void scatter_patches(void **state) {
  (void)state;
  for (size_t width = 1; width <= 40; width += 3)
  for (size_t step = 1; step <= 2; step++) for (size_t kh = 1; kh <= 5; kh++) {
    size_t oh = 4, ow = 5, in = width > 2 ? 2 : 1, step_x = step * in, row = (ow - 1) * step_x + width,
    rows = (oh - 1) * step + kh;
    float *patches = random_floats(oh * ow * kh * width), *start = random_floats(rows * row);
    for (int i = 0; next_isa(&i); i++) {
      float *got = malloc(rows * row * sizeof *got), *wanted = malloc(rows * row * sizeof *wanted);
      memcpy(got, start, rows * row * sizeof *got);
      memcpy(wanted, start, rows * row * sizeof *got);
      pl_kernel.scatter_patches(got, (ptrdiff_t)row, patches, &(pl_patches){ oh, ow, kh, width, (ptrdiff_t)(step * row),
          (ptrdiff_t)step_x });
      for (size_t ox = 0; ox < ow; ox++)
        for (size_t oy = 0; oy < oh; oy++) for (size_t ky = 0; ky < kh; ky++) for (size_t j = 0; j < width; j++)
        wanted[(oy * step + ky) * row + ox * step_x + j] += patches[((oy * ow + ox) * kh + ky) * width + j];
      assert_memory_equal(got, wanted, rows * row * sizeof *got);
      free(got), free(wanted);
    }
    free(patches), free(start);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(taps), cmocka_unit_test(scatter_patches) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
