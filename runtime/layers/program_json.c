/* Recorded formulas as data, for files: operations by name, arguments, constants; no code. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cjson/cJSON.h>
#include "layers/layer.h"
#include "layers/program.h"
#include "perilune/alloc.h"

/* What JSON has no number for. */
static cJSON *write_number(float x) {
  if (x != x) return cJSON_CreateString("nan");
  if (fabsf(x) == INFINITY) return cJSON_CreateString(x > 0 ? "inf" : "-inf");
  if (x == 0 && signbit(x)) return cJSON_CreateString("-0");
  return cJSON_CreateNumber((double)x);
}

static float read_number(const cJSON *json) {
  const char *text = cJSON_GetStringValue(json);
  if (text == NULL) return (float)json->valuedouble;
  return strcmp(text, "inf") == 0 ? INFINITY : strcmp(text, "-inf") == 0 ? -INFINITY
       : strcmp(text, "-0") == 0 ? -0.0f : NAN;
}

static cJSON *write_integers(const int64_t *v, int n) {
  cJSON *list = cJSON_CreateArray();
  for (int i = 0; i < n; i++) pl_json_add(&list, NULL, cJSON_CreateNumber((double)v[i]));
  return list;
}

/* What the input's shape has no say in needs no note. */
static void write_asked(cJSON **json, const pl_step *s) {
  int64_t size[PL_MAX_AXES];
  if (s->asked == 0 || s->op.out_fixed) return;
  for (int a = 0; a < s->op.out.axes; a++) size[a] = s->asked >> (a + 1) & 1 ? s->op.out.size[a] : -1;
  pl_json_add(json, "asked", write_integers(size, s->op.out.axes));
}

static cJSON *write_step(const pl_program *p, const pl_step *s) {
  cJSON *json = cJSON_CreateObject(), *in = cJSON_CreateArray();
  for (int k = 0; k < s->op.inputs; k++) pl_json_add(&in, NULL, cJSON_CreateNumber(s->in[k] + 1));
  if (s->kind == PL_STEP_INPUT) pl_json_add(&json, "input", cJSON_CreateNumber(s->index + 1));
  if (s->kind == PL_STEP_PARAM) pl_json_add(&json, "param", cJSON_CreateString(p->layer->param[s->index].name));
  if (s->kind == PL_STEP_LAYER) pl_json_add(&json, "layer", cJSON_CreateNumber(s->index + 1));
  if (s->kind == PL_STEP_CONSTANT) {
    cJSON *data = cJSON_CreateArray();
    for (int64_t i = 0; i < pl_shape_count(&s->op.out); i++) pl_json_add(&data, NULL, write_number(s->data[i]));
    pl_json_add(&json, "constant", data);
    pl_json_add(&json, "shape", write_integers(s->op.out.size, s->op.out.axes));
  }
  if (s->kind == PL_STEP_OP) {
    pl_json_add(&json, "op", cJSON_CreateString(s->op.cls->head.type));
    if (s->op.args.n > 0) pl_json_add(&json, "args", write_integers(s->op.args.v, s->op.args.n));
  }
  if (s->op.inputs > 0) pl_json_add(&json, "in", in);
  else cJSON_Delete(in);
  write_asked(&json, s);
  return json;
}

cJSON *pl_program_write(const pl_program *p) {
  cJSON *json = cJSON_CreateObject(), *steps = cJSON_CreateArray();
  for (int i = 0; i < p->steps; i++) pl_json_add(&steps, NULL, write_step(p, &p->step[i]));
  pl_json_add(&json, "steps", steps);
  pl_json_add(&json, "result", cJSON_CreateNumber(p->result + 1));
  if (p->outputs.count == 0) return json;
  cJSON *outputs = cJSON_CreateArray();
  for (int i = 0; i < p->outputs.count; i++)
    pl_json_add(&outputs, NULL, write_integers(p->outputs.shape[i].size, p->outputs.shape[i].axes));
  pl_json_add(&json, "outputs", outputs);
  return json;
}

static const cJSON *field(const cJSON *json, const char *name) { return cJSON_GetObjectItemCaseSensitive(json, name); }

static pl_status damaged(pl_error *err) {
  return pl_error_set(err, PL_ERROR_CORRUPT, "the description of a formula is damaged");
}

/* Whole numbers of a list, at most `most`; -1: it is none. */
static int read_integers(const cJSON *list, int64_t *out, int most) {
  int n = 0;
  const cJSON *item;
  if (list == NULL || (cJSON_IsObject(list) && list->child == NULL)) return 0;   /* {}: an empty list of Lua */
  if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > most) return -1;
  cJSON_ArrayForEach(item, list) {
    if (!cJSON_IsNumber(item) || !(fabs(item->valuedouble) < 0x1p53)) return -1;
    out[n++] = (int64_t)item->valuedouble;
  }
  return n;
}

static pl_status read_constant(pl_program *p, const cJSON *json, int *out, pl_error *err) {
  pl_shape shape = { 0 };
  const cJSON *data = field(json, "constant"), *item;
  shape.axes = read_integers(field(json, "shape"), shape.size, PL_MAX_AXES);
  int64_t count = shape.axes < 0 ? -1 : pl_shape_count(&shape), n = 0;
  if (!cJSON_IsArray(data) || count < 0 || count > PL_MOST_CONSTANT || cJSON_GetArraySize(data) != count)
    return damaged(err);
  float *values = pl_alloc_array((size_t)count + 1, sizeof *values, err);
  if (values == NULL) return PL_ERROR_MEMORY;
  cJSON_ArrayForEach(item, data) values[n++] = read_number(item);
  pl_status status = pl_program_add_constant(p, &shape, values, out, err);
  pl_free(values);
  return status;
}

static int param_named(const pl_layer *layer, const char *name) {
  for (int i = 0; layer != NULL && name != NULL && i < layer->params; i++)
    if (strcmp(layer->param[i].name, name) == 0) return i;
  return -1;
}

static pl_status read_step(pl_program *p, const cJSON *json, int *out, pl_error *err) {
  int64_t numbers[PL_MOST_INPUTS];
  int in[PL_MOST_INPUTS], inputs = read_integers(field(json, "in"), numbers, PL_MOST_INPUTS);
  if (inputs < 0) return damaged(err);
  for (int k = 0; k < inputs; k++) {
    if (numbers[k] < 1 || numbers[k] > p->steps) return damaged(err);
    in[k] = (int)numbers[k] - 1;
  }
  const char *op = cJSON_GetStringValue(field(json, "op"));
  const cJSON *layer = field(json, "layer");
  if (op != NULL) {
    pl_op_args args = { 0 };
    args.n = read_integers(field(json, "args"), args.v, PL_MOST_ARGS);
    if (args.n < 0) return damaged(err);
    return pl_program_add_op(p, op, &args, in, inputs, out, err);
  }
  if (cJSON_IsNumber(layer) && inputs == 1) return pl_program_add_layer(p, layer->valueint - 1, in[0], out, err);
  if (field(json, "constant") != NULL) return read_constant(p, json, out, err);
  return pl_program_add_param(p, param_named(p->layer, cJSON_GetStringValue(field(json, "param"))), out, err);
}

static pl_status check_asked(const pl_step *s, const cJSON *asked, pl_error *err) {
  static const char other[] = "was recorded for another shape: its function used the", remedy[] = "make it in its "
                              "script for this shape";
  int64_t size[PL_MAX_AXES];
  int n = read_integers(asked, size, PL_MAX_AXES), axes = s->op.out.axes, first = s->op.out_fixed ? 1 : 2;
  const char *of = s->kind == PL_STEP_OP ? s->op.cls->head.type : s->kind == PL_STEP_LAYER ? "a layer" : "an input";
  if (asked == NULL) return PL_OK;
  if (n < 0) return damaged(err);
  if (n != axes)
    return pl_error_set(err, PL_ERROR_STATE, "%s number of axes of %s, which was %d and is %d here; %s", other, of,
                        n + first - 1, axes + first - 1, remedy);
  for (int a = 0; a < n; a++)
    if (size[a] >= 0 && size[a] != s->op.out.size[a])
      return pl_error_set(err, PL_ERROR_STATE, "%s size of axis %d of %s, which was %lld and is %lld here; %s", other,
                          a + first, of, (long long)size[a], (long long)s->op.out.size[a], remedy);
  return PL_OK;
}

/* Together they are the result. */
static pl_status read_outputs(pl_program *p, const cJSON *json, pl_error *err) {
  const cJSON *list = field(json, "outputs"), *item;
  int64_t sum = 0, n = 0;
  if (list == NULL) return PL_OK;
  if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > PL_MOST_OUTPUTS) return damaged(err);
  cJSON_ArrayForEach(item, list) {
    pl_shape *shape = &p->outputs.shape[n++];
    shape->axes = read_integers(item, shape->size, PL_MAX_AXES - 1);
    int64_t count = shape->axes < 0 ? -1 : pl_shape_count(shape);
    if (count < 0 || count > INT32_MAX) return damaged(err);
    sum += count;
  }
  p->outputs.count = (int)n;
  return n > 1 && sum == pl_shape_count(&p->step[p->result].op.out) ? PL_OK : damaged(err);
}

pl_status pl_program_read(pl_program *p, const cJSON *json, pl_error *err) {
  const cJSON *steps = field(json, "steps"), *result = field(json, "result"), *item;
  int inputs = p->steps, at = 0, out;
  if (!cJSON_IsArray(steps) || !cJSON_IsNumber(result)) return damaged(err);
  cJSON_ArrayForEach(item, steps) {
    bool input = field(item, "input") != NULL;
    if (input != (at < inputs)) return damaged(err);
    pl_status status = input ? PL_OK : read_step(p, item, &out, err);
    if (status) return status;
    if (!input && out != at) return damaged(err);   /* each step is a value of its own */
    status = check_asked(&p->step[at++], field(item, "asked"), err);
    if (status) return status;
  }
  p->result = result->valueint - 1;
  return p->result >= 0 && p->result < p->steps && at >= inputs ? read_outputs(p, json, err) : damaged(err);
}
