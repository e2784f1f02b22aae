/* Optimizers beyond their formulas: the same bits for any number of threads and vector width, sums over many blocks,
   exact continuation, groups, memory. (The formulas: optim_golden_test.c.) */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "kernels/kernels.h"
#include "perilune/alloc.h"
#include "perilune/cpu.h"
#include "perilune/threads.h"
#include "perilune/optim.h"
#include "support_isa.h"

/* A weight of several blocks, a bias, and one that ends inside a block. */
static const size_t counts[] = { 5000, 37, 1, 10000 };
enum { SLICES = 4, SIZE = 5008 + 48 + 16 + 10000 };

/* Options worth a case; then every type of the registry as it is by default (see main). */
enum { MOST = 64 };
static const char *settings[MOST] = {
  "{\"type\": \"SGD\", \"config\": {\"momentum\": 0.9, \"nesterov\": true, \"clip_norm\": 0.5, \"weight_decay\": "
  "0.01}}",
  "{\"type\": \"SGD\", \"config\": {\"momentum\": 0.9, \"momentum_form\": \"keras\", \"groups\": [{\"parameters\": "
  "\"bias\", \"lr_scale\": 2}]}}",
  "{\"type\": \"Adam\", \"config\": {\"clip_value\": 0.1, \"decay\": 0.01}}",
  "{\"type\": \"Adam\", \"config\": {\"correction\": \"epoch\", \"eps_inside_root\": true}}",
  "{\"type\": \"RMSprop\", \"config\": {\"centered\": true, \"momentum\": 0.9}}",
  "{\"type\": \"LAMB\", \"config\": {\"clip_norm\": 1}}",
};
static int all_settings;

typedef struct {
  pl_optimizer *opt;
  float *values, *grads;
} training;

static size_t lay_out(pl_slice slices[SLICES]) {
  size_t offset = 0;
  for (int i = 0; i < SLICES; i++) {
    slices[i] = (pl_slice){ .name = i % 2 ? "bias" : "weight", .offset = offset, .count = counts[i] };
    snprintf(slices[i].path, sizeof slices[i].path, "0%d_linear", i / 2 + 1);
    offset += (counts[i] + 15) / 16 * 16;
  }
  return offset;
}

static pl_optimizer *make(const char *json) {
  pl_slice slices[SLICES];
  pl_error err = { 0 };
  cJSON *config = cJSON_Parse(json);
  pl_optimizer *opt = pl_optimizer_from_json(config, &err);
  cJSON_Delete(config);
  if (opt == NULL) fail_msg("%s", err.text);
  size_t size = lay_out(slices);
  assert_int_equal(size, SIZE);
  if (pl_optimizer_bind(opt, slices, SLICES, size, &err)) fail_msg("%s", err.text);
  return opt;
}

static training start(const char *json) {
  training t = { make(json), pl_alloc(SIZE * sizeof(float), NULL), pl_alloc(SIZE * sizeof(float), NULL) };
  pl_slice slices[SLICES];
  lay_out(slices);
  for (int i = 0; i < SLICES; i++)
    pl_rng_fill_normal(t.values + slices[i].offset, counts[i], pl_rng_make(1, PL_FOR_USER, (uint64_t)i, 0), 0, 0.3);
  return t;
}

static void finish(training *t) {
  pl_optimizer_free(t->opt);
  pl_free(t->values);
  pl_free(t->grads);
}

static void member(const pl_team *team, void *arg) {
  training *t = arg;
  pl_optimizer_step(t->opt, team, t->values, t->grads);
}

static void fill_gradients(float *grads, int step) {
  pl_slice slices[SLICES];
  lay_out(slices);
  for (int i = 0; i < SLICES; i++)
    pl_rng_fill_normal(grads + slices[i].offset, counts[i], pl_rng_make(2, PL_FOR_USER, (uint64_t)i, (uint64_t)step), 0,
                       0.1);
}

static void train(training *t, int first, int steps, int threads) {
  for (int step = first; step < first + steps; step++) {
    if (step % 3 == 0) pl_optimizer_epoch(t->opt);
    fill_gradients(t->grads, step);
    pl_optimizer_advance(t->opt);
    pl_threads_run_on(threads, member, t);
  }
}

static void assert_same(const training *a, const training *b, const char *name) {
  if (memcmp(a->values, b->values, SIZE * sizeof(float))) fail_msg("weights differ: %s", name);
  for (int s = 0; s < pl_optimizer_slots(a->opt); s++) {
    if (memcmp(pl_tensor_data(pl_optimizer_slot(a->opt, s)), pl_tensor_data(pl_optimizer_slot(b->opt, s)),
               SIZE * sizeof(float)))
      fail_msg("slot %s differs: %s", pl_optimizer_slot_name(a->opt, s), name);
  }
}

static void same_bits_for_threads_and_widths(void **state) {
  (void)state;
  for (int i = 0; i < all_settings; i++) {
    pl_cpu_select(NULL, NULL);
    bool wide = has_isa("avx512");
    if (!wide) pl_cpu_select(NULL, NULL);
    training first = start(settings[i]);
    train(&first, 0, 7, 1);
    for (int round = 1; round < (wide ? 8 : 4); round++) {
      if (wide) pl_cpu_select(round < 4 ? "avx512" : "avx2", NULL);
      training other = start(settings[i]);
      train(&other, 0, 7, round % 4 + 1);
      assert_same(&first, &other, settings[i]);
      finish(&other);
    }
    finish(&first);
  }
  pl_cpu_select(NULL, NULL);
}

static void padding_stays_zero(void **state) {
  pl_slice slices[SLICES];
  (void)state;
  lay_out(slices);
  for (int i = 0; i < all_settings; i++) {
    training t = start(settings[i]);
    train(&t, 0, 5, 2);
    for (int s = 0; s < SLICES; s++) {
      for (size_t k = slices[s].offset + counts[s]; k % 16; k++) assert_true(t.values[k] == 0);
    }
    for (size_t k = 0; k < SIZE; k++) assert_true(isfinite(t.values[k]));
    finish(&t);
  }
}

/* Weights without any gradient stay where they are (nothing divides 0 by 0). */
static void no_gradient_no_step(void **state) {
  (void)state;
  for (int i = 0; i < all_settings; i++) {
    if (strstr(settings[i], "weight_decay") || strstr(settings[i], "AdamW") || strstr(settings[i], "LAMB")) continue;
    training t = start(settings[i]), untouched = start(settings[i]);
    for (int step = 0; step < 3; step++) {
      pl_optimizer_advance(t.opt);
      pl_threads_run_on(1, member, &t);
    }
    assert_memory_equal(t.values, untouched.values, SIZE * sizeof(float));
    finish(&t);
    finish(&untouched);
  }
}

static void counters_and_slots_continue_exactly(void **state) {
  (void)state;
  for (int i = 0; i < all_settings; i++) {
    training a = start(settings[i]), b = start(settings[i]);
    train(&a, 0, 5, 1);
    pl_optimizer_set_lr(a.opt, 0.5 * pl_optimizer_lr(a.opt));
    memcpy(b.values, a.values, SIZE * sizeof(float));
    assert_int_equal(pl_optimizer_slots(a.opt), pl_optimizer_slots(b.opt));
    for (int s = 0; s < pl_optimizer_slots(a.opt); s++)
      memcpy(pl_tensor_data(pl_optimizer_slot(b.opt, s)), pl_tensor_data(pl_optimizer_slot(a.opt, s)),
             SIZE * sizeof(float));
    for (int c = 0; c < pl_optimizer_counters(a.opt); c++)
      pl_optimizer_set_counter(b.opt, c, pl_optimizer_counter(a.opt, c));
    train(&a, 5, 6, 1);
    train(&b, 5, 6, 1);
    assert_same(&a, &b, settings[i]);
    finish(&a);
    finish(&b);
  }
}

/* A norm over many blocks against a plain sum in double. */
static void lengths_run_over_all_blocks(void **state) {
  pl_slice slices[SLICES];
  (void)state;
  lay_out(slices);
  training t = start("{\"type\": \"SGD\", \"config\": {\"lr\": 1, \"clip_norm\": 2}}"),
    before = start("{\"type\": \"SGD\", \"config\": {}}");
  train(&t, 0, 1, 2);
  double sum = 0;
  for (size_t k = 0; k < SIZE; k++) sum += (double)t.grads[k] * (double)t.grads[k];
  for (size_t k = 0; k < SIZE; k++) {
    double expected = (double)before.values[k] - (double)t.grads[k] * 2 / sqrt(sum);
    assert_true(fabs((double)t.values[k] - expected) < 1e-6);
  }
  finish(&t);
  /* LAMB's first step without weight decay: each parameter moves by lr |w|, along the sign of its gradient */
  t = start("{\"type\": \"LAMB\", \"config\": {\"lr\": 0.1, \"weight_decay\": 0, \"eps\": 1e-20}}");
  train(&t, 0, 1, 2);
  for (int s = 0; s < SLICES; s++) {
    double weights = 0;
    for (size_t k = slices[s].offset; k < slices[s].offset + counts[s]; k++)
      weights += (double)before.values[k] * (double)before.values[k];
    double length = 0.1 * sqrt(weights) / sqrt((double)counts[s]);
    for (size_t k = slices[s].offset; k < slices[s].offset + counts[s]; k++) {
      double expected = (double)before.values[k] - copysign(length, (double)t.grads[k]);
      assert_true(fabs((double)t.values[k] - expected) < 1e-6);
    }
  }
  finish(&t);
  finish(&before);
}

static void not_a_number_is_passed_on(void **state) {
  (void)state;
  for (int i = 0; i < all_settings; i++) {
    training t = start(settings[i]);
    fill_gradients(t.grads, 0);
    t.grads[7] = NAN;
    pl_optimizer_epoch(t.opt);
    pl_optimizer_advance(t.opt);
    pl_threads_run_on(1, member, &t);
    if (!isnan(t.values[7])) fail_msg("NaN was lost: %s", settings[i]);
    finish(&t);
  }
}

/* v - a^2 of a constant gradient is rounding alone, often below zero: no root of that is taken. */
static void centered_rmsprop_with_constant_gradients(void **state) {
  (void)state;
  training t = start("{\"type\": \"RMSprop\", \"config\": {\"centered\": true, \"beta\": 0.5}}");
  for (size_t k = 0; k < counts[0]; k++) t.grads[k] = 0.1f + 1e-4f * (float)k;
  for (int step = 0; step < 100; step++) {
    pl_optimizer_advance(t.opt);
    pl_threads_run_on(1, member, &t);
  }
  for (size_t k = 0; k < counts[0]; k++) assert_true(isfinite(t.values[k]));
  finish(&t);
}

static void sum_squares(void **state) {
  static float x[4096], large[64];
  (void)state;
  pl_rng_fill_normal(x, 4096, pl_rng_make(4, PL_FOR_USER, 0, 0), 0, 3);
  const char *const isas[] = { "baseline", "avx2", "avx512", "neon" };
  for (size_t i = 0; i < 4; i++) {
    if (!has_isa(isas[i])) continue;
    for (size_t n = 0; n <= 4096; n += n < 64 ? 16 : 1008) {
      double expected = 0;
      for (size_t k = 0; k < n; k++) expected += (double)x[k] * (double)x[k];
      assert_true(fabs(pl_kernel.sum_squares(x, n) - expected) <= 1e-5 * expected);
    }
    for (size_t k = 0; k < 64; k++) large[k] = 1e20f * x[k];   /* squares beyond the range of f32 */
    assert_true(fabs(pl_kernel.sum_squares(large, 64) / pl_kernel.sum_squares(x, 64) - 1e40) <= 1e35);
    large[5] = INFINITY;
    assert_true(isinf(pl_kernel.sum_squares(large, 64)));
    large[6] = NAN;
    assert_true(isnan(pl_kernel.sum_squares(large, 64)));
  }
  pl_cpu_select(NULL, NULL);
}

static void misuse(void **state) {
  pl_slice slices[SLICES];
  pl_error err;
  (void)state;
  size_t size = lay_out(slices);
  assert_null(pl_optimizer_new("adam", NULL, &err));
  assert_string_equal(err.text, "there is no optimizer 'adam'; did you mean 'Adam'?");
  pl_optimizer *opt = pl_optimizer_new("SGD", NULL, &err);
  assert_int_equal(pl_optimizer_bind(opt, slices, SLICES, size, &err), PL_OK);
  pl_optimizer_set_lr(opt, 0.5);
  pl_optimizer_advance(opt);
  assert_int_equal(pl_optimizer_bind(opt, slices, 0, 0, &err), PL_ERROR_VALUE);
  assert_string_equal(err.text, "SGD: the model has no parameters to train");
  assert_int_equal(pl_optimizer_size(opt), 0);   /* nothing of the model before is held */
  assert_true(pl_optimizer_counter(opt, 0) == 0 && pl_optimizer_lr(opt) == 0.5);
  assert_int_equal(pl_optimizer_bind(opt, slices, SLICES, size - 16, &err), PL_ERROR_VALUE);
  slices[1].offset += 1;
  assert_int_equal(pl_optimizer_bind(opt, slices, SLICES, size + 16, &err), PL_ERROR_VALUE);
  assert_int_equal(pl_optimizer_size(opt), 0);
  pl_optimizer_free(opt);
}

static void short_of_memory(void **state) {
  pl_slice slices[SLICES];
  (void)state;
  size_t size = lay_out(slices), before = pl_alloc_live();
  bool done = false;
  for (long n = 1; !done; n++) {
    pl_error err = { 0 };
    pl_alloc_fail_at(n);
    pl_optimizer *opt = pl_optimizer_new("LAMB", NULL, &err);
    done = opt != NULL && pl_optimizer_bind(opt, slices, SLICES, size, &err) == PL_OK;
    if (!done) assert_int_equal(err.status, PL_ERROR_MEMORY);
    pl_optimizer_free(opt);
    assert_true(n < 50);
  }
  pl_alloc_fail_at(0);
  assert_int_equal(pl_alloc_live(), before);
}

static int setup(void **state) {
  (void)state;
  return pl_cpu_select(NULL, NULL);
}

static void add_every_type(void) {
  static char text[MOST][80];
  while (settings[all_settings] != NULL) all_settings++;
  for (int i = 0; pl_optimizer_type_name(i) && all_settings < MOST - 1; i++, all_settings++) {
    snprintf(text[i], sizeof text[i], "{\"type\": \"%s\", \"config\": {}}", pl_optimizer_type_name(i));
    settings[all_settings] = text[i];
  }
}

int main(void) {
  add_every_type();
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(same_bits_for_threads_and_widths), cmocka_unit_test(padding_stays_zero),
    cmocka_unit_test(no_gradient_no_step),
    cmocka_unit_test(counters_and_slots_continue_exactly), cmocka_unit_test(lengths_run_over_all_blocks),
    cmocka_unit_test(not_a_number_is_passed_on), cmocka_unit_test(centered_rmsprop_with_constant_gradients),
    cmocka_unit_test(sum_squares),
    cmocka_unit_test(misuse), cmocka_unit_test(short_of_memory),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
