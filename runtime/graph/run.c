/* Runs a plan by a team: the nodes forwards, then backwards, then the gradients of parameters. */
#include <string.h>
#include "graph/exec.h"

enum { FORWARD, BACKWARD, PARAM_GRADS };

float *pl_run_act(const pl_run *run, int v) {
  int r = run->plan->act_alias[v];
  const pl_value *value = &run->graph->value[r];
  switch (value->source) {
    case PL_FROM_INPUT: return (float *)(value->index == 0 ? run->x : run->second);
    case PL_FROM_PARAM: return value->layer->param[value->index].value;
    case PL_FROM_CONSTANT: return value->data;
    default: return (float *)(void *)(run->arena + run->plan->act[r]);
  }
}

/* Gradient `id`, which is needed; NULL: it is the input's, and the caller does not want it now. */
static float *grad(const pl_run *run, int id) {
  const pl_plan *plan = run->plan;
  int r = plan->grad_alias[id];
  if (r == plan->grad_alias[plan->output_grad]) return (float *)run->dy;
  if (r == plan->grad_alias[0]) return run->dx;
  if (r < run->graph->values && run->graph->value[r].source == PL_FROM_PARAM && !run->accumulate)
    return run->graph->value[r].layer->param[run->graph->value[r].index].grad;
  return (float *)(void *)(run->arena + plan->grad[r]);
}

float *pl_run_grad(const pl_run *run, int v) { return run->plan->needs_grad[v] ? grad(run, v) : NULL; }

float *pl_run_input_grad(const pl_run *run, const pl_op *op, int k) {
  return run->plan->needs_grad[pl_op_input(run->graph, op, k)] ? grad(run, run->plan->input_grad[op->input + k]) : NULL;
}

static pl_pass pass_of(const pl_run *run, const pl_team *team, int i, int phase) {
  const pl_plan *plan = run->plan;
  const pl_op *op = &run->graph->op[i];
  int x = pl_op_input(run->graph, op, 0);
  return (pl_pass){
    .team = team, .batch = run->graph->value[op->out].fixed ? 1 : run->n, .training = run->mode == PL_TRAIN,
    .dropout = run->mode == PL_INFER_DROPOUT ||
        run->mode == PL_TRAIN,
    .accumulate = run->accumulate || (plan->param_grads[i] & PL_ACCUMULATES),
    .many_zeros = run->graph->value[plan->act_alias[x]].many_zeros,
    .seed = run->seed, .stream = op->layer->id + ((uint64_t)op->call << 32), .step = run->step,
    .in = run->graph->value[x].shape, .out = run->graph->value[op->out].shape, .inputs = op->inputs,
    .op = op->info, .saved = run->arena + plan->saved[i], .scratch = run->arena + plan->scratch[phase][i],
  };
}

/* The inputs of an operation that has several. */
typedef struct { const float *x[PL_MOST_INPUTS]; float *dx[PL_MOST_INPUTS]; pl_shape shape[PL_MOST_INPUTS]; } operands;

static void take_operands(const pl_run *run, pl_pass *pass, const pl_op *op, operands *o, bool backward, bool needs_x) {
  for (int k = 0; k < op->inputs; k++) {
    int v = pl_op_input(run->graph, op, k);
    o->x[k] = !backward || needs_x ? pl_run_act(run, v) : NULL;
    o->dx[k] = backward ? pl_run_input_grad(run, op, k) : NULL;
    o->shape[k] = run->graph->value[v].shape;
  }
  pass->input = o->x;
  pass->input_grad = o->dx;
  pass->input_shape = o->shape;
}

static bool is_alias(const pl_run *run, const pl_op *op) { return pl_op_is_alias(op, run->mode); }

/* An activation of a formula's is the layer of that name. */
static pl_layer *layer_of(const pl_op *op) {
  pl_layer *activation = pl_op_as_activation(op);
  return activation ? activation : op->layer;
}

static void forward_fused(const pl_run *run, const pl_team *team, const pl_node *node, float *y) {
  pl_fused f = { .ops = node->ops, .x = pl_run_act(run, pl_op_input(run->graph, &run->graph->op[node->op[0]], 0)),
                 .y = y };
  for (int k = 0; k < node->ops; k++) {
    f.layer[k] = layer_of(&run->graph->op[node->op[k]]);
    f.pass[k] = pass_of(run, team, node->op[k], FORWARD);
  }
  if (node->other >= 0) f.other = pl_run_act(run, node->other);
  node->pattern->forward(&f);
}

static void run_chain(const pl_run *run, const pl_team *team, const pl_node *node, bool backward) {
  const pl_chain_code *code = backward ? &node->chain->backward : &node->chain->forward;
  const pl_shape *out = &run->graph->value[run->graph->op[node->op[0]].out].shape;
  size_t cols = pl_lane_cols(out);
  float *place[PL_CHAIN_OUTERS];
  for (int i = 0; i < code->outers; i++) {
    const pl_chain_outer *o = &code->outer[i];
    place[i] = o->is_grad ? grad(run, o->id) : pl_run_act(run, o->id);
  }
  pl_chain_run(code, team, place, run->n * (size_t)pl_shape_count(out) / cols, cols,
               (float *)(void *)(run->arena + run->plan->scratch[backward ? BACKWARD : FORWARD][node->op[0]]));
}

static void forward_node(const pl_run *run, pl_stages *stages, int n) {
  const pl_node *node = &run->plan->node[n];
  const pl_op *op = &run->graph->op[node->op[node->ops - 1]];
  if (is_alias(run, op)) return;
  const pl_team *team = pl_stage_begin(stages, node->single_thread);
  float *y = pl_run_act(run, op->out);
  if (team != NULL && node->chain != NULL) {
    run_chain(run, team, node, false);
  } else if (team != NULL && node->ops > 1) {
    forward_fused(run, team, node, y);
  } else if (team != NULL) {
    pl_pass pass = pass_of(run, team, node->op[0], FORWARD);
    operands o;
    if (op->inputs > 1 || op->info != NULL) take_operands(run, &pass, op, &o, false, true);
    op->cls->forward(op->layer, &pass, pl_run_act(run, pl_op_input(run->graph, op, 0)), y);
  }
  pl_stage_end(stages);
  pl_run_profile_op(run, stages->team, node->op[0], false);
}

/* The gradients of a value's uses are added in their order. */
static void add_up(const pl_run *run, const pl_team *team, const pl_back *back, size_t n) {
  size_t from, to;
  const int *part = run->plan->part + back->part;
  float *sum = grad(run, back->value);
  if (sum == NULL) return;   /* that of the input, which the caller does not want now */
  pl_team_share(team, n, 64, &from, &to);
  for (int k = 1; k < back->parts; k++)
    pl_kernel.add(sum + from, (k == 1 ? grad(run, part[0]) : sum) + from, grad(run, part[k]) + from, to - from);
}

/* The same of a parameter, at its address, where it may already be. */
static void gather_param(const pl_run *run, const pl_team *team, const pl_back *back, size_t n) {
  size_t from, to;
  const pl_value *value = &run->graph->value[back->value];
  float *out = value->layer->param[value->index].grad;
  const float *sum = out;
  pl_team_share(team, n, 64, &from, &to);
  if (back->parts == 0 && !run->accumulate) memset(out + from, 0, (to - from) * sizeof *out);
  for (int k = 0; k < back->parts; k++) {
    const float *part = grad(run, run->plan->part[back->part + k]);
    if (k == 0 && !run->accumulate) sum = part;
    else pl_kernel.add(out + from, sum + from, part + from, to - from), sum = out;
  }
  if (sum != out) memcpy(out + from, sum + from, (to - from) * sizeof *out);
}

/* And y = max(x, 0) gives the gradient before it. */
static void add_up_relu(const pl_run *run, const pl_team *team, const pl_back *back, float *dx, size_t n) {
  size_t from, to;
  const int *part = run->plan->part + back->part;
  if (dx == NULL) return;
  pl_team_share(team, n, 64, &from, &to);
  pl_kernel.add_relu_backward(dx + from, grad(run, part[0]) + from, grad(run, part[1]) + from,
                              pl_run_act(run, back->value) + from, to - from);
}

static void backward_fused(const pl_run *run, const pl_team *team, const pl_node *node, const pl_back *back) {
  const pl_op *first = &run->graph->op[node->op[back->first]], *last = &run->graph->op[node->op[back->last]];
  pl_fused f = { .ops = back->last - back->first + 1, .dy = grad(run, last->out),
                 .dx = pl_run_input_grad(run, first, 0) };
  for (int k = 0; k < f.ops; k++) {
    f.layer[k] = layer_of(&run->graph->op[node->op[back->first + k]]);
    f.pass[k] = pass_of(run, team, node->op[back->first + k], BACKWARD);
  }
  if (run->plan->need[node->op[back->first]].needs_x) f.x = pl_run_act(run, pl_op_input(run->graph, first, 0));
  if (run->plan->need[node->op[back->last]].needs_y) f.y = pl_run_act(run, last->out);
  node->pattern->backward(&f);
}

static void backward_op(const pl_run *run, const pl_team *team, int i) {
  const pl_op *op = &run->graph->op[i];
  const pl_memory *need = &run->plan->need[i];
  pl_pass pass = pass_of(run, team, i, BACKWARD);
  operands o;
  if (op->inputs > 1 || op->info != NULL) take_operands(run, &pass, op, &o, true, need->needs_x);
  op->cls->backward(op->layer, &pass, need->needs_x ? pl_run_act(run, pl_op_input(run->graph, op, 0)) : NULL,
                    need->needs_y ? pl_run_act(run, op->out) : NULL, grad(run, op->out), pl_run_input_grad(run, op, 0));
}

static void backward_step(const pl_run *run, pl_stages *stages, int b) {
  const pl_back *back = &run->plan->back[b];
  const pl_node *node = back->kind == PL_BACK_SUM || back->kind == PL_BACK_PARAM ? NULL : &run->plan->node[back->node];
  const pl_team *team = pl_stage_begin(stages, back->single_thread);
  if (team != NULL) {
    size_t n = back->parts > 0 || back->kind == PL_BACK_PARAM ? pl_value_count(run->graph, back->value, run->n) : 0;
    if (back->kind == PL_BACK_SUM) add_up(run, team, back, n);
    else if (back->kind == PL_BACK_PARAM) gather_param(run, team, back, n);
    else if (back->kind == PL_BACK_SUM_RELU) add_up_relu(run, team, back,
                                                         pl_run_input_grad(run, &run->graph->op[node->op[back->first]],
                                                             0), n);
    else if (back->kind == PL_BACK_CHAIN) run_chain(run, team, node, true);
    else if (back->first < back->last) backward_fused(run, team, node, back);
    else backward_op(run, team, node->op[back->last]);
  }
  pl_stage_end(stages);
  if (node != NULL) pl_run_profile_op(run, stages->team, node->op[back->first], true);
}

void pl_run_forward_nodes(const pl_run *run, pl_stages *stages, int from, int to) {
  for (int n = from; n < to; n++) forward_node(run, stages, n);
}

void pl_run_backward_steps(const pl_run *run, pl_stages *stages, int from, int to) {
  for (int b = from; b < to; b++) backward_step(run, stages, b);
}

const float *pl_run_forward(const pl_run *run, pl_stages *stages) {
  pl_run_forward_nodes(run, stages, 0, run->plan->nodes);
  return pl_run_act(run, pl_graph_output(run->graph));
}

void pl_run_param_grads(const pl_run *run, const pl_team *team, const pl_grad_sink *sink) {
  for (int i = 0; i < run->graph->ops; i++) {
    if (!(run->plan->param_grads[i] & PL_DEFERS_PARAM_GRADS)) continue;
    const pl_op *op = &run->graph->op[i];
    pl_pass pass = pass_of(run, team, i, PARAM_GRADS);
    pass.sink = run->plan->param_grads[i] & PL_SHARES_PARAMS ? NULL : sink;
    op->cls->param_grads(op->layer, &pass, pl_run_act(run, pl_op_input(run->graph, op, 0)), grad(run, op->out));
    if (sink == NULL) pl_run_profile_op(run, team, i, true);
  }
}
