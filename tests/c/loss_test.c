/* Losses against naive formulas in double, their gradients against central differences of those formulas. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "perilune/alloc.h"
#include "perilune/cpu.h"
#include "perilune/rng.h"
#include "perilune/loss.h"
#include "support_isa.h"

enum { MOST = 4096 };

/* ---- the reference: one row, straight from the definitions ---- */

typedef double (*reference)(const double *x, const double *t, int n, double option);

static double ref_mse(const double *x, const double *t, int n, double unused) {
  double sum = 0;
  (void)unused;
  for (int j = 0; j < n; j++) sum += (x[j] - t[j]) * (x[j] - t[j]);
  return sum / n;
}

static double ref_huber(const double *x, const double *t, int n, double delta) {
  double sum = 0;
  for (int j = 0; j < n; j++) {
    double d = fabs(x[j] - t[j]);
    sum += d <= delta ? d * d / 2 : delta * (d - delta / 2);
  }
  return sum / n;
}

static double ref_cross_entropy(const double *x, const double *t, int n, double smoothing) {
  double s = 0, loss = 0;
  for (int j = 0; j < n; j++) s += exp(x[j]);
  for (int j = 0; j < n; j++) loss -= (t[j] * (1 - smoothing) + smoothing / n) * log(exp(x[j]) / s);
  return loss;
}

static double ref_focal(const double *x, const double *t, int n, double gamma) {
  double s = 0, loss = 0;
  for (int j = 0; j < n; j++) s += exp(x[j]);
  for (int j = 0; j < n; j++) loss -= t[j] * pow(1 - exp(x[j]) / s, gamma) * log(exp(x[j]) / s);
  return loss;
}

static double ref_probability(const double *x, const double *t, int n, double unused) {
  double loss = 0;
  (void)unused;
  for (int j = 0; j < n; j++) loss -= t[j] * log(x[j]);
  return loss;
}

/* Keras: normalized, clipped, with the gradient of the clip (the clip below is no probability of the data: no kinks) */
static double ref_normalized(const double *x, const double *t, int n, double clip) {
  double s = 0, loss = 0;
  for (int j = 0; j < n; j++) s += x[j];
  for (int j = 0; j < n; j++) loss -= t[j] * log(fmin(fmax(x[j] / s, clip), 1 - clip));
  return loss;
}

static double ref_nll(const double *x, const double *t, int n, double unused) {
  double loss = 0;
  (void)unused;
  for (int j = 0; j < n; j++) loss -= t[j] * x[j];
  return loss;
}

static double ref_bce_logits(const double *x, const double *t, int n, double unused) {
  double sum = 0;
  (void)unused;
  for (int j = 0; j < n; j++) {
    double p = 1 / (1 + exp(-x[j]));
    sum -= t[j] * log(p) + (1 - t[j]) * log(1 - p);
  }
  return sum / n;
}

static double ref_bce(const double *x, const double *t, int n, double unused) {
  double sum = 0;
  (void)unused;
  for (int j = 0; j < n; j++) sum -= t[j] * log(x[j]) + (1 - t[j]) * log(1 - x[j]);
  return sum / n;
}

static const struct {
  const char *type, *options;
  reference loss;
  double option;
  bool probabilities, elements;
} cases[] = {
  { "MSE", "{}", ref_mse, 0, false, true },
  { "Huber", "{}", ref_huber, 1, false, true },
  { "Huber", "[0.3]", ref_huber, 0.3, false, true },
  { "CrossEntropy", "{}", ref_cross_entropy, 0, false, false },
  { "CrossEntropy", "{\"label_smoothing\": 0.1}", ref_cross_entropy, 0.1, false, false },
  { "FocalLoss", "{}", ref_focal, 2, false, false },
  { "FocalLoss", "[0.5]", ref_focal, 0.5, false, false },
  { "FocalLoss", "[0]", ref_cross_entropy, 0, false, false },
  { "ProbabilityCrossEntropy", "{}", ref_probability, 0, true, false },
  { "ProbabilityCrossEntropy", "{\"normalize\": true, \"clip\": 0.0213, \"clip_gradient\": true}", ref_normalized,
    0.0213, true, false },
  { "NLL", "{}", ref_nll, 0, false, false },
  { "BCE", "{}", ref_bce_logits, 0, false, true },
  { "BCE", "{\"logits\": false}", ref_bce, 0, true, true },
};
enum { CASES = sizeof cases / sizeof cases[0] };

/* ---- helpers ---- */

static pl_loss *make(const char *type, const char *options) {
  cJSON *json = cJSON_Parse(options);
  pl_error err = { 0 };
  pl_loss *loss = pl_loss_new(type, json, &err);
  if (loss == NULL) fail_msg("%s", err.text);
  cJSON_Delete(json);
  return loss;
}

typedef struct {
  const pl_loss *loss;
  double values[64];
  float output[MOST], wanted[MOST], grad[MOST];
  int32_t labels[64];
  bool use_labels, no_grad;
  size_t rows, width;
} batch;

static void member(const pl_team *team, void *arg) {
  batch *b = arg;
  pl_target target = b->use_labels ? (pl_target){ b->labels, NULL } : (pl_target){ NULL, b->wanted };
  pl_loss_forward(b->loss, team, b->values, b->no_grad ? NULL : b->grad, b->output, target, b->rows, b->width);
}

static void fill(batch *b, size_t rows, size_t width, bool probabilities, bool elements, uint64_t seed) {
  pl_rng rng = pl_rng_make(seed, PL_FOR_USER, rows, width);
  b->rows = rows;
  b->width = width;
  size_t n = rows * width;
  if (probabilities) pl_rng_fill_uniform(b->output, n, rng, 0.03, 0.97);
  else pl_rng_fill_normal(b->output, n, rng, 0, 2);
  pl_rng_fill_uniform(b->wanted, n, pl_rng_make(seed, PL_FOR_USER, 7, 7), 0, 1);
  for (size_t i = 0; i < rows; i++) {
    b->labels[i] = (int32_t)(pl_rng_word(rng, 1000000 + i) % width);
    double sum = 0;
    for (size_t j = 0; j < width; j++) sum += (double)b->wanted[i * width + j];
    if (!elements) for (size_t j = 0; j < width; j++) b->wanted[i * width + j] /= (float)sum;
  }
}

static void one_hot(batch *b) {
  for (size_t i = 0; i < b->rows; i++)
    for (size_t j = 0; j < b->width; j++) b->wanted[i * b->width + j] = j == (size_t)b->labels[i];
}

static double reference_row(int c, const batch *b, size_t i, size_t at, double shift) {
  double x[MOST], t[MOST];
  for (size_t j = 0; j < b->width; j++) {
    x[j] = (double)b->output[i * b->width + j] + (j == at ? shift : 0);
    t[j] = (double)b->wanted[i * b->width + j];
  }
  return cases[c].loss(x, t, (int)b->width, cases[c].option);
}

static void check_against_reference(int c, const batch *b, double scale) {
  for (size_t i = 0; i < b->rows; i++) {
    double expected = reference_row(c, b, i, SIZE_MAX, 0);
    if (fabs(b->values[i] - expected) > 1e-6 * (1 + fabs(expected)))
      fail_msg("%s %s: row %zu of %zu x %zu: loss %.9g, expected %.9g", cases[c].type, cases[c].options, i, b->rows,
               b->width, b->values[i], expected);
    for (size_t j = 0; j < b->width; j++) {
      double h = 1e-5, slope = (reference_row(c, b, i, j, h) - reference_row(c, b, i, j, -h)) / (2 * h) * scale;
      double got = (double)b->grad[i * b->width + j];
      if (fabs(got - slope) > 2e-6 * scale * (1 + fabs(slope / scale)))
        fail_msg("%s %s: gradient (%zu, %zu) of %zu x %zu: %.9g, expected %.9g", cases[c].type, cases[c].options, i, j,
                 b->rows, b->width, got, slope);
    }
  }
}

/* ---- tests ---- */

static const size_t shapes[][2] = { { 1, 2 }, { 1, 10 }, { 16, 10 }, { 7, 3 }, { 33, 15 }, { 5, 16 }, { 4, 17 },
                                    { 2, 65 }, { 3, 200 } };
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static void values_and_gradients(void **state) {
  batch *b = *state;
  for (int c = 0; c < CASES; c++) {
    pl_loss *loss = make(cases[c].type, cases[c].options);
    b->loss = loss;
    for (int s = 0; s < SHAPES; s++) {
      fill(b, shapes[s][0], shapes[s][1], cases[c].probabilities, cases[c].elements, 5);
      b->use_labels = b->no_grad = false;
      pl_threads_run_on(1, member, b);
      check_against_reference(c, b, 1.0 / (double)b->rows);
      b->use_labels = true;
      one_hot(b);
      pl_threads_run_on(1, member, b);
      check_against_reference(c, b, 1.0 / (double)b->rows);
    }
    pl_loss_free(loss);
  }
}

static void sum_reduction(void **state) {
  batch *b = *state;
  for (int c = 0; c < CASES; c++) {
    cJSON *json = cJSON_Parse(cases[c].options);
    if (cJSON_IsArray(json)) cJSON_AddItemToArray(json, cJSON_Parse("{\"reduction\": \"sum\"}"));
    else cJSON_AddStringToObject(json, "reduction", "sum");
    pl_loss *loss = pl_loss_new(cases[c].type, json, NULL), *mean = make(cases[c].type, cases[c].options);
    assert_non_null(loss);
    fill(b, 6, 12, cases[c].probabilities, cases[c].elements, 9);
    b->use_labels = b->no_grad = false;
    b->loss = mean;
    pl_threads_run_on(1, member, b);
    double expected = pl_loss_value(mean, b->values, 6) * (cases[c].elements ? 72 : 6),
      first = (double)b->grad[0] * (cases[c].elements ? 72 : 6);
    b->loss = loss;
    pl_threads_run_on(1, member, b);
    assert_true(fabs(pl_loss_value(loss, b->values, 6) - expected) < 1e-9 * fabs(expected));
    assert_true(fabs((double)b->grad[0] - first) <= 1e-6 * fabs(first));
    pl_loss_free(loss);
    pl_loss_free(mean);
    cJSON_Delete(json);
  }
}

/* The clip of the reported loss leaves the gradient alone unless told otherwise. */
static void clip_acts_on_the_report(void **state) {
  (void)state;
  const float p[4] = { 0.001f, 0.999f, 0, 0 };
  const int32_t label = 0;
  double value;
  float grad[4];
  pl_team alone = { .size = 1 };
  pl_loss *loss = make("ProbabilityCrossEntropy", "{\"clip\": 0.01}");
  pl_loss_forward(loss, &alone, &value, grad, p, (pl_target){ &label, NULL }, 1, 4);
  assert_true(fabs(value + log(0.01)) < 1e-12);
  assert_true(fabs((double)grad[0] + 1000) < 1e-3 && grad[1] == 0);
  pl_loss_free(loss);
  loss = make("ProbabilityCrossEntropy", "{\"clip\": 0.01, \"clip_gradient\": true}");
  pl_loss_forward(loss, &alone, &value, grad, p, (pl_target){ &label, NULL }, 1, 4);
  assert_true(grad[0] == 0);
  const float dropped[2] = { 0, 0 };
  pl_loss_free(loss);
  loss = make("ProbabilityCrossEntropy", "{\"normalize\": true, \"clip_gradient\": true}");
  pl_loss_forward(loss, &alone, &value, grad, dropped, (pl_target){ &label, NULL }, 1, 2);
  assert_true(fabs(value + log(1e-7)) < 1e-9 && grad[0] == 0 && grad[1] == 0);
  pl_loss_free(loss);
}

static void extreme_outputs(void **state) {
  (void)state;
  pl_team alone = { .size = 1 };
  double value;
  float grad[3];
  const int32_t label = 1;
  const pl_target target = { &label, NULL };
  pl_loss *ce = make("CrossEntropy", "{}"), *bce = make("BCE", "{}"), *mse = make("MSE", "{}");
  pl_loss_forward(ce, &alone, &value, grad, (float[]){ 3e38f, 0, -3e38f }, target, 1, 3);
  assert_true(isfinite(value) && grad[0] == 1 && grad[1] == -1 && grad[2] == 0);
  pl_loss_forward(ce, &alone, &value, grad, (float[]){ -INFINITY, 5, -INFINITY }, target, 1, 3);
  assert_true(value == 0 && grad[0] == 0 && grad[1] == 0);
  pl_loss_forward(bce, &alone, &value, grad, (float[]){ -1e4f, 1e4f, 0 }, target, 1, 3);
  assert_true(fabs(value - log(2) / 3) < 1e-12 && grad[0] == 0 && grad[1] == 0);
  pl_loss *const all[] = { ce, bce, mse };
  for (int i = 0; i < 3; i++) {
    for (int at = 0; at < 3; at++) {
      float x[3] = { 1, 2, 3 };
      x[at] = NAN;
      pl_loss_forward(all[i], &alone, &value, grad, x, target, 1, 3);
      assert_true(isnan(value) && isnan(grad[at]));
    }
    pl_loss_free(all[i]);
  }
}

static void same_bits_for_threads_and_widths(void **state) {
  batch *b = *state;
  batch *first = calloc(1, sizeof *first);
  for (int c = 0; c < CASES; c++) {
    pl_loss *loss = make(cases[c].type, cases[c].options);
    fill(b, 33, 100, cases[c].probabilities, cases[c].elements, 3);
    b->loss = loss;
    b->use_labels = b->no_grad = false;
    pl_cpu_select(NULL, NULL);
    bool wide = has_isa("avx512");
    if (!wide) pl_cpu_select(NULL, NULL);
    for (int round = 0; round < (wide ? 8 : 4); round++) {
      if (wide) pl_cpu_select(round < 4 ? "avx512" : "avx2", NULL);
      memset(b->values, 0, sizeof b->values);
      memset(b->grad, 0, sizeof b->grad);
      pl_threads_run_on(round % 4 + 1, member, b);
      if (round == 0) memcpy(first, b, sizeof *b);
      assert_memory_equal(first->values, b->values, sizeof b->values);
      assert_memory_equal(first->grad, b->grad, sizeof b->grad);
    }
    b->no_grad = true;
    pl_threads_run_on(2, member, b);
    assert_memory_equal(first->values, b->values, sizeof b->values);
    pl_loss_free(loss);
  }
  free(first);
  pl_cpu_select(NULL, NULL);
}

static void wrong_shapes_and_labels(void **state) {
  (void)state;
  pl_error err;
  pl_loss *ce = make("CrossEntropy", "{}"), *mse = make("MSE", "{}");
  pl_shape ten = { 1, { 10 } }, image = { 3, { 28, 28, 1 } }, scalar = { 0, { 0 } }, one = { 1, { 1 } };
  assert_int_equal(pl_loss_check(ce, &ten, &scalar, true, &err), PL_OK);
  assert_int_equal(pl_loss_check(ce, &ten, &ten, false, &err), PL_OK);
  assert_int_equal(pl_loss_check(mse, &image, &image, false, &err), PL_OK);
  assert_int_equal(pl_loss_check(ce, &image, &scalar, true, &err), PL_ERROR_SHAPE);
  assert_string_equal(err.text, "CrossEntropy: expects outputs [N, classes], got [N, 28, 28, 1]; end the model "
                                "with nn.Flatten() and nn.Linear(inputs, classes)");
  assert_int_equal(pl_loss_check(ce, &one, &scalar, true, &err), PL_ERROR_SHAPE);
  assert_string_equal(err.text, "CrossEntropy: expects outputs [N, classes] with two classes or more, got [N, 1]; "
                                "for one output take BCE");
  assert_int_equal(pl_loss_check(mse, &ten, &image, false, &err), PL_ERROR_SHAPE);
  assert_string_equal(err.text, "MSE: expects targets shaped like the outputs, [N, 10], got [N, 28, 28, 1]");
  assert_int_equal(pl_loss_check(mse, &ten, &ten, true, &err), PL_ERROR_SHAPE);
  assert_string_equal(err.text, "MSE: integer labels have the shape [N], got [N, 10]");
  assert_int_equal(pl_loss_check_labels((int32_t[]){ 0, 9, 3 }, 3, 10, &err), PL_OK);
  assert_int_equal(pl_loss_check_labels((int32_t[]){ 0, 1 }, 2, 1, &err), PL_OK);
  assert_int_equal(pl_loss_check_labels((int32_t[]){ 0, 10, 3 }, 3, 10, &err), PL_ERROR_VALUE);
  assert_string_equal(err.text, "label 10 of sample 2 is outside 0 to 9 (the model has 10 outputs); "
                                "give the last layer as many outputs as there are classes, or mend the labels");
  assert_int_equal(pl_loss_check_labels((int32_t[]){ -1 }, 1, 10, &err), PL_ERROR_VALUE);
  pl_loss_free(ce);
  pl_loss_free(mse);
  assert_null(pl_loss_new("CrosEntropy", NULL, &err));
  assert_string_equal(err.text, "there is no loss 'CrosEntropy'; did you mean 'CrossEntropy'?");
  cJSON *json = cJSON_Parse("{\"label_smoothin\": 0.1}");
  assert_null(pl_loss_new("CrossEntropy", json, &err));
  assert_string_equal(err.text, "CrossEntropy has no option 'label_smoothin'; did you mean 'label_smoothing'?");
  cJSON_Delete(json);
}

static void described_and_made_again(void **state) {
  (void)state;
  for (int c = 0; c < CASES; c++) {
    pl_loss *loss = make(cases[c].type, cases[c].options);
    cJSON *json = pl_loss_to_json(loss);
    pl_loss *again = pl_loss_from_json(json, NULL);
    assert_non_null(again);
    cJSON *second = pl_loss_to_json(again);
    assert_true(cJSON_Compare(json, second, 1));
    cJSON_Delete(json);
    cJSON_Delete(second);
    pl_loss_free(loss);
    pl_loss_free(again);
  }
}

static void short_of_memory(void **state) {
  (void)state;
  size_t before = pl_alloc_live();
  for (long n = 1; n <= 2; n++) {
    pl_error err;
    pl_alloc_fail_at(n);
    assert_null(pl_loss_new("MSE", NULL, &err));
    assert_int_equal(err.status, PL_ERROR_MEMORY);
  }
  pl_alloc_fail_at(0);
  assert_int_equal(pl_alloc_live(), before);
}

static int setup(void **state) {
  *state = calloc(1, sizeof(batch));
  return pl_cpu_select(NULL, NULL);
}

static int teardown(void **state) {
  free(*state);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(values_and_gradients), cmocka_unit_test(sum_reduction), cmocka_unit_test(clip_acts_on_the_report),
    cmocka_unit_test(extreme_outputs), cmocka_unit_test(same_bits_for_threads_and_widths),
    cmocka_unit_test(wrong_shapes_and_labels),
    cmocka_unit_test(described_and_made_again), cmocka_unit_test(short_of_memory),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
