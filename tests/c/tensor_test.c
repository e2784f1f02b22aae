/* Tensors from C: storage and its owners, views, and every allocation failing in turn. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "perilune/alloc.h"
#include "perilune/cpu.h"
#include "perilune/tensor.h"

static pl_tensor *counting(int64_t rows, int64_t cols) {
  pl_tensor *t = pl_tensor_new(PL_F32, &(pl_shape){ 2, { rows, cols } }, NULL);
  for (int64_t i = 0; i < rows * cols; i++) pl_tensor_set(t, i, (double)i, NULL);
  return t;
}

static void new_is_zeroed_and_aligned(void **state) {
  (void)state;
  const pl_dtype types[] = { PL_F32, PL_U8, PL_I32 };
  const size_t sizes[] = { 4, 1, 4 };
  for (int i = 0; i < 3; i++) {
    pl_tensor *t = pl_tensor_new(types[i], &(pl_shape){ 3, { 2, 3, 5 } }, NULL);
    assert_non_null(t);
    assert_int_equal(pl_tensor_count(t), 30);
    assert_int_equal((uintptr_t)pl_tensor_data(t) % 64, 0);
    assert_true(pl_tensor_contiguous(t));
    const char *bytes = pl_tensor_data(t);
    for (size_t k = 0; k < 30 * sizes[i]; k++) assert_int_equal(bytes[k], 0);
    assert_int_equal(pl_dtype_size(types[i]), sizes[i]);
    pl_tensor_free(t);
  }
  pl_tensor_free(NULL);
}

static void bad_shapes_are_refused(void **state) {
  (void)state;
  pl_error err;
  assert_null(pl_tensor_new(PL_F32, &(pl_shape){ 2, { 3, -1 } }, &err));
  assert_int_equal(err.status, PL_ERROR_SHAPE);
  assert_string_equal(err.text, "shape [3, -1]: sizes are 0 or more, axis 2 has -1");
  assert_null(pl_tensor_new(PL_F32, &(pl_shape){ 2, { INT64_MAX, 4 } }, &err));
  assert_int_equal(err.status, PL_ERROR_MEMORY);
  assert_string_equal(err.text, "shape [9223372036854775807, 4]: more elements than any memory holds");
  assert_null(pl_tensor_new(PL_F32, &(pl_shape){ 1, { INT64_MAX / 2 } }, &err));
  assert_int_equal(err.status, PL_ERROR_MEMORY);
  assert_null(pl_tensor_new(PL_F32, &(pl_shape){ 7, { 1 } }, &err));
  assert_null(pl_tensor_new(PL_F32, &(pl_shape){ 3, { 0, INT64_MAX, INT64_MAX } }, &err));
  pl_tensor *t = pl_tensor_new(PL_F32, &(pl_shape){ 2, { 0, 1 << 20 } }, &err);
  assert_int_equal(pl_tensor_count(t), 0);
  assert_null(pl_tensor_expand(t, &(pl_shape){ 3, { INT64_MAX, 0, 1 << 20 } }, &err));
  assert_null(pl_tensor_reshape(t, &(pl_shape){ 3, { 0, INT64_MAX, INT64_MAX } }, &err));
  pl_tensor_free(t);
}

static int released;
static void release(void *owner) { released += *(int *)owner; }

static void wrapped_memory_goes_with_the_last_view(void **state) {
  (void)state;
  float values[6] = { 1, 2, 3, 4, 5, 6 };
  int owner = 7;
  released = 0;
  pl_tensor *t = pl_tensor_wrap(PL_F32, &(pl_shape){ 2, { 2, 3 } }, values, release, &owner, NULL);
  assert_ptr_equal(pl_tensor_data(t), values);
  pl_tensor *row = pl_tensor_select(t, 0, 1, NULL), *column = pl_tensor_select(t, -1, -1, NULL);
  pl_tensor_free(t);
  assert_int_equal(released, 0);
  assert_true(pl_tensor_get(row, 2) == 6);
  assert_true(pl_tensor_get(column, 0) == 3);
  pl_tensor_free(row);
  assert_int_equal(released, 0);
  pl_tensor_free(column);
  assert_int_equal(released, 7);
}

static void count_write(void *owner) { ++*(int *)owner; }

static void an_owner_hears_of_writes(void **state) {
  (void)state;
  float values[6] = { 0 };
  int writes = 0;
  pl_tensor *t = pl_tensor_wrap(PL_F32, &(pl_shape){ 2, { 2, 3 } }, values, NULL, &writes, NULL);
  assert_int_equal(pl_tensor_fill(t, 1, NULL), PL_OK);
  assert_int_equal(writes, 0);
  pl_tensor_on_write(t, count_write);
  pl_tensor *row = pl_tensor_select(t, 0, 1, NULL), *copy = pl_tensor_clone(t, NULL);
  assert_int_equal(pl_tensor_fill(row, 2, NULL), PL_OK);
  assert_int_equal(pl_tensor_fill(t, 3, NULL), PL_OK);
  assert_int_equal(pl_tensor_fill(copy, 4, NULL), PL_OK);
  assert_int_equal(writes, 2);
  pl_tensor_free(row);
  pl_tensor_free(copy);
  pl_tensor_free(t);
}

static void contiguity(void **state) {
  (void)state;
  pl_tensor *t = counting(3, 4);
  pl_tensor *transposed = pl_tensor_transpose(t, 0, 1, NULL), *rows = pl_tensor_slice(t, 0, 1, 3, NULL);
  pl_tensor *cols = pl_tensor_slice(t, 1, 1, 3, NULL);
  pl_tensor *one = pl_tensor_slice(transposed, 1, 1, 2, NULL), *none = pl_tensor_slice(cols, 0, 2, 2, NULL);
  assert_false(pl_tensor_contiguous(transposed));
  assert_true(pl_tensor_contiguous(rows));
  assert_false(pl_tensor_contiguous(cols));
  assert_true(pl_tensor_contiguous(one));    /* [4, 1]: a stride of 4 rows of 1 counts */
  assert_true(pl_tensor_contiguous(none));
  pl_tensor *same = pl_tensor_to_contiguous(rows, NULL), *copy = pl_tensor_to_contiguous(transposed, NULL);
  assert_ptr_equal(pl_tensor_data(same), pl_tensor_data(rows));
  assert_ptr_not_equal(pl_tensor_data(copy), pl_tensor_data(transposed));
  assert_true(pl_tensor_equal(copy, transposed, 0));
  for (int64_t i = 0; i < 12; i++) assert_true(((float *)pl_tensor_data(copy))[i] == (float)(i % 3 * 4 + i / 3));
  pl_tensor *all[] = { t, transposed, rows, cols, one, none, same, copy };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) pl_tensor_free(all[i]);
}

/* Every operation that allocates; each returns whether it succeeded. */
typedef struct inputs { pl_tensor *a, *transposed, *mask, *labels, *bytes; } inputs;

static bool done(pl_tensor *t) {
  pl_tensor_free(t);
  return t != NULL;
}
static bool ok(pl_status status) { return status == PL_OK; }
static pl_operand of(const pl_tensor *t) { return (pl_operand){ .tensor = t }; }

static bool try_clone(inputs *x, pl_error *err) { return done(pl_tensor_clone(x->transposed, err)); }
static bool try_reshape(inputs *x, pl_error *err) {
  return done(pl_tensor_reshape(x->transposed, &(pl_shape){ 1, { 9 } }, err));
}
static bool try_to(inputs *x, pl_error *err) { return done(pl_tensor_to(x->a, PL_I32, err)); }
static bool try_binary(inputs *x, pl_error *err) {
  return done(pl_tensor_binary(pl_binary_find("add"), of(x->a), of(x->transposed), err));
}
static bool try_in_place(inputs *x, pl_error *err) {
  return ok(pl_tensor_binary_in_place(x->a, pl_binary_find("mul"), of(x->transposed), err));
}
static bool try_in_place_bytes(inputs *x, pl_error *err) {
  return ok(pl_tensor_binary_in_place(x->bytes, pl_binary_find("add"), (pl_operand){ .number = 1, .is_integer = true },
                                      err));
}
static bool try_unary(inputs *x, pl_error *err) { return done(pl_tensor_unary(pl_unary_find("exp"), x->a, NULL, err)); }
static bool try_unary_in_place(inputs *x, pl_error *err) {
  return ok(pl_tensor_unary_in_place(x->bytes, pl_unary_find("abs"), NULL, err));
}
static bool try_copy(inputs *x, pl_error *err) { return ok(pl_tensor_copy(x->a, x->transposed, err)); }
static bool try_copy_bytes(inputs *x, pl_error *err) { return ok(pl_tensor_copy(x->bytes, x->a, err)); }
static bool try_reduce(inputs *x, pl_error *err) {
  return done(pl_tensor_reduce(pl_reduction_find("sum"), x->a, (bool[PL_MAX_AXES]){ true }, false, 0, err));
}
static bool try_matmul(inputs *x, pl_error *err) { return done(pl_tensor_matmul(x->a, x->transposed, err)); }
static bool try_vector(inputs *x, pl_error *err) {
  pl_tensor *row = pl_tensor_select(x->a, 0, 0, err);
  bool success = row != NULL && done(pl_tensor_matmul(row, row, err));
  pl_tensor_free(row);
  return success;
}
static bool try_index(inputs *x, pl_error *err) { return done(pl_tensor_index(x->transposed, 0, x->labels, err)); }
static bool try_gather(inputs *x, pl_error *err) {
  pl_tensor *column = pl_tensor_unsqueeze(x->labels, 1, err);
  bool success = column != NULL && done(pl_tensor_gather(x->a, 1, column, err));
  pl_tensor_free(column);
  return success;
}
static bool try_where(inputs *x, pl_error *err) {
  return done(pl_tensor_where(x->mask, of(x->a), of(x->transposed), err));
}
static bool try_masked_select(inputs *x, pl_error *err) { return done(pl_tensor_masked_select(x->a, x->mask, err)); }
static bool try_masked_fill(inputs *x, pl_error *err) { return ok(pl_tensor_masked_fill(x->a, x->transposed, 1, err)); }
static bool try_cat(inputs *x, pl_error *err) {
  return done(pl_tensor_cat((const pl_tensor *[]){ x->a, x->transposed }, 2, 1, err));
}
static bool try_stack(inputs *x, pl_error *err) {
  return done(pl_tensor_stack((const pl_tensor *[]){ x->a, x->transposed }, 2, 0, err));
}
static bool try_one_hot(inputs *x, pl_error *err) { return done(pl_tensor_one_hot(x->labels, 3, err)); }
static bool try_sort(inputs *x, pl_error *err) {
  pl_tensor *values = NULL, *places = NULL;
  bool success = ok(pl_tensor_sort(&values, &places, x->a, 0, false, err));
  if (!success) assert_true(values == NULL && places == NULL);
  pl_tensor_free(values);
  pl_tensor_free(places);
  return success;
}

static bool (*const tries[])(inputs *, pl_error *) = {
  try_clone, try_reshape, try_to, try_binary, try_in_place, try_in_place_bytes, try_unary, try_unary_in_place, try_copy,
  try_copy_bytes,
  try_reduce, try_matmul, try_vector, try_index, try_gather, try_where, try_masked_select, try_masked_fill, try_cat,
  try_stack,
  try_one_hot, try_sort,
};

static void every_allocation_may_fail(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
    inputs x = { .a = counting(3, 3) };
    x.transposed = pl_tensor_transpose(x.a, 0, 1, NULL);
    x.mask = pl_tensor_binary(pl_binary_find("gt"), of(x.a), (pl_operand){ .number = 4 }, NULL);
    x.bytes = pl_tensor_to(x.a, PL_U8, NULL);
    x.labels = pl_tensor_new(PL_I32, &(pl_shape){ 1, { 3 } }, NULL);
    size_t held = pl_alloc_live();
    long n = 1;
    bool success = false;
    for (; !success && n < 50; n++) {
      pl_error err = { PL_OK, "" };
      pl_alloc_fail_at(n);
      success = tries[i](&x, &err);
      pl_alloc_fail_at(0);
      if (!success) assert_int_equal(err.status, PL_ERROR_MEMORY);
      assert_int_equal(pl_alloc_live(), held);
    }
    assert_true(success);
    assert_true(n > 2);   /* at least one allocation did fail */
    pl_tensor *all[] = { x.a, x.transposed, x.mask, x.bytes, x.labels };
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) pl_tensor_free(all[k]);
  }
}

int main(void) {
  if (pl_cpu_select(NULL, NULL)) return 1;
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(new_is_zeroed_and_aligned), cmocka_unit_test(bad_shapes_are_refused),
    cmocka_unit_test(wrapped_memory_goes_with_the_last_view), cmocka_unit_test(contiguity),
    cmocka_unit_test(an_owner_hears_of_writes),
    cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
