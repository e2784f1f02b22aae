#include <stdatomic.h>
#include <string.h>
#include "layers/layer.h"
#include "layers/program.h"
#include "perilune/alloc.h"

/* Room for one more item in a list that doubles. */
static pl_status grow(void **list, int used, int *capacity, size_t size, pl_error *err) {
  if (used < *capacity) return PL_OK;
  int more = *capacity ? 2 * *capacity : 16;
  void *fresh = pl_alloc_array((size_t)more, size, err);
  if (fresh == NULL) return PL_ERROR_MEMORY;
  if (*list != NULL) memcpy(fresh, *list, (size_t)used * size);
  pl_free(*list);
  *list = fresh;
  *capacity = more;
  return PL_OK;
}

/* Containers that hold each other several times multiply, and so do formulas that call each other. */
enum { MOST_CALLS = 1 << 16, MOST_TRACED = 1 << 20 };

static pl_status count_traced(pl_graph *graph, pl_error *err) {
  if (++graph->traced <= MOST_TRACED) return PL_OK;
  return pl_error_set(err, PL_ERROR_VALUE, "the model takes more than %d operations and calls of layers to build; call "
                                           "formulas in formulas less often", MOST_TRACED);
}

static pl_status new_value(pl_graph *graph, const pl_value *value, int *out, pl_error *err) {
  if (grow((void **)&graph->value, graph->values, &graph->room_values, sizeof *graph->value, err))
    return PL_ERROR_MEMORY;
  graph->value[graph->values] = *value;
  *out = graph->values++;
  return PL_OK;
}

static pl_status new_row(pl_graph *graph, pl_row row, pl_error *err) {
  if (grow((void **)&graph->row, graph->rows, &graph->room_rows, sizeof *graph->row, err)) return PL_ERROR_MEMORY;
  graph->row[graph->rows++] = row;
  return PL_OK;
}

static int calls_of(const pl_graph *graph, const pl_layer *layer, const pl_layer_class *cls) {
  int i = graph->ops - 1;
  while (i >= 0 && (graph->op[i].layer != layer || graph->op[i].cls != cls)) i--;
  return i < 0 ? 0 : graph->op[i].call + 1;
}

static pl_status new_op(pl_graph *graph, const pl_layer_class *cls, pl_layer *layer, const int *in, int inputs,
                        const pl_shape *shape, int *out, pl_error *err) {
  pl_op op = { cls, layer, calls_of(graph, layer, cls), graph->inputs, inputs, 0, NULL };
  for (int k = 0; k < inputs; k++) {
    if (grow((void **)&graph->input, graph->inputs, &graph->room_inputs, sizeof *graph->input, err))
      return PL_ERROR_MEMORY;
    graph->input[graph->inputs++] = in[k];
  }
  if (new_value(graph, &(pl_value){ .shape = *shape }, out, err)) return PL_ERROR_MEMORY;
  op.out = *out;
  if (grow((void **)&graph->op, graph->ops, &graph->room_ops, sizeof *graph->op, err)) return PL_ERROR_MEMORY;
  graph->op[graph->ops++] = op;
  return PL_OK;
}

static pl_status new_shown_op(pl_graph *graph, const pl_layer_class *cls, pl_layer *layer, const int *in, int inputs,
                              const pl_shape *shape, int *out, pl_error *err) {
  pl_status status = new_op(graph, cls, layer, in, inputs, shape, out, err);
  return status ? status : new_row(graph, (pl_row){ layer, graph->ops - 1, graph->ops - 1, *out }, err);
}

pl_graph *pl_graph_new(const pl_shape *input, pl_error *err) {
  int first;
  pl_graph *graph = pl_alloc(sizeof *graph, err);
  if (graph == NULL) return NULL;
  atomic_init(&graph->references, 1);
  graph->result = -1;
  const pl_value value = { .shape = *input, .many_zeros = true, .source = PL_FROM_INPUT };
  if (new_value(graph, &value, &first, err) == PL_OK) return graph;
  pl_graph_release(graph);
  return NULL;
}

pl_graph *pl_graph_retain(pl_graph *graph) {
  atomic_fetch_add(&graph->references, 1);
  return graph;
}

void pl_graph_release(pl_graph *graph) {
  if (graph == NULL || atomic_fetch_sub(&graph->references, 1) != 1) return;
  for (int v = 0; v < graph->values; v++) pl_free(graph->value[v].data);
  for (int i = 0; i < graph->ops; i++) pl_free(graph->op[i].info);
  pl_program_free_list(graph->recorded);
  pl_program_free_list(graph->looked_at);
  pl_free(graph->value);
  pl_free(graph->op);
  pl_free(graph->input);
  pl_free(graph->row);
  pl_free(graph);
}

static void *copy_of(const void *list, int count, size_t size, pl_error *err) {
  void *copy = pl_alloc_array((size_t)count + 1, size, err);
  if (copy != NULL && count > 0) memcpy(copy, list, (size_t)count * size);
  return copy;
}

pl_graph *pl_graph_copy(const pl_graph *graph, pl_error *err) {
  pl_graph *copy = pl_alloc(sizeof *copy, err);
  if (copy == NULL) return NULL;
  *copy = (pl_graph){ .references = 1, .result = graph->result, .outputs = graph->outputs, .shares = graph->shares,
    .calls = graph->calls,
    .value = copy_of(graph->value, graph->values, sizeof *copy->value, err), .room_values = graph->values + 1,
    .op = copy_of(graph->op, graph->ops, sizeof *copy->op, err), .room_ops = graph->ops + 1,
    .input = copy_of(graph->input, graph->inputs, sizeof *copy->input, err), .room_inputs = graph->inputs + 1,
    .row = copy_of(graph->row, graph->rows, sizeof *copy->row, err), .room_rows = graph->rows + 1,
    .inputs = graph->inputs, .rows = graph->rows };
  bool ok = copy->value != NULL && copy->op != NULL && copy->input != NULL && copy->row != NULL;
  for (int v = 0; ok && v < graph->values; v++, copy->values = v) {   /* counted when what they own is their own */
    if (graph->value[v].data == NULL) continue;
    copy->value[v].data = copy_of(graph->value[v].data, (int)pl_shape_count(&graph->value[v].shape), sizeof(float),
                                  err);
    ok = copy->value[v].data != NULL;
  }
  for (int i = 0; ok && i < graph->ops; i++, copy->ops = i) {
    if (graph->op[i].info == NULL) continue;
    copy->op[i].info = copy_of(graph->op[i].info, 1, sizeof *copy->op[i].info, err);
    ok = copy->op[i].info != NULL;
  }
  if (ok) return copy;
  pl_graph_release(copy);
  return NULL;
}

int pl_graph_output(const pl_graph *graph) {
  if (graph->result >= 0) return graph->result;
  return graph->ops ? graph->op[graph->ops - 1].out : 0;
}

pl_outputs pl_graph_outputs(const pl_graph *graph) {
  if (graph->outputs.count > 0) return graph->outputs;
  return (pl_outputs){ 1, { graph->value[pl_graph_output(graph)].shape } };
}

/* x.lua:12: layer 5 (Linear, "fc1"): what the layer said */
static pl_status blame(const pl_layer *layer, pl_error *err) {
  char label[PL_PATH_TEXT];
  pl_error_prefix(err, "%s", pl_layer_label(label, layer));
  if (layer->origin[0]) pl_error_prefix(err, "%s", layer->origin);
  return PL_ERROR_SHAPE;
}

static pl_status check_size(const pl_layer *layer, const pl_shape *in, const pl_shape *out, pl_error *err) {
  char a[PL_SHAPE_TEXT], b[PL_SHAPE_TEXT];
  for (int i = 0; i < out->axes; i++) {
    if (out->size[i] > 0) continue;
    pl_error_set(err, PL_ERROR_SHAPE, "leaves nothing: %s becomes %s", pl_shape_text(a, in, true),
                 pl_shape_text(b, out, true));
    return blame(layer, err);
  }
  int64_t count = pl_shape_count(out);
  if (count >= 0 && count <= INT32_MAX) return PL_OK;
  pl_error_set(err, PL_ERROR_SHAPE, "makes more than 2^31 values of a sample: %s becomes %s",
               pl_shape_text(a, in, true), pl_shape_text(b, out, true));
  return blame(layer, err);
}

pl_status pl_graph_call(pl_graph *graph, pl_layer *layer, int in, int *out, pl_error *err) {
  graph->shares = graph->shares || layer->shares;
  if (graph->shares && ++graph->calls > MOST_CALLS)
    return pl_error_set(err, PL_ERROR_VALUE, "the model uses its layers more than %d times; call shared containers and "
                                             "formulas less often", MOST_CALLS);
  if (count_traced(graph, err)) return PL_ERROR_VALUE;
  if (layer->cls->trace != NULL) return layer->cls->trace(layer, graph, in, out, err);
  pl_shape shape = { 0 }, input = graph->value[in].shape;
  if (layer->cls->shape(layer, &input, &shape, err)) return blame(layer, err);
  pl_status status = check_size(layer, &input, &shape, err);
  return status ? status : new_shown_op(graph, layer->cls, layer, &in, 1, &shape, out, err);
}

pl_status pl_graph_combine(pl_graph *graph, const pl_layer_class *cls, pl_layer *owner, const int *in, int inputs,
                           int *out, pl_error *err) {
  pl_shape list[PL_MOST_INPUTS], shape = { 0 };
  if (inputs < 1 || inputs > PL_MOST_INPUTS)
    return pl_error_set(err, PL_ERROR_VALUE, "%s takes from 1 to %d inputs, got %d", cls->head.type, PL_MOST_INPUTS,
                        inputs);
  for (int k = 0; k < inputs; k++) list[k] = graph->value[in[k]].shape;
  if (cls->combine(list, inputs, &shape, err)) return blame(owner, err);
  pl_status status = check_size(owner, &list[0], &shape, err);
  return status ? status : new_shown_op(graph, cls, owner, in, inputs, &shape, out, err);
}

pl_status pl_graph_begin(pl_graph *graph, const pl_layer *container, int in, pl_error *err) {
  return new_row(graph, (pl_row){ container, -1, -1, in }, err);
}

pl_status pl_graph_input(pl_graph *graph, const pl_shape *shape, int *out, pl_error *err) {
  int inputs = 0;
  for (int v = 0; v < graph->values; v++) inputs += graph->value[v].source == PL_FROM_INPUT;
  return new_value(graph, &(pl_value){ .shape = *shape, .source = PL_FROM_INPUT, .index = inputs }, out, err);
}

pl_status pl_graph_param(pl_graph *graph, pl_layer *layer, int index, int *out, pl_error *err) {
  for (*out = 0; *out < graph->values; ++*out) {
    const pl_value *v = &graph->value[*out];
    if (v->source == PL_FROM_PARAM && v->layer == layer && v->index == index) return PL_OK;
  }
  return new_value(graph, &(pl_value){ .shape = layer->param[index].shape, .fixed = true, .source = PL_FROM_PARAM,
                                       .layer = layer, .index = index }, out, err);
}

pl_status pl_graph_constant(pl_graph *graph, const pl_shape *shape, const float *data, int *out, pl_error *err) {
  size_t count = (size_t)pl_shape_count(shape);
  float *copy = pl_alloc_array(count, sizeof *copy, err);
  if (copy == NULL) return PL_ERROR_MEMORY;
  if (count > 0) memcpy(copy, data, count * sizeof *copy);
  pl_status status = new_value(graph, &(pl_value){ .shape = *shape, .fixed = true, .source = PL_FROM_CONSTANT,
                                                   .data = copy }, out, err);
  if (status) pl_free(copy);
  return status;
}

pl_status pl_graph_operate(pl_graph *graph, const pl_operation *o, pl_layer *owner, const int *in, int *out,
                           pl_error *err) {
  if (count_traced(graph, err)) return PL_ERROR_VALUE;
  pl_operation *info = pl_alloc(sizeof *info, err);
  if (info == NULL) return PL_ERROR_MEMORY;
  *info = *o;
  pl_status status = new_op(graph, o->cls, owner, in, o->inputs, &o->out, out, err);
  if (status) {
    pl_free(info);
    return status;
  }
  graph->op[graph->ops - 1].info = info;
  graph->value[*out].fixed = o->out_fixed;
  return PL_OK;
}

const pl_layer_class *pl_graph_class_of_param(const pl_graph *graph, const pl_layer *layer, int param) {
  if (layer->cls != &pl_formula) return layer->cls;
  for (int i = 0; i < graph->ops; i++) {
    const pl_op *op = &graph->op[i];
    if (op->layer != layer || op->info == NULL || op->cls->param_grads == NULL) continue;
    for (int k = 0; k < op->info->args.n; k++) if (op->info->args.v[k] == param) return op->cls;
  }
  return NULL;
}

pl_status pl_graph_note_formula(pl_graph *graph, const pl_layer *formula, int first, int value, pl_error *err) {
  return new_row(graph, (pl_row){ formula, graph->ops - 1, first, value }, err);
}
