#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "support_model.h"

pl_layer *layer_from_text(const char *text, pl_error *err) {
  char *quoted = strdup(text);
  for (char *c = quoted; *c; c++) if (*c == '\'') *c = '"';
  cJSON *json = cJSON_Parse(quoted);
  free(quoted);
  if (json == NULL) fail_msg("not JSON: %s", text);
  pl_layer *layer = pl_layer_from_json(json, err);
  cJSON_Delete(json);
  return layer;
}

pl_model *model_from_text(const char *text, const pl_shape *sample) {
  pl_error err = { 0 };
  pl_layer *root = layer_from_text(text, &err);
  if (root == NULL) fail_msg("%s: %s", text, err.text);
  pl_model *model = pl_model_new(root, &err);
  if (model == NULL || pl_model_build(model, sample, &err) || pl_model_initialize(model, 1, &err))
    fail_msg("%s: %s", text, err.text);
  return model;
}

enum { MANY = 16 };
static pl_exec *kept[MANY];

pl_exec *exec_of(pl_model *model) {
  int vacant = -1;
  for (int i = 0; i < MANY; i++) {
    if (kept[i] == NULL) vacant = i;
    else if (pl_exec_model(kept[i]) == model) return kept[i];
  }
  assert_true(vacant >= 0);
  return kept[vacant] = pl_exec_new(model, NULL);
}

pl_status model_forward(pl_model *model, const float *x, size_t n, pl_mode mode, const float **y, pl_error *err) {
  pl_exec *exec = exec_of(model);
  if (exec == NULL) return pl_error_set(err, PL_ERROR_STATE, "no exec");
  pl_exec_follow(exec);
  return pl_exec_forward(exec, x, n, mode, y, err);
}

pl_status model_backward(pl_model *model, const float *dy, float *dx, pl_error *err) {
  return pl_exec_backward(exec_of(model), dy, dx, err);
}

void drop_model(pl_model *model) {
  for (int i = 0; i < MANY; i++) {
    if (kept[i] == NULL || pl_exec_model(kept[i]) != model) continue;
    pl_exec_free(kept[i]);
    kept[i] = NULL;
  }
  pl_layer *root = pl_model_root(model);
  pl_model_free(model);
  pl_layer_free_tree(root);
}
