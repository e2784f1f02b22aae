/* A loss that is a formula: the operations that it recorded, from the outputs and targets of a sample to what the
   sample costs, planned forwards and backwards. No sample depends on another, so each member of a team takes its rows
   through all operations, a chunk at a time, in memory of its own: any team makes the same bits, and nobody waits. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <cjson/cJSON.h>
#include "graph/exec.h"
#include "layers/program.h"
#include "loss/formula.h"
#include "loss/loss.h"
#include "perilune/alloc.h"

enum { NAME = 48, ROWS = 64, CACHE = 1 << 18 };   /* of a chunk: rows, bytes where fewer rows make that */
enum { OUTPUTS_TEXT = PL_MOST_OUTPUTS * (PL_SHAPE_TEXT + 2) };

const char pl_loss_formula_type[] = "Formula";

struct pl_loss_formula {
  char name[NAME];
  pl_layer owner;                /* of the operations: a layer without parameters and children */
  cJSON *described;              /* what the configuration said; a program among it has been recorded before */
  int outputs;                   /* pl_output_kind; -1: not said */
  bool mean;
  pl_loss_record_fn host;
  void *context;
  bool recording;
  /* for the shapes that it was last checked for */
  pl_outputs output;
  pl_shape target;
  bool labels;
  pl_program program;            /* result < 0: none yet */
  pl_graph *graph;
  pl_plan plan;
  size_t width, targets;         /* elements of a row */
  size_t part;                   /* bytes of a member's part of the memory: arena, gradient of the result, targets */
  int members;
  char *memory;
};

static int choice_of(const char *text, const char *const *choices) {
  for (int i = 0; text != NULL && choices[i] != NULL; i++) if (strcmp(text, choices[i]) == 0) return i;
  return -1;
}

static const char *text_of(const cJSON *config, const char *name) {
  return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(config, name));
}

/* No operations yet. */
static pl_program nothing(pl_loss_formula *f) { return (pl_program){ .layer = &f->owner, .result = -1 }; }

pl_loss_formula *pl_loss_formula_new(const cJSON *config, pl_loss_record_fn host, void *context, pl_error *err) {
  const char *name = text_of(config, "name"), *outputs = text_of(config, "outputs"),
             *reduction = text_of(config, "reduction");
  if (name == NULL || name[0] == '\0' || strlen(name) >= NAME) {
    pl_error_set(err, PL_ERROR_VALUE, "a loss that is a formula has a name of at most %d letters", NAME - 1);
    return NULL;
  }
  pl_loss_formula *f = pl_alloc(sizeof *f, err);
  if (f == NULL) return NULL;
  *f = (pl_loss_formula){ .outputs = choice_of(outputs, pl_output_names()), .host = host, .context = context,
                          .mean = reduction == NULL || choice_of(reduction, pl_reductions) == PL_REDUCTION_MEAN,
                          .owner = { .cls = &pl_formula }, .described = cJSON_Duplicate(config, 1) };
  strcpy(f->name, name);
  f->owner.type = f->name;
  f->program = nothing(f);
  if (f->described != NULL) return f;
  pl_error_set(err, PL_ERROR_MEMORY, "out of memory: the options of a loss");
  pl_loss_formula_free(f);
  return NULL;
}

static void forget(pl_loss_formula *f) {
  pl_program_clear(&f->program);
  pl_plan_clear(&f->plan);
  pl_graph_release(f->graph);
  pl_free(f->memory);
  f->graph = NULL;
  f->memory = NULL;
  f->members = 0;
}

void pl_loss_formula_free(pl_loss_formula *f) {
  if (f == NULL) return;
  forget(f);
  cJSON_Delete(f->described);
  pl_free(f);
}

/* "[N, 3], [N, 5]" */
static const char *outputs_text(char text[OUTPUTS_TEXT], const pl_outputs *outputs) {
  char one[PL_SHAPE_TEXT];
  size_t used = 0;
  for (int i = 0; i < outputs->count; i++)
    used += (size_t)snprintf(text + used, OUTPUTS_TEXT - used, "%s%s", i ? ", " : "",
                             pl_shape_text(one, &outputs->shape[i], true));
  return text;
}

/* The function is given several outputs apart, the operations what lies one after the other: their shapes, too. */
cJSON *pl_loss_formula_write(const pl_loss_formula *f) {
  char text[OUTPUTS_TEXT];
  cJSON *json = cJSON_Duplicate(f->described, 1);
  if (json == NULL || f->host == NULL || f->program.result < 0) return json;
  pl_json_add(&json, "program", pl_program_write(&f->program));
  if (f->output.count > 1) pl_json_add(&json, "shapes", cJSON_CreateString(outputs_text(text, &f->output)));
  return json;
}

const char *pl_loss_formula_name(const pl_loss_formula *f) { return f->name; }
int pl_loss_formula_outputs(const pl_loss_formula *f) { return f->outputs; }
bool pl_loss_formula_is_mean(const pl_loss_formula *f) { return f->mean; }

/* ---- recording ---- */

static pl_status record(pl_loss_formula *f, const pl_outputs *outputs, const pl_shape *target, pl_program *p,
                        pl_error *err) {
  pl_shape flat = pl_outputs_flat(outputs);
  int input;
  pl_status status = pl_program_add_input(p, &flat, false, &input, err);
  if (status == PL_OK) status = pl_program_add_input(p, target, false, &input, err);
  if (status) return status;
  if (f->host != NULL) {
    if (f->recording) return pl_error_set(err, PL_ERROR_STATE, "calls itself");
    f->recording = true;
    status = f->host(f->context, &(pl_loss_recording){ p, outputs }, err);
    f->recording = false;
    return status;
  }
  const cJSON *program = cJSON_GetObjectItemCaseSensitive(f->described, "program");
  if (program == NULL)
    return pl_error_set(err, PL_ERROR_STATE, "was saved before it had seen outputs and targets; make it in its script");
  const char *known = text_of(f->described, "shapes");
  char text[OUTPUTS_TEXT];
  if (known != NULL && strcmp(known, outputs_text(text, outputs)) != 0)
    return pl_error_set(err, PL_ERROR_STATE, "was recorded for the outputs %.200s, got %.200s; make it in its script "
                        "for these", known, text);
  return pl_program_read(p, program, err);
}

/* A formula that is not the same each time is no formula. */
static pl_status record_twice(pl_loss_formula *f, const pl_outputs *outputs, const pl_shape *target,
                              pl_program *p, pl_error *err) {
  pl_status status = record(f, outputs, target, p, err);
  if (status == PL_OK && f->host != NULL) status = pl_program_check_comparisons(p, err);
  if (status || f->host == NULL) return status;
  pl_program again = nothing(f);
  status = record(f, outputs, target, &again, err);
  if (status == PL_OK && (status = pl_program_compare(p, &again, err)))
    pl_error_prefix(err, "recorded a second time the formula is another one (random numbers, or something that it "
                         "changes?)");
  pl_program_clear(&again);
  return status;
}

static pl_status check_result(const pl_program *p, pl_error *err) {
  const pl_step *result = &p->step[p->result];
  char text[PL_SHAPE_TEXT];
  if (!result->op.out_fixed && result->op.out.axes == 0) return PL_OK;
  return pl_error_set(err, PL_ERROR_SHAPE, "the result is %s where what a sample costs, [N], is due",
                      pl_shape_text(text, &result->op.out, !result->op.out_fixed));
}

/* ---- planning ---- */

static pl_status trace(const pl_program *p, pl_graph **graph, pl_error *err) {
  int inputs[2] = { 0 };
  *graph = pl_graph_new(&p->step[0].op.out, err);
  if (*graph == NULL) return PL_ERROR_MEMORY;
  pl_status status = pl_graph_input(*graph, &p->step[1].op.out, &inputs[1], err);
  if (status == PL_OK) status = pl_program_apply(p, *graph, inputs, &(*graph)->result, err);
  return status;
}

/* Chunks of so few rows that what is computed on them stays in a member's cache. */
static pl_status plan_chunk(const pl_graph *graph, pl_plan *plan, pl_error *err) {
  for (size_t rows = ROWS;; rows /= 2) {
    pl_plan_request request = { .batch = rows, .members = 1, .mode = PL_TRAIN, .input_gradient = true,
                                .fuse = pl_settings_get().fuse };
    pl_status status = pl_plan_make(graph, plan, &request, err);
    if (status || plan->bytes <= CACHE || rows == 1) return status;
  }
}

static pl_status take_memory(pl_loss_formula *f, pl_error *err) {
  int members = pl_threads_get();
  if (f->members >= members) return PL_OK;
  size_t floats = pl_member_floats(f->plan.bytes / sizeof(float) + f->plan.capacity * (1 + f->targets));
  char *memory = pl_alloc_array((size_t)members, floats * sizeof(float), err);
  if (memory == NULL) return PL_ERROR_MEMORY;
  pl_free(f->memory);
  f->memory = memory;
  f->part = floats * sizeof(float);
  f->members = members;
  return PL_OK;
}

/* Whether the output's gradient comes from the result at all. */
static pl_status check_gradient(const pl_graph *graph, const pl_plan *plan, pl_error *err) {
  bool is_output = plan->grad_alias[0] == plan->grad_alias[plan->output_grad];
  if (plan->needs_grad[pl_graph_output(graph)] && (plan->backs > 0 || is_output)) return PL_OK;
  return pl_error_set(err, PL_ERROR_VALUE, "has no gradient for the output: nothing of it reaches the result through "
                      "operations that have a derivative (comparisons and one_hot have none)");
}

static pl_status name_it(const pl_loss_formula *f, pl_status status, pl_error *err) {
  if (status) pl_error_insert(err, f->name);
  return status;
}

pl_status pl_loss_formula_check(pl_loss_formula *f, const pl_outputs *outputs, const pl_shape *target, bool labels,
                                pl_error *err) {
  bool known = f->graph != NULL && f->labels == labels && pl_shape_equal(&f->target, target) &&
               pl_outputs_equal(&f->output, outputs);
  if (known) return take_memory(f, err);
  pl_loss_formula fresh = *f;
  fresh.program = nothing(f);
  fresh.graph = NULL;
  fresh.plan = (pl_plan){ 0 };
  fresh.memory = NULL;
  fresh.members = 0;
  pl_status status = record_twice(f, outputs, target, &fresh.program, err);
  if (status == PL_OK) status = check_result(&fresh.program, err);
  if (status == PL_OK) status = trace(&fresh.program, &fresh.graph, err);
  if (status == PL_OK) status = plan_chunk(fresh.graph, &fresh.plan, err);
  if (status == PL_OK) status = check_gradient(fresh.graph, &fresh.plan, err);
  pl_shape flat = pl_outputs_flat(outputs);
  fresh.output = *outputs;
  fresh.target = *target;
  fresh.labels = labels;
  fresh.width = (size_t)pl_shape_count(&flat);
  fresh.targets = (size_t)pl_shape_count(target);
  if (status == PL_OK) status = take_memory(&fresh, err);
  forget(status ? &fresh : f);
  if (status == PL_OK) *f = fresh;
  return name_it(f, status, err);
}

pl_status pl_loss_formula_check_again(pl_loss_formula *f, pl_error *err) {
  if (f->host == NULL || f->graph == NULL) return PL_OK;
  pl_program again = nothing(f);
  pl_status status = record(f, &f->output, &f->target, &again, err);
  if (status == PL_OK) status = pl_program_compare(&f->program, &again, err);
  pl_program_clear(&again);
  return name_it(f, status, err);
}

/* ---- running ---- */

static const float *targets_of(const pl_loss_formula *f, pl_target target, float *copy, size_t first, size_t n) {
  if (target.labels == NULL) return target.values + first * f->targets;
  for (size_t i = 0; i < n; i++) copy[i] = (float)target.labels[first + i];
  return copy;
}

typedef struct { const float *output; pl_target target; float scale; size_t first, n; } rows_of;

/* Rows [first, first + n), in memory for the arena, the gradient of the result and the targets. */
static void run_rows(const pl_loss_formula *f, const pl_plan *plan, char *memory, const rows_of *r, double *values,
                     float *grad) {
  const pl_team one = { .size = 1 };
  pl_stages stages = { .team = &one };
  float *dy = (float *)(void *)(memory + plan->bytes), *copy = dy + plan->capacity;
  pl_run run = { .graph = f->graph, .plan = plan, .arena = memory, .mode = PL_TRAIN, .n = r->n, .dy = dy,
                 .x = r->output + r->first * f->width, .second = targets_of(f, r->target, copy, r->first, r->n) };
  const float *y = pl_run_forward(&run, &stages);
  for (size_t k = 0; k < r->n; k++) values[r->first + k] = (double)y[k];
  if (grad == NULL) return;
  for (size_t k = 0; k < r->n; k++) dy[k] = r->scale;
  run.dx = grad + r->first * f->width;
  if (plan->backs == 0) memcpy(run.dx, dy, r->n * sizeof *dy);
  else pl_run_backward_steps(&run, &stages, 0, plan->backs);
}

static float scale_of(const pl_loss_formula *f, size_t rows) { return f->mean ? (float)(1.0 / (double)rows) : 1; }

void pl_loss_formula_forward(const pl_loss_formula *f, const pl_team *team, double *values, float *grad,
                             const float *output, pl_target target, size_t rows) {
  size_t from, to, n;
  pl_team_share(team, rows, 1, &from, &to);
  for (size_t i = from; i < to; i += n) {
    n = to - i < f->plan.capacity ? to - i : f->plan.capacity;
    run_rows(f, &f->plan, f->memory + (size_t)team->rank * f->part,
             &(rows_of){ output, target, scale_of(f, rows), i, n }, values, grad);
  }
}

typedef struct {
  const pl_loss_formula *f;
  double *values;
  float *grad;
  const rows_of *rows;
  const pl_plan *plain;
  char *memory;
} verified;

static void planned(const pl_team *team, void *arg) {
  const verified *v = arg;
  pl_loss_formula_forward(v->f, team, v->values, v->grad, v->rows->output, v->rows->target, v->rows->n);
}

static void plain(const pl_team *team, void *arg) {
  const verified *v = arg;
  (void)team;
  run_rows(v->f, v->plain, v->memory, v->rows, v->values + v->rows->n, v->grad + v->rows->n * v->f->width);
}

static pl_status compare(const pl_loss_formula *f, const double *values, const double *plain_values, const float *grad,
                         const float *plain_grad, size_t rows, pl_error *err) {
  char what[NAME + 32];
  for (size_t i = 0; i < rows; i++) {
    bool same = memcmp(&values[i], &plain_values[i], sizeof *values) == 0;
    if (same || (isnan(values[i]) && isnan(plain_values[i]))) continue;
    snprintf(what, sizeof what, "the loss %s", f->name);
    return pl_say_difference(what, i, values[i], plain_values[i], err);
  }
  size_t n = rows * f->width, i = pl_first_difference(grad, plain_grad, n);
  if (i == n) return PL_OK;
  snprintf(what, sizeof what, "the gradient of the loss %s", f->name);
  return pl_say_difference(what, i, (double)grad[i], (double)plain_grad[i], err);
}

pl_status pl_loss_formula_verify(const pl_loss_formula *f, const float *output, pl_target target, size_t rows,
                                 pl_error *err) {
  pl_plan plan = { 0 };
  pl_status status = pl_plan_make_plain(f->graph, &plan, rows, true, err);
  if (status) return status;
  char *memory = pl_alloc(plan.bytes + rows * (1 + f->targets) * sizeof(float), err);
  double *values = pl_alloc_array(2 * rows, sizeof *values, err);
  float *grad = pl_alloc_array(2 * rows, f->width * sizeof *grad, err);
  if (memory != NULL && values != NULL && grad != NULL) {
    rows_of all = { output, target, scale_of(f, rows), 0, rows };
    verified v = { f, values, grad, &all, &plan, memory };
    pl_threads_run_on(f->members, planned, &v);
    pl_threads_run_on(1, plain, &v);
    status = compare(f, values, values + rows, grad, grad + rows * f->width, rows, err);
  } else {
    status = PL_ERROR_MEMORY;
  }
  pl_free(memory);
  pl_free(values);
  pl_free(grad);
  pl_plan_clear(&plan);
  return status;
}
