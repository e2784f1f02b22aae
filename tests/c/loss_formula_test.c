/* Losses against naive formulas in double, their gradients against central differences of those formulas: every loss of
   the registry, with each of its examples. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "perilune/cpu.h"
#include "support_loss.h"

/* ---- one row, straight from the definitions ---- */

typedef double (*reference)(const double *x, const double *t, int n, const cJSON *options);

static double option(const cJSON *options, const char *name) {
  const cJSON *item = cJSON_GetObjectItem(options, name);
  assert_non_null(item);
  return item->valuedouble;
}

static double ref_mse(const double *x, const double *t, int n, const cJSON *options) {
  double sum = 0;
  (void)options;
  for (int j = 0; j < n; j++) sum += (x[j] - t[j]) * (x[j] - t[j]);
  return sum / n;
}

static double ref_huber(const double *x, const double *t, int n, const cJSON *options) {
  double sum = 0, delta = option(options, "delta");
  for (int j = 0; j < n; j++) {
    double d = fabs(x[j] - t[j]);
    sum += d <= delta ? d * d / 2 : delta * (d - delta / 2);
  }
  return sum / n;
}

static double ref_cross_entropy(const double *x, const double *t, int n, const cJSON *options) {
  double s = 0, loss = 0, smoothing = option(options, "label_smoothing");
  for (int j = 0; j < n; j++) s += exp(x[j]);
  for (int j = 0; j < n; j++) loss -= (t[j] * (1 - smoothing) + smoothing / n) * log(exp(x[j]) / s);
  return loss;
}

static double ref_focal(const double *x, const double *t, int n, const cJSON *options) {
  double s = 0, loss = 0, gamma = option(options, "gamma");
  for (int j = 0; j < n; j++) s += exp(x[j]);
  for (int j = 0; j < n; j++) loss -= t[j] * pow(1 - exp(x[j]) / s, gamma) * log(exp(x[j]) / s);
  return loss;
}

/* normalize: as Keras, normalized and clipped, with the gradient of the clip (the clip in the example is no probability
   of the data: no kinks) */
static double ref_probability(const double *x, const double *t, int n, const cJSON *options) {
  bool normalize = cJSON_IsTrue(cJSON_GetObjectItem(options, "normalize"));
  double s = normalize ? 0 : 1, loss = 0, clip = normalize ? option(options, "clip") : 0;
  for (int j = 0; normalize && j < n; j++) s += x[j];
  for (int j = 0; j < n; j++) loss -= t[j] * log(fmin(fmax(x[j] / s, clip), 1 - clip));
  return loss;
}

static double ref_nll(const double *x, const double *t, int n, const cJSON *options) {
  double loss = 0;
  (void)options;
  for (int j = 0; j < n; j++) loss -= t[j] * x[j];
  return loss;
}

static double ref_bce(const double *x, const double *t, int n, const cJSON *options) {
  bool logits = cJSON_IsTrue(cJSON_GetObjectItem(options, "logits"));
  double sum = 0;
  for (int j = 0; j < n; j++) {
    double p = logits ? 1 / (1 + exp(-x[j])) : x[j];
    sum -= t[j] * log(p) + (1 - t[j]) * log(1 - p);
  }
  return sum / n;
}

/* A new loss has its formula here. */
static const struct { const char *type; reference formula; } formulas[] = {
  { "MSE", ref_mse }, { "Huber", ref_huber }, { "CrossEntropy", ref_cross_entropy }, { "FocalLoss", ref_focal },
  { "ProbabilityCrossEntropy", ref_probability }, { "NLL", ref_nll }, { "BCE", ref_bce },
};

static reference formula_of(const char *type) {
  for (size_t i = 0; i < sizeof formulas / sizeof *formulas; i++)
    if (strcmp(formulas[i].type, type) == 0) return formulas[i].formula;
  fail_msg("%s has no formula in this test", type);
  return NULL;
}

/* ---- comparison ---- */

typedef struct { loss_case c; reference formula; const cJSON *options; } expected;

static double formula_row(const expected *e, const loss_batch *b, size_t i, size_t at, double shift) {
  double x[MOST_OUTPUTS], t[MOST_OUTPUTS];
  for (size_t j = 0; j < b->width; j++) {
    x[j] = (double)b->output[i * b->width + j] + (j == at ? shift : 0);
    t[j] = (double)b->wanted[i * b->width + j];
  }
  return e->formula(x, t, (int)b->width, e->options);
}

static void check(const expected *e, const loss_batch *b) {
  double scale = 1.0 / (double)b->rows;
  for (size_t i = 0; i < b->rows; i++) {
    double want = formula_row(e, b, i, SIZE_MAX, 0);
    if (fabs(b->values[i] - want) > 1e-6 * (1 + fabs(want)))
      fail_msg("%s %s: row %zu of %zu x %zu: loss %.9g, expected %.9g", e->c.type, e->c.options, i, b->rows, b->width,
               b->values[i], want);
    for (size_t j = 0; j < b->width; j++) {
      double h = 1e-5, got = (double)b->grad[i * b->width + j];
      double slope = (formula_row(e, b, i, j, h) - formula_row(e, b, i, j, -h)) / (2 * h) * scale;
      if (fabs(got - slope) > 2e-6 * scale * (1 + fabs(slope / scale)))
        fail_msg("%s %s: gradient (%zu, %zu) of %zu x %zu: %.9g, expected %.9g", e->c.type, e->c.options, i, j, b->rows,
                 b->width, got, slope);
    }
  }
}

static void values_and_gradients(void **state) {
  static const size_t shapes[][2] = { { 1, 2 }, { 1, 10 }, { 16, 10 }, { 7, 3 }, { 33, 15 }, { 5, 16 }, { 4, 17 },
                                      { 2, 65 }, { 3, 200 } };
  (void)state;
  loss_batch *b = calloc(1, sizeof *b);
  for (loss_case c = first_loss(); c.type != NULL; c = next_loss(c)) {
    pl_loss *loss = make_loss(c.type, c.options);
    cJSON *json = pl_loss_to_json(loss);
    expected e = { c, formula_of(c.type), cJSON_GetObjectItem(json, "config") };
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
      fill_batch(b, loss, shapes[s][0], shapes[s][1], 5);
      run_loss(b, 1);
      check(&e, b);
      label_batch(b);
      run_loss(b, 1);
      check(&e, b);
    }
    cJSON_Delete(json);
    pl_loss_free(loss);
  }
  free(b);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(values_and_gradients) };
  pl_cpu_select(NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
