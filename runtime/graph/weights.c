/* What is known of a model's weights for a while: that all are zero or normal numbers, which lets layers skip zero
   inputs. */
#include <stdatomic.h>
#include "graph/model.h"
#include "kernels/kernels.h"

static bool is_scanned(const pl_model *model, const pl_slice *s) {
  const pl_layer_class *cls = pl_graph_class_of_param(model->graph, s->layer, s->param);
  return cls != NULL && cls->param_grads != NULL;
}

/* Each member its share of each parameter. */
static void scan_share(const pl_team *team, void *arg) {
  pl_model *model = arg;
  for (size_t i = 0; i < model->slices; i++) {
    const pl_slice *s = &model->slice[i];
    pl_param *p = &s->layer->param[s->param];
    size_t from, to;
    pl_team_share(team, s->count, 16, &from, &to);
    if (is_scanned(model, s) && !pl_kernel.all_zero_or_normal(p->value + from, to - from))
      atomic_store(&p->zero_or_normal, false);
  }
}

void pl_model_scan_weights(pl_model *model, bool scan, int threads) {
  enum { MANY = 1 << 18 };   /* parameters that are worth a team */
  for (size_t i = 0; i < model->slices; i++) {
    const pl_slice *s = &model->slice[i];
    atomic_store(&s->layer->param[s->param].zero_or_normal, scan && is_scanned(model, s));
  }
  if (scan) pl_threads_run_on(model->parameters < MANY ? 1 : threads, scan_share, model);
}
