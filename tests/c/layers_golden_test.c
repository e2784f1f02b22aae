/* Layers and small nets against PyTorch's values (tests/golden/make_layers.py). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "support_golden.h"
#include "support_model.h"
#include "support_isa.h"
#include "perilune/cpu.h"

enum { KEPT = 160, MOST = 400 };

/* As in the generator: floats in [-1, 1), times `scale`. */
static void numbers(float *out, size_t n, uint32_t stream, float scale) {
  for (size_t i = 0; i < n; i++) {
    uint32_t h = (uint32_t)i * 2654435761u + stream * 40503u + 12345u;
    h ^= h >> 16;
    h *= 2246822519u;
    h ^= h >> 13;
    h *= 3266489917u;
    h ^= h >> 16;
    out[i] = ((float)(h >> 8) / 8388608.0f - 1) * scale;
  }
}

static const cJSON *field(const cJSON *c, const char *name) { return cJSON_GetObjectItemCaseSensitive(c, name); }
static const char *name_of(const cJSON *c) { return field(c, "name")->valuestring; }

/* Every k-th number of `found` against those that were kept. */
static void compare(const cJSON *c, const char *what, const float *found, size_t n, const cJSON *values) {
  float expected[MOST];
  size_t count = golden_floats(expected, MOST, values), step = n / KEPT > 1 ? n / KEPT : 1;
  double most = 0.1;
  assert_int_equal(count, (n + step - 1) / step);
  for (size_t i = 0; i < count; i++) most = fmax(most, fabs((double)expected[i]));
  for (size_t i = 0; i < count; i++) {
    if (!(fabs((double)found[i * step] - (double)expected[i]) <= 1e-5 * most))
      fail_msg("%s, %s: %s[%zu] is %.9g, PyTorch says %.9g", name_of(c), pl_cpu_isa(), what, i * step,
               (double)found[i * step], (double)expected[i]);
  }
}

static void set_params(pl_model *model) {
  const pl_slice *slice;
  size_t n = pl_model_slices(model, &slice);
  for (size_t i = 0; i < n; i++) {
    const pl_shape *shape = NULL;
    for (int k = 0; k < pl_layer_params(slice[i].layer); k++)
      if (strcmp(pl_layer_param_name(slice[i].layer, k), slice[i].name) == 0)
        shape = pl_layer_param_shape(slice[i].layer, k);
    assert_non_null(shape);
    double fan = 1;
    for (int k = 0; k + 1 < shape->axes; k++) fan *= (double)shape->size[k];
    numbers(pl_model_values(model) + slice[i].offset, slice[i].count, 100 + (uint32_t)i,
            (float)exp2(-nearbyint(log2(fan) / 2)));
  }
}

static void compare_states(const cJSON *c, const pl_layer *layer, const cJSON **next) {
  for (int i = 0; i < pl_layer_params(layer); i++) {
    if (pl_layer_param_trained(layer, i)) continue;
    compare(c, pl_layer_param_name(layer, i), pl_layer_param_value(layer, i),
            (size_t)pl_shape_count(pl_layer_param_shape(layer, i)), *next);
    *next = (*next)->next;
  }
  for (int i = 0; i < pl_layer_children(layer); i++) compare_states(c, pl_layer_child(layer, i), next);
}

static void check(const cJSON *c) {
  pl_shape sample = { 0 };
  const cJSON *size;
  cJSON_ArrayForEach(size, field(c, "shape")) sample.size[sample.axes++] = size->valueint;
  char *text = cJSON_PrintUnformatted(field(c, "model"));
  pl_model *model = model_from_text(text, &sample);
  free(text);
  set_params(model);

  pl_error err = { 0 };
  const pl_shape *out = pl_model_output(model);
  const cJSON *output = field(c, "output");
  assert_int_equal(out->axes, cJSON_GetArraySize(output));
  for (int i = 0; i < out->axes; i++) assert_int_equal(out->size[i], cJSON_GetArrayItem(output, i)->valueint);
  size_t n = (size_t)field(c, "n")->valueint, inputs = n * (size_t)pl_shape_count(&sample),
    outputs = n * (size_t)pl_shape_count(out);
  float *x = malloc(inputs * sizeof *x), *dx = malloc(inputs * sizeof *dx), *dy = malloc(outputs * sizeof *dy);
  const float *y;
  numbers(x, inputs, 1, (float)field(c, "spread")->valuedouble);
  numbers(dy, outputs, 2, 1);
  if (model_forward(model, x, n, PL_TRAIN, &y, &err)) fail_msg("%s: %s", name_of(c), err.text);
  compare(c, "output", y, outputs, field(c, "y"));
  if (model_backward(model, dy, dx, &err)) fail_msg("%s: %s", name_of(c), err.text);
  compare(c, "dx", dx, inputs, field(c, "dx"));
  const pl_slice *slice;
  size_t slices = pl_model_slices(model, &slice);
  assert_int_equal(slices, cJSON_GetArraySize(field(c, "grads")));
  for (size_t i = 0; i < slices; i++)
    compare(c, slice[i].name, pl_model_grads(model) + slice[i].offset, slice[i].count,
            cJSON_GetArrayItem(field(c, "grads"), (int)i));
  const cJSON *state = field(c, "states")->child;
  compare_states(c, pl_model_root(model), &state);
  assert_null(state);
  if (model_forward(model, x, n, PL_INFER, &y, &err)) fail_msg("%s: %s", name_of(c), err.text);
  compare(c, "inference", y, outputs, field(c, "inference"));
  free(x);
  free(dx);
  free(dy);
  drop_model(model);
}

static void as_pytorch(void **state) {
  static const char *const isas[] = { "baseline", "avx2", "avx512", "neon" };
  (void)state;
  cJSON *cases = golden_read("layers.json");
  const cJSON *c;
  assert_true(cJSON_GetArraySize(cases) > 30);
  for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
    if (!has_isa(isas[i])) continue;
    cJSON_ArrayForEach(c, cases) check(c);
  }
  cJSON_Delete(cases);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(as_pytorch) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
