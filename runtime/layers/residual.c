/* Residual: y = branch(x) + shortcut(x); without a shortcut, y = branch(x) + x.
   He, Zhang, Ren, Sun: "Deep residual learning for image recognition", CVPR 2016, eq. 1 and 2. */
#include "layers/layer.h"

static pl_status residual_trace(pl_layer *self, pl_graph *graph, int in, int *out, pl_error *err) {
  int way[2];
  if (self->children == 0) return pl_error_set(err, PL_ERROR_VALUE, "Residual needs a branch: nn.Residual(branch [, shortcut])");
  if (pl_graph_fork(graph, self, in, way, err)) return PL_ERROR_MEMORY;
  for (int i = 0; i < self->children; i++) {
    if (pl_graph_add(graph, self->child[i], way[i], &way[i], err)) return err ? err->status : PL_ERROR_SHAPE;
  }
  return pl_graph_join(graph, self, way[0], way[1], out, err);
}

static const pl_option options[] = { { 0 } };

const pl_layer_class pl_residual = { .head = { "Residual", 0, NULL, options }, .most_children = 2, .trace = residual_trace };
