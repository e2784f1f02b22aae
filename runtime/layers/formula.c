/* Formula: a layer that is recorded from a function of the script (nn.define, nn.Graph), or read from a file. Its
   description: { type = "GatedLinear", params = [{ name, shape, init, trained }], options = {...}, program = {...} }.
   In a script the program is recorded when the shape of the input is known, by the host; then it is part of the
   description: program = [{...}, ...] where calls with inputs of different shapes made different ones. The layers that
   it calls are its children. */
#include <stdio.h>
#include <string.h>
#include <cjson/cJSON.h>
#include "layers/layer.h"
#include "layers/program.h"
#include "perilune/alloc.h"

/* A layer that a formula calls is traced when it is recorded, and when it is applied: they nest only a few levels. */
enum { MOST_PARAMS = 64, NAME = 48, MOST_NESTED = 6 };

typedef struct config {
  char type[NAME];
  char (*name)[NAME];            /* of parameters */
  cJSON *described;              /* what the description said, program included */
  pl_program *recorded;          /* a list: different ones, of the last build's calls */
} config;

static pl_status add_param(pl_layer *self, const cJSON *json, char *name, pl_error *err) {
  typedef struct { pl_shape shape; pl_init init; bool trained; } param;
  static const param defaults = { .init = { PL_INIT_HE, 0, 0 }, .trained = true };
  static const pl_option options[] = {
    { .name = "shape", .kind = PL_OPTION_SHAPE, .offset = offsetof(param, shape), .low = 1, .high = 1 << 24 },
    { .name = "init", .kind = PL_OPTION_INIT, .offset = offsetof(param, init) },
    { .name = "trained", .kind = PL_OPTION_BOOL, .offset = offsetof(param, trained) },
    { 0 }
  };
  static const pl_class cls = { "params", sizeof(param), &defaults, options };
  const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "name"));
  const config *c = self->config;
  param p;
  cJSON *rest = cJSON_Duplicate(json, 1);
  if (rest == NULL) return pl_error_set(err, PL_ERROR_MEMORY, "out of memory: a parameter of %s", c->type);
  cJSON_DeleteItemFromObjectCaseSensitive(rest, "name");
  bool has_init = cJSON_HasObjectItem(rest, "init");
  pl_status status = text == NULL || strlen(text) >= NAME ?
    pl_error_set(err, PL_ERROR_VALUE, "%s: a parameter has a name of at most %d letters", c->type, NAME - 1) :
    pl_options_read(&p, &cls, rest, err);
  cJSON_Delete(rest);
  if (status) {
    if (text != NULL) pl_error_prefix(err, "%s: parameter '%.40s'", c->type, text);
    return status;
  }
  strcpy(name, text);
  int axes = p.shape.axes;
  int64_t count = pl_shape_count(&p.shape), last = axes > 0 ? p.shape.size[axes - 1] : 1;
  if (count < 1) return pl_error_set(err, PL_ERROR_VALUE, "%s: parameter '%s' has no elements", c->type, name);
  if (!has_init && axes < 2) p.init.kind = PL_INIT_ZEROS;
  int64_t in = axes < 2 ? count : p.shape.size[axes - 2];   /* as matmul: the axes before are those of many matrices */
  pl_layer_declare(self, name, p.shape, p.init, (double)in, (double)last, p.trained);
  return PL_OK;
}

static pl_status read(pl_layer *self, const cJSON *args, pl_error *err) {
  config *c = self->config;
  const cJSON *given = cJSON_IsArray(args) ? cJSON_GetArrayItem(args, 0) : args, *params, *item;
  const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(given, "type"));
  int n = 0;
  if (type == NULL || type[0] == '\0' || strlen(type) >= NAME)
    return pl_error_set(err, PL_ERROR_VALUE, "a formula has a name of at most %d letters, such as "
                        "nn.define{ name = \"GatedLinear\", ... }", NAME - 1);
  strcpy(c->type, type);
  self->type = c->type;
  c->described = cJSON_Duplicate(given, 1);
  if (c->described == NULL) return pl_error_set(err, PL_ERROR_MEMORY, "out of memory: the options of a %s", type);
  params = cJSON_GetObjectItemCaseSensitive(given, "params");
  int count = params == NULL ? 0 : cJSON_GetArraySize(params);
  if (count > MOST_PARAMS)
    return pl_error_set(err, PL_ERROR_VALUE, "%s: at most %d parameters", c->type, MOST_PARAMS);
  c->name = pl_alloc_array((size_t)count + 1, NAME, err);
  if (c->name == NULL) return PL_ERROR_MEMORY;
  self->undecided = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(given, "graph")) &&
                    !cJSON_HasObjectItem(given, "program");
  cJSON_ArrayForEach(item, params) {
    pl_status status = add_param(self, item, c->name[n++], err);
    if (status) return status;
  }
  return PL_OK;
}

/* One program, or a list of different ones. */
static cJSON *write_programs(const pl_program *recorded) {
  cJSON *list = cJSON_CreateArray(), *other;
  for (const pl_program *p = recorded; p != NULL; p = p->next) {
    cJSON *json = pl_program_write(p);
    bool known = false;
    cJSON_ArrayForEach(other, list) known = known || cJSON_Compare(other, json, true);
    if (known) cJSON_Delete(json);
    else pl_json_add(&list, NULL, json);
  }
  if (cJSON_GetArraySize(list) != 1) return list;
  cJSON *only = cJSON_DetachItemFromArray(list, 0);
  cJSON_Delete(list);
  return only;
}

static cJSON *describe(const pl_layer *self) {
  const config *c = self->config;
  cJSON *json = cJSON_Duplicate(c->described, 1);
  if (json == NULL || self->host == NULL || c->recorded == NULL) return json;
  cJSON_DeleteItemFromObjectCaseSensitive(json, "program");
  pl_json_add(&json, "program", write_programs(c->recorded));
  return json;
}

static void release(pl_layer *self) {
  config *c = self->config;
  if (c == NULL) return;
  pl_program_free_list(c->recorded);
  cJSON_Delete(c->described);
  pl_free(c->name);
}

const pl_program *pl_formula_program(const pl_layer *layer) {
  const config *c = layer->config;
  return layer->cls == &pl_formula ? c->recorded : NULL;
}

/* x.lua:12: layer 2 (GatedLinear): what is wrong; of an operation the line is known, of the rest that of the layer. */
static pl_status blame(const pl_layer *self, pl_status status, pl_error *err) {
  char label[PL_PATH_TEXT];
  if (err != NULL && !pl_error_insert(err, pl_layer_label(label, self)) && self->origin[0])
    pl_error_prefix(err, "%s", self->origin);
  return status;
}

static bool is_among(const pl_program *list, const pl_program *p) {
  while (list != NULL && pl_program_compare(list, p, NULL)) list = list->next;
  return list != NULL;
}

void pl_formula_keep_recorded(pl_graph *graph) {
  pl_program *p;
  for (p = graph->recorded; p != NULL; p = p->next) {
    config *c = p->layer->config;
    pl_program_free_list(c->recorded);
    c->recorded = NULL;
  }
  pl_program_free_list(graph->looked_at);
  graph->looked_at = NULL;
  while ((p = graph->recorded) != NULL) {
    config *c = p->layer->config;
    graph->recorded = p->next;
    p->next = NULL;
    if (is_among(c->recorded, p)) {
      pl_program_free_list(p);
      continue;
    }
    p->next = c->recorded;
    c->recorded = p;
  }
}

/* The program in a description, or the first of several that is for an input of this shape. */
static pl_status read_programs(pl_program *p, const cJSON *json, const pl_shape *in, pl_error *err) {
  const cJSON *one = cJSON_IsArray(json) ? json->child : json;
  pl_status status = pl_program_read(p, one, err);
  while ((status == PL_ERROR_STATE || status == PL_ERROR_SHAPE) && cJSON_IsArray(json) && (one = one->next) != NULL) {
    int input;
    pl_program_clear(p);
    status = pl_program_add_input(p, in, false, &input, err);
    if (status == PL_OK) status = pl_program_read(p, one, err);
  }
  return status;
}

static pl_status record(pl_layer *self, pl_program *p, const pl_shape *in, pl_error *err) {
  const config *c = self->config;
  int input;
  pl_status status = pl_program_add_input(p, in, false, &input, err);
  if (status) return status;
  if (self->host != NULL)
    return self->host(self->host_context, &(pl_host_call){ .kind = PL_HOST_RECORD, .in = *in, .program = p }, err);
  const cJSON *program = cJSON_GetObjectItemCaseSensitive(c->described, "program");
  if (program == NULL)
    return pl_error_set(err, PL_ERROR_STATE, "was saved before it had seen its input; build the model in its script");
  return read_programs(p, program, in, err);
}

static pl_status check(const pl_layer *self, const pl_program *p, pl_error *err) {
  const pl_step *result = &p->step[p->result];
  char text[PL_SHAPE_TEXT];
  bool *used = pl_alloc_array((size_t)p->steps, sizeof *used, err);
  if (used == NULL) return PL_ERROR_MEMORY;
  pl_program_mark_used(p, used);
  bool input = used[0];
  pl_status status = PL_OK;
  for (int k = 0; k < self->params && status == PL_OK; k++) {
    bool reaches = false;
    for (int i = 0; i < p->steps; i++)
      reaches = reaches || (used[i] && p->step[i].kind == PL_STEP_PARAM && p->step[i].index == k);
    if (!reaches) status = pl_error_set(err, PL_ERROR_VALUE, "parameter '%s' is not used: nothing of it reaches the "
                                        "result; use it, or take it out of params", self->param[k].name);
  }
  pl_free(used);
  if (status) return status;
  if (!input) return pl_error_set(err, PL_ERROR_VALUE, "the result does not depend on the input");
  if (result->op.out_fixed)
    return pl_error_set(err, PL_ERROR_SHAPE, "the result has no batch axis: it is %s",
                        pl_shape_text(text, &result->op.out, false));
  if (result->kind != PL_STEP_OP && result->kind != PL_STEP_LAYER)
    return pl_error_set(err, PL_ERROR_VALUE, "the result is the input itself; there is nn.Identity() for that");
  return PL_OK;
}

/* Twice: a formula that is not the same each time is no formula. */
static pl_status record_twice(pl_layer *self, pl_program *p, const pl_shape *in, pl_error *err) {
  pl_status status = record(self, p, in, err);
  if (status == PL_OK && self->host != NULL) status = pl_program_check_comparisons(p, err);
  if (status == PL_OK) status = check(self, p, err);
  if (status || self->host == NULL) return status;
  pl_program again = { .layer = self, .graph = p->graph, .result = -1 };
  status = record(self, &again, in, err);
  if (status == PL_OK && (status = pl_program_compare(p, &again, err)))
    pl_error_prefix(err, "recorded a second time the formula is another one (random numbers, or something that it "
                         "changes?)");
  pl_program_clear(&again);
  return status;
}

static bool is_for(const pl_program *p, const pl_layer *layer, const pl_shape *in) {
  return p->layer == layer && pl_shape_equal(&p->step[0].op.out, in);
}

/* What the formula was recorded as for this shape before, in this build; NULL: it was not. */
static const pl_program *known(pl_graph *graph, const pl_layer *self, const pl_shape *in) {
  for (pl_program **p = &graph->looked_at; *p != NULL; p = &(*p)->next) {
    if (!is_for(*p, self, in)) continue;
    pl_program *found = *p;                       /* no longer only looked at */
    *p = found->next;
    found->next = graph->recorded;
    return graph->recorded = found;
  }
  for (const pl_graph *g = graph; g != NULL; g = g->outer) {
    for (const pl_program *p = g->recorded; p != NULL; p = p->next) if (is_for(p, self, in)) return p;
    for (const pl_program *p = g->looked_at; p != NULL; p = p->next) if (is_for(p, self, in)) return p;
  }
  return NULL;
}

static pl_status record_anew(pl_layer *self, pl_graph *graph, const pl_shape *in, const pl_program **out,
                             pl_error *err) {
  pl_program *fresh = pl_alloc(sizeof *fresh, err);
  if (fresh == NULL) return PL_ERROR_MEMORY;
  *fresh = (pl_program){ .layer = self, .graph = graph, .result = -1 };
  self->recording = true;
  pl_status status = record_twice(self, fresh, in, err);
  self->recording = false;
  if (status) {
    pl_program_free_list(fresh);
    return status;
  }
  fresh->graph = NULL;
  fresh->next = graph->recorded;
  *out = graph->recorded = fresh;
  return PL_OK;
}

static pl_status trace(pl_layer *self, pl_graph *graph, int in, int *out, pl_error *err) {
  pl_shape shape = graph->value[in].shape;
  int nested = 0;
  for (const pl_layer *p = self->parent; p != NULL; p = p->parent) nested += p->cls == &pl_formula;
  if (nested >= MOST_NESTED)
    return blame(self, pl_error_set(err, PL_ERROR_VALUE, "formulas inside formulas nest deeper than %d; call functions "
                                    "instead of layers", MOST_NESTED), err);
  if (self->recording) return blame(self, pl_error_set(err, PL_ERROR_STATE, "calls itself"), err);
  const pl_program *p = known(graph, self, &shape);
  pl_status status = p == NULL ? record_anew(self, graph, &shape, &p, err) : PL_OK;
  int first = graph->ops;
  if (status == PL_OK && p->outputs.count > 1 && self->parent != NULL)
    status = pl_error_set(err, PL_ERROR_SHAPE, "has %d outputs where the %s that it is part of takes one; several are "
                          "those of a whole model: return them from its nn.Graph", p->outputs.count,
                          self->parent->type);
  if (status == PL_OK && self->children > 0 && pl_graph_begin(graph, self, in, err)) status = PL_ERROR_MEMORY;
  if (status == PL_OK) status = pl_program_apply(p, graph, &in, out, err);
  if (status == PL_OK) status = pl_graph_note_formula(graph, self, first, *out, err);
  if (status == PL_OK && self->parent == NULL) graph->outputs = p->outputs;
  if (status) return blame(self, status, err);
  self->undecided = false;
  return PL_OK;
}

/* Found anew each time: the script may build the model while it records. */
static const pl_program *recorded_at(const pl_layer *self, int i) {
  const pl_program *p = pl_formula_program(self);
  while (p != NULL && i-- > 0) p = p->next;
  return p;
}

pl_status pl_formula_check_again(pl_layer *self, pl_error *err) {
  pl_status status = PL_OK;
  const pl_program *p;
  if (self->cls != &pl_formula || self->host == NULL) return PL_OK;
  for (int i = 0; status == PL_OK && (p = recorded_at(self, i)) != NULL; i++) {
    pl_graph *scratch = pl_graph_new(&p->step[0].op.out, err);
    if (scratch == NULL) return PL_ERROR_MEMORY;
    pl_program again = { .layer = self, .graph = scratch, .result = -1 };
    status = record(self, &again, &p->step[0].op.out, err);
    p = recorded_at(self, i);
    if (status == PL_OK && p != NULL) status = pl_program_compare(p, &again, err);
    pl_program_clear(&again);
    pl_graph_release(scratch);
  }
  return status ? blame(self, status, err) : PL_OK;
}

static const pl_option none[] = { { 0 } };

const pl_layer_class pl_formula = {
  .head = { "Formula", sizeof(config), NULL, none }, .most_children = 1000, .flags = PL_RECORDED,
  .read = read, .describe = describe, .release = release, .trace = trace };
