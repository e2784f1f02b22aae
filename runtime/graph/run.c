/* Runs a plan by a team: the operations forwards, then backwards, then the gradients of parameters. */
#include "graph/exec.h"

enum { FORWARD, BACKWARD, PARAM_GRADS };

float *pl_run_act(const pl_run *run, int v) {
  int r = run->plan->act_alias[v];
  if (r == run->plan->act_alias[0]) return (float *)run->x;
  return (float *)(void *)(run->arena + run->plan->act[r]);
}

float *pl_run_grad(const pl_run *run, int v) {
  int r = run->plan->grad_alias[v], last = pl_graph_last_value(run->graph);
  if (!run->plan->needs_grad[v]) return NULL;
  if (r == run->plan->grad_alias[last]) return (float *)run->dy;
  if (r == run->plan->grad_alias[0]) return run->dx;
  return (float *)(void *)(run->arena + run->plan->grad[r]);
}

static pl_pass pass_of(const pl_run *run, const pl_team *team, int i, int phase) {
  const pl_plan *plan = run->plan;
  const pl_op *op = &run->graph->op[i], *join = op + 1;
  bool fused_add = phase == FORWARD && plan->fused_add[i];
  return (pl_pass){
    .team = team, .batch = run->n, .training = run->mode == PL_TRAIN, .noise = run->mode == PL_INFER_DROPOUT || run->mode == PL_TRAIN,
    .data = plan->act_alias[op->in[0]] == plan->act_alias[0],
    .accumulate = run->accumulate, .clamp = plan->along[i] == PL_ALONG_BOTH,
    .activation = phase == FORWARD && plan->along[i] == PL_ALONG_FORWARD ? op[1].layer : NULL,
    .plus = fused_add ? pl_run_act(run, join->in[join->in[0] == op->out[0]]) : NULL,
    .clamp_sum = fused_add && plan->along[i + 1] == PL_ALONG_FORWARD,
    .seed = run->seed, .step = run->step, .in = run->graph->value[op->in[0]], .out = run->graph->value[op->out[0]],
    .saved = run->arena + plan->saved[i], .scratch = run->arena + plan->scratch[phase][i],
  };
}

/* From the end, as a pass forwards does that follows an ascending one (see layer.h). */
static void join(const pl_team *team, float *out, const float *a, const float *b, size_t n, bool clamp) {
  size_t from, to;
  pl_team_share(team, n, 64, &from, &to);
  for (pl_piece p = { to, to }; pl_descend(&p, from, PL_NUMBERS_AT_ONCE);)
    (clamp ? pl_kernel.add_clamped : pl_kernel.add)(out + p.start, a + p.start, b + p.start, p.end - p.start);
}

/* Both branches received x: dx = da + db; and where x = max(.., 0), if `x` is given, the gradient before that. */
static void add_branches(const pl_team *team, float *dx, const float *da, const float *db, const float *x, size_t n) {
  size_t from, to;
  pl_team_share(team, n, 64, &from, &to);
  if (x != NULL) pl_kernel.add_rectified(dx + from, da + from, db + from, x + from, to - from);
  else pl_kernel.add(dx + from, da + from, db + from, to - from);
}

/* An operation that is fused into a later one is run by it. */
static void forward_op(const pl_run *run, pl_stages *stages, int i) {
  const pl_plan *plan = run->plan;
  if (plan->fused_into[i] != i) return;
  const pl_op *op = &run->graph->op[i];
  int first = pl_plan_first(plan, i), in = run->graph->op[first].in[0];
  float *y = pl_run_act(run, op->out[0]);
  bool layer = op->kind == PL_OP_LAYER && y != pl_run_act(run, in);
  if (!layer && (op->kind != PL_OP_JOIN || plan->fused_add[i - 1])) return;
  const pl_team *team = pl_stage_begin(stages, plan->single_thread[i]);
  if (team != NULL && layer) {
    pl_pass pass = pass_of(run, team, i, FORWARD), makers = first < i ? pass_of(run, team, first, FORWARD) : pass;
    pl_before before = { .pass = &makers };
    if (first < i) {
      before.activation = op[-1].layer;
      before.maker = first < i - 1 ? op[-2].layer : NULL;
      pass.before = &before;
    }
    op->layer->cls->forward(op->layer, &pass, pl_run_act(run, in), y);
  } else if (team != NULL) {
    join(team, y, pl_run_act(run, op->in[0]), pl_run_act(run, op->in[1]), run->n * (size_t)pl_shape_count(&run->graph->value[op->out[0]]),
         plan->along[i] == PL_ALONG_FORWARD);
  }
  pl_stage_end(stages);
  pl_profile_op(run->watch, stages->team, first, false);
}

/* A fused operation goes back through the activation before it; what made the activation's input has a backward of its own. */
static void backward_op(const pl_run *run, pl_stages *stages, int i) {
  const pl_plan *plan = run->plan;
  const pl_op *op = &run->graph->op[i];
  const pl_memory *need = &plan->need[i];
  if (plan->fused_into[i] == i + 1) return;
  float *dx = pl_run_grad(run, need->fused ? op[-1].in[0] : op->in[0]);
  if (!plan->needs_grad[op->out[0]] || (op->kind != PL_OP_LAYER && (op->kind != PL_OP_FORK || dx == NULL))) return;
  if (pl_plan_is_fused_away(plan, i) || plan->relu_grad_in_fork[i]) return;
  if (dx == NULL && op->layer->cls->param_grads != NULL) return;
  const pl_team *team = pl_stage_begin(stages, plan->single_thread[i]);
  size_t n = run->n * (size_t)pl_shape_count(&run->graph->value[op->in[0]]);
  if (team != NULL && plan->relu_grad_in_fork[i + 1]) {
    if (dx != NULL) add_branches(team, dx, pl_run_grad(run, op[1].out[0]), pl_run_grad(run, op[1].out[1]), pl_run_act(run, op->out[0]), n);
  } else if (team != NULL && op->kind == PL_OP_LAYER) {
    pl_pass pass = pass_of(run, team, i, BACKWARD);
    pl_before before = { .activation = need->fused ? op[-1].layer : NULL };
    if (need->fused) pass.before = &before;
    op->layer->cls->backward(op->layer, &pass, need->needs_x ? pl_run_act(run, op->in[0]) : NULL,
                             need->needs_y ? pl_run_act(run, op->out[0]) : NULL, pl_run_grad(run, op->out[0]), dx);
  } else if (team != NULL) {
    add_branches(team, dx, pl_run_grad(run, op->out[0]), pl_run_grad(run, op->out[1]), NULL, n);
  }
  pl_stage_end(stages);
  pl_profile_op(run->watch, stages->team, need->fused ? i - 1 : i, true);
}

void pl_run_forward_ops(const pl_run *run, pl_stages *stages, int from, int to) {
  for (int i = from; i < to; i++) forward_op(run, stages, i);
}

void pl_run_backward_ops(const pl_run *run, pl_stages *stages, int from, int to) {
  for (int i = to - 1; i >= from; i--) backward_op(run, stages, i);
}

const float *pl_run_forward(const pl_run *run, pl_stages *stages) {
  pl_run_forward_ops(run, stages, 0, run->graph->ops);
  return pl_run_act(run, pl_graph_last_value(run->graph));
}

bool pl_run_has_param_grads(const pl_run *run, int i) {
  const pl_op *op = &run->graph->op[i];
  return op->kind == PL_OP_LAYER && op->layer->cls->param_grads != NULL && run->plan->needs_grad[op->out[0]];
}

void pl_run_param_grads(const pl_run *run, const pl_team *team, const pl_grad_sink *sink) {
  for (int i = 0; i < run->graph->ops; i++) {
    if (!pl_run_has_param_grads(run, i)) continue;
    const pl_op *op = &run->graph->op[i];
    pl_pass pass = pass_of(run, team, i, PARAM_GRADS);
    pass.sink = sink;
    op->layer->cls->param_grads(op->layer, &pass, pl_run_act(run, op->in[0]), pl_run_grad(run, op->out[0]));
    if (sink == NULL) pl_profile_op(run->watch, team, i, true);
  }
}
