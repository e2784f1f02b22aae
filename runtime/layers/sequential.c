/* Sequential: the layers one after the other. */
#include "layers/layer.h"

static pl_status sequential_trace(pl_layer *self, pl_graph *graph, int in, int *out, pl_error *err) {
  *out = in;
  for (int i = 0; i < self->children; i++) {
    if (pl_graph_call(graph, self->child[i], *out, out, err)) return err ? err->status : PL_ERROR_SHAPE;
  }
  return PL_OK;
}

static const pl_option options[] = { { 0 } };

const pl_layer_class pl_sequential = { .head = { "Sequential", 0, NULL, options }, .most_children = 10000,
                                       .trace = sequential_trace };
