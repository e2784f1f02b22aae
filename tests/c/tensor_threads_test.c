/* Same bits for any number of threads, and products against plain loops in double. */
#include <stdarg.h>
#include <setjmp.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "perilune/cpu.h"
#include "perilune/threads.h"
#include "perilune/tensor.h"

static pl_tensor *normal(uint64_t seed, int64_t rows, int64_t cols) {
  pl_tensor *t = pl_tensor_new(PL_F32, &(pl_shape){ 2, { rows, cols } }, NULL);
  assert_int_equal(pl_tensor_fill_normal(t, pl_rng_make(seed, PL_FOR_USER, 0, 0), 0, 1, NULL), PL_OK);
  return t;
}

static pl_operand of(const pl_tensor *t) { return (pl_operand){ .tensor = t }; }

typedef pl_tensor *(*operation)(const pl_tensor *a, const pl_tensor *b);
static pl_tensor *add(const pl_tensor *a, const pl_tensor *b) {
  return pl_tensor_binary(pl_binary_find("add"), of(a), of(b), NULL);
}
static pl_tensor *tanh_of(const pl_tensor *a, const pl_tensor *b) {
  (void)b;
  return pl_tensor_unary(pl_unary_find("tanh"), a, NULL, NULL);
}
static pl_tensor *column_sums(const pl_tensor *a, const pl_tensor *b) {
  (void)b;
  return pl_tensor_reduce(pl_reduction_find("sum"), a, (bool[PL_MAX_AXES]){ true }, false, 0, NULL);
}
static pl_tensor *row_deviations(const pl_tensor *a, const pl_tensor *b) {
  (void)b;
  return pl_tensor_reduce(pl_reduction_find("std"), a, (bool[PL_MAX_AXES]){ false, true }, true, 1, NULL);
}
static pl_tensor *product(const pl_tensor *a, const pl_tensor *b) {
  pl_tensor *transposed = pl_tensor_transpose(b, 0, 1, NULL), *c = pl_tensor_matmul(a, transposed, NULL);
  pl_tensor_free(transposed);
  return c;
}
static pl_tensor *wide_product(const pl_tensor *a, const pl_tensor *b) {
  pl_tensor *few = pl_tensor_slice(a, 0, 0, 3, NULL), *transposed = pl_tensor_transpose(b, 0, 1, NULL);
  pl_tensor *c = pl_tensor_matmul(few, transposed, NULL);
  pl_tensor_free(few);
  pl_tensor_free(transposed);
  return c;
}

static void same_bits_for_any_number_of_threads(void **state) {
  (void)state;
  const operation operations[] = { add, tanh_of, column_sums, row_deviations, product, wide_product };
  pl_tensor *a = normal(1, 301, 403), *b = normal(2, 301, 403);
  for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
    pl_threads_set(1);
    pl_tensor *reference = operations[i](a, b);
    assert_non_null(reference);
    for (int threads = 2; threads <= 5; threads++) {
      pl_threads_set(threads);
      pl_tensor *again = operations[i](a, b);
      size_t bytes = (size_t)pl_tensor_count(again) * sizeof(float);
      assert_memory_equal(pl_tensor_data(again), pl_tensor_data(reference), bytes);
      pl_tensor_free(again);
    }
    pl_tensor_free(reference);
  }
  pl_threads_set(0);
  pl_tensor_free(a);
  pl_tensor_free(b);
}

static void products_against_double_loops(void **state) {
  (void)state;
  const int64_t sizes[] = { 1, 2, 5, 15, 16, 17, 33, 100 }, inner[] = { 1, 2, 17, 100, 255, 256, 257, 600 };
  enum { N = sizeof sizes / sizeof *sizes };
  for (int i = 0; i < N * N * N; i += 3) {
    int64_t n = sizes[i % N], k = inner[i / N % N], m = sizes[i / N / N];
    pl_tensor *a = normal((uint64_t)i, n, k), *b = normal((uint64_t)i + 1000, k, m), *c = pl_tensor_matmul(a, b, NULL);
    for (int64_t r = 0; r < n; r++) {
      for (int64_t s = 0; s < m; s++) {
        double sum = 0, size = 0;
        for (int64_t t = 0; t < k; t++) {
          double term = pl_tensor_get(a, r * k + t) * pl_tensor_get(b, t * m + s);
          sum += term;
          size += fabs(term);
        }
        assert_true(fabs(pl_tensor_get(c, r * m + s) - sum) <= 1e-6 * size + 1e-30);
      }
    }
    pl_tensor_free(a);
    pl_tensor_free(b);
    pl_tensor_free(c);
  }
}

/* One layout or another: the sum of a row is the same tree. */
static void sums_do_not_depend_on_layout(void **state) {
  (void)state;
  pl_tensor *a = normal(7, 700, 3), *transposed = pl_tensor_transpose(a, 0, 1, NULL),
    *copy = pl_tensor_clone(transposed, NULL);
  pl_tensor *from_view = pl_tensor_reduce(pl_reduction_find("sum"), transposed, (bool[PL_MAX_AXES]){ false, true },
                                          false,
                                          0, NULL);
  pl_tensor *from_copy = pl_tensor_reduce(pl_reduction_find("sum"), copy, (bool[PL_MAX_AXES]){ false, true }, false, 0,
                                          NULL);
  assert_memory_equal(pl_tensor_data(from_view), pl_tensor_data(from_copy), 3 * sizeof(float));
  for (int64_t c = 0; c < 3; c++) {
    double sum = 0;
    for (int64_t r = 0; r < 700; r++) sum += pl_tensor_get(a, r * 3 + c);
    assert_true(fabs(pl_tensor_get(from_view, c) - sum) < 1e-5);
  }
  pl_tensor *all[] = { a, transposed, copy, from_view, from_copy };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) pl_tensor_free(all[i]);
}

int main(void) {
  if (pl_cpu_select(NULL, NULL)) return 1;
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(same_bits_for_any_number_of_threads), cmocka_unit_test(products_against_double_loops),
    cmocka_unit_test(sums_do_not_depend_on_layout),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
