/* Execs: a pass has its state to itself. Whatever fails, changes or runs between a forward and its backward, the
   gradients are those of a model to which nothing happened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "layers/layer.h"
#include "support_model.h"
#include "perilune/alloc.h"
#include "perilune/cpu.h"

static const char net[] = SEQUENTIAL(
  LAYER("Conv2d", "2,8,5,{'padding':'same'}") NEXT LAYER("BatchNorm", "8") NEXT LAYER("ReLU",
      "") NEXT LAYER("MaxPool2d", "2") NEXT
  LAYER("Conv2d", "8,24,3,{'stride':2}") NEXT LAYER("ReLU", "") NEXT LAYER("Dropout", "0.3") NEXT
  RESIDUAL(LAYER("Conv2d", "24,24,3,{'padding':'same'}")) NEXT LAYER("Flatten", "") NEXT LAYER("Linear",
      "216,64") NEXT LAYER("Tanh", "") NEXT
  LAYER("Linear", "64,10"));
static const pl_shape sample = { 3, { 14, 14, 2 } };

enum { BATCH = 24, PIXELS = 14 * 14 * 2, OUT = 10 };
static float x[10 * BATCH * PIXELS], dy[BATCH * OUT];

typedef void (*event_fn)(pl_model *model, pl_exec *exec);

static void nothing(pl_model *model, pl_exec *exec) { (void)model, (void)exec; }

static void large_forward_fails(pl_model *model, pl_exec *exec) {
  const float *y;
  pl_error err = { 0 };
  (void)model;
  pl_alloc_set_limit(pl_alloc_live() + 100000);
  assert_int_equal(pl_exec_forward(exec, x, 10 * BATCH, PL_TRAIN, &y, &err), PL_ERROR_MEMORY);
  assert_int_equal(pl_exec_reserve(exec, 10 * BATCH, PL_TRAIN, &err), PL_ERROR_MEMORY);
  pl_alloc_set_limit(0);
}

static void allocations_fail(pl_model *model, pl_exec *exec) {
  (void)model;
  for (long n = 1; n <= 3; n++) {   /* the plan's tables and the arena are among the first */
    pl_alloc_fail_at(n);
    assert_int_equal(pl_exec_reserve(exec, 10 * BATCH, PL_TRAIN, NULL), PL_ERROR_MEMORY);
    pl_alloc_fail_at(0);
  }
}

static void fewer_threads(pl_model *model, pl_exec *exec) { (void)model, (void)exec; pl_threads_set(1); }
static void more_threads(pl_model *model, pl_exec *exec) { (void)model, (void)exec; pl_threads_set(16); }

static void another_exec_runs(pl_model *model, pl_exec *exec) {
  static float other_dy[3 * OUT];
  const float *y;
  pl_error err = { 0 };
  pl_exec *other = pl_exec_new(model, &err);
  uint64_t step = pl_model_step(model);
  (void)exec;
  assert_int_equal(pl_exec_forward(other, x + 7, 3 * BATCH, PL_INFER, &y, &err), PL_OK);
  assert_int_equal(pl_exec_forward(other, x + 7, BATCH, PL_CAPTURE, &y, &err), PL_OK);
  assert_int_equal(pl_exec_forward(other, x + 9, 3, PL_TRAIN, &y, &err), PL_OK);
  assert_int_equal(pl_exec_pending(exec), BATCH);
  assert_int_equal(pl_exec_backward(other, other_dy, NULL, &err), PL_OK);
  assert_int_equal(pl_exec_pending(other), 0);
  pl_exec_free(other);
  pl_model_replace_grads(model);
  pl_model_set_random(model, 9, step);
}

static void built_for_another_shape(pl_model *model, pl_exec *exec) {
  const pl_shape wide = { 3, { 14, 15, 2 } };   /* pooled and strided to the same features */
  pl_error err = { 0 };
  const float *y;
  assert_int_equal(pl_model_build(model, &wide, &err), PL_OK);
  assert_true(pl_shape_equal(pl_exec_input(exec), &sample));
  pl_exec *other = pl_exec_new(model, &err);
  assert_true(pl_shape_equal(pl_exec_input(other), &wide));
  assert_int_equal(pl_exec_forward(other, x, 2, PL_INFER, &y, &err), PL_OK);
  pl_exec_free(other);
}

/* Output, gradients and gradient of the input, with `event` between the passes. */
static void run(float *all, event_fn event, int threads) {
  const float *y;
  pl_error err = { 0 };
  pl_threads_set(threads);
  pl_model *model = model_from_text(net, &sample);
  pl_model_set_random(model, 9, 3);
  pl_exec *exec = pl_exec_new(model, &err);
  assert_int_equal(pl_exec_forward(exec, x, BATCH, PL_TRAIN, &y, &err), PL_OK);
  memcpy(all, y, BATCH * OUT * sizeof *y);
  event(model, exec);
  if (pl_exec_backward(exec, dy, all + BATCH * OUT, &err)) fail_msg("%s", err.text);
  memcpy(all + BATCH * (OUT + PIXELS), pl_model_grads(model), pl_model_size(model) * sizeof(float));
  assert_int_equal(pl_exec_backward(exec, dy, NULL, &err), PL_ERROR_STATE);
  drop_model(model);
  pl_exec_free(exec);   /* after its model */
  pl_threads_set(0);
}

static void between_the_passes(void **state) {
  enum { ALL = BATCH * (OUT + PIXELS) + 100000 };
  static const event_fn events[] = { nothing, large_forward_fails, allocations_fail, fewer_threads, more_threads,
                                     another_exec_runs, built_for_another_shape };
  static float expected[ALL], got[ALL];
  (void)state;
  run(expected, nothing, 1);
  for (size_t i = 0; i < sizeof events / sizeof *events; i++) for (int threads = 1; threads <= 4; threads++) {
    memset(got, 0, sizeof got);
    run(got, events[i], threads);
    if (memcmp(got, expected, sizeof got)) fail_msg("other bits after event %zu on %d threads", i, threads);
  }
}

static pl_status fails(void *context, pl_host_call *call, pl_error *err) {
  bool *broken = context;
  if (call->kind == PL_HOST_SHAPE) return PL_OK;
  if (*broken) return pl_error_set(err, PL_ERROR_VALUE, "on purpose");
  size_t n = call->batch * (size_t)pl_shape_count(&call->in);
  if (call->kind == PL_HOST_FORWARD) memcpy(call->y, call->x, n * sizeof *call->x);
  else memcpy(call->dx, call->dy, n * sizeof *call->dy);
  return PL_OK;
}

/* A function of the script that fails leaves no pass behind: neither the one that it was in, nor the one before. */
static void functions_that_fail(void **state) {
  pl_error err = { 0 };
  const float *y;
  bool broken = true;
  (void)state;
  pl_layer *root = layer_from_text(SEQUENTIAL(LAYER("Linear", "4,3") NEXT "{'type':'Lambda'}" NEXT LAYER("Linear",
      "3,2")), &err);
  pl_layer_child(root, 1)->host = fails;
  pl_layer_child(root, 1)->host_context = &broken;
  pl_model *model = pl_model_new(root, &err);
  if (pl_model_build(model, &SHAPE(4), &err) || pl_model_initialize(model, 1, &err)) fail_msg("%s", err.text);
  pl_exec *exec = pl_exec_new(model, &err);
  for (int i = 0; i < 2; i++) {
    broken = false;
    assert_int_equal(pl_exec_forward(exec, x, 2, PL_TRAIN, &y, &err), PL_OK);
    broken = true;
    if (i == 0) assert_int_equal(pl_exec_forward(exec, x, 64, PL_TRAIN, &y, &err), PL_ERROR_VALUE);
    else assert_int_equal(pl_exec_backward(exec, dy, NULL, &err), PL_ERROR_VALUE);
    assert_int_equal(pl_exec_pending(exec), 0);
    broken = false;
    assert_int_equal(pl_exec_backward(exec, dy, NULL, &err), PL_ERROR_STATE);
  }
  pl_exec_free(exec);
  pl_model_free(model);
  pl_layer_free_tree(root);
}

static void no_reorder(void *context, const pl_order *order, size_t offset, size_t count) {
  (void)context, (void)order, (void)offset, (void)count;
}

static void packed_weights_are_the_trainings_alone(void **state) {
  pl_error err = { 0 };
  const float *y;
  (void)state;
  pl_model *model = model_from_text(SEQUENTIAL(LAYER("Linear", "40,30")), &SHAPE(40));
  pl_exec *exec = pl_exec_new(model, &err), *other = pl_exec_new(model, &err);
  pl_exec_pack(exec, no_reorder, NULL, false);
  assert_int_equal(pl_exec_forward(other, x, 2, PL_INFER, &y, &err), PL_ERROR_STATE);
  assert_int_equal(pl_exec_forward(exec, x, 2, PL_INFER, &y, &err), PL_OK);
  pl_exec_pack(exec, no_reorder, NULL, true);
  assert_int_equal(pl_exec_forward(other, x, 2, PL_INFER, &y, &err), PL_OK);
  pl_exec_free(exec);
  pl_exec_free(other);
  drop_model(model);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(between_the_passes), cmocka_unit_test(functions_that_fail),
    cmocka_unit_test(packed_weights_are_the_trainings_alone) };
  if (pl_cpu_select(NULL, NULL)) return 1;
  pl_rng_fill_normal(x, sizeof x / sizeof *x, (pl_rng){ 1, 1 }, 0, 1);
  pl_rng_fill_normal(dy, sizeof dy / sizeof *dy, (pl_rng){ 1, 2 }, 0, 1);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
