/* Is a planned training pass what its operations compute? The same pass is made a second time, one operation after the
   other as the formulas write them, by one thread, nothing fused or recognised, each value and gradient in memory of
   its own; and must agree to the last bit. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "graph/exec.h"
#include "perilune/alloc.h"
#include "perilune/rng.h"

bool pl_exec_has_formulas(const pl_exec *exec) {
  for (int i = 0; i < exec->graph->ops; i++) if (exec->graph->op[i].info != NULL) return true;
  return false;
}

pl_status pl_plan_make_plain(const pl_graph *graph, pl_plan *plan, size_t batch, bool input_gradient, pl_error *err) {
  return pl_plan_make(graph, plan, &(pl_plan_request){ .batch = batch, .members = 1, .mode = PL_TRAIN,
                                                       .input_gradient = input_gradient, .plain = true }, err);
}

/* Which NaN comes out of two is the order of a sum's operands, and no difference. */
size_t pl_first_difference(const float *a, const float *b, size_t n) {
  size_t i = 0;
  if (n == 0 || memcmp(a, b, n * sizeof *a) == 0) return n;
  while (i < n && (memcmp(a + i, b + i, sizeof *a) == 0 || (isnan(a[i]) && isnan(b[i])))) i++;
  return i;
}

typedef struct {
  pl_exec *exec;
  pl_batch batch;
  size_t outputs, grads, states;   /* values of the batch's output; of the model's blocks */
  float *y, *dy, *grad, *state;    /* y, grad: kept of the planned pass; state: from before it; dy: made up */
} pass;

static void planned(const pl_team *team, void *arg) {
  pass *p = arg;
  pl_stages stages = { .team = team };
  const float *y = pl_exec_forward_stages(p->exec, &stages, &p->batch);
  pl_stage_barrier_wait(&stages);
  if (team->rank == 0) memcpy(p->y, y, p->outputs * sizeof *y);
  pl_team_barrier(team);
  pl_exec_backward_stages(p->exec, &stages, &p->batch);
  pl_stage_barrier_wait(&stages);
  pl_exec_param_grads_stages(p->exec, &stages, &p->batch, NULL);
  pl_stage_end(&stages);
}

pl_status pl_say_difference(const char *what, size_t i, double planned_value, double plain_value, pl_error *err) {
  return pl_error_set(err, PL_ERROR_STATE, "%s differs when the batch is computed operation by operation: value %zu is "
                      "%.9g planned, and %.9g plain. This is a fault of the program, not of the formula: please report "
                      "it; PERILUNE_FUSE=0 computes without fused operations", what, i + 1, planned_value,
                      plain_value);
}

static pl_status compare(const pass *p, const float *y, pl_error *err) {
  const pl_model *model = p->exec->model;
  size_t i = pl_first_difference(p->y, y, p->outputs);
  if (i < p->outputs) return pl_say_difference("the model's output", i, (double)p->y[i], (double)y[i], err);
  for (size_t s = 0; s < model->slices; s++) {
    const pl_slice *slice = &model->slice[s];
    const float *was = p->grad + slice->offset, *now = model->block->grads + slice->offset;
    i = pl_first_difference(was, now, slice->count);
    if (i == slice->count) continue;
    char label[PL_PATH_TEXT], what[PL_PATH_TEXT + 80];
    snprintf(what, sizeof what, "%s: the gradient of '%.40s'", pl_layer_label(label, slice->layer), slice->name);
    return pl_say_difference(what, i, (double)was[i], (double)now[i], err);
  }
  return PL_OK;
}

typedef struct { const pass *p; pl_run run; const float *y; } plain_pass;

/* By a thread of the team, whose arithmetic flushes the smallest numbers to zero. */
static void plain(const pl_team *team, void *arg) {
  plain_pass *q = arg;
  pl_stages stages = { .team = team };
  q->y = pl_run_forward(&q->run, &stages);
  pl_run_backward_steps(&q->run, &stages, 0, q->run.plan->backs);
  pl_run_param_grads(&q->run, team, NULL);
}

static pl_status run_plain(const pass *p, pl_error *err) {
  pl_plan plan = { 0 };
  const pl_graph *written = p->exec->written;   /* no product has become a linear layer there */
  pl_status status = pl_plan_make_plain(written, &plan, p->batch.n, false, err);
  if (status) return status;
  char *arena = pl_alloc(plan.bytes + 1, err);
  plain_pass q = { p, p->exec->run, NULL };
  q.run.graph = written;
  q.run.plan = &plan;
  q.run.arena = arena;
  q.run.timed = false;
  q.run.x = p->batch.x;
  q.run.dy = p->batch.dy;
  q.run.n = p->batch.n;
  q.run.step = p->batch.step;
  if (arena != NULL) {
    pl_threads_run_on(1, plain, &q);
    status = compare(p, q.y, err);
  } else {
    status = PL_ERROR_MEMORY;
  }
  pl_free(arena);
  pl_plan_clear(&plan);
  return status;
}

static pl_status verify(pass *p, pl_error *err) {
  pl_model *model = p->exec->model;
  float *states = pl_model_states(model), *grads = pl_model_grads(model);
  pl_rng_fill_uniform(p->dy, p->outputs, pl_rng_make(1, PL_FOR_SCRIPT, 0, 0), -1, 1);
  if (p->states > 0) memcpy(p->state, states, p->states * sizeof *states);
  if (p->grads > 0) memset(grads, 0, p->grads * sizeof *grads);
  pl_threads_run_on(pl_exec_team_size(p->exec), planned, p);
  if (p->grads > 0) memcpy(p->grad, grads, p->grads * sizeof *grads);
  if (p->states > 0) memcpy(states, p->state, p->states * sizeof *states);
  if (p->grads > 0) memset(grads, 0, p->grads * sizeof *grads);
  pl_status status = run_plain(p, err);
  if (p->states > 0) memcpy(states, p->state, p->states * sizeof *states);
  pl_model_zero_grads(model);
  return status;
}

pl_status pl_exec_verify(pl_exec *exec, const float *x, size_t n, uint64_t step, pl_error *err) {
  pl_model *model = exec->model;
  if (!pl_exec_has_formulas(exec) || pl_model_has_host(model)) return PL_OK;
  pl_status status = pl_exec_reserve(exec, n, PL_TRAIN, err);
  if (status) return status;
  pass p = { .exec = exec, .batch = { .x = x, .n = n, .step = step },
             .outputs = n * (size_t)pl_shape_count(pl_exec_output(exec)), .grads = pl_model_size(model),
             .states = pl_model_states_size(model) };
  p.y = pl_alloc_array(2 * p.outputs + p.grads + p.states + 1, sizeof *p.y, err);
  if (p.y == NULL) return PL_ERROR_MEMORY;
  p.batch.dy = p.dy = p.y + p.outputs;
  p.grad = p.dy + p.outputs;
  p.state = p.grad + p.grads;
  status = verify(&p, err);
  pl_free(p.y);
  return status;
}
