/* Losses and gradients against PyTorch's (tests/golden/make_loss.py). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "perilune/cpu.h"
#include "perilune/loss.h"
#include "support_golden.h"

enum { MOST = 512 };

static bool near(double got, double expected, double scale) {
  return fabs(got - expected) <= 1e-6 * (fabs(expected) + scale);
}

static void check(const cJSON *c) {
  float output[MOST], values[MOST], grad[MOST], expected[MOST], numbers[MOST];
  int32_t labels[MOST];
  double rows_loss[MOST];
  const cJSON *label_list = cJSON_GetObjectItem(c, "labels");
  const char *type = cJSON_GetObjectItem(c, "type")->valuestring;
  pl_error err = { 0 };
  pl_loss *loss = pl_loss_from_json(c, &err);
  if (loss == NULL) fail_msg("%s", err.text);
  size_t n = golden_floats(output, MOST, cJSON_GetObjectItem(c, "output")),
    rows = (size_t)cJSON_GetArraySize(cJSON_GetObjectItem(c, "output"));
  pl_target target = { NULL, values };
  if (label_list) {
    golden_floats(numbers, MOST, label_list);
    for (size_t i = 0; i < rows; i++) labels[i] = (int32_t)numbers[i];
    target = (pl_target){ labels, NULL };
    assert_int_equal(pl_loss_check_labels(labels, rows, n / rows, NULL), PL_OK);
  } else golden_floats(values, MOST, cJSON_GetObjectItem(c, "values"));
  pl_team alone = { .size = 1 };
  pl_loss_forward(loss, &alone, rows_loss, grad, output, target, rows, n / rows);
  double value = pl_loss_value(loss, rows_loss, rows), wanted = cJSON_GetObjectItem(c, "loss")->valuedouble;
  if (!near(value, wanted, 1)) fail_msg("%s: loss %.9g, PyTorch has %.9g", type, value, wanted);
  golden_floats(expected, MOST, cJSON_GetObjectItem(c, "grad"));
  for (size_t i = 0; i < n; i++) {
    if (!near((double)grad[i], (double)expected[i], 0.1))
      fail_msg("%s: gradient %zu is %.9g, PyTorch has %.9g", type, i, (double)grad[i], (double)expected[i]);
  }
  pl_loss_free(loss);
}

static void as_pytorch(void **state) {
  (void)state;
  cJSON *all = golden_read("loss.json");
  const cJSON *c;
  pl_cpu_select(NULL, NULL);
  assert_true(cJSON_GetArraySize(all) > 50);
  cJSON_ArrayForEach(c, all) check(c);
  cJSON_Delete(all);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(as_pytorch) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
