#include <stdatomic.h>
#include <string.h>
#include "layers/layer.h"

/* Room for one more item in a list that doubles. */
static pl_status grow(void **list, int used, int *room, size_t size, pl_error *err) {
  if (used < *room) return PL_OK;
  int more = *room ? 2 * *room : 16;
  void *fresh = pl_alloc_array((size_t)more, size, err);
  if (fresh == NULL) return PL_ERROR_MEMORY;
  if (*list != NULL) memcpy(fresh, *list, (size_t)used * size);
  pl_free(*list);
  *list = fresh;
  *room = more;
  return PL_OK;
}

static pl_status new_value(pl_graph *graph, const pl_shape *shape, int *out, pl_error *err) {
  if (grow((void **)&graph->value, graph->values, &graph->room_values, sizeof *graph->value, err)) return PL_ERROR_MEMORY;
  graph->value[graph->values] = *shape;
  *out = graph->values++;
  return PL_OK;
}

static pl_status new_op(pl_graph *graph, pl_op op, pl_error *err) {
  if (grow((void **)&graph->op, graph->ops, &graph->room_ops, sizeof *graph->op, err)) return PL_ERROR_MEMORY;
  graph->op[graph->ops++] = op;
  return PL_OK;
}

pl_graph *pl_graph_new(const pl_shape *input, pl_error *err) {
  int first;
  pl_graph *graph = pl_alloc(sizeof *graph, err);
  if (graph == NULL) return NULL;
  atomic_init(&graph->references, 1);
  if (new_value(graph, input, &first, err) == PL_OK) return graph;
  pl_graph_release(graph);
  return NULL;
}

pl_graph *pl_graph_retain(pl_graph *graph) {
  atomic_fetch_add(&graph->references, 1);
  return graph;
}

void pl_graph_release(pl_graph *graph) {
  if (graph == NULL || atomic_fetch_sub(&graph->references, 1) != 1) return;
  pl_free(graph->value);
  pl_free(graph->op);
  pl_free(graph);
}

int pl_graph_last_value(const pl_graph *graph) { return graph->ops ? graph->op[graph->ops - 1].out[0] : 0; }

/* x.lua:12: layer 5 (Linear, "fc1"): what the layer said */
static pl_status blame(const pl_layer *layer, pl_error *err) {
  char label[PL_PATH_TEXT];
  pl_error_prefix(err, "%s", pl_layer_label(label, layer));
  if (layer->origin[0]) pl_error_prefix(err, "%s", layer->origin);
  return PL_ERROR_SHAPE;
}

pl_status pl_graph_add(pl_graph *graph, pl_layer *layer, int in, int *out, pl_error *err) {
  if (layer->cls->trace != NULL) return layer->cls->trace(layer, graph, in, out, err);
  pl_shape shape = { 0 }, input = graph->value[in];
  if (layer->cls->shape(layer, &input, &shape, err)) return blame(layer, err);
  char a[PL_SHAPE_TEXT], b[PL_SHAPE_TEXT];
  for (int i = 0; i < shape.axes; i++) {
    if (shape.size[i] > 0) continue;
    pl_error_set(err, PL_ERROR_SHAPE, "leaves nothing: %s becomes %s", pl_shape_text(a, &input, true), pl_shape_text(b, &shape, true));
    return blame(layer, err);
  }
  int64_t count = pl_shape_count(&shape);
  if (count < 0 || count > INT32_MAX) {
    pl_error_set(err, PL_ERROR_SHAPE, "makes more than 2^31 numbers of a sample: %s becomes %s", pl_shape_text(a, &input, true), pl_shape_text(b, &shape, true));
    return blame(layer, err);
  }
  if (new_value(graph, &shape, out, err)) return PL_ERROR_MEMORY;
  return new_op(graph, (pl_op){ layer->cls->alias ? PL_OP_ALIAS : PL_OP_LAYER, layer, { in, -1 }, { *out, -1 } }, err);
}

pl_status pl_graph_fork(pl_graph *graph, pl_layer *layer, int in, int out[2], pl_error *err) {
  pl_shape shape = graph->value[in];
  if (new_value(graph, &shape, &out[0], err) || new_value(graph, &shape, &out[1], err)) return PL_ERROR_MEMORY;
  return new_op(graph, (pl_op){ PL_OP_FORK, layer, { in, -1 }, { out[0], out[1] } }, err);
}

pl_status pl_graph_join(pl_graph *graph, pl_layer *layer, int a, int b, int *out, pl_error *err) {
  pl_shape shape = graph->value[a];
  if (!pl_shape_equal(&shape, &graph->value[b])) {
    char s[PL_SHAPE_TEXT], t[PL_SHAPE_TEXT];
    pl_error_set(err, PL_ERROR_SHAPE, "adds two paths of the same shape, got %s from the branch and %s from the shortcut; "
                 "give the shortcut a projection, such as nn.Conv2d(in, out, 1)",
                 pl_shape_text(s, &graph->value[a], true), pl_shape_text(t, &graph->value[b], true));
    return blame(layer, err);
  }
  if (new_value(graph, &shape, out, err)) return PL_ERROR_MEMORY;
  return new_op(graph, (pl_op){ PL_OP_JOIN, layer, { a, b }, { *out, -1 } }, err);
}
