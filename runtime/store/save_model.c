/* pl_model_save: the file that model:save writes from Lua, and that pl_model_load reads. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "perilune/saved.h"
#include "perilune/store.h"
#include "store/lossless.h"
#include "store/run_format.h"

static pl_status put_text(pl_store_writer *w, const char *path, const char *name, const char *text, pl_error *err) {
  return pl_store_attr(w, path, name, PL_STORE_TEXT, text, strlen(text), err);
}

static pl_status put_integer(pl_store_writer *w, const char *path, const char *name, int64_t value, pl_error *err) {
  return pl_store_attr(w, path, name, PL_STORE_I64, &value, 1, err);
}

/* Takes `json`; NULL where memory was short. */
static pl_status put_json(pl_store_writer *w, const char *path, const char *name, cJSON *json, pl_error *err) {
  char *text = json ? pl_lossless_print(json) : NULL;
  pl_status status = text ? put_text(w, path, name, text, err)
                          : pl_error_set(err, PL_ERROR_MEMORY, "no memory for the description of the model");
  cJSON_free(text);
  cJSON_Delete(json);
  return status;
}

static cJSON *shape_to_json(const pl_shape *shape) {
  cJSON *list = cJSON_CreateArray();
  for (int a = 0; list != NULL && a < shape->axes; a++) {
    cJSON *size = cJSON_CreateNumber((double)shape->size[a]);
    if (size != NULL && cJSON_AddItemToArray(list, size)) continue;
    cJSON_Delete(size);
    cJSON_Delete(list);
    list = NULL;
  }
  return list;
}

static pl_status put_head(pl_store_writer *w, pl_error *err) {
  char created[32];
  time_t now = time(NULL);
  struct tm utc;
  strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
  pl_status status = put_text(w, "/", "format", PL_RUN_FORMAT, err);
  if (status == PL_OK) status = put_integer(w, "/", "format_version", PL_RUN_FORMAT_VERSION, err);
  if (status == PL_OK) status = put_text(w, "/", "kind", "model", err);
  if (status == PL_OK) status = put_text(w, "/", "created_by", "Perilune " PL_VERSION, err);
  return status ? status : put_text(w, "/", "created_utc", created, err);
}

static pl_status put_params(pl_store_writer *w, const pl_layer *layer, pl_error *err) {
  char path[PL_PATH_TEXT], group[PL_PATH_TEXT + 16], data[PL_PATH_TEXT + 80];
  snprintf(group, sizeof group, "/model/layers/%s", pl_layer_path(path, layer));
  if (pl_layer_params(layer) == 0) return PL_OK;
  pl_status status = pl_store_group(w, group, err);
  if (status == PL_OK) status = put_text(w, group, "type", pl_layer_type(layer), err);
  for (int i = 0; i < pl_layer_params(layer) && status == PL_OK; i++) {
    snprintf(data, sizeof data, "%s/%s", group, pl_layer_param_name(layer, i));
    status = pl_store_data(w, data, PL_STORE_F32, pl_layer_param_shape(layer, i), pl_layer_param_value(layer, i), 0,
                           err);
  }
  return status;
}

/* Is the layer at child i one that has been met at an earlier place? */
static bool is_shared(const pl_layer *layer, int i) {
  const pl_layer *child = pl_layer_child(layer, i);
  bool met = pl_layer_parent(child) != layer;
  for (int k = 0; k < i && !met; k++) met = pl_layer_child(layer, k) == child;
  return met;
}

static pl_status put_layers(pl_store_writer *w, const pl_layer *layer, pl_error *err) {
  pl_status status = put_params(w, layer, err);
  for (int i = 0; i < pl_layer_children(layer) && status == PL_OK; i++)
    if (!is_shared(layer, i)) status = put_layers(w, pl_layer_child(layer, i), err);
  return status;
}

pl_status pl_model_save(pl_model *model, const pl_loss *loss, const char *path, pl_error *err) {
  pl_error local;
  if (err == NULL) err = &local;
  if (!pl_model_is_built(model))
    return pl_error_set(err, PL_ERROR_STATE, "%.300s: the model is not built, so it has no weights to save", path);
  pl_store_writer *w = pl_store_create(path, err);
  if (w == NULL) return err->status;
  pl_status status = put_head(w, err);
  if (status == PL_OK) status = pl_store_group(w, "/model/layers", err);
  if (status == PL_OK) status = put_json(w, "/model", "config", pl_layer_to_json(pl_model_root(model)), err);
  if (status == PL_OK) status = put_integer(w, "/model", "parameters", (int64_t)pl_model_parameters(model), err);
  if (status == PL_OK) status = put_json(w, "/model", "input", shape_to_json(pl_model_input(model)), err);
  if (status == PL_OK && loss != NULL) status = put_json(w, "/model", "loss", pl_loss_to_json(loss), err);
  if (status == PL_OK) status = put_layers(w, pl_model_root(model), err);
  if (status == PL_OK) return pl_store_commit(w, err);
  pl_store_discard(w);
  return status;
}
