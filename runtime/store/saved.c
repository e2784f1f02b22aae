/* pl_model_load and pl_model_predict: a model from a file, with all that a prediction needs. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cjson/cJSON.h>
#include "perilune/alloc.h"
#include "perilune/saved.h"
#include "perilune/store.h"
#include "store/lossless.h"
#include "store/run_format.h"

#define LAYERS "/model/layers"

struct pl_saved {
  pl_layer *root;
  pl_model *model;
  pl_exec *exec;
  pl_output_kind outputs;
};

/* What the file says of the model: attributes of /model. */
typedef struct description { cJSON *config, *input, *loss; } description;

static void description_free(description *d) {
  cJSON_Delete(d->config);
  cJSON_Delete(d->input);
  cJSON_Delete(d->loss);
}

static pl_status keep(void *arg, const char *name, const pl_store_value *value, pl_error *err) {
  description *d = arg;
  cJSON **slot = strcmp(name, "config") == 0 ? &d->config : strcmp(name, "input") == 0 ? &d->input
               : strcmp(name, "loss") == 0 ? &d->loss : NULL;
  if (slot == NULL || *slot != NULL || value->type != PL_STORE_TEXT) return PL_OK;
  *slot = pl_lossless_parse(value->text, value->length, err);
  return *slot == NULL ? PL_ERROR_CORRUPT : PL_OK;
}

typedef struct head { bool known; int64_t version; } head;

static pl_status keep_head(void *arg, const char *name, const pl_store_value *value, pl_error *err) {
  head *h = arg;
  (void)err;
  if (strcmp(name, "format") == 0 && value->type == PL_STORE_TEXT)
    h->known = value->length == strlen(PL_RUN_FORMAT) && memcmp(value->text, PL_RUN_FORMAT, value->length) == 0;
  if (strcmp(name, "format_version") == 0 && value->type == PL_STORE_I64) h->version = value->integer;
  return PL_OK;
}

/* As lua/perilune/run/file.lua. */
static pl_status check_format(pl_store_reader *r, pl_error *err) {
  head h = { .version = INT64_MAX };
  if (pl_store_attrs(r, "/", keep_head, &h, err)) return err->status;
  if (!h.known) return pl_error_set(err, PL_ERROR_VALUE, "it holds no Perilune run and no model");
  if (h.version <= PL_RUN_FORMAT_VERSION) return PL_OK;
  return pl_error_set(err, PL_ERROR_VALUE, "its format version is not one of those up to %d that this program reads: "
                      "use a newer Perilune", PL_RUN_FORMAT_VERSION);
}

static pl_status read_shape(const cJSON *list, pl_shape *shape, pl_error *err) {
  const cJSON *item;
  *shape = (pl_shape){ 0 };
  if (!cJSON_IsArray(list) && !cJSON_IsObject(list)) list = NULL;      /* an empty list may be written as {} */
  if (list != NULL) cJSON_ArrayForEach(item, list) {
    double size = cJSON_IsNumber(item) ? item->valuedouble : 0;
    if (shape->axes == PL_MAX_AXES || !(size >= 1 && size <= 1e15) || size != floor(size)) {
      return pl_error_set(err, PL_ERROR_CORRUPT, "the shape of the model's input is not one");
    }
    shape->size[shape->axes++] = (int64_t)size;
  }
  return list ? PL_OK : pl_error_set(err, PL_ERROR_CORRUPT, "the file does not say the shape of the model's input");
}

enum { PARAM_PATH_MOST = PL_PATH_TEXT + 64 };

static void param_path(char path[PARAM_PATH_MOST], const pl_layer *layer, int i) {
  char text[PL_PATH_TEXT];
  snprintf(path, PARAM_PATH_MOST, LAYERS "/%s/%s", pl_layer_path(text, layer), pl_layer_param_name(layer, i));
}

static pl_status read_params(pl_store_reader *r, const pl_layer *layer, pl_error *err) {
  char path[PARAM_PATH_MOST], want[PL_SHAPE_TEXT], found[PL_SHAPE_TEXT];
  for (int i = 0; i < pl_layer_params(layer); i++) {
    const pl_shape *shape = pl_layer_param_shape(layer, i);
    pl_store_info info;
    param_path(path, layer, i);
    if (pl_store_stat(r, path, &info, err)) return err->status;
    if (info.group || info.type != PL_STORE_F32 || !pl_shape_equal(&info.shape, shape)) {
      return pl_error_set(err, PL_ERROR_CORRUPT, "%s: expected f32 %s, found %s %s", path,
                          pl_shape_text(want, shape, false), info.group ? "a group" : pl_store_type_name(info.type),
                          info.group ? "" : pl_shape_text(found, &info.shape, false));
    }
    size_t bytes = (size_t)pl_shape_count(shape) * sizeof(float);
    if (pl_store_read(r, path, PL_STORE_F32, pl_layer_param_value(layer, i), bytes, err)) return err->status;
  }
  for (int i = 0; i < pl_layer_children(layer); i++) {
    if (read_params(r, pl_layer_child(layer, i), err)) return err->status;
  }
  return PL_OK;
}

static bool is_param(const pl_layer *layer, const char *path) {
  char own[PARAM_PATH_MOST];
  for (int i = 0; i < pl_layer_params(layer); i++) {
    param_path(own, layer, i);
    if (strcmp(own, path) == 0) return true;
  }
  for (int i = 0; i < pl_layer_children(layer); i++)
    if (is_param(pl_layer_child(layer, i), path)) return true;
  return false;
}

typedef struct place { pl_store_reader *r; const pl_layer *root; const char *path; int depth; } place;

/* Every dataset below a group is a parameter of the model: the file would be one of another model otherwise. */
static pl_status check_belongs(void *arg, const char *name, pl_error *err) {
  const place *at = arg;
  char path[PARAM_PATH_MOST];
  pl_store_info info;
  bool fits = snprintf(path, sizeof path, "%s/%s", at->path, name) < (int)sizeof path && at->depth <= PL_MOST_DEPTH;
  if (fits && pl_store_stat(at->r, path, &info, err)) return err->status;
  if (fits && info.group)
    return pl_store_list(at->r, path, check_belongs, &(place){ at->r, at->root, path, at->depth + 1 }, err);
  if (fits && is_param(at->root, path)) return PL_OK;
  return pl_error_set(err, PL_ERROR_CORRUPT, "%.300s belongs to no layer of its model", path);
}

/* The layer that makes the outputs what they are, past those that pass meaning on; NULL: none. */
static const pl_layer *last_layer(const pl_layer *layer) {
  static const char *const transparent[] = { "Dropout", "Flatten", "Reshape", "Identity" };
  if (strcmp(pl_layer_type(layer), "Sequential") == 0) {
    for (int i = pl_layer_children(layer); i-- > 0;) {
      const pl_layer *found = last_layer(pl_layer_child(layer, i));
      if (found != NULL) return found;
    }
    return NULL;
  }
  for (size_t i = 0; i < sizeof transparent / sizeof *transparent; i++) {
    if (strcmp(pl_layer_type(layer), transparent[i]) == 0) return NULL;
  }
  return layer;
}

/* As lua/perilune/nn/decision.lua: the loss says it; values that a last layer makes probabilities are those. */
static pl_status read_outputs(pl_saved *saved, const cJSON *loss, pl_error *err) {
  const pl_layer *last = last_layer(saved->root);
  const char *type = last ? pl_layer_type(last) : "";
  bool known = true;
  if (strcmp(type, "Softmax") == 0 || strcmp(type, "Sigmoid") == 0) saved->outputs = PL_OUTPUT_PROBABILITIES;
  else if (strcmp(type, "LogSoftmax") == 0) saved->outputs = PL_OUTPUT_LOG_PROBABILITIES;
  else known = false, saved->outputs = PL_OUTPUT_LOGITS;
  if (loss == NULL) return PL_OK;
  pl_loss *trained_with = pl_loss_from_json(loss, err);
  if (trained_with == NULL) return err->status;
  pl_output_kind kind = pl_loss_outputs(trained_with);
  if (pl_loss_knows_outputs(trained_with) && (kind != PL_OUTPUT_VALUES || !known)) saved->outputs = kind;
  pl_loss_free(trained_with);
  return PL_OK;
}

static bool has_functions(const pl_layer *layer) {
  bool found = strcmp(pl_layer_type(layer), "Lambda") == 0;
  for (int i = 0; i < pl_layer_children(layer) && !found; i++) found = has_functions(pl_layer_child(layer, i));
  return found;
}

static pl_status build(pl_saved *saved, const description *d, pl_store_reader *r, pl_error *err) {
  pl_shape input;
  if ((saved->root = pl_layer_from_json(d->config, err)) == NULL) return err->status;
  if (has_functions(saved->root)) {
    return pl_error_set(err, PL_ERROR_VALUE, "its model has a Lambda, whose functions no file keeps");
  }
  if (read_shape(d->input, &input, err)) return err->status;
  if ((saved->model = pl_model_new(saved->root, err)) == NULL) return err->status;
  if (pl_model_build(saved->model, &input, err)) return err->status;
  if (read_params(r, saved->root, err)) return err->status;
  if (pl_store_list(r, LAYERS, check_belongs, &(place){ r, saved->root, LAYERS, 0 }, err)) return err->status;
  if (read_outputs(saved, d->loss, err)) return err->status;
  saved->exec = pl_exec_new(saved->model, err);
  return saved->exec ? PL_OK : err->status;
}

static bool is_there(char *file, size_t size, const char *folder, const char *name) {
  struct stat s;
  snprintf(file, size, "%s/%s", folder, name);
  return stat(file, &s) == 0;
}

pl_saved *pl_model_load(const char *path, pl_error *err) {
  pl_error local;
  char file[4096];
  struct stat s;
  if (err == NULL) err = &local;
  *err = (pl_error){ 0 };
  if (stat(path, &s) == 0 && S_ISDIR(s.st_mode)) {
    if (!is_there(file, sizeof file, path, "run.h5") && !is_there(file, sizeof file, path, "checkpoint.h5")) {
      pl_error_set(err, PL_ERROR_IO, "%.300s holds no run: there is neither run.h5 nor checkpoint.h5 in it", path);
      return NULL;
    }
    path = file;
  }
  pl_store_reader *r = pl_store_open(path, false, err);
  if (r == NULL) return NULL;
  description d = { 0 };
  pl_saved *saved = pl_alloc(sizeof *saved, err);
  pl_status status = saved == NULL ? err->status : PL_OK;
  if (status == PL_OK) status = check_format(r, err);
  if (status == PL_OK && pl_store_has(r, LAYERS)) status = pl_store_attrs(r, "/model", keep, &d, err);
  if (status == PL_OK && d.config == NULL) status = pl_error_set(err, PL_ERROR_VALUE, "holds no model");
  if (status == PL_OK) status = build(saved, &d, r, err);
  description_free(&d);
  pl_store_close(r);
  if (status == PL_OK) return saved;
  pl_error_prefix(err, "%.200s", path);
  pl_saved_free(saved);
  return NULL;
}

void pl_saved_free(pl_saved *saved) {
  if (saved == NULL) return;
  pl_exec_free(saved->exec);
  pl_model_free(saved->model);
  if (saved->root != NULL) pl_layer_free_tree(saved->root);
  pl_free(saved);
}

pl_model *pl_saved_model(pl_saved *saved) { return saved->model; }
const pl_shape *pl_saved_input(const pl_saved *saved) { return pl_exec_input(saved->exec); }
const pl_shape *pl_saved_output(const pl_saved *saved) { return pl_exec_output(saved->exec); }
pl_output_kind pl_saved_outputs(const pl_saved *saved) { return saved->outputs; }

pl_status pl_model_predict(pl_saved *saved, const float *x, size_t n, const pl_predicted *out, pl_error *err) {
  enum { AT_ONCE = 256 };
  pl_outputs outputs = pl_exec_outputs(saved->exec);
  const pl_shape *output = &outputs.shape[0];
  size_t inputs = (size_t)pl_shape_count(pl_exec_input(saved->exec)), first = (size_t)pl_shape_count(output),
    width = (size_t)pl_shape_count(pl_exec_output(saved->exec));
  char text[PL_SHAPE_TEXT];
  if ((out->labels != NULL || out->probabilities != NULL) && output->axes != 1) {
    return pl_error_set(err, PL_ERROR_SHAPE, "labels and probabilities are of outputs [N, K]; this model's are %s",
                        pl_shape_text(text, output, true));
  }
  if (out->probabilities != NULL && saved->outputs == PL_OUTPUT_VALUES) {
    return pl_error_set(err, PL_ERROR_VALUE, "this model's outputs are values, not scores of classes");
  }
  for (size_t at = 0; at < n; at += AT_ONCE) {
    size_t rows = n - at < AT_ONCE ? n - at : AT_ONCE;
    const float *y;
    pl_status status = pl_exec_forward(saved->exec, x + at * inputs, rows, PL_INFER, &y, err);
    if (status != PL_OK) return status;
    if (out->outputs != NULL) memcpy(out->outputs + at * width, y, rows * width * sizeof *y);
    for (size_t i = 0; out->probabilities != NULL && i < rows; i++)
      pl_probabilities(saved->outputs, out->probabilities + (at + i) * first, y + i * width, 1, first);
    for (size_t i = 0; out->labels != NULL && i < rows; i++)
      out->labels[at + i] = pl_decide(saved->outputs, y + i * width, first);
  }
  return PL_OK;
}
