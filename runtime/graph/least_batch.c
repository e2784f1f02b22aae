/* How small a batch may be in training: a layer that takes statistics of the batch needs more than one row of it. */
#include "graph/exec.h"

static size_t least_batch(const pl_graph *graph, const pl_layer **layer) {
  size_t least = 1;
  for (int i = 0; i < graph->ops; i++) {
    const pl_op *op = &graph->op[i];
    pl_memory m = { .members = 1 };
    pl_op_memory(graph, op, 1, &m);
    if (m.least_batch <= least) continue;
    least = m.least_batch;
    *layer = op->layer;
  }
  return least;
}

size_t pl_model_least_batch(const pl_model *model, const pl_layer **layer) {
  return model->graph ? least_batch(model->graph, layer) : 1;
}

pl_status pl_exec_check_batch(const pl_exec *exec, size_t batch, pl_error *err) {
  if (batch == 0) return pl_error_set(err, PL_ERROR_VALUE, "a pass takes one sample or more, got none");
  const pl_layer *layer = NULL;
  size_t least = least_batch(exec->graph, &layer);
  char label[PL_PATH_TEXT];
  if (batch >= least) return PL_OK;
  return pl_error_set(err, PL_ERROR_VALUE,
                      "%s: has no variance of one row: a training batch has %zu samples or more, got %zu; "
                      "add drop_last = true if it is the last one, or use model:infer", pl_layer_label(label, layer),
                      least, batch);
}
