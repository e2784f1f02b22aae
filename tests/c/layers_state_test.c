/* What layers do beyond a function of their input: running statistics, dropout's masks, modes; and NaN. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "support_model.h"
#include "support_isa.h"
#include "perilune/cpu.h"

static const float *run(pl_model *model, const float *x, size_t n, pl_mode mode) {
  const float *y;
  pl_error err = { 0 };
  if (model_forward(model, x, n, mode, &y, &err)) fail_msg("%s", err.text);
  return y;
}

static float *param(const pl_model *model, const char *name) {
  const pl_layer *root = pl_model_root((pl_model *)(uintptr_t)model);
  for (int i = 0; i < pl_layer_params(root); i++)
    if (strcmp(pl_layer_param_name(root, i), name) == 0) return pl_layer_param_value(root, i);
  fail_msg("no parameter %s", name);
  return NULL;
}

/* A few training passes, against sums in double. */
static void check_statistics(const char *text, size_t rows, size_t features, double momentum, bool unbiased) {
  float *x = malloc(rows * features * sizeof *x);
  double mean[64] = { 0 }, var[64];
  for (size_t j = 0; j < features; j++) var[j] = 1;
  pl_model *model = model_from_text(text, &SHAPE((int64_t)features));
  for (uint64_t pass = 0; pass < 3; pass++) {
    pl_rng_fill_normal(x, rows * features, (pl_rng){ 4, pass }, 2, 3);
    run(model, x, rows, PL_TRAIN);
    for (size_t j = 0; j < features; j++) {
      double m = 0, v = 0;
      for (size_t i = 0; i < rows; i++) m += (double)x[i * features + j] / (double)rows;
      for (size_t i = 0; i < rows; i++)
        v += pow((double)x[i * features + j] - m, 2) / (double)(unbiased && rows > 1 ? rows - 1 : rows);
      mean[j] = (1 - momentum) * mean[j] + momentum * m;
      var[j] = (1 - momentum) * var[j] + momentum * v;
      assert_true(fabs((double)param(model, "running_mean")[j] - mean[j]) < 1e-5);
      assert_true(fabs((double)param(model, "running_var")[j] - var[j]) < 1e-4);
    }
    float before = param(model, "running_mean")[0];
    const float *y = run(model, x, rows, PL_INFER);
    for (size_t i = 0; i < rows * features; i++)
      assert_true(fabs((double)y[i] - ((double)x[i] - mean[i % features]) / sqrt(var[i % features] + 1e-5)) < 1e-4);
    run(model, x, rows, PL_INFER_DROPOUT);
    run(model, x, rows, PL_CAPTURE);
    assert_true(param(model, "running_mean")[0] == before);
  }
  pl_error err;
  assert_int_equal(pl_model_initialize(model, 1, &err), PL_OK);
  assert_true(param(model, "running_mean")[0] == 0 && param(model, "running_var")[0] == 1);
  drop_model(model);
  free(x);
}

static void running_statistics(void **state) {
  (void)state;
  check_statistics(LAYER("BatchNorm", "5"), 700, 5, 0.1, true);
  check_statistics(LAYER("BatchNorm", "40,{'momentum':0.5}"), 9, 40, 0.5, true);
  check_statistics(LAYER("BatchNorm", "17,{'unbiased':false,'affine':false}"), 20, 17, 0.1, false);
  check_statistics(LAYER("BatchNorm", "3,{'momentum':1}"), 6, 3, 1, true);
  check_statistics(LAYER("BatchNorm", "3,{'momentum':0}"), 6, 3, 0, true);
}

/* One row has no variance: refused in training, and nothing is changed; elsewhere the running statistics serve. */
static void a_batch_of_one_row(void **state) {
  float x[4] = { 1, -2, 3e5f, 0 };
  const float *y;
  pl_error err;
  (void)state;
  pl_model *model = model_from_text(LAYER("BatchNorm", "4"), &SHAPE(4));
  assert_int_equal(model_forward(model, x, 1, PL_TRAIN, &y, &err), PL_ERROR_VALUE);
  assert_non_null(strstr(err.text, "has no variance of one row"));
  for (int j = 0; j < 4; j++) assert_true(param(model, "running_var")[j] == 1 && param(model, "running_mean")[j] == 0);
  assert_int_equal(model_forward(model, x, 1, PL_INFER, &y, &err), PL_OK);
  drop_model(model);
}

/* A mean far from 0 does not spoil the variance. */
static void large_means(void **state) {
  enum { ROWS = 2000 };
  static float x[ROWS];
  (void)state;
  pl_rng_fill_normal(x, ROWS, (pl_rng){ 8, 8 }, 1000, 0.5);
  pl_model *model = model_from_text(LAYER("BatchNorm", "1,{'momentum':1}"), &SHAPE(1));
  run(model, x, ROWS, PL_TRAIN);
  assert_true(fabs((double)param(model, "running_var")[0] - 0.25) < 0.03 &&
              fabs((double)param(model, "running_mean")[0] - 1000) < 0.1);
  drop_model(model);
}

enum { MANY = 64 * 1000 };

static void dropout_masks(void **state) {
  static float x[MANY], dx[MANY], first[MANY];
  pl_error err;
  (void)state;
  pl_model *model = model_from_text(LAYER("Dropout", "0.25"), &SHAPE(100));
  for (size_t i = 0; i < MANY; i++) x[i] = 3;
  pl_model_set_random(model, 11, 0);
  const float *y = run(model, x, MANY / 100, PL_TRAIN);
  size_t kept = 0;
  for (size_t i = 0; i < MANY; i++) {
    assert_true(y[i] == 0 || y[i] == 4);   /* 3 / (1 - 0.25) */
    kept += y[i] != 0;
  }
  assert_true(kept > MANY * 0.74 && kept < MANY * 0.76);
  memcpy(first, y, sizeof first);
  assert_int_equal(model_backward(model, x, dx, &err), PL_OK);
  assert_memory_equal(dx, first, sizeof first);   /* dy = x here: the same mask, the same scale */

  size_t both = 0;   /* the next step has another mask, independent of the first */
  y = run(model, x, MANY / 100, PL_TRAIN);
  for (size_t i = 0; i < MANY; i++) both += y[i] != 0 && first[i] != 0;
  assert_true(both > MANY * 0.5525 && both < MANY * 0.5725);

  assert_memory_equal(run(model, x, MANY / 100, PL_INFER), x, sizeof x);
  assert_memory_equal(run(model, x, MANY / 100, PL_CAPTURE), x, sizeof x);
  assert_true(memcmp(run(model, x, MANY / 100, PL_INFER_DROPOUT), x, sizeof x) != 0);

  /* the same seed and step: the same mask, also for a part of the batch */
  pl_model_set_random(model, 11, 0);
  assert_memory_equal(run(model, x, 10, PL_TRAIN), first, 1000 * sizeof *x);
  drop_model(model);
}

static void two_dropouts_differ(void **state) {
  float x[640];
  (void)state;
  for (size_t i = 0; i < 640; i++) x[i] = 1;
  pl_model *model = model_from_text(SEQUENTIAL(LAYER("Dropout", "0.5") NEXT LAYER("Dropout", "0.5")), &SHAPE(64));
  const float *y = run(model, x, 10, PL_TRAIN);
  size_t kept = 0;
  for (size_t i = 0; i < 640; i++) kept += y[i] != 0;
  assert_true(kept > 100 && kept < 220);   /* a quarter; a half if the masks were the same */
  drop_model(model);
}

/* A NaN in the input is seen in the output, whatever the layer and the instruction set. */
static void nan_is_passed_on(void **state) {
  static const char *const layers[] = {
    LAYER("Linear", "4,3"), LAYER("Conv2d", "4,3,2"), LAYER("Conv2d", "4,20,3,{'padding':'same'}"),
    LAYER("MaxPool2d", "2"), LAYER("AvgPool2d", "2"),
    LAYER("GlobalAvgPool2d", ""), LAYER("BatchNorm", "4"), LAYER("ReLU", ""), LAYER("LeakyReLU", ""), LAYER("ELU", ""),
    LAYER("Tanh", ""),
    LAYER("Sigmoid", ""), LAYER("GELU", ""), LAYER("GELU", "{'approximate':'tanh'}"), LAYER("SiLU", ""),
    LAYER("Softmax", ""), LAYER("LogSoftmax", ""),
    LAYER("Flatten", ""), LAYER("Dropout", "0"), RESIDUAL(LAYER("ReLU", "")),
  };
  static const char *const isas[] = { "baseline", "avx2", "avx512", "neon" };
  (void)state;
  for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
    if (!has_isa(isas[i])) continue;
    for (size_t k = 0; k < sizeof layers / sizeof *layers; k++) {
      for (int mode = PL_INFER; mode <= PL_TRAIN; mode++) {
        float x[2 * 6 * 6 * 4];
        bool seen = false;
        pl_rng_fill_normal(x, sizeof x / sizeof *x, (pl_rng){ 6, 6 }, 0, 1);
        x[77] = NAN;
        pl_model *model = model_from_text(layers[k], &SHAPE(6, 6, 4));
        const float *y = run(model, x, 2, (pl_mode)mode);
        for (size_t j = 0; j < 2 * (size_t)pl_shape_count(pl_model_output(model)); j++) seen = seen || isnan(y[j]);
        if (!seen) fail_msg("%s loses a NaN on %s", layers[k], isas[i]);
        drop_model(model);
      }
    }
  }
  pl_cpu_select(NULL, NULL);
}

static void initial_values(void **state) {
  (void)state;
  pl_model *model = model_from_text(LAYER("Linear", "300,200,{'init':'he','bias_init':['constant',0.5]}"), &SHAPE(300));
  const float *w = param(model, "weight"), *b = param(model, "bias");
  double sum = 0, squares = 0;
  for (int i = 0; i < 60000; i++) sum += (double)w[i], squares += (double)w[i] * (double)w[i];
  assert_true(fabs(sum / 60000) < 0.002 && fabs(squares / 60000 - 2.0 / 300) < 1e-4);
  for (int i = 0; i < 200; i++) assert_true(b[i] == 0.5f);
  drop_model(model);
  model = model_from_text(LAYER("Conv2d", "10,40,3,{'init':'xavier'}"), &SHAPE(5, 5, 10));
  double limit = sqrt(6.0 / (9 * 10 + 9 * 40)), most = 0;
  w = param(model, "weight");
  for (int i = 0; i < 3600; i++) most = fmax(most, fabs((double)w[i]));
  assert_true(most <= limit && most > 0.99 * limit);
  drop_model(model);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(running_statistics), cmocka_unit_test(a_batch_of_one_row), cmocka_unit_test(large_means),
    cmocka_unit_test(dropout_masks),
    cmocka_unit_test(two_dropouts_differ), cmocka_unit_test(nan_is_passed_on), cmocka_unit_test(initial_values),
  };
  return pl_cpu_select(NULL, NULL) ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
