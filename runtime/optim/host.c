/* Optimizers whose step is a function of the host's, a script: called on one thread, parameter by parameter. Options,
   groups, schedules, clipping, weight decay, slots and counters are those of every optimizer. */
#include <string.h>
#include <cjson/cJSON.h>
#include "optim/optim.h"
#include "perilune/alloc.h"
#include "perilune/threads.h"

typedef enum { DECAY_L2, DECAY_DECOUPLED, DECAY_OWN } decay_form;
static const char *const decay_forms[] = { "l2", "decoupled", "own", NULL };

typedef struct { pl_optim_common common; } config;
static const config defaults = { .common = { .lr = 1e-3 } };
static const pl_option options[] = { PL_OPTIM_COMMON(config), { 0 } };

struct pl_host {
  pl_optimizer_class cls;
  cJSON *definition;            /* as given to pl_optimizer_new_host */
  char *type;
  decay_form decay;
  const char *slot[PL_OPTIM_SLOTS];
  size_t scalars;
  const char *scalar_name[PL_OPTIM_SLOTS];
  double initial[PL_OPTIM_SLOTS];
  double *scalar;               /* [slices][scalars] while bound */
  char **counter_name;          /* [slices * scalars] */
  size_t counters;
  pl_tensor *grad;              /* the gradient in use; as long as the largest parameter */
  bool stepping;                /* the host's function runs: no binding now, and no other step */
};

/* ---- making one ---- */

static void prepare(const void *settings, const pl_optim_clock *now, double lr, double weight_decay, pl_update *u) {
  (void)settings, (void)now, (void)lr, (void)weight_decay, (void)u;      /* the step reads the group itself */
}

static pl_status read_decay_form(pl_host *h, pl_error *err) {
  const cJSON *form = cJSON_GetObjectItemCaseSensitive(h->definition, "decay_form");
  if (form == NULL) return PL_OK;
  for (int i = 0; cJSON_IsString(form) && decay_forms[i]; i++) {
    h->decay = (decay_form)i;
    if (strcmp(form->valuestring, decay_forms[i]) == 0) return PL_OK;
  }
  return pl_error_set(err, PL_ERROR_VALUE, "%s: decay_form is \"l2\", \"decoupled\" or \"own\"", h->type);
}

static pl_status read_names(pl_host *h, pl_error *err) {
  const cJSON *item, *slots = cJSON_GetObjectItemCaseSensitive(h->definition, "slots"),
    *scalars = cJSON_GetObjectItemCaseSensitive(h->definition, "scalars");
  bool named = true;
  if (cJSON_GetArraySize(slots) > PL_OPTIM_SLOTS || cJSON_GetArraySize(scalars) > PL_OPTIM_SLOTS)
    return pl_error_set(err, PL_ERROR_VALUE, "%s: at most %d slots of either kind", h->type, PL_OPTIM_SLOTS);
  int n = 0;
  cJSON_ArrayForEach(item, slots) named = (h->slot[n++] = cJSON_GetStringValue(item)) != NULL && named;
  cJSON_ArrayForEach(item, scalars) {
    h->scalar_name[h->scalars] = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "name"));
    const cJSON *initial = cJSON_GetObjectItemCaseSensitive(item, "initial");
    named = named && h->scalar_name[h->scalars] != NULL && (initial == NULL || cJSON_IsNumber(initial));
    h->initial[h->scalars++] = initial ? cJSON_GetNumberValue(initial) : 0;
  }
  if (named) return read_decay_form(h, err);
  return pl_error_set(err, PL_ERROR_VALUE, "%s: slots are texts; scalars have a name each, and their "
                      "initial value is a number", h->type);
}

pl_optimizer *pl_optimizer_new_host(const cJSON *definition, const cJSON *args, pl_error *err) {
  const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(definition, "type"));
  if (type == NULL) {
    pl_error_set(err, PL_ERROR_VALUE, "an optimizer is defined as { type = \"Lion\", slots = { ... }, ... }; there is "
                                      "no type");
    return NULL;
  }
  pl_host *h = pl_alloc(sizeof *h, err);
  if (h == NULL) return NULL;
  h->definition = cJSON_Duplicate(definition, 1);
  h->type = h->definition ? pl_alloc(strlen(type) + 1, err) : NULL;
  if (h->type == NULL) {
    pl_host_free(h);
    pl_error_set(err, PL_ERROR_MEMORY, "out of memory: the definition of an optimizer");
    return NULL;
  }
  memcpy(h->type, type, strlen(type) + 1);
  h->cls = (pl_optimizer_class){ .head = { h->type, sizeof(config), &defaults, options }, .prepare = prepare };
  if (read_names(h, err) == PL_OK) return pl_optimizer_of_class(&h->cls, h, args, err);
  pl_host_free(h);
  return NULL;
}

void pl_host_free(pl_host *h) {
  if (h == NULL) return;
  pl_host_release(h);
  cJSON_Delete(h->definition);
  pl_free(h->type);
  pl_free(h);
}

pl_status pl_host_check_idle(const pl_host *h, pl_error *err) {
  if (!h->stepping) return PL_OK;
  return pl_error_set(err, PL_ERROR_STATE, "%s: its step function runs; neither bind nor step can be called in it",
                      h->type);
}

pl_status pl_optimizer_check_step(const pl_optimizer *opt, pl_host_step_fn fn, pl_error *err) {
  if (opt->host == NULL) return PL_OK;
  if (fn != NULL) return pl_host_check_idle(opt->host, err);
  return pl_error_set(err, PL_ERROR_VALUE, "the step of %s is a function of the host's, which is not given",
                      opt->host->type);
}

bool pl_optimizer_is_host(const pl_optimizer *opt) { return opt->host != NULL; }

pl_optimizer *pl_optimizer_clone(const pl_optimizer *opt, pl_error *err) {
  cJSON *json = pl_optimizer_to_json(opt);
  pl_optimizer *copy = NULL;
  if (json == NULL) pl_error_set(err, PL_ERROR_MEMORY, "out of memory: a copy of an optimizer");
  else if (opt->host == NULL) copy = pl_optimizer_from_json(json, err);
  else {
    cJSON *own, *args = cJSON_GetObjectItemCaseSensitive(json, "config");
    cJSON_ArrayForEach(own, cJSON_GetObjectItemCaseSensitive(opt->host->definition, "options"))
      cJSON_DeleteItemFromObjectCaseSensitive(args, own->string);
    cJSON_DeleteItemFromObjectCaseSensitive(args, "decay_form");
    copy = pl_optimizer_new_host(opt->host->definition, args, err);
  }
  cJSON_Delete(json);
  return copy;
}

void pl_host_describe(const pl_host *h, cJSON **config_json) {
  const cJSON *own;
  cJSON_ArrayForEach(own, cJSON_GetObjectItemCaseSensitive(h->definition, "options"))
    pl_json_add(config_json, own->string, cJSON_Duplicate(own, 1));
  pl_json_add(config_json, "decay_form", cJSON_CreateString(decay_forms[h->decay]));
}

/* ---- state ---- */

void pl_host_slots(const pl_host *h, const char *names[PL_OPTIM_SLOTS]) {
  memcpy(names, h->slot, PL_OPTIM_SLOTS * sizeof *names);
}

void pl_host_release(pl_host *h) {
  for (size_t i = 0; i < h->counters; i++) pl_free(h->counter_name[i]);
  pl_free(h->counter_name);
  pl_free(h->scalar);
  pl_tensor_free(h->grad);
  h->counter_name = NULL;
  h->scalar = NULL;
  h->grad = NULL;
  h->counters = 0;
}

void pl_host_reset(pl_host *h) {
  for (size_t i = 0; i < h->counters; i++) h->scalar[i] = h->initial[i % h->scalars];
}

/* "product 01_linear.weight" */
static char *counter_name(const char *scalar, const pl_slice *slice, pl_error *err) {
  size_t length = strlen(scalar) + strlen(slice->path) + strlen(slice->name) + 3;
  char *text = pl_alloc(length, err);
  if (text != NULL) snprintf(text, length, "%s %s.%s", scalar, slice->path, slice->name);
  return text;
}

pl_status pl_host_bind(pl_host *h, const pl_slice *slice, size_t slices, pl_error *err) {
  size_t largest = 1, n = slices * h->scalars;
  for (size_t i = 0; i < slices; i++) largest = slice[i].count > largest ? slice[i].count : largest;
  h->grad = pl_tensor_new(PL_F32, &(pl_shape){ 1, { (int64_t)largest } }, err);
  h->scalar = pl_alloc_array(n + 1, sizeof *h->scalar, err);
  h->counter_name = pl_alloc_array(n + 1, sizeof *h->counter_name, err);
  if (h->grad == NULL || h->scalar == NULL || h->counter_name == NULL) return PL_ERROR_MEMORY;
  for (; h->counters < n; h->counters++) {
    char *name = counter_name(h->scalar_name[h->counters % h->scalars], &slice[h->counters / h->scalars], err);
    if (name == NULL) return PL_ERROR_MEMORY;
    h->counter_name[h->counters] = name;
  }
  pl_host_reset(h);
  return PL_OK;
}

int pl_host_counters(const pl_host *h) { return (int)h->counters; }
const char *pl_host_counter_name(const pl_host *h, int i) { return h->counter_name[i]; }
double *pl_host_counter(const pl_host *h, int i) { return &h->scalar[i]; }

/* ---- the step ---- */

typedef struct { pl_optimizer *opt; const float *grads; float scale; } norm;

static void measure(const pl_team *team, void *arg) {
  norm *n = arg;
  n->scale = pl_optim_clip_scale(n->opt, team, n->grads, 0, n->opt->blocks);
}

/* g' = clamp(g scale, -limit, limit), and + weight_decay w in the form "l2"; whether all are finite. */
static bool take_gradient(const pl_optimizer *opt, const pl_optim_group *group, const float *g, const float *w,
                          size_t n, float scale) {
  float *out = pl_tensor_data(opt->host->grad);
  const float limit = group->update.limit, l2 = opt->host->decay == DECAY_L2 ? (float)group->weight_decay : 0;
  bool finite = true;
  for (size_t i = 0; i < n; i++) {
    float x = g[i] * scale;
    x = x > limit ? limit : x < -limit ? -limit : x;
    finite &= x - x == 0;
    out[i] = l2 != 0 ? x + l2 * w[i] : x;
  }
  return finite;
}

static bool all_finite(const float *x, size_t n) {
  bool finite = true;
  for (size_t i = 0; i < n; i++) finite &= x[i] - x[i] == 0;
  return finite;
}

static pl_status step_slice(pl_optimizer *opt, size_t i, float *values, const float *grads, float scale,
                            pl_host_step_fn fn, void *context, bool *finite, pl_error *err) {
  pl_host *h = opt->host;
  const pl_slice *slice = &opt->slice[i];
  const pl_optim_group *group = &opt->group[opt->group_of[i]];
  float *w = values + slice->offset;
  *finite &= take_gradient(opt, group, grads + slice->offset, w, slice->count, scale);
  if (h->decay == DECAY_DECOUPLED && group->weight_decay != 0)
    for (size_t k = 0; k < slice->count; k++) w[k] *= (float)(1 - group->lr * group->weight_decay);
  pl_host_step_call call = { .slice = slice, .grad = h->grad, .lr = group->lr, .weight_decay = group->weight_decay,
    .step = opt->steps, .epoch = opt->epochs > 0 ? opt->epochs : 1, .scalars = h->scalars,
    .scalar_name = h->scalar_name, .scalar = h->scalar + i * h->scalars };
  h->stepping = true;
  pl_status status = fn(context, &call, err);
  h->stepping = false;
  *finite &= status == PL_OK && all_finite(w, slice->count);
  return status;
}

pl_status pl_optimizer_step_host(pl_optimizer *opt, float *values, const float *grads, pl_host_step_fn fn,
                                 void *context, bool *finite, pl_error *err) {
  norm n = { opt, grads, 1 };
  if (opt->host == NULL)
    return pl_error_set(err, PL_ERROR_STATE, "%s makes its steps itself: pl_optimizer_step", opt->cls->head.type);
  pl_status status = pl_optimizer_check_step(opt, fn, err);
  if (status) return status;
  pl_threads_run_on(1, measure, &n);
  *finite = true;
  for (size_t i = 0; i < opt->slices && status == PL_OK; i++)
    if (!opt->group[opt->group_of[i]].frozen)
      status = step_slice(opt, i, values, grads, n.scale, fn, context, finite, err);
  return status;
}
