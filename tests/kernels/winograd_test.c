/* Winograd's kernels: one tile through input, filter, product and output equals the direct correlation, in double; for
   every pair of tile and filter, channels around a vector, cut tiles, bias, accumulation, the same bits on every
   width. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../c/support_kernels.h"
#include "kernels/kernels.h"

/* Channel by channel: y[i][j] = bias + sum over a, b of x[i + a][j + b] w[a][b]. Rows and columns lie `gap` channels
   apart. */
static void check(int n, int taps, size_t channels, size_t gap, bool with_bias, bool accumulate, int rows, int cols) {
  size_t step = channels + gap, tile = (size_t)n * (size_t)n, outputs = (size_t)(n - taps + 1),
  place = outputs * outputs * step;
  float *x = random_floats((tile - 1) * step + channels),
    *w = random_floats(((size_t)(taps * taps) - 1) * step + channels), *bias = random_floats(channels);
  float *v = random_floats(tile * step), *u = random_floats(tile * step), *m = random_floats(tile * step);
  float *before = random_floats(place), *y = copy_floats(before, place), *bits = NULL;
  for (int isa = 0; next_isa(&isa); isa++) {
    memcpy(y, before, place * sizeof *y);
    pl_kernel.winograd_input(v, (ptrdiff_t)step, x, (ptrdiff_t)(step * (size_t)n), (ptrdiff_t)step, channels, n, NULL);
    pl_kernel.winograd_filter(u, (ptrdiff_t)step, w, (ptrdiff_t)(step * (size_t)taps), (ptrdiff_t)step, channels, n,
                              taps, NULL);
    for (size_t f = 0; f < tile; f++)
      for (size_t c = 0; c < channels; c++) m[f * step + c] = u[f * step + c] * v[f * step + c];
    pl_kernel.winograd_output(y, (ptrdiff_t)(outputs * step), (ptrdiff_t)step, m, (ptrdiff_t)step,
                              with_bias ? bias : NULL, channels, n, (int)outputs, rows, cols, accumulate);
    for (size_t at = 0; at < place; at++) {
      size_t c = at % step, j = at / step % outputs, i = at / step / outputs;
      if (c >= channels || i >= (size_t)rows || j >= (size_t)cols) {   /* nothing else is written */
        assert_memory_equal(&y[at], &before[at], sizeof *y);
        continue;
      }
      double sum = (with_bias ? (double)bias[c] : 0) + (accumulate ? (double)before[at] : 0);
      for (int a = 0; a < taps; a++) for (int b = 0; b < taps; b++)
        sum += (double)x[((i + (size_t)a) * (size_t)n + j + (size_t)b) * step + c]
          * (double)w[(size_t)(a * taps + b) * step + c];
      if (!(fabs((double)y[at] - sum) <= 3e-4))
        fail_msg("n %d, %d taps, %zu channels: y[%zu][%zu] is %g, expected %g", n, taps, channels, i, j, (double)y[at],
                 sum);
    }
    same_bits(&bits, y, place, "winograd");
  }
  free(x), free(w), free(bias), free(v), free(u), free(m), free(before), free(y), free(bits);
}

static void tiles(void **state) {
  static const int pairs[][2] = { { 8, 5 }, { 8, 4 }, { 6, 3 }, { 6, 4 } };
  (void)state;
  for (size_t p = 0; p < 4; p++) {
    int n = pairs[p][0], taps = pairs[p][1], outputs = n - taps + 1;
    for (size_t channels = 1; channels <= 35; channels++) {
      check(n, taps, channels, 0, false, false, outputs, outputs);
      check(n, taps, channels, channels % 4, channels % 2, channels % 3 == 0, random_int(1, outputs),
            random_int(1, outputs));
    }
  }
}

/* A tile that reaches over a border is the tile with zeros there, to the bit. */
static void borders(void **state) {
  static const int pairs[][2] = { { 8, 0 }, { 6, 0 }, { 8, 4 }, { 6, 4 } };
  (void)state;
  for (int isa = 0; next_isa(&isa); isa++) for (int i = 0; i < 200; i++) {
    int n = pairs[i % 4][0], taps = pairs[i % 4][1], side = taps ? taps : n;
    pl_inside in = { .top = random_int(0, side - 1), .left = random_int(0, side - 1) };
    in.bottom = random_int(in.top + 1, side), in.right = random_int(in.left + 1, side);
    size_t channels = (size_t)random_int(1, 35), width = (size_t)(in.right - in.left),
      size = (size_t)((in.bottom - in.top) * (in.right - in.left)) * channels;
    size_t planes = (size_t)(n * n) * channels;
    float *x = random_floats(size), *whole = calloc((size_t)(side * side) * channels, sizeof *whole),
      *wanted = random_floats(planes), *got = random_floats(planes);
    for (int y = in.top; y < in.bottom; y++)
      memcpy(whole + (size_t)(y * side + in.left) * channels, x + (size_t)(y - in.top) * width * channels,
             width * channels * sizeof *x);
    ptrdiff_t plane = (ptrdiff_t)channels, row = (ptrdiff_t)(width * channels),
      whole_row = (ptrdiff_t)((size_t)side * channels);
    if (taps) {
      pl_kernel.winograd_filter(wanted, plane, whole, whole_row, plane, channels, n, taps, NULL);
      pl_kernel.winograd_filter(got, plane, x, row, plane, channels, n, taps, &in);
    } else {
      pl_kernel.winograd_input(wanted, plane, whole, whole_row, plane, channels, n, NULL);
      pl_kernel.winograd_input(got, plane, x, row, plane, channels, n, &in);
    }
    assert_memory_equal(wanted, got, planes * sizeof *got);
    free(x), free(whole), free(wanted), free(got);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(tiles), cmocka_unit_test(borders) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
