/* Places for a batch: every value, gradient and workspace gets an interval of time and a place in one arena, such that
   places whose intervals meet do not overlap.

   Time: operation i of n runs forward at time i, the loss at time n, operation i backward at time 2n - i, and what layers
   have deferred at time 2n + 1. */
#include "graph/plan.h"

typedef struct { pl_place *list; int count; } places;

static void want(places *p, size_t bytes, size_t *offset, int birth, int death) {
  *offset = 0;
  if (bytes != 0) p->list[p->count++] = (pl_place){ (bytes + 63) / 64 * 64, offset, birth, death };
}

void pl_plan_clear(pl_plan *plan) {
  pl_free(plan->needs_grad);
  pl_free(plan->act_alias);
  pl_free(plan->act);
  pl_free(plan->need);
  pl_free(plan->single_thread);
  pl_free(plan->fused_into);
  pl_free(plan->along);
  pl_free(plan->fused_add);
  pl_free(plan->relu_grad_in_fork);
  *plan = (pl_plan){ 0 };
}

static pl_status allocate(pl_plan *plan, int values, int ops, pl_error *err) {
  plan->needs_grad = pl_alloc_array((size_t)values, sizeof *plan->needs_grad, err);
  plan->act_alias = pl_alloc_array(2 * (size_t)values, sizeof *plan->act_alias, err);
  plan->act = pl_alloc_array(2 * (size_t)values + 4 * (size_t)ops, sizeof *plan->act, err);
  plan->need = pl_alloc_array((size_t)ops + 1, sizeof *plan->need, err);
  plan->single_thread = pl_alloc_array((size_t)ops + 1, sizeof *plan->single_thread, err);
  plan->fused_into = pl_alloc_array((size_t)ops + 1, sizeof *plan->fused_into, err);
  plan->along = pl_alloc_array((size_t)ops + 1, sizeof *plan->along, err);
  plan->fused_add = pl_alloc_array((size_t)ops + 1, sizeof *plan->fused_add, err);
  plan->relu_grad_in_fork = pl_alloc_array((size_t)ops + 1, sizeof *plan->relu_grad_in_fork, err);
  if (!plan->fused_add || !plan->relu_grad_in_fork || !plan->along || !plan->fused_into || !plan->single_thread || !plan->needs_grad || !plan->act_alias || !plan->act || !plan->need) {
    pl_plan_clear(plan);
    return PL_ERROR_MEMORY;
  }
  plan->grad_alias = plan->act_alias + values;
  plan->grad = plan->act + values;
  plan->saved = plan->grad + values;
  plan->scratch[0] = plan->saved + ops;
  plan->scratch[1] = plan->scratch[0] + ops;
  plan->scratch[2] = plan->scratch[1] + ops;
  return PL_OK;
}

/* A layer that passes its input on in this mode. */
static bool is_absent(const pl_op *op, pl_mode mode) {
  return (mode == PL_INFER || mode == PL_CAPTURE) && op->kind == PL_OP_LAYER && op->layer->cls->alias_in_inference;
}

/* Rows of outputs, an activation and a layer that can take them into its loops: one behind the other. */
static void find_fusions(const pl_graph *g, pl_plan *plan, pl_mode mode) {
  for (int i = 1; i < g->ops; i++) {
    const pl_op *op = &g->op[i], *activation = op - 1, *maker = op - 2;
    bool layers = op->kind == PL_OP_LAYER && activation->kind == PL_OP_LAYER && activation->out[0] == op->in[0];
    if (!layers || is_absent(op, mode) || op->layer->cls->fuses == NULL || activation->layer->cls->apply == NULL) continue;
    if (!op->layer->cls->fuses(op->layer, activation->layer, &g->value[op->in[0]])) continue;
    plan->fused_into[i - 1] = i;
    if (i < 2 || maker->kind != PL_OP_LAYER || maker->out[0] != activation->in[0] || maker->layer->cls->rows == NULL) continue;
    if (maker->layer->cls->rows(maker->layer, &g->value[maker->in[0]], NULL, NULL, NULL)) plan->fused_into[i - 2] = i;
  }
}

/* After find_fusions: an activation that is fused with what is behind it stays there. */
static void find_along(const pl_graph *g, pl_plan *plan) {
  for (int i = 0; i + 1 < g->ops; i++) {
    const pl_op *op = &g->op[i], *next = op + 1;
    bool layer = op->kind == PL_OP_LAYER;
    if (next->kind != PL_OP_LAYER || next->in[0] != op->out[0] || plan->fused_into[i + 1] != i + 1) continue;
    if (op->kind == PL_OP_JOIN && next->layer->cls->clamp) plan->along[i] = PL_ALONG_FORWARD;
    if (layer && op->layer->cls->activates && next->layer->cls->apply != NULL) plan->along[i] = PL_ALONG_FORWARD;
    if (layer && op->layer->cls->clamps && next->layer->cls->clamp) plan->along[i] = PL_ALONG_BOTH;
  }
}

/* The sum is made where the layer's output would be. */
static void find_joined(const pl_graph *g, pl_plan *plan) {
  for (int i = 0; i + 1 < g->ops; i++) {
    const pl_op *op = &g->op[i], *join = op + 1;
    plan->fused_add[i] = op->kind == PL_OP_LAYER && op->layer->cls->joins && join->kind == PL_OP_JOIN && (join->in[0] == op->out[0] || join->in[1] == op->out[0]);
  }
}

/* After find_along: a rectifier that is inside another layer's loops cannot. */
static void find_merged(const pl_graph *g, pl_plan *plan) {
  for (int i = 1; i < g->ops; i++) {
    const pl_op *op = &g->op[i], *rectifier = op - 1;
    plan->relu_grad_in_fork[i] = op->kind == PL_OP_FORK && rectifier->kind == PL_OP_LAYER && rectifier->layer->cls->clamp && rectifier->out[0] == op->in[0] &&
                      plan->fused_into[i - 1] == i - 1 && !pl_plan_is_fused_away(plan, i - 1);
  }
}

/* Which values share memory, forward and backward; which gradients are needed at all. */
static void find_roots(const pl_graph *g, pl_plan *plan, pl_mode mode, bool input_gradient) {
  for (int v = 0; v < g->values; v++) plan->act_alias[v] = plan->grad_alias[v] = v;
  plan->needs_grad[0] = input_gradient;
  for (int i = 0; i < g->ops; i++) {
    const pl_op *op = &g->op[i];
    bool params = false;
    for (int k = 0; op->kind == PL_OP_LAYER && k < op->layer->params; k++) params = params || op->layer->param[k].trained;
    for (int k = 0; k < 2 && op->out[k] >= 0; k++) {
      plan->needs_grad[op->out[k]] = params || plan->needs_grad[op->in[0]] || (op->in[1] >= 0 && plan->needs_grad[op->in[1]]);
      if (op->kind == PL_OP_ALIAS || op->kind == PL_OP_FORK || is_absent(op, mode) || (i > 0 && plan->along[i - 1] != PL_ALONG_NONE))
        plan->act_alias[op->out[k]] = plan->act_alias[op->in[0]];
    }
    if (i > 0 && plan->fused_add[i - 1]) plan->act_alias[op->out[0]] = plan->act_alias[op[-1].out[0]];
  }
  for (int i = g->ops - 1; i >= 0; i--) {
    const pl_op *op = &g->op[i];
    if (op->kind != PL_OP_ALIAS && op->kind != PL_OP_JOIN && !pl_plan_is_fused_away(plan, i)) continue;
    for (int k = 0; k < 2 && op->in[k] >= 0; k++) plan->grad_alias[op->in[k]] = plan->grad_alias[op->out[0]];
  }
}

/* A barrier costs as much as some thousand numbers take. */
static bool is_small(const pl_graph *g, const pl_op *op, size_t batch) {
  enum { WORK = 120000, NUMBERS = 8192 };
  const pl_shape *in = &g->value[op->in[0]], *out = &g->value[op->out[0]];
  double work = op->kind == PL_OP_LAYER && op->layer->cls->work ? op->layer->cls->work(op->layer, in, out) : 0;
  return (double)batch * work <= WORK && batch * (size_t)(pl_shape_count(in) + pl_shape_count(out)) <= NUMBERS;
}

static void extend(int *birth, int *death, int time) {
  if (*birth < 0 || time < *birth) *birth = time;
  if (time > *death) *death = time;
}

pl_status pl_plan_make(const pl_graph *g, pl_plan *plan, const pl_plan_request *request, pl_error *err) {
  const size_t batch = request->batch;
  const pl_mode mode = request->mode;
  int values = g->values, ops = g->ops, end = 2 * ops + 1;
  pl_plan_clear(plan);
  if (allocate(plan, values, ops, err)) return PL_ERROR_MEMORY;
  plan->members = request->members;
  int *life = pl_alloc_array(4 * (size_t)values, sizeof *life, err);   /* birth and death of values, then of gradients */
  places p = { pl_alloc_array(2 * (size_t)values + 4 * (size_t)ops, sizeof *p.list, err), 0 };
  if (life == NULL || p.list == NULL) {
    pl_free(life);
    pl_free(p.list);
    pl_plan_clear(plan);
    return PL_ERROR_MEMORY;
  }
  for (int i = 0; i < ops; i++) plan->fused_into[i] = i;
  if (request->fuse && mode != PL_CAPTURE) {
    find_fusions(g, plan, mode);
    find_along(g, plan);
    find_joined(g, plan);
    find_merged(g, plan);
  }
  find_roots(g, plan, mode, request->input_gradient);
  int *birth = life, *death = life + values, *grad_birth = life + 2 * values, *grad_death = life + 3 * values;
  for (int v = 0; v < values; v++) birth[v] = grad_birth[v] = -1;
  for (int i = 0; i < ops; i++) {
    const pl_op *op = &g->op[i];
    pl_memory *need = &plan->need[i];
    bool backward = mode == PL_TRAIN && plan->needs_grad[op->out[0]];
    int runs = plan->fused_into[i];
    bool inside = pl_plan_first(plan, i) < i, absorbed = runs == i + 1;   /* an absorbed activation leaves no trace */
    need->members = plan->members;
    need->fused = inside && runs == i;
    bool learns = backward && op->kind == PL_OP_LAYER && op->layer->cls->param_grads != NULL;
    plan->single_thread[i] = is_small(g, op, batch) && (!inside || plan->single_thread[i - 1]);
    if (!absorbed && !pl_plan_is_fused_away(plan, i) && op->kind == PL_OP_LAYER && op->layer->cls->memory != NULL)
      op->layer->cls->memory(op->layer, &g->value[op->in[0]], &g->value[op->out[0]], batch, need);
    for (int k = 0; k < 2; k++) {
      if (op->in[k] >= 0 && !inside) {
        int r = plan->act_alias[op->in[k]];
        extend(&birth[r], &death[r], i);
        extend(&birth[r], &death[r], runs);
        if (backward && need->needs_x) extend(&birth[r], &death[r], learns ? end : 2 * ops - i);
      }
      if (op->out[k] >= 0 && runs == i) {
        int r = plan->act_alias[op->out[k]];
        extend(&birth[r], &death[r], i);
        if (backward && need->needs_y) extend(&birth[r], &death[r], 2 * ops - i);
        if (mode == PL_CAPTURE) extend(&birth[r], &death[r], end);
      }
      if (absorbed) continue;
      /* backward of operation i reads the gradients of its outputs and writes those of its inputs, or of what it has absorbed */
      int in = need->fused ? op[-1].in[k] : op->in[k], when = 2 * ops - i + plan->relu_grad_in_fork[i];
      if (backward && op->out[k] >= 0 && !plan->relu_grad_in_fork[i + 1]) {
        int r = plan->grad_alias[op->out[k]];
        extend(&grad_birth[r], &grad_death[r], when);
        if (learns) extend(&grad_birth[r], &grad_death[r], end);
      }
      if (backward && in >= 0 && plan->needs_grad[in] && !plan->relu_grad_in_fork[i]) extend(&grad_birth[plan->grad_alias[in]], &grad_death[plan->grad_alias[in]], 2 * ops - i);
    }
    want(&p, need->saved, &plan->saved[i], i, backward ? 2 * ops - i : runs);
    want(&p, need->scratch_forward, &plan->scratch[0][i], i, runs);
    if (backward) want(&p, need->scratch_backward, &plan->scratch[1][i], 2 * ops - i, 2 * ops - i);
    if (learns) want(&p, need->scratch_param_grads, &plan->scratch[2][i], end, end);
  }
  int last = ops ? g->op[ops - 1].out[0] : 0;
  extend(&birth[plan->act_alias[last]], &death[plan->act_alias[last]], ops);
  for (int v = 0; v < values; v++) {
    size_t bytes = batch * (size_t)pl_shape_count(&g->value[v]) * sizeof(float);
    if (birth[v] >= 0 && v != plan->act_alias[0] && plan->act_alias[v] == v) want(&p, bytes, &plan->act[v], birth[v], death[v]);
    /* the gradient of the output is the caller's; that of the input too */
    bool outside = plan->grad_alias[v] == plan->grad_alias[last] || plan->grad_alias[v] == plan->grad_alias[0];
    if (grad_birth[v] >= 0 && !outside) want(&p, bytes, &plan->grad[v], grad_birth[v], grad_death[v]);
  }
  plan->bytes = pl_arena_arrange(p.list, p.count);
  plan->capacity = batch;
  pl_free(life);
  pl_free(p.list);
  return PL_OK;
}
