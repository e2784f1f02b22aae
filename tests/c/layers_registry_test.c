/* Every class of layer by its own example: a new one is tried without a word here. Its description gives it back; its
   gradients are the differences of its outputs; its bits do not depend on threads, instruction sets, chunks of the
   batch or fusion; its flags are true. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "layers/layer.h"
#include "perilune/cpu.h"
#include "perilune/settings.h"
#include "support_model.h"

enum { BATCH = 6, MOST = 1 << 14 };
static float x[MOST], dy[MOST];

typedef struct { const char *type, *arguments; char text[400]; pl_shape input; } example;

static bool next_example(int *i, example *e) {
  for (; (e->type = pl_layer_type_name(*i)) != NULL; ++*i) {
    if (!pl_layer_example(e->type, &e->arguments, &e->input)) continue;
    snprintf(e->text, sizeof e->text, "{\"type\":\"%s\",\"config\":%s}", e->type, e->arguments);
    ++*i;
    return true;
  }
  return false;
}

static const pl_layer_class *class_of(const char *type) {
  for (int i = 0; pl_layer_registry[i]; i++) if (strcmp(pl_layer_registry[i]->head.type, type) == 0)
    return pl_layer_registry[i];
  return NULL;
}

static void every_class_has_an_example(void **state) {
  (void)state;
  for (int i = 0; pl_layer_registry[i]; i++) {
    const pl_layer_class *cls = pl_layer_registry[i];
    bool other = cls->most_children > 0 || (cls->flags & PL_HOST) || cls->combine != NULL;
    if (!other && cls->example.arguments == NULL) fail_msg("%s has no example", cls->head.type);
  }
}

static void descriptions_give_them_back(void **state) {
  example e;
  (void)state;
  for (int i = 0; next_example(&i, &e);) {
    pl_error err = { 0 };
    pl_layer *layer = layer_from_text(e.text, &err);
    if (layer == NULL) fail_msg("%s: %s", e.text, err.text);
    cJSON *first = pl_layer_to_json(layer);
    pl_layer *again = pl_layer_from_json(first, &err);
    cJSON *second = pl_layer_to_json(again);
    if (!cJSON_Compare(first, second, true)) fail_msg("%s is described as another", e.text);
    cJSON_Delete(first);
    cJSON_Delete(second);
    pl_layer_free(layer);
    pl_layer_free(again);
  }
}

static double value_of(pl_model *model) {
  const float *y;
  pl_error err = { 0 };
  double sum = 0;
  pl_model_set_random(model, 4, 0);
  if (model_forward(model, x, BATCH, PL_TRAIN, &y, &err)) fail_msg("%s", err.text);
  for (size_t i = 0; i < BATCH * (size_t)pl_shape_count(pl_model_output(model)); i++)
    sum += (double)y[i] * (double)dy[i];
  return sum;
}

static double slope(pl_model *model, float *place) {
  const float h = 4e-3f, kept = *place;
  *place = kept + h;
  double up = value_of(model);
  *place = kept - h;
  double down = value_of(model);
  *place = kept;
  return (up - down) / (2 * (double)h);
}

static void near(const example *e, const char *what, size_t i, double got, double expected) {
  if (!(fabs(got - expected) <= 1e-2 * fabs(expected) + 4e-3))
    fail_msg("%s: %s %zu is %g, by differences %g", e->text, what, i, got, expected);
}

static void gradients(void **state) {
  static float dx[MOST], grads[MOST];
  example e;
  (void)state;
  for (int i = 0; next_example(&i, &e);) {
    pl_error err = { 0 };
    pl_model *model = model_from_text(e.text, &e.input);
    value_of(model);
    if (model_backward(model, dy, dx, &err)) fail_msg("%s: %s", e.text, err.text);
    if (pl_model_size(model)) memcpy(grads, pl_model_grads(model), pl_model_size(model) * sizeof *grads);
    for (size_t k = 0; k < BATCH * (size_t)pl_shape_count(&e.input); k++)
      near(&e, "dx", k, (double)dx[k], slope(model, &x[k]));
    for (size_t k = 0; k < pl_model_size(model); k++)
      near(&e, "gradient", k, (double)grads[k], slope(model, pl_model_values(model) + k));
    drop_model(model);
  }
}

/* Outputs, gradients and inference of a model. Returns how many values. */
static size_t all_of(float *all, const char *text, const pl_shape *input, bool fuse) {
  const float *y;
  pl_error err = { 0 };
  pl_settings settings = pl_settings_get();
  pl_settings_set((pl_settings){ .fuse = fuse, .conv = settings.conv });
  pl_model *model = model_from_text(text, input);
  pl_exec *exec = exec_of(model);
  size_t in = BATCH * (size_t)pl_shape_count(input), out = BATCH * (size_t)pl_shape_count(pl_model_output(model)),
    size = pl_model_size(model);
  pl_model_set_random(model, 4, 0);
  if (pl_exec_forward(exec, x, BATCH, PL_TRAIN, &y, &err)) fail_msg("%s: %s", text, err.text);
  memcpy(all, y, out * sizeof *y);
  if (pl_exec_backward(exec, dy, all + out, &err)) fail_msg("%s: %s", text, err.text);
  if (size) memcpy(all + out + in, pl_model_grads(model), size * sizeof *y);
  if (pl_exec_forward(exec, x, BATCH, PL_INFER, &y, &err)) fail_msg("%s: %s", text, err.text);
  memcpy(all + out + in + size, y, out * sizeof *y);
  drop_model(model);
  pl_settings_set(settings);
  return 2 * out + in + size;
}

static void bits(void **state) {
  static const char *const isas[] = { "baseline", "avx2", "avx512", "neon" };
  static float expected[4 * MOST], got[4 * MOST];
  example e;
  (void)state;
  for (int i = 0; next_example(&i, &e);) {
    bool have = false;
    for (size_t k = 0; k < sizeof isas / sizeof *isas; k++) {
      if (pl_cpu_select(isas[k], NULL)) continue;
      /* one digest for all that fuse multiply-adds */
      size_t n = have && k > 1 ? 0 : all_of(expected, e.text, &e.input, true);
      have = have || k > 0;
      for (int threads = 1; threads <= 4; threads++) {
        pl_threads_set(threads);
        size_t more = all_of(got, e.text, &e.input, true);
        if (memcmp(got, expected, (n ? n : more) * sizeof *got))
          fail_msg("%s: other bits with %s on %d threads", e.text, isas[k], threads);
      }
    }
    pl_threads_set(0);
    assert_int_equal(pl_cpu_select(NULL, NULL), PL_OK);
  }
}

/* One sample at a time, and all in place. */
static void flags(void **state) {
  static float whole[MOST], copy[MOST], back[MOST];
  example e;
  (void)state;
  for (int i = 0; next_example(&i, &e);) {
    const pl_layer_class *cls = class_of(e.type);
    pl_error err = { 0 };
    const float *y;
    pl_model *model = model_from_text(e.text, &e.input);
    size_t in = (size_t)pl_shape_count(&e.input), out = (size_t)pl_shape_count(pl_model_output(model));
    assert_int_equal(model_forward(model, x, BATCH, PL_INFER, &y, &err), PL_OK);
    memcpy(whole, y, BATCH * out * sizeof *y);
    for (size_t n = 0; n < BATCH && (cls->flags & PL_PER_SAMPLE); n++) {
      assert_int_equal(model_forward(model, x + n * in, 1, PL_INFER, &y, &err), PL_OK);
      if (memcmp(y, whole + n * out, out * sizeof *y)) fail_msg("%s: other outputs of a sample alone", e.text);
    }
    if (cls->flags & PL_ELEMENTWISE) {
      pl_layer *layer = pl_model_root(model);
      bool by_y = false;
      pl_memory m = { .members = 1 };
      cls->memory(layer, &e.input, &e.input, 1, &m);
      by_y = !m.needs_x;
      memcpy(copy, x, BATCH * in * sizeof *x);
      pl_elementwise(layer, copy, copy, BATCH * in);
      if (memcmp(copy, whole, BATCH * in * sizeof *x)) fail_msg("%s: other outputs in place", e.text);
      assert_int_equal(model_forward(model, x, BATCH, PL_TRAIN, &y, &err), PL_OK);
      assert_int_equal(model_backward(model, dy, back, &err), PL_OK);
      memcpy(copy, dy, BATCH * in * sizeof *dy);
      if (by_y) pl_elementwise_backward(layer, copy, whole, copy, BATCH * in);
      if (by_y && memcmp(copy, back, BATCH * in * sizeof *dy)) fail_msg("%s: another gradient in place", e.text);
    }
    drop_model(model);
  }
}

/* Every activation, wherever one may be fused: the bits are those of the parts. */
static void fusion(void **state) {
  static const struct { const char *before, *after; pl_shape input; } places[] = {
    { "{\"type\":\"Linear\",\"config\":[6,40]}", "", { 1, { 6 } } },
    { "{\"type\":\"Conv2d\",\"config\":[2,5,3]}", "", { 3, { 8, 8, 2 } } },
    { "{\"type\":\"Conv2d\",\"config\":[2,5,1]}", "", { 3, { 8, 8, 2 } } },
    { "{\"type\":\"Conv2d\",\"config\":[16,16,3,{\"padding\":\"same\"}]}", "", { 3, { 8, 8, 16 } } },
    { "{\"type\":\"Conv2d\",\"config\":[2,5,3]}", ",{\"type\":\"MaxPool2d\",\"config\":[2]}", { 3, { 8, 8, 2 } } },
    { "{\"type\":\"Identity\"}", ",{\"type\":\"MaxPool2d\",\"config\":[2]}", { 3, { 8, 8, 2 } } },
    { "{\"type\":\"Conv2d\",\"config\":[2,5,3]}", ",{\"type\":\"Dropout\",\"config\":[0.3]}", { 3, { 8, 8, 2 } } },
    { "{\"type\":\"BatchNorm\",\"config\":[2]}", "", { 3, { 8, 8, 2 } } },
    { "{\"type\":\"Residual\",\"layers\":[{\"type\":\"BatchNorm\",\"config\":[2]}]}", "", { 3, { 8, 8, 2 } } },
    { "{\"type\":\"Residual\",\"layers\":[{\"type\":\"Tanh\"}]}",
      ",{\"type\":\"Residual\",\"layers\":[{\"type\":\"Tanh\"}]}", { 3, { 8, 8, 2 } } },
  };
  static float fused[4 * MOST], plain[4 * MOST];
  example e;
  (void)state;
  for (int i = 0; next_example(&i, &e);) {
    if (!(class_of(e.type)->flags & PL_ELEMENTWISE)) continue;
    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
      char text[2000];
      snprintf(text, sizeof text, "{\"type\":\"Sequential\",\"layers\":[%s,%s%s]}", places[p].before, e.text,
               places[p].after);
      size_t n = all_of(plain, text, &places[p].input, false);
      assert_int_equal(all_of(fused, text, &places[p].input, true), n);
      if (memcmp(fused, plain, n * sizeof *plain)) fail_msg("%s: other bits when fused", text);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(every_class_has_an_example),
                                      cmocka_unit_test(descriptions_give_them_back), cmocka_unit_test(gradients),
    cmocka_unit_test(bits), cmocka_unit_test(flags), cmocka_unit_test(fusion) };
  if (pl_cpu_select(NULL, NULL)) return 1;
  /* no two neighbours are near, nor is any to 0 */
  for (size_t i = 0; i < MOST; i++) x[i] = (float)(i * 37 % 101) / 25 - 2 + 0.013f;
  pl_rng_fill_normal(dy, MOST, (pl_rng){ 1, 2 }, 0, 1);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
