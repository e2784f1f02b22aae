#include <stdio.h>
#include <string.h>
#include "layers/layer.h"
#include "layers/program.h"
#include "perilune/alloc.h"

void pl_program_clear(pl_program *p) {
  for (int i = 0; i < p->steps; i++) pl_free(p->step[i].data);
  pl_free(p->step);
  *p = (pl_program){ .layer = p->layer, .graph = p->graph, .result = -1 };
}

void pl_program_free_list(pl_program *list) {
  while (list != NULL) {
    pl_program *next = list->next;
    pl_program_clear(list);
    pl_free(list);
    list = next;
  }
}

/* The next step, not yet counted. */
static pl_step *next_step(pl_program *p, pl_step_kind kind, pl_error *err) {
  if (p->steps == PL_MOST_STEPS) {
    pl_error_set(err, PL_ERROR_VALUE, "a formula has at most %d operations; does it call itself, or loop over "
                 "elements?", PL_MOST_STEPS);
    return NULL;
  }
  if (p->steps == p->room) {
    int room = p->room ? 2 * p->room : 16;
    pl_step *fresh = pl_alloc_array((size_t)room, sizeof *fresh, err);
    if (fresh == NULL) return NULL;
    if (p->steps > 0) memcpy(fresh, p->step, (size_t)p->steps * sizeof *fresh);
    pl_free(p->step);
    p->step = fresh;
    p->room = room;
  }
  pl_step *s = &p->step[p->steps];
  *s = (pl_step){ .kind = kind };
  snprintf(s->origin, sizeof s->origin, "%s", p->origin ? p->origin : "");
  return s;
}

static pl_status done(pl_program *p, int *out) {
  *out = p->steps++;
  return PL_OK;
}

pl_status pl_program_add_input(pl_program *p, const pl_shape *shape, bool fixed, int *out, pl_error *err) {
  pl_step *s = next_step(p, PL_STEP_INPUT, err);
  if (s == NULL) return PL_ERROR_MEMORY;
  for (int i = 0; i < p->steps; i++) s->index += p->step[i].kind == PL_STEP_INPUT;
  s->op.out = *shape;
  s->op.out_fixed = fixed;
  return done(p, out);
}

pl_status pl_program_add_param(pl_program *p, int index, int *out, pl_error *err) {
  for (int i = 0; i < p->steps; i++)
    if (p->step[i].kind == PL_STEP_PARAM && p->step[i].index == index) {
      *out = i;
      return PL_OK;
    }
  if (p->layer == NULL || index < 0 || index >= p->layer->params)
    return pl_error_set(err, PL_ERROR_CORRUPT, "a formula uses a parameter that is not there");
  pl_step *s = next_step(p, PL_STEP_PARAM, err);
  if (s == NULL) return PL_ERROR_MEMORY;
  s->index = index;
  s->op.out = p->layer->param[index].shape;
  s->op.out_fixed = true;
  return done(p, out);
}

pl_status pl_program_add_constant(pl_program *p, const pl_shape *shape, const float *data, int *out, pl_error *err) {
  int64_t count = pl_shape_count(shape);
  for (int i = 0; i < p->steps; i++) {   /* the same one again */
    const pl_step *s = &p->step[i];
    if (s->kind != PL_STEP_CONSTANT || !pl_shape_equal(&s->op.out, shape)) continue;
    if (count > 0 && memcmp(s->data, data, (size_t)count * sizeof *data)) continue;
    *out = i;
    return PL_OK;
  }
  pl_step *s = next_step(p, PL_STEP_CONSTANT, err);
  if (s == NULL) return PL_ERROR_MEMORY;
  s->data = pl_alloc_array((size_t)count, sizeof *data, err);
  if (s->data == NULL) return PL_ERROR_MEMORY;
  if (count > 0) memcpy(s->data, data, (size_t)count * sizeof *data);
  s->op.out = *shape;
  s->op.out_fixed = true;
  return done(p, out);
}

static pl_status check_inputs(const pl_program *p, const int *in, int inputs, pl_error *err) {
  for (int k = 0; k < inputs; k++)
    if (in[k] < 0 || in[k] >= p->steps)
      return pl_error_set(err, PL_ERROR_CORRUPT, "a formula uses a value that is not there");
  return PL_OK;
}

pl_status pl_program_add_op(pl_program *p, const char *name, const pl_op_args *args, const int *in, int inputs,
                            int *out, pl_error *err) {
  const pl_layer_class *cls = pl_operation_find(name);
  if (cls == NULL) {
    const char *near = pl_operation_nearest(name);
    return pl_error_set(err, PL_ERROR_VALUE, "there is no operation '%s' in formulas%s%s%s", name,
                        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
  }
  if (inputs < 1 || inputs > PL_MOST_INPUTS)
    return pl_error_set(err, PL_ERROR_VALUE, "%s takes from 1 to %d inputs, got %d", name, PL_MOST_INPUTS, inputs);
  pl_status status = check_inputs(p, in, inputs, err);
  if (status) return status;
  pl_step *s = next_step(p, PL_STEP_OP, err);
  if (s == NULL) return PL_ERROR_MEMORY;
  s->op.cls = cls;
  s->op.args = *args;
  s->op.inputs = inputs;
  for (int k = 0; k < inputs; k++) {
    s->in[k] = in[k];
    s->op.in[k] = p->step[in[k]].op.out;
    s->op.fixed[k] = p->step[in[k]].op.out_fixed;
  }
  status = pl_operation_infer(&s->op, err);
  return status ? status : done(p, out);
}

/* What was recorded in a graph that is no longer needed is not recorded again. */
static void hand_over(pl_program **list, pl_graph *graph) {
  pl_program **last = list;
  while (*last != NULL) last = &(*last)->next;
  *last = graph->looked_at;
  graph->looked_at = *list;
  *list = NULL;
}

pl_status pl_program_add_layer(pl_program *p, int index, int in, int *out, pl_error *err) {
  pl_status status = check_inputs(p, &in, 1, err);
  if (status) return status;
  if (p->layer == NULL || index < 0 || index >= p->layer->children)
    return pl_error_set(err, PL_ERROR_CORRUPT, "a formula calls a layer that is not there");
  if (p->step[in].op.out_fixed)
    return pl_error_set(err, PL_ERROR_SHAPE, "%s takes a batch [N, ...]; this value has no batch axis",
                        p->layer->child[index]->cls->head.type);
  pl_graph *alone = pl_graph_new(&p->step[in].op.out, err);
  if (alone == NULL) return PL_ERROR_MEMORY;
  int result;
  alone->outer = p->graph;
  alone->traced = p->graph != NULL ? p->graph->traced : 0;
  status = pl_graph_call(alone, p->layer->child[index], 0, &result, err);
  for (int i = 0; i < p->steps; i++)
    p->shares = p->shares || (p->step[i].kind == PL_STEP_LAYER && p->step[i].index == index);
  pl_step *s = status ? NULL : next_step(p, PL_STEP_LAYER, err);
  if (s != NULL) {
    s->index = index;
    s->in[0] = in;
    s->op.inputs = 1;
    s->op.in[0] = p->step[in].op.out;
    s->op.out = alone->value[result].shape;
    status = done(p, out);
  } else if (status == PL_OK) {
    status = PL_ERROR_MEMORY;
  }
  if (p->graph != NULL) {
    p->graph->traced = alone->traced;
    hand_over(&alone->looked_at, p->graph);
    hand_over(&alone->recorded, p->graph);
  }
  pl_graph_release(alone);
  return status;
}

static bool same_data(const pl_step *a, const pl_step *b) {
  size_t bytes = (size_t)pl_shape_count(&a->op.out) * sizeof(float);
  return a->kind != PL_STEP_CONSTANT || bytes == 0 || memcmp(a->data, b->data, bytes) == 0;
}

static bool same_step(const pl_step *a, const pl_step *b) {
  return a->kind == b->kind && a->op.cls == b->op.cls && a->op.inputs == b->op.inputs && a->index == b->index &&
         a->op.args.n == b->op.args.n && memcmp(a->op.args.v, b->op.args.v, sizeof a->op.args.v) == 0 &&
         memcmp(a->in, b->in, sizeof a->in) == 0 && pl_shape_equal(&a->op.out, &b->op.out) &&
         a->op.out_fixed == b->op.out_fixed;
}

static const char *name_of(const pl_step *s) {
  static const char *const kinds[] = { "the input", "a parameter", "a number", "", "a layer" };
  return s->kind == PL_STEP_OP ? s->op.cls->head.type : kinds[s->kind];
}

pl_status pl_program_compare(const pl_program *first, const pl_program *second, pl_error *err) {
  int steps = first->steps < second->steps ? first->steps : second->steps;
  for (int i = 0; i < steps; i++) {
    const pl_step *a = &first->step[i], *b = &second->step[i];
    if (same_step(a, b) && same_data(a, b)) continue;
    if (a->kind == PL_STEP_LAYER && b->kind == PL_STEP_LAYER && a->index != b->index)
      return pl_error_set(err, PL_ERROR_STATE, "operation %d (%s) calls a layer, and now another one; make layers "
                          "outside of the function, once", i + 1, a->origin[0] ? a->origin : "?");
    return pl_error_set(err, PL_ERROR_STATE, "operation %d was %s (%s), and is now %s (%s)%s", i + 1, name_of(a),
                        a->origin[0] ? a->origin : "?", name_of(b), b->origin[0] ? b->origin : "?",
                        same_step(a, b) ? " of another value" : "");
  }
  if (first->steps != second->steps)
    return pl_error_set(err, PL_ERROR_STATE, "there were %d operations, and are now %d", first->steps, second->steps);
  if (!pl_outputs_equal(&first->outputs, &second->outputs) || first->result != second->result)
    return pl_error_set(err, PL_ERROR_STATE, "the result is another operation's");
  return PL_OK;
}

pl_status pl_program_check_comparisons(const pl_program *p, pl_error *err) {
  for (int i = 0; i < p->steps; i++) {
    const pl_step *s = &p->step[i];
    bool taken = i == p->result || s->kind != PL_STEP_OP || !(s->op.cls->flags & PL_NO_GRAD) || s->op.inputs != 2;
    for (int k = i + 1; k < p->steps && !taken; k++)
      for (int in = 0; in < p->step[k].op.inputs; in++) taken = taken || p->step[k].in[in] == i;
    if (taken) continue;
    return pl_error_set(err, PL_ERROR_VALUE, "%s%snothing takes the result of the comparison %s: for `if`, `and` and "
                        "`or` any value of a formula is true; choose element by element with "
                        "pl.where(condition, yes, no)",
                        s->origin, s->origin[0] ? ": " : "", s->op.cls->head.type);
  }
  return PL_OK;
}

void pl_program_mark_used(const pl_program *p, bool *used) {
  memset(used, 0, (size_t)p->steps * sizeof *used);
  if (p->result >= 0) used[p->result] = true;
  for (int i = p->steps - 1; i >= 0; i--)
    for (int k = 0; used[i] && k < p->step[i].op.inputs; k++) used[p->step[i].in[k]] = true;
}

pl_status pl_program_apply(const pl_program *p, pl_graph *graph, const int *inputs, int *out, pl_error *err) {
  bool *used = pl_alloc_array((size_t)p->steps, sizeof *used, err);
  int *value = pl_alloc_array((size_t)p->steps, sizeof *value, err);
  pl_status status = used == NULL || value == NULL ? PL_ERROR_MEMORY : PL_OK;
  if (status == PL_OK) pl_program_mark_used(p, used);
  graph->shares = graph->shares || p->shares;
  for (int i = 0; status == PL_OK && i < p->steps; i++) {
    const pl_step *s = &p->step[i];
    int in[PL_MOST_INPUTS];
    for (int k = 0; k < s->op.inputs; k++) in[k] = value[s->in[k]];
    if (s->kind == PL_STEP_INPUT) value[i] = inputs[s->index];
    else if (!used[i]) continue;
    else if (s->kind == PL_STEP_PARAM) status = pl_graph_param(graph, p->layer, s->index, &value[i], err);
    else if (s->kind == PL_STEP_CONSTANT) status = pl_graph_constant(graph, &s->op.out, s->data, &value[i], err);
    else if (s->kind == PL_STEP_OP) status = pl_graph_operate(graph, &s->op, p->layer, in, &value[i], err);
    else status = pl_graph_call(graph, p->layer->child[s->index], in[0], &value[i], err);
  }
  if (status == PL_OK) *out = value[p->result];
  pl_free(used);
  pl_free(value);
  return status;
}
