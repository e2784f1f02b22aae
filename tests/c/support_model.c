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
  if (model == NULL || pl_model_build(model, sample, &err) || pl_model_initialize(model, 1, &err)) fail_msg("%s: %s", text, err.text);
  return model;
}

void drop_model(pl_model *model) {
  pl_layer *root = pl_model_root(model);
  pl_model_free(model);
  pl_layer_free_tree(root);
}
