/* What every loss promises, tried on every loss of the registry with each of its examples; and what some say of clips,
   extreme outputs, wrong shapes and labels. Their values: loss_formula_test.c, loss_golden_test.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "perilune/alloc.h"
#include "perilune/cpu.h"
#include "support_isa.h"
#include "support_loss.h"

static void sum_reduction(void **state) {
  loss_batch *b = *state;
  for (loss_case c = first_loss(); c.type != NULL; c = next_loss(c)) {
    cJSON *json = cJSON_Parse(c.options);
    if (cJSON_IsArray(json)) cJSON_AddItemToArray(json, cJSON_Parse("{\"reduction\": \"sum\"}"));
    else cJSON_AddStringToObject(json, "reduction", "sum");
    pl_loss *loss = pl_loss_new(c.type, json, NULL), *mean = make_loss(c.type, c.options);
    assert_non_null(loss);
    double terms = pl_loss_is_for_classes(mean) ? 6 : 72;
    fill_batch(b, mean, 6, 12, 9);
    run_loss(b, 1);
    double expected = pl_loss_value(mean, b->values, 6) * terms, first = (double)b->grad[0] * terms;
    b->loss = loss;
    run_loss(b, 1);
    assert_true(fabs(pl_loss_value(loss, b->values, 6) - expected) < 1e-9 * fabs(expected));
    assert_true(fabs((double)b->grad[0] - first) <= 1e-6 * fabs(first));
    pl_loss_free(loss);
    pl_loss_free(mean);
    cJSON_Delete(json);
  }
}

/* By differences of the loss's own values, which are doubles. */
static void gradients(void **state) {
  loss_batch *b = *state;
  for (loss_case c = first_loss(); c.type != NULL; c = next_loss(c)) {
    pl_loss *loss = make_loss(c.type, c.options);
    fill_batch(b, loss, 3, 7, 11);
    run_loss(b, 1);
    b->no_grad = true;
    for (size_t i = 0; i < 21; i++) {
      float x = b->output[i], h = 1.0f / 4096, low = x - h, high = x + h;
      b->output[i] = high;
      run_loss(b, 1);
      double above = b->values[i / 7];
      b->output[i] = low;
      run_loss(b, 1);
      double slope = (above - b->values[i / 7]) / ((double)high - (double)low) / 3, got = (double)b->grad[i];
      b->output[i] = x;
      if (fabs(got - slope) > 1e-4 * (1 + fabs(slope)))
        fail_msg("%s %s: gradient %zu is %.9g, by differences %.9g", c.type, c.options, i, got, slope);
    }
    pl_loss_free(loss);
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
  pl_loss *loss = make_loss("ProbabilityCrossEntropy", "{\"clip\": 0.01}");
  pl_loss_forward(loss, &alone, &value, grad, p, (pl_target){ &label, NULL }, 1, 4);
  assert_true(fabs(value + log(0.01)) < 1e-12);
  assert_true(fabs((double)grad[0] + 1000) < 1e-3 && grad[1] == 0);
  pl_loss_free(loss);
  loss = make_loss("ProbabilityCrossEntropy", "{\"clip\": 0.01, \"clip_gradient\": true}");
  pl_loss_forward(loss, &alone, &value, grad, p, (pl_target){ &label, NULL }, 1, 4);
  assert_true(grad[0] == 0);
  const float dropped[2] = { 0, 0 };
  pl_loss_free(loss);
  loss = make_loss("ProbabilityCrossEntropy", "{\"normalize\": true, \"clip_gradient\": true}");
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
  pl_loss *ce = make_loss("CrossEntropy", "{}"), *bce = make_loss("BCE", "{}"), *mse = make_loss("MSE", "{}");
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
  loss_batch *b = *state, *first = calloc(1, sizeof *first);
  for (loss_case c = first_loss(); c.type != NULL; c = next_loss(c)) {
    pl_loss *loss = make_loss(c.type, c.options);
    fill_batch(b, loss, 33, 100, 3);
    pl_cpu_select(NULL, NULL);
    bool wide = has_isa("avx512");
    if (!wide) pl_cpu_select(NULL, NULL);
    for (int round = 0; round < (wide ? 8 : 4); round++) {
      if (wide) pl_cpu_select(round < 4 ? "avx512" : "avx2", NULL);
      memset(b->values, 0, sizeof b->values);
      memset(b->grad, 0, sizeof b->grad);
      run_loss(b, round % 4 + 1);
      if (round == 0) memcpy(first, b, sizeof *b);
      assert_memory_equal(first->values, b->values, sizeof b->values);
      assert_memory_equal(first->grad, b->grad, sizeof b->grad);
    }
    b->no_grad = true;
    run_loss(b, 2);
    assert_memory_equal(first->values, b->values, sizeof b->values);
    pl_loss_free(loss);
  }
  free(first);
  pl_cpu_select(NULL, NULL);
}

static void wrong_shapes_and_labels(void **state) {
  (void)state;
  pl_error err;
  pl_loss *ce = make_loss("CrossEntropy", "{}"), *mse = make_loss("MSE", "{}");
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
  for (loss_case c = first_loss(); c.type != NULL; c = next_loss(c)) {
    pl_loss *loss = make_loss(c.type, c.options);
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
  *state = calloc(1, sizeof(loss_batch));
  return pl_cpu_select(NULL, NULL);
}

static int teardown(void **state) {
  free(*state);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(gradients), cmocka_unit_test(sum_reduction), cmocka_unit_test(clip_acts_on_the_report),
    cmocka_unit_test(extreme_outputs), cmocka_unit_test(same_bits_for_threads_and_widths),
    cmocka_unit_test(wrong_shapes_and_labels), cmocka_unit_test(described_and_made_again),
    cmocka_unit_test(short_of_memory),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
