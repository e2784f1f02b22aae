/* Kernels on pixels against plain code: from_bytes, bilinear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../c/support_kernels.h"
#include "data/sample.h"
#include "kernels/kernels.h"

static void from_bytes(void **state) {
  (void)state;
  for (size_t n = 0; n <= 300; n += n < 70 ? 1 : 23) {
    uint8_t *in = malloc(n + 1);
    float *out = random_floats(n + 1), after = out[n];
    for (size_t k = 0; k < n; k++) in[k] = (uint8_t)(k * 37);
    for (int i = 0; next_isa(&i); i++) {
      pl_kernel.from_bytes(out, in, n, 1.0f / 255);
      for (size_t k = 0; k < n; k++) assert_true(out[k] == (float)in[k] * (1.0f / 255));
      assert_true(out[n] == after);
    }
    free(in), free(out);
  }
}

/* Lines through the image and past its border, against pixel by pixel. */
static void bilinear(void **state) {
  enum { H = 9, W = 13 };
  const pl_image_size size = { H, W, 1 };
  float *image = random_floats(H * W), *memory = random_floats(pl_padded_floats(size)), out[40], steps[4];
  (void)state;
  pl_padded_image f = pl_padded_fill(memory, image, size, PL_OUTSIDE_ZERO, 0);
  for (int times = 0; times < 200; times++) {
    for (int k = 0; k < 4; k++) steps[k] = (float)random_int(-1000, 1000) / (k < 2 ? 50.0f : 700.0f);
    size_t n = (size_t)random_int(0, 39);
    for (int i = 0; next_isa(&i); i++) {
      memset(out, 0x7f, sizeof out);
      pl_kernel.bilinear(out, f.origin, (int32_t)f.row, f.bottom, f.right, steps[0], steps[1], steps[2], steps[3], n);
      for (size_t k = 0; k < n; k++) {
        float expected;
        pl_padded_bilinear(&expected, &f, steps[0] + steps[2] * (float)k, steps[1] + steps[3] * (float)k);
        assert_true(memcmp(&out[k], &expected, sizeof expected) == 0);
      }
      float untouched;
      memset(&untouched, 0x7f, sizeof untouched);
      assert_true(memcmp(&out[n], &untouched, sizeof untouched) == 0);
    }
  }
  free(image), free(memory);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(from_bytes), cmocka_unit_test(bilinear) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
