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
  for (int i = 0; i < layer->children; i++) {
    if (layer->child[i]->parent == layer) layer->child[i]->parent = NULL;
  }
  if (layer->cls->release != NULL) layer->cls->release(layer);
  pl_free(layer->child);
  pl_free(layer->param);
  pl_free(layer->config);
  pl_free(layer);
}

void pl_layer_gather(pl_layer *layer, pl_layer **list) {
  if (layer->mark) return;
  layer->mark = 1;
  for (int i = 0; i < layer->children; i++) pl_layer_gather(layer->child[i], list);
  layer->children = 0;
  layer->parent = *list;
  *list = layer;
}

void pl_layer_free_list(pl_layer *list) {
  while (list != NULL) {
    pl_layer *next = list->parent;
    pl_layer_free(list);
    list = next;
  }
}

void pl_layer_free_tree(pl_layer *layer) {
  pl_layer *list = NULL;
  if (layer != NULL) pl_layer_gather(layer, &list);
  pl_layer_free_list(list);
}

bool pl_layer_owns(const pl_layer *parent, int i) {
  if (parent->child[i]->parent != parent) return false;
  for (int k = 0; parent->shares && k < i; k++) if (parent->child[k] == parent->child[i]) return false;
  return true;
}

static void adopt(pl_layer *layer) {
  layer->mark = 1;
  for (int i = 0; i < layer->children; i++) {
    pl_layer *child = layer->child[i];
    if (child->mark) continue;
    if (child->parent != layer) for (pl_layer *p = child->parent; p != NULL; p = p->parent) p->shares = true;
    child->parent = layer;
    adopt(child);
  }
}

static void unmark(pl_layer *layer) {
  if (!layer->mark) return;
  layer->mark = 0;
  for (int i = 0; i < layer->children; i++) unmark(layer->child[i]);
}

void pl_layer_adopt(pl_layer *root) {
  adopt(root);
  unmark(root);
}

static int depth(const pl_layer *layer) {
  int n = 1;
  while ((layer = layer->parent) != NULL) n++;
  return n;
}

/* Containers are filled before they are part of another, once layers are used at several places: then each knows what
   is below. */
static pl_status check_sharing(const pl_layer *parent, const pl_layer *child, pl_error *err) {
  if ((child->parent == NULL && !child->shares) || parent->parent == NULL) return PL_OK;
  return pl_error_set(err, PL_ERROR_STATE, "%s: layers that are used at several places are added before the %s is part "
                      "of a %s", parent->cls->head.type, parent->cls->head.type, parent->parent->cls->head.type);
}

/* Downwards: of several parents a layer knows the first, and not even that once it is freed. */
static bool find_below(pl_layer *layer, const pl_layer *wanted) {
  if (layer == wanted) return true;
  if (layer->mark) return false;
  layer->mark = 1;
  for (int i = 0; i < layer->children; i++) if (find_below(layer->child[i], wanted)) return true;
  return false;
}

static bool holds(const pl_layer *layer, const pl_layer *wanted) {
  pl_layer *root = (pl_layer *)layer;   /* only marks change, and are 0 again after it */
  bool found = find_below(root, wanted);
  unmark(root);
  return found;
}

pl_status pl_layer_can_add(const pl_layer *parent, const pl_layer *child, int position, pl_error *err) {
  const char *type = parent->type;
  if (position > parent->cls->most_children)
    return pl_error_set(err, PL_ERROR_VALUE, "%s takes %s layers", type, parent->cls->most_children ? "no more" : "no");
  if (holds(child, parent)) return pl_error_set(err, PL_ERROR_VALUE, "%s cannot contain itself", type);
  if (check_sharing(parent, child, err)) return PL_ERROR_STATE;
  if (depth(parent) + child->height + 1 > PL_MOST_DEPTH)
    return pl_error_set(err, PL_ERROR_VALUE, "%s: layers nest deeper than %d; put some of them side by side", type,
                        PL_MOST_DEPTH);
  return PL_OK;
}

pl_status pl_layer_add(pl_layer *parent, pl_layer *child, pl_error *err) {
  pl_status status = pl_layer_can_add(parent, child, parent->children + 1, err);
  if (status) return status;
  pl_layer **list = pl_alloc_array((size_t)parent->children + 1, sizeof *list, err);
  if (list == NULL) return PL_ERROR_MEMORY;
  if (parent->children) memcpy(list, parent->child, (size_t)parent->children * sizeof *list);
  pl_free(parent->child);
  parent->child = list;
  list[parent->children++] = child;
  parent->shares = parent->shares || child->shares || child->parent != NULL;
  if (child->parent == NULL) child->parent = parent;
  int height = child->height + 1;
  for (pl_layer *p = parent; p != NULL && p->height < height; p = p->parent) p->height = height++;
  if (parent->shares) pl_layer_adopt(parent);
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

/* Of a long path only the end is shown, after "...". */
const char *pl_layer_label(char text[PL_PATH_TEXT], const pl_layer *layer) {
  enum { MOST = 64 };
  char path[MOST], here[16];
  size_t at = MOST - 1;
  path[at] = '\0';
  for (const pl_layer *p = layer; p->parent; p = p->parent) {
    size_t length = (size_t)snprintf(here, sizeof here, "%d%s", position(p), p == layer ? "" : ".");
    if (at < length + 3) {
      memcpy(path + (at -= 3), "...", 3);
      break;
    }
    memcpy(path + (at -= length), here, length);
  }
  const char *type = layer->type, *name = layer->name;
  if (!path[at]) snprintf(text, PL_PATH_TEXT, name[0] ? "%s \"%s\"" : "%s", type, name);
  else if (name[0]) snprintf(text, PL_PATH_TEXT, "layer %s (%s, \"%s\")", path + at, type, name);
  else snprintf(text, PL_PATH_TEXT, "layer %s (%s)", path + at, type);
  return text;
}

cJSON *pl_layer_config(const pl_layer *layer) {
  cJSON *object = layer->cls->describe ? layer->cls->describe(layer)
                                       : pl_options_write(&layer->cls->head, layer->config);
  if (layer->name[0]) pl_json_add(&object, "name", cJSON_CreateString(layer->name));
  return object;
}

/* A layer that is met again is { shared = its number }: layers count depth first from 1, each once. */
static cJSON *describe(pl_layer *layer, int *count) {
  cJSON *object = cJSON_CreateObject();
  if (layer->mark) {
    pl_json_add(&object, "shared", cJSON_CreateNumber(layer->mark));
    return object;
  }
  layer->mark = ++*count;
  pl_json_add(&object, "type", cJSON_CreateString(layer->cls->head.type));
  pl_json_add(&object, "config", pl_layer_config(layer));
  if (layer->children) {
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < layer->children; i++) pl_json_add(&list, NULL, describe(layer->child[i], count));
    pl_json_add(&object, "layers", list);
  }
  return object;
}

cJSON *pl_layer_to_json(const pl_layer *layer) {
  pl_layer *root = (pl_layer *)layer;   /* only marks change, and are 0 again after it */
  int count = 0;
  cJSON *object = describe(root, &count);
  unmark(root);
  return object;
}

/* Layers in the order of their numbers; NULL: not complete yet. */
typedef struct { pl_layer **layer; int count, capacity; } numbered;

static int next_number(numbered *all, pl_error *err) {
  if (all->count == all->capacity) {
    int more = 2 * all->capacity + 16;
    pl_layer **list = pl_alloc_array((size_t)more, sizeof *list, err);
    if (list == NULL) return -1;
    if (all->count > 0) memcpy(list, all->layer, (size_t)all->count * sizeof *list);
    pl_free(all->layer);
    all->layer = list;
    all->capacity = more;
  }
  all->layer[all->count] = NULL;
  return all->count++;
}

static pl_layer *shared_layer(const numbered *all, double number, pl_error *err) {
  if (number >= 1 && number <= all->count && all->layer[(int)number - 1] != NULL) return all->layer[(int)number - 1];
  pl_error_set(err, PL_ERROR_CORRUPT, "a model's description shares layer %g, which is not there before", number);
  return NULL;
}

static pl_layer *from_json(const cJSON *json, numbered *all, pl_error *err) {
  const cJSON *shared = cJSON_GetObjectItemCaseSensitive(json, "shared");
  if (cJSON_IsNumber(shared)) return shared_layer(all, shared->valuedouble, err);
  const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "type"));
  if (type == NULL) {
    pl_error_set(err, PL_ERROR_CORRUPT, "a model's description has a layer without a type");
    return NULL;
  }
  int number = next_number(all, err);
  pl_layer *layer = number >= 0 ? pl_layer_new(type, cJSON_GetObjectItemCaseSensitive(json, "config"), err) : NULL;
  const cJSON *item, *list = cJSON_GetObjectItemCaseSensitive(json, "layers");
  if (layer != NULL && list != NULL) cJSON_ArrayForEach(item, list) {
    pl_layer *child = from_json(item, all, err);
    if (child == NULL || pl_layer_add(layer, child, err)) {
      pl_layer_free(layer);
      return NULL;
    }
  }
  if (layer != NULL) all->layer[number] = layer;
  return layer;
}

pl_layer *pl_layer_from_json(const cJSON *json, pl_error *err) {
  numbered all = { 0 };
  pl_layer *root = from_json(json, &all, err);
  pl_layer *failed = NULL;
  for (int i = 0; root == NULL && i < all.count; i++) if (all.layer[i] != NULL) pl_layer_gather(all.layer[i], &failed);
  pl_layer_free_list(failed);
  pl_free(all.layer);
  return root;
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

pl_rng pl_pass_rng(const pl_pass *pass) {
  return pl_rng_make(pass->seed, PL_FOR_DROPOUT, pass->stream, pass->step);
}
