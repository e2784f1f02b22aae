/* The stopwatch of a model. Only the leader of a team touches it, between barriers. */
#include <string.h>
#include "graph/exec.h"
#include "perilune/alloc.h"
#include "perilune/cpu.h"

static void lap(pl_stopwatch *w, int index) {
  double now = pl_clock();
  w->seconds[index] += now - w->mark;
  w->mark = now;
}

pl_status pl_model_profile_start(pl_model *model, pl_error *err) {
  if (model->graph == NULL) return pl_not_built(err);
  if (pl_model_idle(model, err)) return PL_ERROR_STATE;
  if (model->watch != NULL && model->watch->on)
    return pl_error_set(err, PL_ERROR_STATE, "the model is profiled already, and its time is measured only once");
  int ops = model->graph->ops;
  pl_stopwatch *w = pl_alloc(sizeof *w + (PL_STAGES + 2 * (size_t)ops) * sizeof w->seconds[0], err);
  if (w == NULL) return PL_ERROR_MEMORY;
  pl_free(model->watch);
  w->on = true;
  w->ops = ops;
  w->mark = pl_clock();
  model->watch = w;
  return PL_OK;
}

pl_profile pl_model_profile_stop(pl_model *model) {
  pl_stopwatch *w = model->watch;
  pl_profile result = { .ops = 0 };
  if (w == NULL) return result;
  if (w->on) lap(w, PL_STAGE_OTHER);
  w->on = false;
  memcpy(result.stage, w->seconds, sizeof result.stage);
  result.ops = w->ops;
  result.forward = w->seconds + PL_STAGES;
  result.backward = result.forward + w->ops;
  return result;
}

void pl_model_profile_stage(pl_model *model, const pl_team *team, pl_stage stage) {
  if (model->watch != NULL && model->watch->on && team->rank == 0) lap(model->watch, (int)stage);
}

void pl_run_profile_op(const pl_run *run, const pl_team *team, int i, bool backward) {
  pl_stopwatch *w = run->timed ? run->model->watch : NULL;
  if (w == NULL || !w->on || team->rank > 0) return;
  /* a model that was built anew since the start may have more operations than it had then */
  lap(w, i < w->ops ? PL_STAGES + i + (backward ? w->ops : 0) : PL_STAGE_OTHER);
}
