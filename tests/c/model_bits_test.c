/* The same bits: a net of many layers (each alone: layers_registry_test.c), with dropout, trained for a few steps on 1
   to 4 threads, with AVX2 and with AVX-512, through both ways of running it. (The same as ever:
   tests/golden/bits.txt.) */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sha2.h>
#include <cmocka.h>
#include "base/load_balance.h"
#include "perilune/cpu.h"
#include "perilune/settings.h"
#include "support_model.h"
#include "support_isa.h"

static const char net[] = SEQUENTIAL(
  LAYER("Conv2d", "3,16,3,{'padding':'same'}") NEXT LAYER("BatchNorm", "16") NEXT LAYER("ReLU", "") NEXT
  LAYER("Conv2d", "16,16,5,{'padding':'same'}") NEXT LAYER("LeakyReLU", "0.1") NEXT LAYER("MaxPool2d",
      "2") NEXT LAYER("Dropout", "0.3") NEXT
  LAYER("Conv2d", "16,6,3,{'padding':'same'}") NEXT LAYER("ReLU", "") NEXT LAYER("Conv2d",
      "6,16,5,{'padding':'same'}") NEXT
  RESIDUAL(SEQUENTIAL(LAYER("Conv2d", "16,16,3,{'padding':'same','bias':false}") NEXT LAYER("BatchNorm",
      "16,{'affine':false}") NEXT LAYER("Tanh", "")) NEXT
           LAYER("Conv2d", "16,16,1")) NEXT
  LAYER("Conv2d", "16,8,[3,2],{'stride':2,'padding':1,'bias':'per-position'}") NEXT LAYER("ELU",
      "") NEXT LAYER("AvgPool2d", "2,{'stride':1}") NEXT
  LAYER("GELU", "") NEXT LAYER("MaxPool2d", "3,{'stride':1,'padding':'same'}") NEXT LAYER("Reshape",
      "[3,2,8]") NEXT LAYER("SiLU", "") NEXT
  LAYER("Identity", "") NEXT
  RESIDUAL(SEQUENTIAL(LAYER("Linear", "8,40") NEXT LAYER("GELU", "{'approximate':'tanh'}") NEXT LAYER("Linear",
      "40,8"))) NEXT
  LAYER("GlobalAvgPool2d", "") NEXT LAYER("Flatten", "") NEXT LAYER("Linear", "8,20") NEXT LAYER("Sigmoid",
      "") NEXT LAYER("Dropout", "0.2") NEXT
  LAYER("Linear", "20,10") NEXT LAYER("Softmax", "") NEXT LAYER("Linear", "10,10") NEXT LAYER("LogSoftmax", ""));

enum { BATCH = 37, STEPS = 3 };
static const pl_shape sample = { 3, { 12, 12, 3 } };

static pl_model *make(void) {
  pl_error err = { 0 };
  pl_model *model = model_from_text(net, &sample);
  if (pl_model_initialize(model, 5, &err)) fail_msg("%s", err.text);
  pl_model_set_random(model, 9, 0);
  return model;
}

typedef struct {
  pl_model *model;
  const float *x, *dy;
  float *y;
  size_t n;
  uint64_t step;
  pl_load_balance *balance;
} work;

static void member(const pl_team *equal, void *arg) {
  work *w = arg;
  pl_team unequal = *equal, *team = &unequal;
  team->balance = w->balance;
  pl_stages stages = { .team = team };
  const pl_batch batch = { w->x, w->dy, w->n, w->step };
  const float *y = pl_exec_forward_stages(exec_of(w->model), &stages, &batch);
  pl_stage_barrier_wait(&stages);
  if (team->rank == 0) memcpy(w->y, y, w->n * 10 * sizeof *y);
  pl_team_barrier(team);   /* backward reuses the place */
  pl_exec_backward_stages(exec_of(w->model), &stages, &batch);
  pl_stage_barrier_wait(&stages);
  pl_exec_param_grads_stages(exec_of(w->model), &stages, &batch, NULL);
  pl_stage_end(&stages);
}

static void states_into(SHA2_CTX *sha, const pl_layer *layer) {
  for (int i = 0; i < pl_layer_params(layer); i++) {
    SHA256Update(sha, (const uint8_t *)pl_layer_param_value(layer, i),
                 (size_t)pl_shape_count(pl_layer_param_shape(layer, i)) * sizeof(float));
  }
  for (int i = 0; i < pl_layer_children(layer); i++) states_into(sha, pl_layer_child(layer, i));
}

/* Outputs, gradients, weights and statistics of a few steps of descent. */
static void digest(char text[SHA256_DIGEST_STRING_LENGTH], int threads, bool as_team, pl_load_balance *balance) {
  static float x[BATCH * 12 * 12 * 3], dy[BATCH * 10], dx[BATCH * 12 * 12 * 3];
  pl_model *model = make();
  pl_error err = { 0 };
  SHA2_CTX sha;
  SHA256Init(&sha);
  pl_threads_set(threads);
  for (int step = 0; step < STEPS; step++) {
    size_t n = step == 1 ? BATCH - 8 : BATCH;   /* a smaller batch between */
    pl_rng_fill_normal(x, sizeof x / sizeof *x, (pl_rng){ 1, (uint64_t)step }, 0, 1);
    pl_rng_fill_normal(dy, sizeof dy / sizeof *dy, (pl_rng){ 2, (uint64_t)step }, 0, 1);
    static float y[BATCH * 10];
    if (as_team) {
      if (pl_exec_reserve(exec_of(model), BATCH, PL_TRAIN, &err)) fail_msg("%s", err.text);
      work w = { model, x, dy, y, n, (uint64_t)step + 1, balance };
      pl_threads_run_on(threads, member, &w);
    } else {
      const float *out;
      if (model_forward(model, x, n, PL_TRAIN, &out, &err)) fail_msg("%s", err.text);
      memcpy(y, out, n * 10 * sizeof *y);
      assert_int_equal(pl_exec_team_size(exec_of(model)), threads);
      pl_model_zero_grads(model);
      if (model_backward(model, dy, step == 2 ? NULL : dx, &err)) fail_msg("%s", err.text);
    }
    SHA256Update(&sha, (const uint8_t *)y, n * 10 * sizeof *y);
    float *w = pl_model_values(model), *g = pl_model_grads(model);
    SHA256Update(&sha, (const uint8_t *)g, pl_model_size(model) * sizeof *g);
    for (size_t i = 0; i < pl_model_size(model); i++) w[i] -= 0.01f * g[i];
  }
  states_into(&sha, pl_model_root(model));
  SHA256End(&sha, text);
  pl_threads_set(0);
  drop_model(model);
}

static void threads_and_widths(void **state) {
  static const char *const isas[] = { "baseline", "avx2", "avx512", "neon" };
  char fused[SHA256_DIGEST_STRING_LENGTH] = "", first[SHA256_DIGEST_STRING_LENGTH], other[SHA256_DIGEST_STRING_LENGTH];
  (void)state;
  for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
    if (!has_isa(isas[i])) continue;
    digest(first, 1, false, NULL);
    for (int threads = 1; threads <= 4; threads++) {
      digest(other, threads, false, NULL);
      if (strcmp(first, other)) fail_msg("%s: other bits on %d threads", isas[i], threads);
      digest(other, threads, true, NULL);
      if (strcmp(first, other)) fail_msg("%s: other bits on %d threads in one region", isas[i], threads);
    }
    if (i == 0) continue;
    if (fused[0] && strcmp(fused, first)) fail_msg("%s: other bits than the width before", isas[i]);
    strcpy(fused, first);
  }
}

/* Members with shares of any size, from nothing to everything. */
static void unequal_shares(void **state) {
  /* percent */
  static const unsigned cuts[][3] = { { 30, 50, 90 }, { 3, 3, 60 }, { 0, 20, 100 }, { 100, 100, 100 }, { 0, 0, 0 },
                                      { 57, 58, 59 } };
  char first[SHA256_DIGEST_STRING_LENGTH], other[SHA256_DIGEST_STRING_LENGTH];
  (void)state;
  digest(first, 1, false, NULL);
  for (int threads = 2; threads <= 4; threads++) for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
    static pl_load_balance balance;
    pl_load_balance_begin(&balance, threads, 0);
    for (int r = 1; r < threads; r++) balance.cut[r] = cuts[i][r - 1] * PL_WHOLE / 100;
    digest(other, threads, true, &balance);
    if (strcmp(first, other)) fail_msg("other bits on %d threads with shares number %zu", threads, i);
  }
}

/* Chunked inference against all at once (as with PERILUNE_FUSE=0), whatever the number of samples and threads. */
static void chunked_inference(void **state) {
  static const size_t counts[] = { 300, 1, 4, 7, 16, 129 };
  static float x[300 * 12 * 12 * 3], at_once[300 * 10];
  pl_model *model = make();
  pl_error err = { 0 };
  const float *y;
  (void)state;
  pl_settings settings = pl_settings_get();
  pl_settings_set((pl_settings){ .fuse = false, .conv = settings.conv });
  pl_exec *plain = pl_exec_new(model, &err);
  pl_settings_set(settings);
  pl_rng_fill_normal(x, sizeof x / sizeof *x, (pl_rng){ 1, 2 }, 0, 1);
  for (int threads = 1; threads <= 4; threads++) for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    size_t n = counts[i];
    pl_threads_set(threads);
    if (pl_exec_forward(plain, x, n, PL_INFER, &y, &err)) fail_msg("%s", err.text);
    memcpy(at_once, y, n * 10 * sizeof *y);
    if (model_forward(model, x, n, PL_INFER, &y, &err)) fail_msg("%s", err.text);
    if (memcmp(y, at_once, n * 10 * sizeof *y))
      fail_msg("%zu samples on %d threads: other outputs in chunks", n, threads);
  }
  pl_threads_set(0);
  pl_exec_free(plain);
  drop_model(model);
}

/* Inputs that are zero in all samples are passed over, many samples at once; one at a time they are not. Each sample's
   result is the same, also where the weight of such an input is infinite: 0 times infinity is not a number. */
static void zeros_among_the_inputs(void **state) {
  enum { MANY = 100, IN = 300, OUT = 70 };
  static const float odd[] = { 0, 1e30f, -INFINITY, NAN };
  static float x[MANY * IN], one_by_one[MANY * OUT];
  const pl_shape shape = { 1, { IN } };
  (void)state;
  for (size_t i = 0; i < MANY; i++)
    for (size_t k = 0; k < IN; k++)
      x[i * IN + k] = k % 3 == 0 && (k + i) % 4 < 2 ? 0.25f * (float)(k % 7 + i % 5) - 1 : 0;
  for (size_t w = 0; w < sizeof odd / sizeof *odd; w++) {
    pl_model *model = model_from_text(SEQUENTIAL(LAYER("Linear", "300,70")), &shape);
    pl_error err = { 0 };
    const float *y;
    size_t bad = 0;
    /* what it finds of the weights ends with it */
    if (model_forward(model, x, MANY, PL_INFER, &y, &err)) fail_msg("%s", err.text);
    pl_model_values(model)[1 * OUT + 5] = odd[w];   /* input 1 is zero in all samples */
    for (size_t i = 0; i < MANY; i++) {
      if (model_forward(model, x + i * IN, 1, PL_INFER, &y, &err)) fail_msg("%s", err.text);
      memcpy(one_by_one + i * OUT, y, OUT * sizeof *y);
    }
    if (model_forward(model, x, 2, PL_INFER, &y, &err)) fail_msg("%s", err.text);
    for (size_t at = 0; at < 2 * OUT; at++) assert_true(isnan(y[at]) == isnan(one_by_one[at]));
    if (model_forward(model, x, MANY, PL_INFER, &y, &err)) fail_msg("%s", err.text);
    for (size_t at = 0; at < MANY * OUT; at++) {
      bad += isnan(y[at]);
      if (isnan(y[at]) ? !isnan(one_by_one[at]) : memcmp(&y[at], &one_by_one[at], sizeof *y) != 0)
        fail_msg("weight %g: output %zu of sample %zu is %g among many, %g alone", (double)odd[w], at % OUT, at / OUT,
                 (double)y[at], (double)one_by_one[at]);
    }
    assert_int_equal(bad, w < 2 ? 0 : MANY);
    drop_model(model);
  }
}

static void the_seed_counts(void **state) {
  char a[SHA256_DIGEST_STRING_LENGTH], b[SHA256_DIGEST_STRING_LENGTH];
  float x[12 * 12 * 3] = { 1, 2, 3 };
  const float *y;
  pl_error err = { 0 };
  (void)state;
  pl_model *model = make();
  for (int i = 0; i < 4; i++) {   /* the same seed and step again, another step, another seed */
    pl_model_set_random(model, i == 3 ? 10 : 9, i == 2);
    assert_int_equal(model_forward(model, x, 1, PL_TRAIN, &y, &err), PL_OK);
    SHA256Data((const uint8_t *)y, 10 * sizeof *y, i == 0 ? a : b);
    if (i > 0) assert_int_equal(strcmp(a, b) == 0, i == 1);
  }
  drop_model(model);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(threads_and_widths), cmocka_unit_test(unequal_shares),
    cmocka_unit_test(chunked_inference), cmocka_unit_test(zeros_among_the_inputs), cmocka_unit_test(the_seed_counts) };
  return pl_cpu_select(NULL, NULL) ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
