/* Every value, gradient and workspace gets an interval of time, and a buffer in one arena such that buffers whose
   intervals meet do not overlap.

   Time: node f of F runs forward at time f, the loss at time F, step b of B backward at time F + 1 + b, and the
   gradients of parameters at F + 1 + B. */
#include "graph/plan.h"
#include "perilune/alloc.h"

typedef struct { int birth, death; } life;

typedef struct { pl_buffer *list; int count; } buffers;

static void want(buffers *p, size_t bytes, size_t *offset, life l) {
  *offset = 0;
  if (bytes != 0) p->list[p->count++] = (pl_buffer){ (bytes + 63) / 64 * 64, offset, l.birth, l.death };
}

static void extend(life *l, int time) {
  if (l->birth < 0 || time < l->birth) l->birth = time;
  if (time > l->death) l->death = time;
}

typedef struct {
  const pl_graph *g;
  pl_plan *plan;
  life *act, *grad, *saved;   /* of values, of gradients, of what operations keep */
  buffers buffers;
  int end;
} ledger;

static void act_at(ledger *l, int value, int time) { extend(&l->act[l->plan->act_alias[value]], time); }
static void grad_at(ledger *l, int id, int time) { extend(&l->grad[l->plan->grad_alias[id]], time); }

/* What a chain reads and writes. */
static void chain_at(ledger *l, const pl_chain_code *code, int time) {
  for (int i = 0; i < code->outers; i++) {
    if (code->outer[i].is_grad) grad_at(l, code->outer[i].id, time);
    else act_at(l, code->outer[i].id, time);
  }
}

static void forward_at(ledger *l, const pl_node *node, int time, bool capture) {
  if (node->chain != NULL) {
    chain_at(l, &node->chain->forward, time);
    want(&l->buffers, l->plan->need[node->op[0]].scratch_forward, &l->plan->scratch[0][node->op[0]],
         (life){ time, time });
    return;
  }
  for (int k = 0; k < node->ops; k++) {
    const pl_op *op = &l->g->op[node->op[k]];
    int inside = k > 0 ? l->g->op[node->op[k - 1]].out : -1;
    for (int in = 0; in < op->inputs; in++) {
      int v = pl_op_input(l->g, op, in);
      if (v != inside) act_at(l, v, time);
    }
    extend(&l->saved[node->op[k]], time);
    want(&l->buffers, l->plan->need[node->op[k]].scratch_forward, &l->plan->scratch[0][node->op[k]],
         (life){ time, time });
  }
  int out = l->g->op[node->op[node->ops - 1]].out;
  act_at(l, out, time);
  if (capture) act_at(l, out, l->end);
}

static void backward_at(ledger *l, const pl_back *back, int time) {
  const pl_plan *plan = l->plan;
  for (int k = 0; k < back->parts; k++) grad_at(l, plan->part[back->part + k], time);
  if (back->kind == PL_BACK_PARAM) return;
  if (back->kind == PL_BACK_SUM) {
    grad_at(l, back->value, time);
    return;
  }
  const pl_node *node = &plan->node[back->node];
  if (back->kind == PL_BACK_CHAIN) {
    chain_at(l, &node->chain->backward, time);
    want(&l->buffers, plan->need[node->op[0]].scratch_backward, &plan->scratch[1][node->op[0]], (life){ time, time });
    return;
  }
  int first = node->op[back->first], last = node->op[back->last];
  const pl_op *op = &l->g->op[first];
  if (back->kind == PL_BACK_OPS) grad_at(l, l->g->op[last].out, time);
  for (int in = 0; in < op->inputs; in++) {
    int v = pl_op_input(l->g, op, in);
    if (plan->need[first].needs_x) act_at(l, v, time);
    if (plan->needs_grad[v]) grad_at(l, plan->input_grad[op->input + in], time);
  }
  if (plan->need[last].needs_y) act_at(l, l->g->op[last].out, time);
  for (int k = back->first; k <= back->last; k++) {
    extend(&l->saved[node->op[k]], time);
    want(&l->buffers, plan->need[node->op[k]].scratch_backward, &plan->scratch[1][node->op[k]], (life){ time, time });
  }
}

static void param_grads_at(ledger *l, int i, int time) {
  const pl_op *op = &l->g->op[i];
  if (l->plan->need[i].needs_x) act_at(l, pl_op_input(l->g, op, 0), time);
  grad_at(l, op->out, time);
  extend(&l->saved[i], time);
  want(&l->buffers, l->plan->need[i].scratch_param_grads, &l->plan->scratch[2][i], (life){ time, time });
}

static void place_all(ledger *l, size_t batch, bool capture) {
  const pl_graph *g = l->g;
  pl_plan *plan = l->plan;
  int grads = g->values + g->inputs + 1, loss = plan->nodes;
  l->end = loss + 1 + plan->backs;
  for (int v = 0; v < g->values; v++) l->act[v] = (life){ -1, -1 };
  for (int id = 0; id < grads; id++) l->grad[id] = (life){ -1, -1 };
  for (int i = 0; i < g->ops; i++) l->saved[i] = (life){ -1, -1 };
  for (int n = 0; n < plan->nodes; n++) forward_at(l, &plan->node[n], n, capture);
  act_at(l, pl_graph_output(g), loss);
  for (int b = 0; b < plan->backs; b++) backward_at(l, &plan->back[b], loss + 1 + b);
  for (int i = 0; i < g->ops; i++) if (plan->param_grads[i] & PL_DEFERS_PARAM_GRADS) param_grads_at(l, i, l->end);
  for (int i = 0; i < g->ops; i++) want(&l->buffers, plan->need[i].saved, &plan->saved[i], l->saved[i]);
  for (int v = 0; v < g->values; v++) {
    size_t bytes = pl_value_count(g, v, batch) * sizeof(float);
    if (l->act[v].birth >= 0 && g->value[v].source == PL_FROM_OP) want(&l->buffers, bytes, &plan->act[v], l->act[v]);
  }
  for (int id = 0; id < grads; id++) {   /* the gradient of the output is the caller's; that of the input too */
    int value = id < g->values ? id : id < g->values + g->inputs ? g->input[id - g->values] : pl_graph_output(g);
    size_t bytes = pl_value_count(g, value, batch) * sizeof(float);
    bool outside = id == plan->grad_alias[plan->output_grad] || id == plan->grad_alias[0];
    if (l->grad[id].birth >= 0 && !outside) want(&l->buffers, bytes, &plan->grad[id], l->grad[id]);
  }
}

pl_status pl_plan_place(const pl_graph *g, pl_plan *plan, const pl_plan_request *request, pl_error *err) {
  size_t values = (size_t)g->values, ops = (size_t)g->ops, grads = values + (size_t)g->inputs + 1;
  life *lives = pl_alloc_array(values + grads + ops, sizeof *lives, err);
  pl_buffer *list = pl_alloc_array(values + grads + 4 * ops, sizeof *list, err);
  if (lives != NULL && list != NULL) {
    ledger l = { .g = g, .plan = plan, .act = lives, .grad = lives + values, .saved = lives + values + grads,
                 .buffers = { list, 0 } };
    place_all(&l, request->batch, request->mode == PL_CAPTURE);
    for (int i = 0; request->plain && i < l.buffers.count; i++) list[i].birth = 0, list[i].death = l.end;
    plan->bytes = pl_arena_arrange(list, l.buffers.count);
  }
  pl_status status = lives != NULL && list != NULL ? PL_OK : PL_ERROR_MEMORY;
  pl_free(lives);
  pl_free(list);
  return status;
}
