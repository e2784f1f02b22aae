/* Kernels on the rows and columns of matrices, and element by element, against loops in double: column_sums,
   column_products, transpose, normalize and its backward, relu_grad_sums, relu, add, dropout. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../c/support_kernels.h"
#include "kernels/kernels.h"
#include "perilune/rng.h"

static const size_t widths[] = { 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 31, 32, 33, 47, 48, 49, 64, 65 };
enum { WIDTHS = sizeof widths / sizeof *widths };

static void near(double found, double expected, double size, const char *what) {
  if (!(fabs(found - expected) <= 1e-6 * size)) fail_msg("%s: %.9g, expected %.9g", what, found, expected);
}

static void column_sums(void **state) {
  (void)state;
  for (size_t w = 0; w < WIDTHS; w++)
  for (size_t rows = 0; rows <= 21; rows += rows < 9 ? 1 : 4) for (int accumulate = 0; accumulate < 2; accumulate++) {
    size_t cols = widths[w], stride = cols + rows % 3;
    float *a = random_floats(rows ? (rows - 1) * stride + cols : 0), *before = random_floats(cols),
      *out = copy_floats(before, cols), *bits = NULL;
    for (int i = 0; next_isa(&i); i++) {
      memcpy(out, before, cols * sizeof *out);
      pl_kernel.column_sums(out, a, rows, cols, stride, accumulate);
      for (size_t j = 0; j < cols; j++) {
        double sum = accumulate ? (double)before[j] : 0, size = fabs(sum) + 1;
        for (size_t r = 0; r < rows; r++) sum += (double)a[r * stride + j], size += fabs((double)a[r * stride + j]);
        near((double)out[j], sum, size, "column_sums");
      }
      same_bits(&bits, out, cols, "column_sums");
    }
    free(bits), free(a), free(before), free(out);
  }
}

static void add_to_rows(void **state) {
  (void)state;
  for (size_t w = 0; w < WIDTHS; w++) for (size_t rows = 0; rows <= 5; rows++) {
    size_t cols = widths[w], stride = cols + rows % 3, n = rows ? (rows - 1) * stride + cols : 0;
    float *row = random_floats(cols), *before = random_floats(n), *out = copy_floats(before, n),
      *due = copy_floats(before, n);
    for (size_t i = 0; i < rows; i++) for (size_t j = 0; j < cols; j++) due[i * stride + j] += row[j];
    for (int i = 0; next_isa(&i); i++) {
      if (n > 0) memcpy(out, before, n * sizeof *out);
      pl_kernel.add_to_rows(out, row, rows, cols, stride);
      if (n > 0) assert_memory_equal(out, due, n * sizeof *out);
    }
    free(row), free(before), free(out), free(due);
  }
}

static void column_products(void **state) {
  (void)state;
  for (size_t w = 0; w < WIDTHS; w++)
  for (size_t rows = 1; rows <= 21; rows += rows < 9 ? 1 : 4) for (int centred = 0; centred < 2; centred++) {
    size_t cols = widths[w], stride = cols + rows % 3, size = (rows - 1) * stride + cols;
    float *a = random_floats(size), *b = random_floats(size), *a_mean = random_floats(cols),
      *b_mean = random_floats(cols), *out = random_floats(cols), *bits = NULL;
    for (int i = 0; next_isa(&i); i++) {
      pl_kernel.column_products(out, a, centred ? a_mean : NULL, b, b_mean, rows, cols, stride);
      for (size_t j = 0; j < cols; j++) {
        double sum = 0, absolute = 0;
        for (size_t r = 0; r < rows; r++) {
          double term = ((double)a[r * stride + j] - (centred ? (double)a_mean[j] : 0))
          * ((double)b[r * stride + j] - (double)b_mean[j]);
          sum += term;
          absolute += fabs(term);
        }
        near((double)out[j], sum, absolute, "column_products");
      }
      same_bits(&bits, out, cols, "column_products");
    }
    free(bits), free(a), free(b), free(a_mean), free(b_mean), free(out);
  }
}

static void transpose(void **state) {
  (void)state;
  for (size_t rows = 1; rows <= 35; rows++) for (size_t cols = 1; cols <= 35; cols += 2) {
    size_t stride = cols + 1, out_stride = rows + 2;
    float *a = random_floats((rows - 1) * stride + cols), *out = random_floats((cols - 1) * out_stride + rows),
      *before = copy_floats(out, (cols - 1) * out_stride + rows);
    for (int i = 0; next_isa(&i); i++) {
      pl_kernel.transpose(out, a, rows, cols, out_stride, stride);
      for (size_t at = 0; at < (cols - 1) * out_stride + rows; at++) {
        size_t j = at / out_stride, r = at % out_stride;
        assert_true(out[at] == (r < rows ? a[r * stride + j] : before[at]));
      }
    }
    free(a), free(out), free(before);
  }
}

static void normalize(void **state) {
  (void)state;
  for (size_t w = 0; w < WIDTHS; w++) for (size_t rows = 1; rows <= 131; rows += rows < 4 ? 1 : 61) {
    size_t cols = widths[w], n = rows * cols;
    float *x = random_floats(n), *dy = random_floats(n), *mean = random_floats(cols), *a = random_floats(cols),
      *b = random_floats(cols), *c = random_floats(cols);
    float *y = random_floats(n), *dx = random_floats(n), *bits[3] = { NULL, NULL, NULL };
    for (int i = 0; next_isa(&i); i++) {
      for (int shifted = 0; shifted < 2; shifted++) {
        pl_kernel.normalize(y, x, mean, a, shifted ? c : NULL, NULL, rows, cols, false);
        for (size_t k = 0; k < n; k++) {
          size_t j = k % cols;
          double scaled = ((double)x[k] - (double)mean[j]) * (double)a[j], shift = shifted ? (double)c[j] : 0;
          near((double)y[k], scaled + shift, fabs(scaled) + fabs(shift), "normalize");
        }
        same_bits(&bits[shifted], y, n, "normalize");
      }
      pl_kernel.normalize_backward(dx, dy, x, mean, a, b, c, NULL, rows, cols, false);
      for (size_t k = 0; k < n; k++) {
        size_t j = k % cols;
        double first = (double)a[j] * (double)dy[k], second = (double)b[j] * ((double)x[k] - (double)mean[j]),
          third = (double)c[j];
        near((double)dx[k], first + second + third, fabs(first) + fabs(second) + fabs(third), "normalize_backward");
      }
      same_bits(&bits[2], dx, n, "normalize_backward");
    }
    free(x), free(dy), free(mean), free(a), free(b), free(c), free(y), free(dx), free(bits[0]), free(bits[1]),
      free(bits[2]);
  }
}

/* With max(y, 0) in the same loops: the bits of one after the other. */
static void clamped(void **state) {
  (void)state;
  for (size_t w = 0; w < WIDTHS; w++)
  for (size_t rows = 1; rows <= 71; rows += rows < 6 ? 1 : 13) for (int shifted = 0; shifted < 2; shifted++) {
    size_t cols = widths[w], n = rows * cols, bytes = n * sizeof(float);
    float *x = random_floats(n), *dy = random_floats(n), *mean = random_floats(cols), *a = random_floats(cols),
      *b = random_floats(cols), *c = random_floats(cols);
    float *shift = random_floats(cols), *y = random_floats(n), *expected = random_floats(n), *g = random_floats(n);
    float *sums = random_floats(4 * cols);
    const float *t = shifted ? shift : NULL;
    if (n > 4) x[3] = NAN;
    for (int i = 0; next_isa(&i); i++) {
      pl_kernel.normalize(expected, x, mean, a, t, NULL, rows, cols, false);
      pl_kernel.relu_forward(expected, expected, n);
      pl_kernel.normalize(y, x, mean, a, t, NULL, rows, cols, true);
      assert_memory_equal(y, expected, bytes);
      pl_kernel.relu_backward(g, expected, dy, n);
      pl_kernel.column_sums(sums, g, rows, cols, cols, false);
      pl_kernel.column_products(sums + cols, g, NULL, x, mean, rows, cols, cols);
      pl_kernel.relu_grad_sums(sums + 2 * cols, sums + 3 * cols, dy, x, mean, a, t, rows, cols, cols);
      assert_memory_equal(sums + 2 * cols, sums, 2 * cols * sizeof *sums);
      pl_kernel.normalize_backward(expected, g, x, mean, a, b, c, NULL, rows, cols, false);
      pl_kernel.normalize_backward(y, dy, x, mean, a, b, c, t, rows, cols, true);
      assert_memory_equal(y, expected, bytes);
    }
    free(x), free(dy), free(mean), free(a), free(b), free(c), free(shift), free(y), free(expected), free(g), free(sums);
  }
}

/* With a sum, and max(y, 0), in the same loops. */
static void joined(void **state) {
  (void)state;
  for (size_t w = 0; w < WIDTHS; w++) for (size_t rows = 1; rows <= 5; rows += 2) for (int kind = 0; kind < 4; kind++) {
    size_t cols = widths[w], n = rows * cols;
    float *x = random_floats(n), *other = random_floats(n), *mean = random_floats(cols), *a = random_floats(cols),
      *shift = random_floats(cols);
    float *y = random_floats(n), *expected = random_floats(n);
    const float *t = kind & 1 ? shift : NULL;
    for (int i = 0; next_isa(&i); i++) {
      pl_kernel.normalize(expected, x, mean, a, t, NULL, rows, cols, false);
      (kind & 2 ? pl_kernel.add_relu : pl_kernel.add)(expected, expected, other, n);
      pl_kernel.normalize(y, x, mean, a, t, other, rows, cols, kind & 2);
      assert_memory_equal(y, expected, n * sizeof *y);
    }
    free(x), free(other), free(mean), free(a), free(shift), free(y), free(expected);
  }
}

static void relu_and_add(void **state) {
  (void)state;
  for (size_t n = 0; n <= 70; n++) {
    float *x = random_floats(n), *other = random_floats(n), *third = random_floats(n), *out = random_floats(n);
    if (n > 4) x[2] = NAN, x[3] = -0.0f;
    for (int i = 0; next_isa(&i); i++) {
      pl_kernel.relu_forward(out, x, n);
      for (size_t k = 0; k < n; k++) assert_true(isnan(x[k]) ? isnan(out[k]) : out[k] == fmaxf(x[k], 0));
      pl_kernel.relu_backward(out, x, other, n);
      for (size_t k = 0; k < n; k++) assert_true(out[k] == (x[k] > 0 ? other[k] : 0));
      pl_kernel.add(out, x, other, n);
      for (size_t k = 0; k < n; k++) assert_true(isnan(x[k]) ? isnan(out[k]) : out[k] == x[k] + other[k]);
      pl_kernel.add_relu(out, x, other, n);
      for (size_t k = 0; k < n; k++) assert_true(isnan(x[k]) ? isnan(out[k]) : out[k] == fmaxf(x[k] + other[k], 0));
      pl_kernel.add_relu_backward(out, other, third, x, n);
      for (size_t k = 0; k < n; k++) assert_true(out[k] == (x[k] > 0 ? other[k] + third[k] : 0));
    }
    free(x), free(other), free(third), free(out);
  }
}

/* Element r of group g of 64 takes word r / 16 of Philox block 16 g + r % 16. */
static void dropout(void **state) {
  const uint64_t seed = 0x123456789abcdef0u, stream = 0xfedcba9876543210u;
  const uint32_t threshold = 0x60000000u;
  (void)state;
  for (size_t n = 1; n <= 200; n += 13) for (uint64_t first = 0; first < 2000; first += 64 * 7) {
    float *x = random_floats(n), *y = random_floats(n), *dx = random_floats(n);
    uint64_t kept[4];
    x[n / 2] = NAN;
    for (int i = 0; next_isa(&i); i++)
    for (int clamp = 0; clamp < 2; clamp++) for (int in_place = 0; in_place < 2; in_place++) {
      memcpy(y, x, n * sizeof *y);
      pl_kernel.dropout(y, in_place ? y : x, n, seed, stream, first, threshold, 1.75f, kept, clamp);
      pl_kernel.dropout_backward(dx, x, kept, n, 1.75f);
      for (size_t k = 0; k < n; k++) {
        uint64_t element = first + k, group = element / 64, r = element % 64;
        uint32_t word[4];
        pl_rng_block((pl_rng){ seed, stream }, 16 * group + r % 16, word);
        float value = clamp && x[k] < 0 ? 0 : x[k], due = word[r / 16] >= threshold ? value * 1.75f : 0;
        assert_memory_equal(&y[k], &due, sizeof due);
        if (clamp && isnan(due)) due = 0;   /* what is sent back is not a number's: relu_backward takes it for no
                                               gradient */
        assert_memory_equal(&dx[k], &due, sizeof due);
      }
    }
    free(x), free(y), free(dx);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(column_sums), cmocka_unit_test(add_to_rows), cmocka_unit_test(column_products),
    cmocka_unit_test(transpose),
    cmocka_unit_test(normalize), cmocka_unit_test(clamped), cmocka_unit_test(joined),
    cmocka_unit_test(relu_and_add), cmocka_unit_test(dropout),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
