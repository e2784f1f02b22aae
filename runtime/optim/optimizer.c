/* Making, binding and describing optimizers. The step is in step.c, groups in groups.c, each formula in its own
   file. */
#include <string.h>
#include <cjson/cJSON.h>
#include "optim/optim.h"
#include "perilune/alloc.h"

const char *pl_optimizer_type_name(int i) { return pl_optimizer_registry[i] ? pl_optimizer_registry[i]->head.type
                                            : NULL; }

static const pl_optimizer_class *find_class(const char *type, pl_error *err) {
  const char *names[64] = { 0 };
  for (int i = 0; pl_optimizer_registry[i] && i < 63; i++) {
    if (strcmp(type, pl_optimizer_registry[i]->head.type) == 0) return pl_optimizer_registry[i];
    names[i] = pl_optimizer_registry[i]->head.type;
  }
  const char *nearest = pl_nearest_name(type, names);
  if (nearest) pl_error_set(err, PL_ERROR_VALUE, "there is no optimizer '%s'; did you mean '%s'?", type, nearest);
  else pl_error_set(err, PL_ERROR_VALUE, "there is no optimizer '%s'", type);
  return NULL;
}

static void reset_counters(pl_optimizer *opt) {
  opt->steps = opt->epochs = 0;
  opt->memory = 1;
  if (opt->host) pl_host_reset(opt->host);
}

/* "groups" is read apart: `args` is this function's own copy. */
static pl_status configure(pl_optimizer *opt, cJSON *args, pl_error *err) {
  cJSON *named = cJSON_IsArray(args) ? cJSON_GetArrayItem(args, cJSON_GetArraySize(args) - 1) : args;
  if (cJSON_IsObject(named)) opt->groups_json = cJSON_DetachItemFromObjectCaseSensitive(named, "groups");
  if (cJSON_GetObjectItemCaseSensitive(named, "group"))
    return pl_error_set(err, PL_ERROR_VALUE, "%s has no option 'group'; did you mean 'groups'?", opt->cls->head.type);
  pl_status status = pl_options_read(opt->config, &opt->cls->head, args, err);
  if (status) return status;
  opt->lr = ((const pl_optim_common *)opt->config)->lr;
  reset_counters(opt);
  return pl_optim_groups_read(opt, opt->groups_json, err);
}

pl_optimizer *pl_optimizer_of_class(const pl_optimizer_class *cls, pl_host *host, const cJSON *args, pl_error *err) {
  pl_optimizer *opt = pl_alloc(sizeof *opt, err);
  if (opt == NULL) {
    pl_host_free(host);
    return NULL;
  }
  opt->cls = cls;
  opt->host = host;
  opt->config = pl_alloc(cls->head.config_size, err);
  if (opt->config != NULL) {
    cJSON *copy = args ? cJSON_Duplicate(args, 1) : NULL;
    pl_status status = args && copy == NULL ? pl_error_set(err, PL_ERROR_MEMORY, "out of memory: the options of %s",
                                                           cls->head.type) : configure(opt, copy, err);
    cJSON_Delete(copy);
    if (status == PL_OK) return opt;
  }
  pl_optimizer_free(opt);
  return NULL;
}

pl_optimizer *pl_optimizer_new(const char *type, const cJSON *args, pl_error *err) {
  const pl_optimizer_class *cls = find_class(type, err);
  return cls ? pl_optimizer_of_class(cls, NULL, args, err) : NULL;
}

static void release_binding(pl_optimizer *opt) {
  pl_free(opt->slice);
  pl_free(opt->group_of);
  pl_free(opt->block);
  pl_free(opt->partial);
  opt->slice = NULL;
  opt->group_of = NULL;
  opt->block = NULL;
  opt->partial = NULL;
  opt->slices = opt->blocks = opt->size = 0;
  for (int i = 0; i < PL_OPTIM_SLOTS; i++) {
    pl_tensor_free(opt->slot[i]);
    opt->slot[i] = NULL;
  }
  if (opt->host) pl_host_release(opt->host);
}

void pl_optimizer_free(pl_optimizer *opt) {
  if (opt == NULL) return;
  release_binding(opt);
  pl_free(opt->group);
  pl_free(opt->config);
  cJSON_Delete(opt->groups_json);
  pl_host_free(opt->host);
  pl_free(opt);
}

const char *pl_optimizer_type(const pl_optimizer *opt) { return opt->cls->head.type; }

cJSON *pl_optimizer_to_json(const pl_optimizer *opt) {
  cJSON *json = cJSON_CreateObject(), *config = pl_options_write(&opt->cls->head, opt->config);
  if (opt->host) pl_host_describe(opt->host, &config);
  if (opt->groups_json) pl_json_add(&config, "groups", cJSON_Duplicate(opt->groups_json, 1));
  pl_json_add(&json, "type", cJSON_CreateString(opt->cls->head.type));
  pl_json_add(&json, "config", config);
  return json;
}

pl_optimizer *pl_optimizer_from_json(const cJSON *json, pl_error *err) {
  const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "type"));
  if (type != NULL) return pl_optimizer_new(type, cJSON_GetObjectItemCaseSensitive(json, "config"), err);
  pl_error_set(err, PL_ERROR_VALUE, "an optimizer is described as { type = \"Adam\", config = { ... } }; there is "
                                    "no type");
  return NULL;
}

/* ---- binding ---- */

static size_t padded(size_t count) { return (count + 15) / 16 * 16; }

static void lay_blocks(pl_optimizer *opt) {
  size_t b = 0;
  for (size_t i = 0; i < opt->slices; i++) {
    size_t count = padded(opt->slice[i].count);
    for (size_t at = 0; at < count; at += PL_OPTIM_BLOCK) {
      size_t chunk = count - at < PL_OPTIM_BLOCK ? count - at : PL_OPTIM_BLOCK;
      opt->block[b++] = (pl_optim_block){ (uint32_t)i, opt->group_of[i], opt->slice[i].offset + at, chunk };
    }
  }
}

static pl_status bind_to(pl_optimizer *opt, const pl_slice *slices, size_t n, size_t size, pl_error *err) {
  size_t blocks = 0;
  for (size_t i = 0; i < n; i++) {
    if (slices[i].offset % 16 || slices[i].offset + padded(slices[i].count) > size)
      return pl_error_set(err, PL_ERROR_VALUE,
                          "%s: parameter %s of %s does not lie in the model's block at a multiple of 16",
                          opt->cls->head.type, slices[i].name, slices[i].path);
    blocks += (padded(slices[i].count) + PL_OPTIM_BLOCK - 1) / PL_OPTIM_BLOCK;
  }
  opt->group_of = pl_alloc_array(n, sizeof *opt->group_of, err);
  if (opt->group_of == NULL) return PL_ERROR_MEMORY;
  pl_status status = pl_optim_groups_match(opt, opt->group_of, slices, n, err);
  if (status) return status;
  opt->slice = pl_alloc_array(n, sizeof *opt->slice, err);
  opt->block = pl_alloc_array(blocks, sizeof *opt->block, err);
  opt->partial = pl_alloc_array(3 * blocks, sizeof *opt->partial, err);
  if (!opt->slice || !opt->block || !opt->partial) return PL_ERROR_MEMORY;
  opt->slices = n;
  opt->blocks = blocks;
  opt->size = size;
  memcpy(opt->slice, slices, n * sizeof *slices);
  lay_blocks(opt);
  memset(opt->slot_name, 0, sizeof opt->slot_name);
  if (opt->host) pl_host_slots(opt->host, opt->slot_name);
  else if (opt->cls->slots) opt->cls->slots(opt->config, opt->slot_name);
  else memcpy(opt->slot_name, opt->cls->slot_names, sizeof opt->cls->slot_names);
  pl_shape flat = { 1, { (int64_t)size } };
  for (int i = 0; i < PL_OPTIM_SLOTS; i++) {
    if (opt->slot_name[i] && (opt->slot[i] = pl_tensor_new(PL_F32, &flat, err)) == NULL) {
      pl_error_prefix(err, "what %s remembers of each parameter", opt->cls->head.type);
      return PL_ERROR_MEMORY;
    }
  }
  return opt->host ? pl_host_bind(opt->host, opt->slice, n, err) : PL_OK;
}

pl_status pl_optimizer_bind(pl_optimizer *opt, const pl_slice *slices, size_t n, size_t size, pl_error *err) {
  if (opt->host && pl_host_check_idle(opt->host, err)) return PL_ERROR_STATE;
  release_binding(opt);
  reset_counters(opt);
  if (n == 0) return pl_error_set(err, PL_ERROR_VALUE, "%s: the model has no parameters to train", opt->cls->head.type);
  pl_status status = bind_to(opt, slices, n, size, err);
  if (status) release_binding(opt);
  return status;
}

size_t pl_optimizer_size(const pl_optimizer *opt) { return opt->size; }

size_t pl_optimizer_slices(const pl_optimizer *opt, const pl_slice **slices) {
  *slices = opt->slice;
  return opt->slices;
}

/* ---- state ---- */

double pl_optimizer_lr(const pl_optimizer *opt) { return opt->lr; }
void pl_optimizer_set_lr(pl_optimizer *opt, double lr) { opt->lr = lr; }
double pl_optimizer_base_lr(const pl_optimizer *opt) { return ((const pl_optim_common *)opt->config)->lr; }

enum { COUNTED = 3 };   /* counters of every optimizer */

int pl_optimizer_counters(const pl_optimizer *opt) {
  return COUNTED + (opt->cls->remember ? 1 : 0) + (opt->host ? pl_host_counters(opt->host) : 0);
}

const char *pl_optimizer_counter_name(const pl_optimizer *opt, int i) {
  const char *const names[COUNTED + 1] = { "steps", "epochs", "lr", opt->cls->memory_name };
  return opt->host && i >= COUNTED ? pl_host_counter_name(opt->host, i - COUNTED) : names[i];
}

static const double *counter(const pl_optimizer *opt, int i) {
  const double *const fields[COUNTED + 1] = { &opt->steps, &opt->epochs, &opt->lr, &opt->memory };
  return opt->host && i >= COUNTED ? pl_host_counter(opt->host, i - COUNTED) : fields[i];
}

double pl_optimizer_counter(const pl_optimizer *opt, int i) { return *counter(opt, i); }
void pl_optimizer_set_counter(pl_optimizer *opt, int i, double value) { *(double *)counter(opt, i) = value; }

/* The outside sees the slots in use without holes and without scratch. */
static int nth_slot(const pl_optimizer *opt, int n) {
  for (int i = 0; i < PL_OPTIM_SLOTS; i++) {
    if (opt->slot[i] != NULL && opt->slot_name[i][0] && n-- == 0) return i;
  }
  return -1;
}

int pl_optimizer_slots(const pl_optimizer *opt) {
  int n = 0;
  while (nth_slot(opt, n) >= 0) n++;
  return n;
}

const char *pl_optimizer_slot_name(const pl_optimizer *opt, int i) { return opt->slot_name[nth_slot(opt, i)]; }
pl_tensor *pl_optimizer_slot(const pl_optimizer *opt, int i) { return opt->slot[nth_slot(opt, i)]; }
