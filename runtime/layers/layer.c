/* The tree of layers: making, naming, describing. What a layer computes is in its own file. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <cjson/cJSON.h>
#include "layers/layer.h"
#include "perilune/alloc.h"

static const pl_layer_class *find_class(const char *type) {
  for (int i = 0; pl_layer_registry[i]; i++) {
    if (strcmp(pl_layer_registry[i]->head.type, type) == 0 && pl_layer_registry[i]->combine == NULL)
      return pl_layer_registry[i];
  }
  return NULL;
}

const char *pl_layer_type_name(int i) {
  for (int k = 0; pl_layer_registry[k]; k++) if (pl_layer_registry[k]->combine == NULL && i-- == 0)
    return pl_layer_registry[k]->head.type;
  return NULL;
}

bool pl_layer_example(const char *type, const char **arguments, pl_shape *input) {
  const pl_layer_class *cls = find_class(type);
  if (cls == NULL || cls->example.arguments == NULL) return false;
  *arguments = cls->example.arguments;
  *input = cls->example.input;
  return true;
}

static pl_status no_such_layer(const char *type, pl_error *err) {
  const char *names[128];
  int n = 0;
  for (; n < 127 && pl_layer_type_name(n); n++) names[n] = pl_layer_type_name(n);
  names[n] = NULL;
  const char *nearest = pl_nearest_name(type, names);
  return pl_error_set(err, PL_ERROR_VALUE, "there is no layer '%s'%s%s%s", type, nearest ? "; did you mean '" : "",
                      nearest ? nearest : "", nearest ? "'?" : "");
}

/* Takes the option "name" out of the arguments, so that a class lists only what is its own. */
static pl_status take_name(pl_layer *layer, cJSON *args, pl_error *err) {
  cJSON *options = cJSON_IsArray(args) ? cJSON_GetArrayItem(args, cJSON_GetArraySize(args) - 1) : args;
  cJSON *name = cJSON_IsObject(options) ? cJSON_DetachItemFromObjectCaseSensitive(options, "name") : NULL;
  if (name == NULL) return PL_OK;
  const char *text = cJSON_GetStringValue(name);
  pl_status status = PL_OK;
  if (text != NULL && strlen(text) < sizeof layer->name) snprintf(layer->name, sizeof layer->name, "%s", text);
  else status = pl_error_set(err, PL_ERROR_VALUE, "%s: option 'name' takes a string of at most %zu letters",
                             layer->cls->head.type, sizeof layer->name - 1);
  cJSON_Delete(name);
  return status;
}

static pl_status read_options(pl_layer *layer, const cJSON *args, pl_error *err) {
  const pl_layer_class *cls = layer->cls;
  return cls->read ? cls->read(layer, args, err) : pl_options_read(layer->config, &cls->head, args, err);
}

pl_layer *pl_layer_new(const char *type, const cJSON *args, pl_error *err) {
  const pl_layer_class *cls = find_class(type);
  if (cls == NULL) {
    no_such_layer(type, err);
    return NULL;
  }
  pl_layer *layer = pl_alloc(sizeof *layer, err);
  if (layer == NULL) return NULL;
  layer->cls = cls;
  layer->type = cls->head.type;
  layer->config = pl_alloc(cls->head.config_size + 1, err);
  cJSON *copy = args ? cJSON_Duplicate(args, 1) : NULL;
  if (args != NULL && copy == NULL) pl_error_set(err, PL_ERROR_MEMORY, "out of memory: the options of a %s", type);
  bool ok = layer->config != NULL && (args == NULL || copy != NULL) && take_name(layer, copy, err) == PL_OK &&
            read_options(layer, copy, err) == PL_OK &&
            (cls->setup == NULL || cls->setup(layer, err) == PL_OK);
  if (ok && layer->undeclared) ok = pl_error_set(err, PL_ERROR_MEMORY, "out of memory: the parameters of a %s", type)
    == PL_OK;
  cJSON_Delete(copy);
  if (ok) return layer;
  pl_layer_free(layer);
  return NULL;
}

void pl_layer_free(pl_layer *layer) {
  if (layer == NULL) return;
  for (int i = 0; i < layer->children; i++) layer->child[i]->parent = NULL;
  if (layer->cls->release != NULL) layer->cls->release(layer);
  pl_free(layer->child);
  pl_free(layer->param);
  pl_free(layer->config);
  pl_free(layer);
}

void pl_layer_free_tree(pl_layer *layer) {
  if (layer == NULL) return;
  for (int i = 0; i < layer->children; i++) pl_layer_free_tree(layer->child[i]);
  layer->children = 0;
  pl_layer_free(layer);
}

static int depth(const pl_layer *layer) {
  int n = 1;
  while ((layer = layer->parent) != NULL) n++;
  return n;
}

/* Levels below and including this one. */
static int height(const pl_layer *layer) {
  int most = 0;
  for (int i = 0; i < layer->children; i++) {
    int below = height(layer->child[i]);
    most = below > most ? below : most;
  }
  return most + 1;
}

pl_status pl_layer_add(pl_layer *parent, pl_layer *child, pl_error *err) {
  const char *type = parent->type;
  if (parent->children >= parent->cls->most_children)
    return pl_error_set(err, PL_ERROR_VALUE, "%s takes %s layers", type, parent->cls->most_children ? "no more" : "no");
  for (const pl_layer *p = parent; p; p = p->parent) {
    if (p == child) return pl_error_set(err, PL_ERROR_VALUE, "%s cannot contain itself", type);
  }
  if (child->parent != NULL)
    return pl_error_set(err, PL_ERROR_VALUE, "%s: layer %d (%s) already belongs to a %s; make a new one for each place",
                        type, parent->children + 1, child->cls->head.type, child->parent->cls->head.type);
  if (depth(parent) + height(child) > PL_MOST_DEPTH)
    return pl_error_set(err, PL_ERROR_VALUE, "%s: layers nest deeper than %d; put some of them side by side", type,
                        PL_MOST_DEPTH);
  pl_layer **list = pl_alloc_array((size_t)parent->children + 1, sizeof *list, err);
  if (list == NULL) return PL_ERROR_MEMORY;
  if (parent->children) memcpy(list, parent->child, (size_t)parent->children * sizeof *list);
  pl_free(parent->child);
  parent->child = list;
  list[parent->children++] = child;
  child->parent = parent;
  return PL_OK;
}

const char *pl_layer_type(const pl_layer *layer) { return layer->type; }
const char *pl_layer_name(const pl_layer *layer) { return layer->name; }
int pl_layer_children(const pl_layer *layer) { return layer->children; }
pl_layer *pl_layer_child(const pl_layer *layer, int i) { return layer->child[i]; }
pl_layer *pl_layer_parent(const pl_layer *layer) { return layer->parent; }
void pl_layer_set_origin(pl_layer *layer, const char *origin) {
  snprintf(layer->origin, sizeof layer->origin, "%s", origin);
}
const char *pl_layer_origin(const pl_layer *layer) { return layer->origin; }

/* From 1, among its parent's children. */
static int position(const pl_layer *layer) {
  int i = 0;
  while (layer->parent->child[i] != layer) i++;
  return i + 1;
}

/* Written from the end: the root, at depth 1, is part of a path only when it is alone. */
const char *pl_layer_path(char text[PL_PATH_TEXT], const pl_layer *layer) {
  char here[40];
  size_t at = PL_PATH_TEXT - 1;
  text[at] = '\0';
  for (const pl_layer *p = layer; p == layer || p->parent != NULL; p = p->parent) {
    int length = snprintf(here, sizeof here, "%02d_%.20s", p->parent ? position(p) : 1, p->type);
    for (char *c = here; *c; c++) *c = (char)tolower((unsigned char)*c);
    if (p != layer) text[--at] = '/';
    at -= (size_t)length;
    memcpy(text + at, here, (size_t)length);
    if (p->parent == NULL) break;
  }
  memmove(text, text + at, PL_PATH_TEXT - at);
  return text;
}

/* Of a deep place only the end is said, behind "...". */
const char *pl_layer_label(char text[PL_PATH_TEXT], const pl_layer *layer) {
  enum { MOST = 64 };
  char place[MOST], here[16];
  size_t at = MOST - 1;
  place[at] = '\0';
  for (const pl_layer *p = layer; p->parent; p = p->parent) {
    size_t length = (size_t)snprintf(here, sizeof here, "%d%s", position(p), p == layer ? "" : ".");
    if (at < length + 3) {
      memcpy(place + (at -= 3), "...", 3);
      break;
    }
    memcpy(place + (at -= length), here, length);
  }
  const char *type = layer->type, *name = layer->name;
  if (!place[at]) snprintf(text, PL_PATH_TEXT, name[0] ? "%s \"%s\"" : "%s", type, name);
  else if (name[0]) snprintf(text, PL_PATH_TEXT, "layer %s (%s, \"%s\")", place + at, type, name);
  else snprintf(text, PL_PATH_TEXT, "layer %s (%s)", place + at, type);
  return text;
}

cJSON *pl_layer_config(const pl_layer *layer) {
  cJSON *object = layer->cls->describe ? layer->cls->describe(layer)
                                       : pl_options_write(&layer->cls->head, layer->config);
  if (layer->name[0]) pl_json_add(&object, "name", cJSON_CreateString(layer->name));
  return object;
}

cJSON *pl_layer_to_json(const pl_layer *layer) {
  cJSON *object = cJSON_CreateObject();
  pl_json_add(&object, "type", cJSON_CreateString(layer->cls->head.type));
  pl_json_add(&object, "config", pl_layer_config(layer));
  if (layer->children) {
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < layer->children; i++) pl_json_add(&list, NULL, pl_layer_to_json(layer->child[i]));
    pl_json_add(&object, "layers", list);
  }
  return object;
}

pl_layer *pl_layer_from_json(const cJSON *json, pl_error *err) {
  const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "type"));
  if (type == NULL) {
    pl_error_set(err, PL_ERROR_CORRUPT, "a model's description has a layer without a type");
    return NULL;
  }
  pl_layer *layer = pl_layer_new(type, cJSON_GetObjectItemCaseSensitive(json, "config"), err);
  const cJSON *item, *list = cJSON_GetObjectItemCaseSensitive(json, "layers");
  if (layer != NULL && list != NULL) cJSON_ArrayForEach(item, list) {
    pl_layer *child = pl_layer_from_json(item, err);
    if (child == NULL || pl_layer_add(layer, child, err)) {
      pl_layer_free_tree(child);
      pl_layer_free_tree(layer);
      return NULL;
    }
  }
  return layer;
}

int pl_layer_declare(pl_layer *self, const char *name, pl_shape shape, pl_init init, double fan_in, double fan_out,
                     bool trained) {
  pl_param *more = pl_alloc_array((size_t)self->params + 1, sizeof *more, NULL);
  if (more == NULL) {
    self->undeclared = true;
    return -1;
  }
  if (self->params > 0) memcpy(more, self->param, (size_t)self->params * sizeof *more);
  pl_free(self->param);
  self->param = more;
  self->param[self->params] = (pl_param){ .name = name, .shape = shape, .init = init, .fan_in = fan_in,
                                          .fan_out = fan_out, .trained = trained };
  return self->params++;
}

int pl_layer_params(const pl_layer *layer) { return layer->params; }
const char *pl_layer_param_name(const pl_layer *layer, int i) { return layer->param[i].name; }
const pl_shape *pl_layer_param_shape(const pl_layer *layer, int i) { return &layer->param[i].shape; }
bool pl_layer_param_trained(const pl_layer *layer, int i) { return layer->param[i].trained; }
bool pl_layer_param_custom(const pl_layer *layer, int i) { return layer->param[i].init.kind == PL_INIT_CUSTOM; }
float *pl_layer_param_value(const pl_layer *layer, int i) { return layer->param[i].value; }
float *pl_layer_param_grad(const pl_layer *layer, int i) { return layer->param[i].grad; }

pl_rng pl_pass_rng(const pl_layer *self, const pl_pass *pass) {
  (void)self;
  return pl_rng_make(pass->seed, PL_FOR_DROPOUT, pass->stream, pass->step);
}