/* Parameter groups: which parameters have a rate or weight decay of their own (see pl_optimizer_new). */
#include <string.h>
#include <cjson/cJSON.h>
#include "optim/optim.h"
#include "perilune/alloc.h"

typedef struct { double lr, lr_scale, weight_decay; bool frozen; } group_config;   /* negative: not given */

static const group_config group_defaults = { -1, -1, -1, false };
static const pl_option group_options[] = {
  PL_OPTIM_NUMBER(group_config, lr, 0, 1e15), PL_OPTIM_NUMBER(group_config, lr_scale, 0, 1e15),
  PL_OPTIM_NUMBER(group_config, weight_decay, 0, 1e15),
  { .name = "frozen", .kind = PL_OPTION_BOOL, .offset = offsetof(group_config, frozen) }, { 0 }
};

static const char *layer_name(const pl_slice *slice) { return slice->layer ? pl_layer_name(slice->layer) : ""; }

static bool is_of_layer(const pl_slice *slice, const char *name) {
  return strcmp(slice->path, name) == 0 || strcmp(layer_name(slice), name) == 0;
}

static bool is_of_match(const pl_slice *slice, const char *part) {
  return strstr(slice->path, part) != NULL || strstr(layer_name(slice), part) != NULL;
}

static bool is_called(const pl_slice *slice, const char *name) { return strcmp(slice->name, name) == 0; }

/* Which names a group may have, when a name fits a parameter, and what is said of one that fits none. */
static const struct {
  const char *name;
  bool (*fits)(const pl_slice *slice, const char *name);
  const char *before, *after;
} selectors[] = {
  { "layers", is_of_layer, "no layer '", "' has parameters" },
  { "match", is_of_match, "no layer with '", "' in its name has parameters" },
  { "parameters", is_called, "no layer has a parameter '", "'" }
};
enum { LAYERS, PARAMETERS = 2, SELECTORS };

/* A string, or a list of strings. */
static bool is_names(const cJSON *json) {
  const cJSON *item;
  if (cJSON_IsString(json)) return true;
  if (!cJSON_IsArray(json) || json->child == NULL) return false;
  cJSON_ArrayForEach(item, json) {
    if (!cJSON_IsString(item)) return false;
  }
  return true;
}

static pl_status read_group(pl_optim_group *group, const pl_optimizer *opt, cJSON *spec, int number, pl_error *err) {
  const pl_optim_common *common = opt->config;
  const char *type = opt->cls->head.type;
  bool selects = false;
  if (!cJSON_IsObject(spec))
    return pl_error_set(err, PL_ERROR_TYPE, "%s: group %d is no table such as { layers = { \"fc1\" }, lr = 0.01 }",
                        type, number);
  for (int i = 0; i < SELECTORS; i++) {
    cJSON *names = cJSON_DetachItemFromObjectCaseSensitive(spec, selectors[i].name);
    bool ok = names == NULL || is_names(names);
    selects = selects || names != NULL;
    cJSON_Delete(names);
    if (!ok)
      return pl_error_set(err, PL_ERROR_TYPE, "%s: group %d: '%s' takes a name or a list of names", type, number,
                          selectors[i].name);
  }
  if (!selects)
    return pl_error_set(err, PL_ERROR_VALUE,
                        "%s: group %d names nothing; give it layers = { \"fc1\" }, match = \"conv\" or parameters "
                        "= { \"bias\" }", type, number);
  const pl_class cls = { "group", sizeof(group_config), &group_defaults, group_options };
  group_config c;
  pl_status status = pl_options_read(&c, &cls, spec, err);
  if (status) {
    pl_error_prefix(err, "%s: group %d", type, number);
    return status;
  }
  if (c.lr >= 0 && c.lr_scale >= 0)
    return pl_error_set(err, PL_ERROR_VALUE, "%s: group %d has both lr and lr_scale; give one", type, number);
  if (c.lr > 0 && common->lr == 0)
    return pl_error_set(err, PL_ERROR_VALUE,
                        "%s: group %d has an lr, which is relative to the optimizer's, and that is 0", type, number);
  group->lr_scale = c.lr_scale >= 0 ? c.lr_scale : c.lr > 0 ? c.lr / common->lr : c.lr < 0 ? 1 : 0;
  if (c.frozen && (c.lr >= 0 || c.lr_scale >= 0 || c.weight_decay >= 0))
    return pl_error_set(err, PL_ERROR_VALUE,
                        "%s: group %d is frozen, so that it has no lr, lr_scale or weight_decay; give one or the other",
                        type, number);
  group->frozen = c.frozen;
  group->weight_decay = c.weight_decay >= 0 ? c.weight_decay : common->weight_decay;
  return PL_OK;
}

pl_status pl_optim_groups_read(pl_optimizer *opt, const cJSON *json, pl_error *err) {
  if (json != NULL && !cJSON_IsArray(json) && !(cJSON_IsObject(json) && json->child == NULL))
    return pl_error_set(err, PL_ERROR_TYPE, "%s: option 'groups' takes a list of groups: "
                        "{ { layers = { \"fc1\" }, lr = 0.01 }, ... }",
                        opt->cls->head.type);
  size_t n = json ? (size_t)cJSON_GetArraySize(json) : 0;
  opt->group = pl_alloc_array(n + 1, sizeof *opt->group, err);
  if (opt->group == NULL) return PL_ERROR_MEMORY;
  opt->groups = n + 1;
  opt->group[n].lr_scale = 1;
  opt->group[n].weight_decay = ((const pl_optim_common *)opt->config)->weight_decay;
  for (size_t i = 0; i < n; i++) {
    cJSON *spec = cJSON_Duplicate(cJSON_GetArrayItem(json, (int)i), 1);
    if (spec == NULL) return pl_error_set(err, PL_ERROR_MEMORY, "out of memory: the groups of parameters");
    pl_status status = read_group(&opt->group[i], opt, spec, (int)i + 1, err);
    cJSON_Delete(spec);
    if (status) return status;
  }
  return PL_OK;
}

/* ---- matching ---- */

/* The first of the names, a string or a list of strings, and the one after `name`. */
static const cJSON *first_name(const cJSON *names) { return cJSON_IsArray(names) ? names->child : names; }

static const cJSON *next_name(const cJSON *names, const cJSON *name) {
  return cJSON_IsArray(names) ? name->next : NULL;
}

static bool meets(const cJSON *spec, const pl_slice *slice) {
  for (int k = 0; k < SELECTORS; k++) {
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(spec, selectors[k].name), *name = first_name(names);
    while (name != NULL && !selectors[k].fits(slice, name->valuestring)) name = next_name(names, name);
    if (names != NULL && name == NULL) return false;
  }
  return true;
}

/* The first of the selector's names that fits no parameter, or NULL. */
static const char *stranger(const cJSON *spec, int selector, const pl_slice *slices, size_t n) {
  const cJSON *names = cJSON_GetObjectItemCaseSensitive(spec, selectors[selector].name);
  for (const cJSON *name = first_name(names); name; name = next_name(names, name)) {
    size_t i = 0;
    while (i < n && !selectors[selector].fits(&slices[i], name->valuestring)) i++;
    if (i == n) return name->valuestring;
  }
  return NULL;
}

static pl_status fits_nothing(const pl_optimizer *opt, int number, int selector, const char *name,
                              const pl_slice *slices, size_t n, pl_error *err) {
  const char *names[2 * 64 + 1] = { 0 };
  int k = 0;
  for (size_t i = 0; i < n && k < 2 * 64 - 1; i++) {
    if (selector != PARAMETERS && *layer_name(&slices[i])) names[k++] = layer_name(&slices[i]);
    names[k++] = selector == PARAMETERS ? slices[i].name : slices[i].path;
  }
  for (size_t i = 0, length = strlen(name); selector == LAYERS && i < n; i++)
    if (strncmp(slices[i].path, name, length) == 0 && slices[i].path[length] == '/')
      return pl_error_set(err, PL_ERROR_VALUE, "%s: group %d: '%s' has no parameters of its own; match = \"%s\" is all "
                          "layers inside it", opt->cls->head.type, number, name, name);
  const char *nearest = pl_nearest_name(name, names);
  return pl_error_set(err, PL_ERROR_VALUE, "%s: group %d: %s%s%s%s%s%s", opt->cls->head.type, number,
                      selectors[selector].before, name, selectors[selector].after,
                      nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

pl_status pl_optim_groups_match(const pl_optimizer *opt, uint32_t *group_of, const pl_slice *slices, size_t n,
                                pl_error *err) {
  for (size_t i = 0; i < n; i++) group_of[i] = (uint32_t)opt->groups - 1;
  for (size_t g = opt->groups - 1; g-- > 0;) {   /* backwards, so that the first group has the last word */
    const cJSON *spec = cJSON_GetArrayItem(opt->groups_json, (int)g);
    for (int k = 0; k < SELECTORS; k++) {
      const char *name = stranger(spec, k, slices, n);
      if (name != NULL) return fits_nothing(opt, (int)g + 1, k, name, slices, n, err);
    }
    bool met = false;
    for (size_t i = 0; i < n; i++) {
      if (!meets(spec, &slices[i])) continue;
      group_of[i] = (uint32_t)g;
      met = true;
    }
    if (!met)
      return pl_error_set(err, PL_ERROR_VALUE, "%s: group %d meets no parameter of the model", opt->cls->head.type,
                          (int)g + 1);
  }
  return PL_OK;
}
