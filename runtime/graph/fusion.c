/* The table of fusions. A pattern is found on the graph: each operation uses what the one before it makes, and nobody
   else does. The fused operation makes the bits of its parts; what lies between them is not kept, so it may not be
   needed by a backward of its own. The first pattern that matches counts. */
#include <string.h>
#include "graph/plan.h"
#include "layers/conv2d.h"
#include "perilune/alloc.h"

#define PL_ANY_ACTIVATION "*"

static const pl_shape *input_of(const pl_graph *g, const pl_op *op) { return &g->value[pl_op_input(g, op, 0)].shape; }

static bool rows_fit(const pl_graph *g, const pl_op *const *op) {
  return conv2d_makes_rows(op[0]->layer, input_of(g, op[0]));
}
static bool pool_fits(const pl_graph *g, const pl_op *const *op) {
  return pl_fused_pool_fits(op[1]->layer, input_of(g, op[1]));
}
static bool rows_and_pool_fit(const pl_graph *g, const pl_op *const *op) {
  return rows_fit(g, op) && pool_fits(g, op + 1);
}
static bool sum_of_two(const pl_graph *g, const pl_op *const *op) { (void)g; return op[0]->inputs == 2; }
static bool second_is_sum_of_two(const pl_graph *g, const pl_op *const *op) { (void)g; return op[1]->inputs == 2; }

/* Of the operations that go backward together, the last one's memory counts alone (of BatchNorm and ReLU, the first
   one's). */
static void pool_memory(const pl_graph *g, const pl_op *const *op, pl_memory *const *need) {
  *need[0] = (pl_memory){ .members = need[0]->members };
  pl_fused_pool_memory(op[1]->layer, input_of(g, op[1]), need[1]);
}

static void rows_and_pool_memory(const pl_graph *g, const pl_op *const *op, pl_memory *const *need) {
  pool_memory(g, op + 1, need + 1);
}

static void no_memory_of_first(const pl_graph *g, const pl_op *const *op, pl_memory *const *need) {
  (void)g, (void)op;
  *need[0] = (pl_memory){ .members = need[0]->members };
}

static void no_memory_of_second(const pl_graph *g, const pl_op *const *op, pl_memory *const *need) {
  no_memory_of_first(g, op, need + 1);
}

static const pl_pattern patterns[] = {
  { "convolution, activation, pooling", { "Conv2d", PL_ANY_ACTIVATION, "MaxPool2d" }, 3, 2, rows_and_pool_fit,
    rows_and_pool_memory,
    pl_fused_conv2d_activation_pool, pl_fused_activation_pool_backward },
  { "activation, pooling", { PL_ANY_ACTIVATION, "MaxPool2d" }, 2, 2, pool_fits, pool_memory, pl_fused_activation_pool,
    pl_fused_activation_pool_backward },
  { "convolution, ReLU, dropout", { "Conv2d", "ReLU", "Dropout" }, 3, 2, rows_fit, no_memory_of_second,
    pl_fused_conv2d_relu_dropout, pl_fused_relu_dropout_backward },
  { "ReLU, dropout", { "ReLU", "Dropout" }, 2, 2, NULL, no_memory_of_first, pl_fused_relu_dropout,
    pl_fused_relu_dropout_backward },
  { "normalization, sum, ReLU", { "BatchNorm", "Add", "ReLU" }, 3, 0, second_is_sum_of_two, NULL,
    pl_fused_norm_add_relu, NULL },
  { "normalization, sum", { "BatchNorm", "Add" }, 2, 0, second_is_sum_of_two, NULL, pl_fused_norm_add, NULL },
  { "sum, ReLU", { "Add", "ReLU" }, 2, 0, sum_of_two, NULL, pl_fused_add_relu, NULL },
  { "normalization, ReLU", { "BatchNorm", "ReLU" }, 2, 2, NULL, no_memory_of_second, pl_fused_norm_relu,
    pl_fused_norm_relu_backward },
  { "convolution, activation", { "Conv2d", PL_ANY_ACTIVATION }, 2, 0, NULL, NULL, pl_fused_conv2d_activation, NULL },
  { "linear, activation", { "Linear", PL_ANY_ACTIVATION }, 2, 0, NULL, NULL, pl_fused_linear_activation, NULL },
  { "product, activation", { "linear", PL_ANY_ACTIVATION }, 2, 0, NULL, NULL, pl_fused_product_activation, NULL },
};

bool pl_op_is_alias(const pl_op *op, pl_mode mode) {
  return (op->cls->flags & PL_ALIAS) || ((op->cls->flags & PL_IDENTITY_IN_INFERENCE) &&
                                         (mode == PL_INFER || mode == PL_CAPTURE));
}

static pl_memory memory_of(const pl_graph *g, const pl_op *op) {
  pl_memory m = { .members = 1 };
  pl_op_memory(g, op, 1, &m);
  return m;
}

static bool has_type(const pl_graph *g, const pl_op *op, const char *type) {
  if (strcmp(type, PL_ANY_ACTIVATION)) return strcmp(op->cls->head.type, type) == 0;
  return pl_op_as_activation(op) != NULL && !memory_of(g, op).needs_x;
}

/* What the search knows: who makes a value (-1: nobody), how often it is used, which operations have found their
   node. */
typedef struct { const pl_graph *g; pl_mode mode; int *producer, *node_of; const int *uses; bool *taken; } search;

/* Whether the pattern's last operation may be operation `last`, and the node that it makes. */
static bool matches(const search *s, const pl_pattern *p, int last, pl_node *node) {
  const pl_graph *g = s->g;
  const pl_op *op[PL_MOST_FUSED];
  *node = (pl_node){ .pattern = p, .ops = p->ops, .other = -1 };
  for (int k = p->ops - 1, i = last; k >= 0; k--) {
    if (i < 0 || s->taken[i] || !has_type(g, &g->op[i], p->type[k]) || pl_op_is_alias(&g->op[i], s->mode)) return false;
    node->op[k] = i;
    op[k] = &g->op[i];
    if (k == 0) break;
    /* of a sum, the input that is made last; it is there anyway when the sum is made */
    int before = s->producer[pl_op_input(g, op[k], 0)], best = 0;
    for (int in = 1; in < op[k]->inputs; in++) {
      int other = s->producer[pl_op_input(g, op[k], in)];
      if (other > before) before = other, best = in;
    }
    if (op[k]->inputs == 2) node->other = pl_op_input(g, op[k], 1 - best);
    i = before;
  }
  if (op[0]->inputs == 2) node->other = pl_op_input(g, op[0], 1);
  for (int k = 0; k + 1 < p->ops; k++) {
    if (s->uses[op[k]->out] != 1) return false;
    bool own_backward = s->mode == PL_TRAIN && k < p->ops - p->back;
    if (own_backward && memory_of(g, op[k]).needs_y) return false;
    if (s->mode == PL_TRAIN && k + 1 < p->ops - p->back && memory_of(g, op[k + 1]).needs_x) return false;
  }
  return p->fits == NULL || p->fits(g, op);
}

/* Nodes run when their last operation does: all inputs are there by then. */
pl_status pl_plan_fuse(const pl_graph *g, pl_plan *plan, const int *uses, const pl_plan_request *request,
                       pl_error *err) {
  size_t values = (size_t)g->values, ops = (size_t)g->ops;
  search s = { .g = g, .mode = request->mode, .producer = pl_alloc_array(values + ops, sizeof *s.producer, err),
               .uses = uses,
               .taken = pl_alloc_array(ops + 1, sizeof *s.taken, err) };
  pl_node *found = pl_alloc_array(ops + 1, sizeof *found, err);
  bool ok = s.producer != NULL && s.taken != NULL && found != NULL;
  if (ok) {
    s.node_of = s.producer + values;
    for (int v = 0; v < g->values; v++) s.producer[v] = -1;
    for (int i = 0; i < g->ops; i++) s.producer[g->op[i].out] = i, s.node_of[i] = -1;
  }
  int fused = 0;
  bool search_at_all = ok && request->fuse && request->mode != PL_CAPTURE;
  for (size_t p = 0; search_at_all && p < sizeof patterns / sizeof *patterns; p++) {
    for (int i = 0; i < g->ops; i++) {
      if (!matches(&s, &patterns[p], i, &found[fused])) continue;
      for (int k = 0; k < found[fused].ops; k++) s.taken[found[fused].op[k]] = true;
      s.node_of[i] = fused++;
    }
  }
  for (int i = 0; search_at_all && ok && i < g->ops; i++) {
    pl_node *chain = &found[fused];
    *chain = (pl_node){ .other = -1 };
    if (s.taken[i] || pl_chain_find(g, i, s.taken, uses, chain) < 2) continue;
    chain->chain = pl_alloc(sizeof *chain->chain, err);
    ok = chain->chain != NULL;
    for (int k = 0; k < chain->ops; k++) s.taken[chain->op[k]] = true;
    s.node_of[chain->op[chain->ops - 1]] = fused++;
  }
  for (int i = 0; ok && i < g->ops; i++) {
    if (s.node_of[i] >= 0) plan->node[plan->nodes++] = found[s.node_of[i]];
    else if (!s.taken[i]) plan->node[plan->nodes++] = (pl_node){ .ops = 1, .op = { i }, .other = -1 };
  }
  for (int n = plan->nodes == 0 ? 0 : fused; n < fused; n++) pl_free(found[n].chain);
  pl_free(s.producer);
  pl_free(s.taken);
  pl_free(found);
  return ok ? PL_OK : PL_ERROR_MEMORY;
}
