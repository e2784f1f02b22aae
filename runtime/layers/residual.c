/* Residual: y = branch(x) + shortcut(x); without a shortcut, y = branch(x) + x.
   He, Zhang, Ren, Sun: "Deep residual learning for image recognition", CVPR 2016, eq. 1 and 2. */
#include "layers/layer.h"

static pl_status residual_trace(pl_layer *self, pl_graph *graph, int in, int *out, pl_error *err) {
  int way[2] = { in, in };
  if (self->children == 0)
    return pl_error_set(err, PL_ERROR_VALUE, "Residual needs a branch: nn.Residual(branch [, shortcut])");
  if (pl_graph_begin(graph, self, in, err)) return PL_ERROR_MEMORY;
  for (int i = 0; i < self->children; i++) {
    if (pl_graph_call(graph, self->child[i], in, &way[i], err)) return err ? err->status : PL_ERROR_SHAPE;
  }
  return pl_graph_combine(graph, &pl_add, self, way, 2, out, err);
}

static const pl_option options[] = { { 0 } };

const pl_layer_class pl_residual = { .head = { "Residual", 0, NULL, options }, .most_children = 2,
                                     .trace = residual_trace };
