/* Making a plan: fusion (fusion.c), what goes backward in which order, and addresses in the arena (liveness.c). */
#include <string.h>
#include "graph/plan.h"
#include "perilune/alloc.h"

void pl_plan_clear(pl_plan *plan) {
  for (int n = 0; n < plan->nodes; n++) pl_free(plan->node[n].chain);
  pl_free(plan->node);
  pl_free(plan->back);
  pl_free(plan->input_grad);
  pl_free(plan->part);
  pl_free(plan->needs_grad);
  pl_free(plan->param_grads);
  pl_free(plan->act_alias);
  pl_free(plan->grad_alias);
  pl_free(plan->act);
  pl_free(plan->need);
  *plan = (pl_plan){ 0 };
}

static pl_status allocate(pl_plan *plan, const pl_graph *g, pl_error *err) {
  size_t values = (size_t)g->values, ops = (size_t)g->ops, inputs = (size_t)g->inputs, grads = values + inputs + 1;
  plan->node = pl_alloc_array(ops + 1, sizeof *plan->node, err);
  plan->back = pl_alloc_array(2 * ops + values + 1, sizeof *plan->back, err);
  plan->input_grad = pl_alloc_array(inputs + 1, sizeof *plan->input_grad, err);
  plan->part = pl_alloc_array(inputs + 1, sizeof *plan->part, err);
  plan->needs_grad = pl_alloc_array(2 * values, sizeof *plan->needs_grad, err);
  plan->param_grads = pl_alloc_array(ops + 1, sizeof *plan->param_grads, err);
  plan->act_alias = pl_alloc_array(values, sizeof *plan->act_alias, err);
  plan->grad_alias = pl_alloc_array(grads, sizeof *plan->grad_alias, err);
  plan->act = pl_alloc_array(values + grads + 4 * ops, sizeof *plan->act, err);
  plan->need = pl_alloc_array(ops + 1, sizeof *plan->need, err);
  if (!plan->node || !plan->back || !plan->input_grad || !plan->part || !plan->needs_grad || !plan->param_grads ||
      !plan->act_alias ||
      !plan->grad_alias || !plan->act || !plan->need) {
    pl_plan_clear(plan);
    return PL_ERROR_MEMORY;
  }
  plan->summed = plan->needs_grad + values;
  plan->grad = plan->act + values;
  plan->saved = plan->grad + grads;
  for (int phase = 0; phase < 3; phase++) plan->scratch[phase] = plan->saved + (size_t)(phase + 1) * ops;
  return PL_OK;
}

static void count_uses(const pl_graph *g, pl_uses *u) {
  u->useful[pl_graph_output(g)] = u->all[pl_graph_output(g)] = 1;
  for (int i = g->ops - 1; i >= 0; i--) {
    const pl_op *op = &g->op[i];
    u->leads_out[i] = u->useful[op->out] > 0;
    for (int k = 0; k < op->inputs; k++) {
      u->all[pl_op_input(g, op, k)]++;
      u->useful[pl_op_input(g, op, k)] += u->leads_out[i] && !(op->cls->flags & PL_NO_GRAD);
    }
  }
}

static bool has_trained(const pl_layer *layer, const pl_op *op) {
  if (op->info != NULL) return op->cls->param_grads != NULL;
  if (op->cls != layer->cls) return false;   /* a sum of a container's */
  for (int k = 0; k < layer->params; k++) if (layer->param[k].trained) return true;
  return false;
}

/* Which values share memory, forward and backward; which gradients are needed at all. */
static void find_aliases(const pl_graph *g, pl_plan *plan, const pl_uses *u, const pl_plan_request *request) {
  for (int v = 0; v < g->values; v++) plan->act_alias[v] = v;
  for (int id = 0; id < g->values + g->inputs + 1; id++) plan->grad_alias[id] = id;
  for (int v = 0; v < g->values; v++)
    plan->needs_grad[v] = g->value[v].source == PL_FROM_PARAM &&
                          g->value[v].layer->param[g->value[v].index].trained;
  plan->needs_grad[0] = request->input_gradient;
  for (int i = 0; i < g->ops; i++) {
    const pl_op *op = &g->op[i];
    bool needed = has_trained(op->layer, op);
    for (int k = 0; k < op->inputs; k++) {
      int v = pl_op_input(g, op, k);
      needed = needed || plan->needs_grad[v];
      plan->input_grad[op->input + k] = u->useful[v] > 1 ? g->values + op->input + k : v;
    }
    plan->needs_grad[op->out] = needed && u->leads_out[i] && !(op->cls->flags & PL_NO_GRAD);
    if (pl_op_is_alias(op, request->mode)) plan->act_alias[op->out] = plan->act_alias[pl_op_input(g, op, 0)];
  }
  int last = pl_graph_output(g);
  plan->output_grad = u->useful[last] > 1 ? g->values + g->inputs : last;
  for (int i = g->ops - 1; i >= 0; i--) {
    const pl_op *op = &g->op[i];
    if (!(op->cls->flags & PL_PASSES_GRAD) && !pl_op_is_alias(op, request->mode)) continue;
    for (int k = 0; k < op->inputs && u->leads_out[i]; k++)
      plan->grad_alias[plan->input_grad[op->input + k]] = plan->grad_alias[op->out];
  }
}

/* The uses of a value, in order: their gradients are added up. */
static pl_back sum_of(const pl_graph *g, pl_plan *plan, const pl_uses *u, int *parts, int value) {
  pl_back sum = { .kind = PL_BACK_SUM, .value = value, .part = *parts };
  for (int i = 0; i < g->ops; i++) for (int k = 0; k < g->op[i].inputs; k++) {
    if (u->leads_out[i] && !(g->op[i].cls->flags & PL_NO_GRAD) && pl_op_input(g, &g->op[i], k) == value)
      plan->part[(*parts)++] = plan->input_grad[g->op[i].input + k];
  }
  if (value == pl_graph_output(g)) plan->part[(*parts)++] = plan->output_grad;
  sum.parts = *parts - sum.part;
  return sum;
}

/* A parameter's gradient is complete when all operations have gone backward; that of a parameter that does not matter
   is zero. */
static void gather_param_grads(const pl_graph *g, pl_plan *plan, const pl_uses *u, int *parts) {
  for (int v = 0; v < g->values; v++) {
    if (g->value[v].source != PL_FROM_PARAM || !plan->needs_grad[v]) continue;
    pl_back sum = sum_of(g, plan, u, parts, v);
    sum.kind = PL_BACK_PARAM;
    plan->back[plan->backs++] = sum;
  }
}

static bool wants_input_grad(const pl_graph *g, const pl_plan *plan, const pl_op *op) {
  for (int k = 0; k < op->inputs; k++) if (plan->needs_grad[pl_op_input(g, op, k)]) return true;
  return false;
}

/* From the last node to the first: sums of gradients before what reads them. */
static void order_backward(const pl_graph *g, pl_plan *plan, const pl_uses *u, const pl_plan_request *request) {
  pl_mode mode = request->mode;
  int parts = 0;
  for (int n = plan->nodes - 1; n >= 0 && mode == PL_TRAIN; n--) {
    const pl_node *node = &plan->node[n];
    int together = node->pattern ? node->pattern->back : 0;
    if (node->chain != NULL) {
      if (node->chain->backward.steps > 0)
        plan->back[plan->backs++] = (pl_back){ .kind = PL_BACK_CHAIN, .node = n, .last = node->ops - 1 };
      continue;
    }
    for (int last = node->ops - 1, first; last >= 0; last = first - 1) {
      first = together > 0 && last == node->ops - 1 ? node->ops - together : last;
      const pl_op *op = &g->op[node->op[last]], *start = &g->op[node->op[first]];
      if (!plan->needs_grad[op->out]) continue;
      bool dx = wants_input_grad(g, plan, start);
      if (u->useful[op->out] > 1 && !plan->summed[op->out]) {
        pl_back sum = sum_of(g, plan, u, &parts, op->out);
        bool relu = !request->plain && first == last && sum.parts == 2 && strcmp(op->cls->head.type, "ReLU") == 0 && dx;
        if (relu) sum.kind = PL_BACK_SUM_RELU, sum.node = n, sum.first = first, sum.last = last;
        plan->back[plan->backs++] = sum;
        if (relu) continue;
      }
      bool no_backward = first == last && ((op->cls->flags & PL_PASSES_GRAD) || pl_op_is_alias(op, mode));
      bool own_grads = first != last || (has_trained(op->layer, op) && op->cls->param_grads == NULL);
      if (!no_backward && (dx || own_grads))
        plan->back[plan->backs++] = (pl_back){ .kind = PL_BACK_OPS, .node = n, .first = first, .last = last };
    }
  }
  if (mode == PL_TRAIN && plan->needs_grad[0] && u->useful[0] > 1 && !plan->summed[0])
    plan->back[plan->backs++] = sum_of(g, plan, u, &parts, 0);
  if (mode == PL_TRAIN) gather_param_grads(g, plan, u, &parts);
}

/* The calls of a layer add their gradients up: in backward the last call is the first to come, in a phase of its own
   the first. */
static void order_param_grads(const pl_graph *g, pl_plan *plan, pl_mode mode) {
  for (int i = 0; i < g->ops && mode == PL_TRAIN; i++) {
    const pl_op *op = &g->op[i];
    if (!plan->needs_grad[op->out] || !has_trained(op->layer, op)) continue;
    bool defers = op->cls->param_grads != NULL, before = false, after = false;
    for (int k = 0; op->info == NULL && k < g->ops; k++) {
      if (k == i || g->op[k].layer != op->layer || !plan->needs_grad[g->op[k].out]) continue;
      if (k < i) before = true;
      else after = true;
    }
    plan->param_grads[i] = (defers ? PL_DEFERS_PARAM_GRADS : 0) | ((defers ? before : after) ? PL_ACCUMULATES : 0) |
                           (before || after ? PL_SHARES_PARAMS : 0);
    plan->shares_params = plan->shares_params || before || after;
  }
}

/* A barrier costs as much as some thousand values take. */
static bool is_small(const pl_graph *g, const pl_op *op, size_t batch) {
  enum { WORK = 120000, VALUES = 8192 };
  size_t values = pl_value_count(g, op->out, batch), most = 0;
  for (int k = 0; k < op->inputs; k++) {
    size_t count = pl_value_count(g, pl_op_input(g, op, k), batch);
    most = count > most ? count : most;
  }
  return (double)batch * pl_op_work(g, op) <= WORK && values + most <= VALUES;
}

static void find_small(const pl_graph *g, pl_plan *plan, size_t batch) {
  for (int n = 0; n < plan->nodes; n++) {
    pl_node *node = &plan->node[n];
    node->single_thread = true;
    for (int k = 0; k < node->ops; k++)
      node->single_thread = node->single_thread && is_small(g, &g->op[node->op[k]], batch);
  }
  for (int b = 0; b < plan->backs; b++) {
    pl_back *back = &plan->back[b];
    back->single_thread = true;
    if (back->kind == PL_BACK_SUM || back->kind == PL_BACK_PARAM)
      back->single_thread = 2 * pl_value_count(g, back->value, batch) <= 8192;
    else for (int k = back->first; k <= back->last; k++) back->single_thread = back->single_thread &&
      is_small(g, &g->op[plan->node[back->node].op[k]], batch);
  }
}

static void chain_memory(const pl_graph *g, const pl_node *node, const pl_plan_request *request, pl_memory *m) {
  const pl_shape *out = &g->value[g->op[node->op[0]].out].shape;
  size_t cols = pl_lane_cols(out), rows = request->batch * (size_t)pl_shape_count(out) / cols;
  m->scratch_forward = pl_chain_scratch(&node->chain->forward, rows, cols, request->members);
  m->scratch_backward = pl_chain_scratch(&node->chain->backward, rows, cols, request->members);
}

static void find_memory(const pl_graph *g, pl_plan *plan, const pl_plan_request *request) {
  for (int n = 0; n < plan->nodes; n++) {
    const pl_node *node = &plan->node[n];
    const pl_op *op[PL_MOST_CHAIN];
    pl_memory *need[PL_MOST_CHAIN];
    for (int k = 0; k < node->ops; k++) {
      op[k] = &g->op[node->op[k]];
      need[k] = &plan->need[node->op[k]];
      need[k]->members = request->members;
      if (node->chain == NULL && !pl_op_is_alias(op[k], request->mode)) pl_op_memory(g, op[k], request->batch, need[k]);
    }
    if (node->chain != NULL) chain_memory(g, node, request, need[0]);
    if (node->pattern != NULL && node->pattern->memory != NULL) node->pattern->memory(g, op, need);
  }
}

/* A sample's values, a gradient for each and for each of its uses, and what operations keep and work in: all of it, not
   only what is there at the same time. */
pl_status pl_plan_check_batch(const pl_graph *g, size_t batch, pl_error *err) {
  const double most = 0x1p56;   /* bytes */
  double sample = 0;
  for (int v = 0; v < g->values; v++) sample += 2.0 * sizeof(float) * (double)pl_value_count(g, v, 1);
  for (int k = 0; k < g->inputs; k++) sample += (double)sizeof(float) * (double)pl_value_count(g, g->input[k], 1);
  for (int i = 0; i < g->ops; i++) {
    pl_memory m = { .members = 1 };
    pl_op_memory(g, &g->op[i], 1, &m);
    sample += (double)m.saved + (double)m.scratch_forward + (double)m.scratch_backward + (double)m.scratch_param_grads;
  }
  if ((double)batch * sample <= most) return PL_OK;
  return pl_error_set(err, PL_ERROR_MEMORY, "cannot allocate the activations of a batch of %zu samples: more than the "
                      "address space holds; take a smaller batch_size", batch);
}

pl_status pl_plan_make(const pl_graph *g, pl_plan *plan, const pl_plan_request *request, pl_error *err) {
  pl_plan_clear(plan);
  if (pl_plan_check_batch(g, request->batch, err) || allocate(plan, g, err)) return PL_ERROR_MEMORY;
  pl_uses u = { .all = pl_alloc_array(2 * (size_t)g->values, sizeof *u.all, err),
             .leads_out = pl_alloc_array((size_t)g->ops + 1, sizeof *u.leads_out, err) };
  pl_status status = u.all == NULL || u.leads_out == NULL ? PL_ERROR_MEMORY : PL_OK;
  if (status == PL_OK) {
    u.useful = u.all + g->values;
    plan->members = request->members;
    count_uses(g, &u);
    status = pl_plan_fuse(g, plan, u.all, request, err);
  }
  if (status == PL_OK) {
    find_aliases(g, plan, &u, request);
    pl_chains_compile(g, plan, &u, request->mode);
    order_backward(g, plan, &u, request);
    order_param_grads(g, plan, request->mode);
    find_memory(g, plan, request);
    find_small(g, plan, request->batch);
    status = pl_plan_place(g, plan, request, err);
    plan->capacity = request->batch;
  }
  pl_free(u.all);
  pl_free(u.leads_out);
  if (status) pl_plan_clear(plan);
  return status;
}
