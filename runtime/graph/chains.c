/* Chains: operations on elements whose values stay in strips (layers/chain.h). A chain begins with any of them, and
   takes those that follow while nobody else reads its values: by then it has run, at the place of its last operation.
   In training, what backward reads is computed again from what the chain has read, unless that is dear: such values are
   kept in memory.

   The gradient of a value is the sum of those of its uses, in their order, as in a plan without chains. */
#include <string.h>
#include "graph/plan.h"

/* inputs from outside; uses of all values: the programs have room for them */
enum { MOST_READ = 24, MOST_USES = 64 };

static int place_in_node(const pl_node *node, int op) {
  for (int k = 0; k < node->ops; k++) if (node->op[k] == op) return k;
  return -1;
}

/* Which of the chain's operations makes the value; -1: none. */
static int made_by(const pl_graph *g, const pl_node *node, int value) {
  for (int k = 0; k < node->ops; k++) if (g->op[node->op[k]].out == value) return k;
  return -1;
}

static bool fits(const pl_op *op, const pl_operation *first) {
  const pl_operation *o = op->info;
  if (o == NULL || pl_elementwise_code(o) < 0 || o->out_fixed) return false;
  for (int k = 0; k < o->inputs; k++) if (pl_lane_of(o, k) == PL_LANE_OTHER) return false;
  return pl_shape_count(&o->out) > 0 && pl_shape_count(&o->out) == pl_shape_count(&first->out) &&
         pl_lane_cols(&o->out) == pl_lane_cols(&first->out);
}

int pl_chain_find(const pl_graph *g, int first, const bool *taken, const int *uses, pl_node *node) {
  int read = 0, used = 0;
  if (g->op[first].info == NULL || !fits(&g->op[first], g->op[first].info)) return 0;
  for (int i = first; i < g->ops && node->ops < PL_MOST_CHAIN; i++) {
    const pl_op *op = &g->op[i];
    bool reads = false;
    for (int k = 0; k < op->inputs; k++) reads = reads || made_by(g, node, pl_op_input(g, op, k)) >= 0;
    if (!taken[i] && fits(op, g->op[first].info) && read + op->inputs <= MOST_READ &&
        used + uses[op->out] < MOST_USES) {
      for (int k = 0; k < op->inputs; k++) read += made_by(g, node, pl_op_input(g, op, k)) < 0;
      used += uses[op->out];
      node->op[node->ops++] = i;
    } else if (reads) {
      break;
    }
  }
  return node->ops;
}

typedef struct {
  const pl_graph *g;
  pl_plan *plan;
  const pl_uses *uses;
  const pl_node *node;
  bool train;
  bool again[PL_MOST_CHAIN];                     /* computed again in backward */
  short value[PL_MOST_CHAIN];                    /* where it is, in the program that is being written */
  short part[PL_MOST_CHAIN][3];                  /* the gradients of uses that stay in registers */
  pl_chain_code *code;
} compiler;

static const pl_op *op_at(const compiler *c, int k) { return &c->g->op[c->node->op[k]]; }
static int code_of(const compiler *c, int k) { return pl_elementwise_code(op_at(c, k)->info); }
static short new_register(compiler *c) { return (short)c->code->registers++; }

static bool passes_grad(const compiler *c, int op) {
  return c->uses->leads_out[op] && !(c->g->op[op].cls->flags & PL_NO_GRAD);
}

/* Whether the gradient of input `in` of the chain's operation k is needed. */
static bool wants(const compiler *c, int k, int in) {
  return c->plan->needs_grad[op_at(c, k)->out] && c->plan->needs_grad[pl_op_input(c->g, op_at(c, k), in)];
}

/* Dear: those that take more than a few instructions a vector. Powers that are products are not. */
static bool is_dear(const compiler *c, int k) {
  switch (code_of(c, k)) {
    case PL_EL_exp: case PL_EL_log: case PL_EL_sin: case PL_EL_cos: case PL_EL_tanh: case PL_EL_sigmoid:
    case PL_EL_gelu: case PL_EL_silu: case PL_EL_pow: return true;
    default: return false;
  }
}

static bool is_used_outside(const compiler *c, int value) {
  int inside = 0;
  for (int k = 0; k < c->node->ops; k++)
    for (int in = 0; in < op_at(c, k)->inputs; in++) inside += pl_op_input(c->g, op_at(c, k), in) == value;
  return c->uses->all[value] > inside;
}

/* Of operations from the last to the first: what backward reads is kept, or computed again from its inputs. */
static void choose_kept(compiler *c) {
  bool read[PL_MOST_CHAIN] = { false };
  bool *kept = c->node->chain->kept;
  for (int k = 0; k < c->node->ops; k++) kept[k] = is_used_outside(c, op_at(c, k)->out);
  for (int k = 0; c->train && k < c->node->ops; k++)
    for (int in = 0; in < op_at(c, k)->inputs; in++) {
      unsigned reads = wants(c, k, in) ? pl_elementwise_reads(code_of(c, k), in) : 0;
      if (reads & 1 << PL_CHAIN_RESULT) read[k] = true;
      for (int i = 0; i < op_at(c, k)->inputs; i++) {
        int producer = made_by(c->g, c->node, pl_op_input(c->g, op_at(c, k), i));
        if ((reads & 1u << i) && producer >= 0) read[producer] = true;
      }
    }
  for (int k = c->node->ops - 1; k >= 0; k--) {
    if (!read[k] || kept[k]) continue;
    kept[k] = is_dear(c, k);
    c->again[k] = !kept[k];
    for (int in = 0; c->again[k] && in < op_at(c, k)->inputs; in++) {
      int producer = made_by(c->g, c->node, pl_op_input(c->g, op_at(c, k), in));
      if (producer >= 0) read[producer] = true;
    }
  }
}

/* Where input `in` of operation k is. */
static short input(compiler *c, int k, int in) {
  const pl_op *op = op_at(c, k);
  int v = pl_op_input(c->g, op, in), producer = made_by(c->g, c->node, v);
  if (producer >= 0 && !c->node->chain->kept[producer]) return c->value[producer];
  return pl_chain_outer_at(c->code, producer >= 0 ? PL_LANE_DENSE : pl_lane_of(op->info, in), false, false, v);
}

static short result(compiler *c, int k) {
  if (!c->node->chain->kept[k]) return c->value[k];
  return pl_chain_outer_at(c->code, PL_LANE_DENSE, false, false, op_at(c, k)->out);
}

static void compute(compiler *c, int k) {
  short from[PL_CHAIN_FROM] = { PL_CHAIN_NONE, PL_CHAIN_NONE, PL_CHAIN_NONE, PL_CHAIN_NONE, PL_CHAIN_NONE };
  for (int in = 0; in < op_at(c, k)->inputs; in++) from[in] = input(c, k, in);
  if (!c->node->chain->kept[k]) c->value[k] = new_register(c);
  pl_chain_add_step(c->code, PL_CHAIN_VALUE, code_of(c, k), 0, result(c, k), from);
}

/* The sum of the gradients of a value's uses, in their order; into `to`, unless that is PL_CHAIN_NONE. */
static short gather(compiler *c, int value, short to) {
  short parts[MOST_USES] = { PL_CHAIN_NONE }, sum;
  int n = 0;
  for (int i = 0; i < c->g->ops; i++) for (int in = 0; in < c->g->op[i].inputs; in++) {
    if (pl_op_input(c->g, &c->g->op[i], in) != value || !passes_grad(c, i)) continue;
    int k = place_in_node(c->node, i);
    parts[n++] = k >= 0 ? c->part[k][in] :
      pl_chain_outer_at(c->code, PL_LANE_DENSE, true, false, c->plan->input_grad[c->g->op[i].input + in]);
  }
  if (value == pl_graph_output(c->g))
    parts[n++] = pl_chain_outer_at(c->code, PL_LANE_DENSE, true, false, c->plan->output_grad);
  sum = parts[0];
  for (int i = 1; i < n; i++) {
    short next = i == n - 1 && to != PL_CHAIN_NONE ? to : new_register(c);
    pl_chain_add_step(c->code, PL_CHAIN_ADD, 0, 0, next,
                      (short[PL_CHAIN_FROM]){ sum, parts[i], PL_CHAIN_NONE, PL_CHAIN_NONE, PL_CHAIN_NONE });
    sum = next;
  }
  return sum;
}

/* Whether the chain adds up the gradients of a value from outside: it alone uses it, several times. */
static bool is_summed(const compiler *c, int k, int in) {
  int v = pl_op_input(c->g, op_at(c, k), in), inside = 0;
  if (pl_lane_of(op_at(c, k)->info, in) != PL_LANE_DENSE || c->g->value[v].fixed || c->uses->useful[v] < 2 ||
      c->uses->useful[v] > MOST_READ) return false;
  for (int i = 0; i < c->node->ops; i++)
    for (int j = 0; j < op_at(c, i)->inputs; j++)
      inside += pl_op_input(c->g, op_at(c, i), j) == v && passes_grad(c, c->node->op[i]);
  return inside == c->uses->useful[v];
}

/* The gradient of input `in` of operation k from dy. */
static void slope(compiler *c, int k, int in, short dy) {
  const pl_op *op = op_at(c, k);
  int v = pl_op_input(c->g, op, in), code = code_of(c, k), use = c->plan->input_grad[op->input + in];
  unsigned reads = pl_elementwise_reads(code, in);
  pl_lane lane = pl_lane_of(op->info, in);
  bool stays = made_by(c->g, c->node, v) >= 0 || is_summed(c, k, in), passes = pl_elementwise_passes(code, in);
  short from[PL_CHAIN_FROM] = { PL_CHAIN_NONE, PL_CHAIN_NONE, PL_CHAIN_NONE, dy, PL_CHAIN_NONE }, to = dy;
  for (int i = 0; i < op->inputs; i++) if (reads & 1u << i) from[i] = input(c, k, i);
  if (reads & 1 << PL_CHAIN_RESULT) from[4] = result(c, k);
  if (!stays && lane == PL_LANE_DENSE) to = pl_chain_outer_at(c->code, lane, true, false, use);
  else if (!passes) to = new_register(c);
  if (to != dy) pl_chain_add_step(c->code, PL_CHAIN_SLOPE, code, in, to, from);
  c->part[k][in] = to;
  if (!stays && lane != PL_LANE_DENSE)
    pl_chain_add_step(c->code, PL_CHAIN_SUM, 0, 0, pl_chain_outer_at(c->code, lane, true, true, use),
                      (short[PL_CHAIN_FROM]){ to, PL_CHAIN_NONE, PL_CHAIN_NONE, PL_CHAIN_NONE, PL_CHAIN_NONE });
}

static void sum_outside(compiler *c) {
  for (int k = 0; k < c->node->ops; k++) for (int in = 0; in < op_at(c, k)->inputs; in++) {
    int v = pl_op_input(c->g, op_at(c, k), in);
    if (!wants(c, k, in) || made_by(c->g, c->node, v) >= 0 || c->plan->summed[v] || !is_summed(c, k, in)) continue;
    gather(c, v, pl_chain_outer_at(c->code, PL_LANE_DENSE, true, false, v));
    c->plan->summed[v] = true;
  }
}

static void write_backward(compiler *c) {
  bool any = false;
  for (int k = 0; k < c->node->ops; k++) for (int in = 0; in < op_at(c, k)->inputs; in++) any = any || wants(c, k, in);
  if (!any) return;
  for (int k = 0; k < c->node->ops; k++) if (c->again[k]) compute(c, k);
  for (int k = c->node->ops - 1; k >= 0; k--) {
    bool needs_grad = false;
    for (int in = 0; in < op_at(c, k)->inputs; in++) needs_grad = needs_grad || wants(c, k, in);
    if (!needs_grad) continue;
    int out = op_at(c, k)->out;
    short dy = c->plan->summed[out] ? pl_chain_outer_at(c->code, PL_LANE_DENSE, true, false, out)
                                    : gather(c, out, PL_CHAIN_NONE);
    for (int in = 0; in < op_at(c, k)->inputs; in++) if (wants(c, k, in)) slope(c, k, in, dy);
  }
  sum_outside(c);
}

/* Registers that are read for the last time make room, for the result of the same step too: kernels work in place. */
static void assign_registers(pl_chain_code *code) {
  short last[4 * PL_CHAIN_CODE], place[4 * PL_CHAIN_CODE], used = 0;
  bool busy[4 * PL_CHAIN_CODE] = { false };
  for (short i = 0; i < code->steps; i++)
    for (int k = 0; k < PL_CHAIN_FROM; k++) {
      short r = code->step[i].from[k];
      if (r >= 0 && r != PL_CHAIN_NONE) last[r] = i;
    }
  for (short i = 0; i < code->steps; i++) {
    pl_chain_step *s = &code->step[i];
    short dead[PL_CHAIN_FROM];
    for (int k = 0; k < PL_CHAIN_FROM; k++) {
      short r = s->from[k];
      dead[k] = -1;
      if (r < 0 || r == PL_CHAIN_NONE) continue;
      s->from[k] = place[r];
      if (last[r] == i) dead[k] = place[r];
    }
    for (int k = 0; k < PL_CHAIN_FROM; k++) if (dead[k] >= 0) busy[dead[k]] = false;
    if (s->to < 0 || s->kind == PL_CHAIN_SUM) continue;
    short free = 0;
    while (busy[free]) free++;
    busy[free] = true;
    place[s->to] = free;
    s->to = free;
    used = free + 1 > used ? free + 1 : used;
  }
  code->registers = used;
}

/* From the last to the first: a chain must know which of its values' gradients a later one has added up. */
void pl_chains_compile(const pl_graph *g, pl_plan *plan, const pl_uses *uses, pl_mode mode) {
  for (int n = plan->nodes - 1; n >= 0; n--) {
    pl_chain *chain = plan->node[n].chain;
    if (chain == NULL) continue;
    compiler c = { .g = g, .plan = plan, .uses = uses, .node = &plan->node[n], .train = mode == PL_TRAIN };
    choose_kept(&c);
    chain->forward.flat = chain->backward.flat = true;
    c.code = &chain->forward;
    for (int k = 0; k < c.node->ops; k++) compute(&c, k);
    assign_registers(c.code);
    c.code = &chain->backward;
    if (c.train) write_backward(&c);
    assign_registers(c.code);
  }
}
