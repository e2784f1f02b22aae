/* Execs: plans and memory for passes, and passes as one parallel region for every stretch of operations without a host
   layer. */
#include <stdatomic.h>
#include <string.h>
#include "graph/exec.h"
#include "kernels/kernels.h"
#include "perilune/alloc.h"

pl_status pl_model_idle(const pl_model *model, pl_error *err) {
  if (!model->calling) return PL_OK;
  return pl_error_set(err, PL_ERROR_STATE,
                      "the model is in the middle of a pass: the functions of a Lambda may not run or rebuild "
                      "the model that it is part of");
}

pl_status pl_not_built(pl_error *err) {
  return pl_error_set(err, PL_ERROR_STATE,
                      "the model has not seen the shape of its input; call model:build{...} first");
}

pl_exec *pl_exec_new(pl_model *model, pl_error *err) {
  if (model->graph == NULL) {
    pl_not_built(err);
    return NULL;
  }
  pl_exec *exec = pl_alloc(sizeof *exec, err);
  if (exec == NULL) return NULL;
  exec->model = model;
  exec->graph = pl_graph_retain(model->graph);
  exec->written = pl_graph_retain(model->written);
  exec->fuse = pl_settings_get().fuse;
  return exec;
}

void pl_exec_free(pl_exec *exec) {
  if (exec == NULL) return;
  for (int i = 0; i < PLANS; i++) pl_plan_clear(&exec->plan[i]);
  pl_graph_release(exec->graph);
  pl_graph_release(exec->written);
  pl_free(exec->arena);
  pl_free(exec);
}

pl_model *pl_exec_model(const pl_exec *exec) { return exec->model; }
const pl_shape *pl_exec_input(const pl_exec *exec) { return &exec->graph->value[0].shape; }
const pl_shape *pl_exec_output(const pl_exec *exec) { return &exec->graph->value[pl_graph_output(exec->graph)].shape; }
pl_outputs pl_exec_outputs(const pl_exec *exec) { return pl_graph_outputs(exec->graph); }
size_t pl_exec_pending(const pl_exec *exec) { return exec->pending ? exec->run.n : 0; }

void pl_exec_follow(pl_exec *exec) {
  if (exec->graph == exec->model->graph) return;
  for (int i = 0; i < PLANS; i++) pl_plan_clear(&exec->plan[i]);
  pl_graph_release(exec->graph);
  pl_graph_release(exec->written);
  exec->graph = pl_graph_retain(exec->model->graph);
  exec->written = pl_graph_retain(exec->model->written);
  exec->run = (pl_run){ 0 };
  exec->pending = false;
}

/* Plan and arena for a pass are made aside, and replace the ones before when both are complete. */
static pl_status prepare(pl_exec *exec, size_t batch, pl_mode mode, bool input_gradient, pl_error *err) {
  pl_model *model = exec->model;
  if (pl_model_idle(model, err)) return PL_ERROR_STATE;
  if (model->packed_for != NULL && model->packed_for != exec)
    return pl_error_set(err, PL_ERROR_STATE,
                        "the model's weights are in another order for a training that is under way");
  if (batch == 0) return pl_error_set(err, PL_ERROR_VALUE, "a pass takes one sample or more, got none");
  if (mode == PL_TRAIN && pl_exec_check_batch(exec, batch, err)) return PL_ERROR_VALUE;
  bool chunked = pl_chunks_wanted(exec, batch, mode);
  int which = chunked ? PLAN_CHUNKED : mode == PL_TRAIN && input_gradient ? PLAN_TRAIN_INPUT : (int)mode;
  pl_plan *kept = &exec->plan[which], fresh = { 0 };
  int members = pl_threads_get();
  bool remake = kept->capacity < batch || kept->members < members;
  if (remake) {
    pl_plan_request request = { .batch = batch, .members = members, .mode = mode, .input_gradient = input_gradient,
                                .fuse = exec->fuse };
    pl_status status = chunked ? pl_chunks_plan(exec, &fresh, batch, members, err)
                               : pl_plan_make(exec->graph, &fresh, &request, err);
    if (status) return status;
  }
  size_t bytes = remake ? fresh.bytes : kept->bytes;
  if (exec->arena_bytes < bytes) {
    char *arena = pl_alloc(bytes, err);
    if (arena == NULL) {
      pl_plan_clear(&fresh);
      pl_error_prefix(err, "the activations of a batch of %zu samples (a smaller batch_size needs less)", batch);
      return PL_ERROR_MEMORY;
    }
    pl_free(exec->arena);
    exec->arena = arena;
    exec->arena_bytes = bytes;
  }
  if (remake) {
    pl_plan_clear(kept);
    *kept = fresh;
  }
  exec->pending = false;
  exec->run = (pl_run){ .model = model, .graph = exec->graph, .plan = kept, .arena = exec->arena, .n = batch,
                        .mode = mode, .seed = model->seed,
                        .step = model->step, .timed = true };
  return PL_OK;
}

pl_status pl_exec_reserve(pl_exec *exec, size_t batch, pl_mode mode, pl_error *err) {
  return prepare(exec, batch, mode, false, err);
}

size_t pl_exec_arena(pl_model *model, size_t batch, pl_mode mode) {
  pl_plan plan = { 0 };
  pl_plan_request request = { .batch = batch, .members = pl_threads_get(), .mode = mode,
                              .fuse = pl_settings_get().fuse };
  if (model->graph == NULL || pl_plan_make(model->graph, &plan, &request, NULL)) return 0;
  size_t bytes = plan.bytes;
  pl_plan_clear(&plan);
  return bytes;
}

/* Bits do not depend on it. */
int pl_exec_team_size(const pl_exec *exec) {
  const pl_graph *g = exec->graph;
  double work = 0;
  for (int i = 0; i < g->ops; i++) {
    const pl_op *op = &g->op[i];
    work += pl_op_work(g, op);
  }
  int threads = pl_threads_for(work * (double)exec->run.n);
  return exec->run.plan != NULL && threads > exec->run.plan->members ? exec->run.plan->members : threads;
}

/* Operation that a node, or a step backwards, calls in the script; -1: none. */
static int host_of_node(const pl_run *run, int n) {
  int i = run->plan->node[n].op[0];
  return run->graph->op[i].cls->flags & PL_HOST ? i : -1;
}

static int host_of_step(const pl_run *run, int b) {
  const pl_back *back = &run->plan->back[b];
  return back->kind == PL_BACK_OPS ? host_of_node(run, back->node) : -1;
}

/* A function of the script. What it may do to the model ends at pl_model_idle. */
static pl_status host_op(pl_exec *exec, int i, bool forward, pl_error *err) {
  const pl_run *run = &exec->run;
  const pl_op *op = &run->graph->op[i];
  int x = pl_op_input(run->graph, op, 0);
  pl_host_call call = {
    .kind = forward ? PL_HOST_FORWARD : PL_HOST_BACKWARD, .in = run->graph->value[x].shape,
    .out = run->graph->value[op->out].shape,
    .batch = run->n, .training = run->mode == PL_TRAIN, .x = pl_run_act(run, x), .y = pl_run_act(run, op->out),
    .dy = forward ? NULL : pl_run_grad(run, op->out), .dx = forward ? NULL : pl_run_input_grad(run, op, 0),
  };
  if (!forward && call.dx == NULL) return PL_OK;   /* that of the input, which the caller does not want now */
  if (op->layer->host == NULL)
    return pl_error_set(err, PL_ERROR_STATE, "%s has no function to call; make it in a script", op->cls->head.type);
  exec->model->calling = true;
  pl_status status = op->layer->host(op->layer->host_context, &call, err);
  exec->model->calling = false;
  pl_run_profile_op(run, &(pl_team){ .size = 1 }, i, !forward);
  return status;
}

typedef struct { const pl_run *run; int from, to; } stretch;

static void forward_stretch(const pl_team *team, void *arg) {
  const stretch *s = arg;
  pl_stages stages = { .team = team };
  pl_run_forward_nodes(s->run, &stages, s->from, s->to);
  pl_stage_barrier_wait(&stages);
}

/* The last one continues with the gradients of parameters. */
static void backward_stretch(const pl_team *team, void *arg) {
  const stretch *s = arg;
  pl_stages stages = { .team = team };
  pl_run_backward_steps(s->run, &stages, s->from, s->to);
  pl_stage_barrier_wait(&stages);
  if (s->to == s->run->plan->backs) pl_run_param_grads(s->run, team, NULL);
}

typedef struct { const pl_run *run; const float *y; } chunked;

static void forward_chunks(const pl_team *team, void *arg) {
  chunked *c = arg;
  const float *y = pl_chunks_forward(c->run, team);
  if (team->rank == 0) c->y = y;
}

pl_status pl_exec_forward(pl_exec *exec, const float *x, size_t n, pl_mode mode, const float **y, pl_error *err) {
  pl_model *model = exec->model;
  pl_status status = prepare(exec, n, mode, true, err);
  if (status) return status;
  pl_run *run = &exec->run;
  int threads = exec->threads = pl_exec_team_size(exec);
  pl_model_profile_stage(model, &(pl_team){ .size = 1 }, PL_STAGE_OTHER);
  if (mode == PL_TRAIN) model->step++;
  run->x = x;
  run->step = model->step;
  if (mode == PL_INFER_DROPOUT) model->step++;
  if (run->plan->chunk != 0) {
    chunked c = { run, NULL };
    pl_threads_run_on(threads, forward_chunks, &c);
    *y = c.y;
    return PL_OK;
  }
  for (int from = 0; from < run->plan->nodes;) {
    int to = from;
    while (to < run->plan->nodes && host_of_node(run, to) < 0) to++;
    if (to > from) pl_threads_run_on(threads, forward_stretch, &(stretch){ run, from, to });
    if (to < run->plan->nodes && (status = host_op(exec, host_of_node(run, to), true, err))) {
      run->plan = NULL;
      return status;
    }
    from = to + 1;
  }
  exec->pending = mode == PL_TRAIN;
  *y = pl_run_act(run, pl_graph_output(run->graph));
  return PL_OK;
}

/* Then they may be replaced, which saves a pass over them; a gradient of -0 stays what it is. */
static bool grads_are_zero(const pl_model *model) {
  const float *grads = pl_model_grads((pl_model *)model), zero = 0;
  size_t n = pl_model_size(model);
  return n == 0 || (memcmp(grads, &zero, sizeof zero) == 0 && memcmp(grads, grads + 1, (n - 1) * sizeof zero) == 0);
}

pl_status pl_exec_backward(pl_exec *exec, const float *dy, float *dx, pl_error *err) {
  pl_model *model = exec->model;
  if (pl_model_idle(model, err)) return PL_ERROR_STATE;
  if (!exec->pending)
    return pl_error_set(err, PL_ERROR_STATE, "backward follows a forward (a training pass); "
                        "infer, predict and evaluate keep nothing");
  pl_run *run = &exec->run;
  pl_status status = PL_OK;
  pl_model_profile_stage(model, &(pl_team){ .size = 1 }, PL_STAGE_OTHER);
  run->dy = dy;
  run->dx = dx;
  run->accumulate = !model->replace_grads && !grads_are_zero(model);
  exec->pending = false;   /* once begun it cannot be done again: gradients overwrite activations */
  for (int from = 0;;) {
    int to = from;
    while (to < run->plan->backs && host_of_step(run, to) < 0) to++;
    pl_threads_run_on(exec->threads, backward_stretch, &(stretch){ run, from, to });
    if (to == run->plan->backs) break;
    if ((status = host_op(exec, host_of_step(run, to), false, err))) return status;
    from = to + 1;
  }
  /* a model of aliases alone: the output is the input, and so are their gradients */
  if (dx != NULL && run->plan->grad_alias[0] == run->plan->grad_alias[run->plan->output_grad])
    memcpy(dx, dy, run->n * (size_t)pl_shape_count(pl_exec_input(exec)) * sizeof *dx);
  model->replace_grads = false;
  return PL_OK;
}

const float *pl_exec_forward_team(pl_exec *exec, const pl_team *team, const float *x, size_t n, uint64_t step) {
  pl_run run = exec->run;
  run.x = x;
  run.n = n;
  run.step = step;
  if (run.plan->chunk != 0) return pl_chunks_forward(&run, team);
  forward_stretch(team, &(stretch){ &run, 0, run.plan->nodes });
  return pl_run_act(&run, pl_graph_output(run.graph));
}

/* Each member has a copy of the run: so the next pass may begin without a barrier. */
static pl_run run_of(const pl_exec *exec, const pl_batch *b) {
  pl_run run = exec->run;
  run.x = b->x;
  run.dy = b->dy;
  run.n = b->n;
  run.step = b->step;
  return run;
}

const float *pl_exec_forward_stages(const pl_exec *exec, pl_stages *stages, const pl_batch *batch) {
  pl_run run = run_of(exec, batch);
  return pl_run_forward(&run, stages);
}

void pl_exec_backward_stages(const pl_exec *exec, pl_stages *stages, const pl_batch *batch) {
  pl_run run = run_of(exec, batch);
  pl_run_backward_steps(&run, stages, 0, run.plan->backs);
}

bool pl_exec_grads_cannot_overflow(const pl_exec *exec, const pl_batch *batch) {
  pl_run run = run_of(exec, batch);
  for (int i = 0; i < run.graph->ops; i++) {
    const pl_op *op = &run.graph->op[i];
    if (!(run.plan->param_grads[i] & PL_DEFERS_PARAM_GRADS)) continue;
    int in = pl_op_input(run.graph, op, 0);
    size_t ins = run.n * (size_t)pl_shape_count(&run.graph->value[in].shape),
      outs = run.n * (size_t)pl_shape_count(&run.graph->value[op->out].shape);
    double x = (double)pl_kernel.max_abs(pl_run_act(&run, in), ins),
      dy = (double)pl_kernel.max_abs(pl_run_grad(&run, op->out), outs);
    if (!(x * dy * (double)ins < 1e38)) return false;
  }
  return true;
}

/* Whether all gradients of the parameter have gone to the sink. */
static bool has_gone_to_sink(const pl_run *run, const pl_layer *layer, int param) {
  const pl_layer_class *cls = pl_graph_class_of_param(run->graph, layer, param);
  if (cls == NULL || cls->param_grads == NULL) return false;
  for (int i = 0; run->plan->shares_params && i < run->graph->ops; i++)
    if (run->graph->op[i].layer == layer && (run->plan->param_grads[i] & PL_SHARES_PARAMS)) return false;
  return true;
}

void pl_exec_param_grads_stages(const pl_exec *exec, pl_stages *stages, const pl_batch *batch,
                                const pl_grad_sink *sink) {
  const pl_model *model = exec->model;
  pl_run run = run_of(exec, batch);
  const pl_team *team = pl_stage_begin(stages, false);
  pl_run_param_grads(&run, team, sink);
  if (sink != NULL && run.plan->shares_params) pl_team_barrier(team);
  for (size_t i = 0; sink != NULL && i < model->slices; i++) {
    const pl_slice *s = &model->slice[i];
    size_t from, to;
    if (has_gone_to_sink(&run, s->layer, s->param)) continue;
    pl_team_share(team, s->count, 16, &from, &to);
    if (from == to) continue;
    sink->take(sink->context, &(pl_grad_tile){ .slice = i, .offset = from, .rows = 1, .cols = to - from,
                                               .grad = model->block->grads + s->offset + from });
  }
}

int pl_exec_rows(const pl_exec *exec) { return exec->graph->rows; }
pl_model_row pl_exec_row_at(const pl_exec *exec, int i) { return pl_graph_row(exec->graph, i); }

const float *pl_exec_activation(const pl_exec *exec, int i) {
  if (exec->run.plan == NULL || exec->run.mode != PL_CAPTURE) return NULL;
  return pl_run_act(&exec->run, exec->graph->row[i].value);
}

/* Visits every parameter that has an order for training. */
static size_t visit_packed(pl_model *model, const pl_graph *graph, pl_reorder_fn reorder, void *context, bool back) {
  size_t most = 0;
  for (size_t i = 0; i < model->slices; i++) {
    const pl_slice *s = &model->slice[i];
    const pl_layer_class *cls = pl_graph_class_of_param(graph, s->layer, s->param);
    if (cls == NULL || cls->pack == NULL || !cls->pack(s->layer, s->param, NULL, NULL, back)) continue;
    if (s->count > most) most = s->count;
    if (reorder == NULL) continue;
    reorder(context, &(pl_order){ s->layer, s->param, back, cls }, s->offset, s->count);
    s->layer->param[s->param].packed = !back;
  }
  return most;
}

size_t pl_model_largest_packed(const pl_model *model) {
  return model->graph ? visit_packed((pl_model *)model, model->graph, NULL, NULL, false) : 0;
}

void pl_exec_pack(pl_exec *exec, pl_reorder_fn reorder, void *context, bool back) {
  visit_packed(exec->model, exec->graph, reorder, context, back);
  exec->model->packed_for = back ? NULL : exec;
}

void pl_order_apply(const pl_order *order, float *out, const float *in) {
  order->cls->pack(order->layer, order->param, out, in, order->back);
}
