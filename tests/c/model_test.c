/* A model's memory and life: every allocation may fail, batches grow and weight_decay_factor, shapes change, calls come
   in the wrong order, tensors outlive it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "support_model.h"
#include "perilune/alloc.h"
#include "perilune/cpu.h"

static const char net[] = SEQUENTIAL(
  LAYER("Conv2d", "1,3,3,{'padding':'same'}") NEXT LAYER("BatchNorm", "3") NEXT LAYER("ReLU",
      "") NEXT LAYER("MaxPool2d", "2") NEXT
  RESIDUAL(SEQUENTIAL(LAYER("Conv2d", "3,3,3,{'padding':1}") NEXT LAYER("Tanh", ""))) NEXT LAYER("Dropout", "0.5") NEXT
  LAYER("Flatten", "") NEXT LAYER("Linear", "27,4") NEXT LAYER("LogSoftmax", ""));
static const pl_shape sample = { 3, { 6, 6, 1 } };

static float x[40 * 36], dy[40 * 4], dx[40 * 36];

/* Everything, from making the layers to a backward pass; what failed first. */
static pl_status life(pl_error *err) {
  pl_model *model = NULL;
  pl_exec *exec = NULL;
  pl_layer *root = layer_from_text(net, err);
  pl_status status = PL_ERROR_MEMORY;
  const float *y;
  if (root != NULL) model = pl_model_new(root, err);
  if (model != NULL) status = pl_model_build(model, &sample, err);
  if (status == PL_OK) status = pl_model_initialize(model, 1, err);
  if (status == PL_OK && (exec = pl_exec_new(model, err)) == NULL) status = PL_ERROR_MEMORY;
  if (status == PL_OK) status = pl_exec_forward(exec, x, 3, PL_INFER, &y, err);
  if (status == PL_OK) status = pl_exec_forward(exec, x, 5, PL_TRAIN, &y, err);
  if (status == PL_OK) status = pl_exec_backward(exec, dy, dx, err);
  if (status == PL_OK) status = pl_model_build(model, &sample, err);
  if (status == PL_OK) status = pl_exec_forward(exec, x, 30, PL_CAPTURE, &y, err);
  pl_model_free(model);
  pl_exec_free(exec);   /* it touches neither model nor layers */
  pl_layer_free_tree(root);
  return status;
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  size_t live = pl_alloc_live();
  for (long n = 1;; n++) {
    pl_error err = { 0 };
    pl_alloc_fail_at(n);
    pl_status status = life(&err);
    pl_alloc_fail_at(0);
    assert_int_equal(pl_alloc_live(), live);
    if (status == PL_OK) {
      assert_true(n > 60);
      return;
    }
    assert_int_equal(status, PL_ERROR_MEMORY);
    assert_int_equal(err.status, PL_ERROR_MEMORY);
    assert_true(strlen(err.text) > 10);
    assert_true(n < 10000);
  }
}

/* A model goes on after a failure. */
static void works_after_a_failure(void **state) {
  const float *y;
  (void)state;
  pl_model *model = model_from_text(net, &sample);
  exec_of(model);
  for (int mode = PL_INFER; mode <= PL_TRAIN; mode++) {
    size_t batch = 8;
    for (long n = 1; n < 20; n++, batch++) {
      pl_error err = { 0 };
      pl_alloc_fail_at(n);
      pl_status status = model_forward(model, x, batch, (pl_mode)mode, &y, &err);
      pl_alloc_fail_at(0);
      if (status == PL_OK) continue;
      assert_int_equal(status, PL_ERROR_MEMORY);
      assert_int_equal(model_forward(model, x, batch, (pl_mode)mode, &y, &err), PL_OK);
      if (mode == PL_TRAIN) assert_int_equal(model_backward(model, dy, dx, &err), PL_OK);
    }
  }
  drop_model(model);
}

/* The last batch of an epoch is smaller: plans are made once, for the largest. */
static void batches_shrink_and_grow(void **state) {
  static const size_t sizes[] = { 7, 40, 3, 1, 39, 40, 2 };
  pl_error err = { 0 };
  (void)state;
  pl_model *one = model_from_text(net, &sample);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    pl_model *fresh = model_from_text(net, &sample);
    for (int mode = PL_INFER; mode <= PL_TRAIN; mode++) {
      const float *y, *z;
      float kept[40 * 4], dx_fresh[40 * 36];
      size_t n = sizes[i];
      pl_model_set_random(one, 3, 7);
      pl_model_set_random(fresh, 3, 7);
      assert_int_equal(pl_model_initialize(one, 1, &err), PL_OK);   /* statistics from the start */
      assert_int_equal(model_forward(one, x, n, (pl_mode)mode, &y, &err), PL_OK);
      memcpy(kept, y, n * 4 * sizeof *y);
      assert_int_equal(model_forward(fresh, x, n, (pl_mode)mode, &z, &err), PL_OK);
      assert_memory_equal(kept, z, n * 4 * sizeof *y);
      if (mode != PL_TRAIN) continue;
      assert_int_equal(model_backward(one, dy, dx, &err), PL_OK);
      assert_int_equal(model_backward(fresh, dy, dx_fresh, &err), PL_OK);
      assert_memory_equal(dx, dx_fresh, n * 36 * sizeof *dx);
      assert_memory_equal(pl_model_grads(one), pl_model_grads(fresh), pl_model_size(one) * sizeof(float));
    }
    drop_model(fresh);
  }
  drop_model(one);
}

static void other_input_shapes(void **state) {
  const float *y;
  pl_error err = { 0 };
  (void)state;
  pl_model *model = model_from_text(SEQUENTIAL(LAYER("Conv2d", "1,2,3") NEXT LAYER("GlobalAvgPool2d", "")),
                                    &SHAPE(5, 5, 1));
  float before = pl_model_values(model)[3];
  assert_int_equal(pl_model_build(model, &SHAPE(9, 4, 1), &err), PL_OK);
  assert_int_equal(model_forward(model, x, 10, PL_TRAIN, &y, &err), PL_OK);
  assert_int_equal(pl_model_build(model, &SHAPE(2, 2, 1), &err), PL_ERROR_SHAPE);
  /* a shape that does not fit leaves things as they were */
  assert_true(pl_shape_equal(pl_model_input(model), &SHAPE(9, 4, 1)));
  assert_int_equal(model_forward(model, x, 10, PL_INFER, &y, &err), PL_OK);
  assert_true(pl_model_values(model)[3] == before);
  drop_model(model);

  model = model_from_text(LAYER("Conv2d", "1,2,3,{'bias':'per-position'}"), &SHAPE(5, 5, 1));
  assert_int_equal(pl_model_build(model, &SHAPE(6, 6, 1), &err), PL_ERROR_SHAPE);
  assert_string_equal(err.text, "the model was built for [N, 5, 5, 1] and cannot take [N, 6, 6, 1]: Conv2d: has a bias "
                                "for every position of another image size; got [N, 6, 6, 1]");
  assert_int_equal(model_forward(model, x, 2, PL_TRAIN, &y, &err), PL_OK);
  assert_int_equal(model_backward(model, dy, NULL, &err), PL_OK);
  drop_model(model);
}

static void calls_in_the_wrong_order(void **state) {
  const float *y;
  pl_error err = { 0 };
  (void)state;
  pl_layer *root = layer_from_text(SEQUENTIAL(LAYER("Conv2d", "1,2,3,{'bias':'per-position'}")), &err);
  pl_model *model = pl_model_new(root, &err);
  assert_false(pl_model_is_built(model) || pl_model_has_params(model));
  assert_int_equal(pl_model_initialize(model, 1, &err), PL_ERROR_STATE);
  assert_string_equal(err.text, "the shapes of some parameters depend on the input's; call model:build{...} with "
                                "the shape of one sample first");
  assert_null(pl_exec_new(model, &err));
  assert_int_equal(err.status, PL_ERROR_STATE);
  assert_string_equal(err.text, "the model has not seen the shape of its input; call model:build{...} first");
  assert_int_equal(pl_model_build(model, &SHAPE(5, 5, 1), &err), PL_OK);
  assert_int_equal(model_backward(model, dy, NULL, &err), PL_ERROR_STATE);
  assert_int_equal(model_forward(model, x, 1, PL_INFER, &y, &err), PL_OK);
  assert_int_equal(model_backward(model, dy, NULL, &err), PL_ERROR_STATE);
  assert_string_equal(err.text, "backward follows a forward (a training pass); infer, predict and evaluate keep "
                      "nothing");
  assert_int_equal(model_forward(model, x, 1, PL_TRAIN, &y, &err), PL_OK);
  assert_int_equal(model_backward(model, dy, NULL, &err), PL_OK);
  assert_int_equal(model_backward(model, dy, NULL, &err), PL_ERROR_STATE);
  assert_null(pl_model_new(pl_layer_child(root, 0), &err));
  assert_string_equal(err.text, "Conv2d is part of a larger model; use that one");
  drop_model(model);
}

static void blocks_outlive_the_model(void **state) {
  (void)state;
  size_t live = pl_alloc_live();
  pl_model *model = model_from_text(net, &sample);
  float *values = pl_model_values(model), first = values[0];
  void *block = pl_model_block(model);
  pl_block_retain(block);
  drop_model(model);
  assert_true(values[0] == first && pl_alloc_live() > live);
  pl_block_release(block);
  assert_int_equal(pl_alloc_live(), live);
}

static void slices_cover_the_block(void **state) {
  const pl_slice *slice;
  pl_error err;
  const float *y;
  size_t end = 0, parameters = 0;
  (void)state;
  pl_model *model = model_from_text(net, &sample);
  assert_int_equal(model_forward(model, x, 5, PL_TRAIN, &y, &err), PL_OK);
  assert_int_equal(model_backward(model, dy, NULL, &err), PL_OK);
  size_t n = pl_model_slices(model, &slice);
  assert_int_equal(n, 8);
  for (size_t i = 0; i < n; i++) {
    assert_true(slice[i].offset % 16 == 0 && slice[i].offset >= end && slice[i].offset < end + 16);
    for (; end < slice[i].offset; end++)
      assert_true(pl_model_values(model)[end] == 0 && pl_model_grads(model)[end] == 0);
    end = slice[i].offset + slice[i].count;
    parameters += slice[i].count;
  }
  assert_true(pl_model_size(model) >= end && pl_model_size(model) < end + 16);
  assert_int_equal(pl_model_parameters(model), parameters);
  assert_string_equal(slice[4].path, "05_residual/01_sequential/01_conv2d");
  assert_string_equal(slice[4].name, "weight");
  drop_model(model);
}

/* In a chain of equal layers inference needs the memory of two. */
static void places_are_reused(void **state) {
  (void)state;
  pl_model *model = model_from_text(SEQUENTIAL(LAYER("Tanh", "") NEXT LAYER("Tanh", "") NEXT LAYER("Tanh",
      "") NEXT LAYER("Tanh", "") NEXT LAYER("Tanh", "")), &SHAPE(64));
  size_t one = 10 * 64 * sizeof(float);
  assert_int_equal(pl_exec_arena(model, 10, PL_INFER), 2 * one);
  assert_int_equal(pl_exec_arena(model, 10, PL_CAPTURE), 5 * one);
  assert_true(pl_exec_arena(model, 10, PL_TRAIN) <= 7 * one);
  drop_model(model);
}

/* Activation i of a look is the output of the first i + 1 layers. */
static void activations(void **state) {
  const char *const layer[] = { LAYER("Conv2d", "1,2,3"), LAYER("ReLU", ""), LAYER("Dropout", "0.5"),
                                LAYER("Flatten", ""), LAYER("Linear", "32,5"), LAYER("Softmax", "") };
  const float *y, *z;
  pl_error err;
  char text[1000] = "{'type':'Sequential','layers':[";
  (void)state;
  pl_model *whole = model_from_text(SEQUENTIAL(LAYER("Conv2d", "1,2,3") NEXT LAYER("ReLU", "") NEXT LAYER("Dropout",
      "0.5") NEXT LAYER("Flatten", "") NEXT
                                               LAYER("Linear", "32,5") NEXT LAYER("Softmax", "")), &sample);
  assert_int_equal(model_forward(whole, x, 4, PL_CAPTURE, &y, &err), PL_OK);
  assert_int_equal(pl_model_rows(whole), 6);
  for (int i = 0; i < 6; i++) {
    if (i) strcat(text, ",");
    strcat(text, layer[i]);
    char closed[1100];
    snprintf(closed, sizeof closed, "%s]}", text);
    pl_model *part = model_from_text(closed, &sample);
    assert_int_equal(model_forward(part, x, 4, PL_INFER, &z, &err), PL_OK);
    pl_model_row op = pl_model_row_at(whole, i);
    assert_true(op.kind == PL_MODEL_LAYER && op.layer == pl_layer_child(pl_model_root(whole), i) &&
                pl_shape_equal(&op.output, pl_model_output(part)));
    assert_memory_equal(pl_exec_activation(exec_of(whole), i), z, 4 * (size_t)pl_shape_count(&op.output) * sizeof *z);
    drop_model(part);
  }
  assert_true(pl_model_row_at(whole, 4).work == 32 * 5 && pl_model_row_at(whole, 0).work == 4 * 4 * 9 * 2);
  drop_model(whole);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_allocation_may_fail), cmocka_unit_test(works_after_a_failure),
    cmocka_unit_test(batches_shrink_and_grow),
    cmocka_unit_test(other_input_shapes), cmocka_unit_test(calls_in_the_wrong_order),
    cmocka_unit_test(blocks_outlive_the_model),
    cmocka_unit_test(slices_cover_the_block), cmocka_unit_test(places_are_reused), cmocka_unit_test(activations),
  };
  if (pl_cpu_select(NULL, NULL)) return 1;
  pl_rng_fill_normal(x, sizeof x / sizeof *x, (pl_rng){ 1, 1 }, 0, 1);
  pl_rng_fill_normal(dy, sizeof dy / sizeof *dy, (pl_rng){ 1, 2 }, 0, 1);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
