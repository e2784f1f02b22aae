/* What formulas write out and a layer does better: x:matmul(w) + b with parameters w and b that nothing else uses is
   Linear (layers/linear_formula.c), whose weights are packed, updated while they are in the cache, and skipped where x
   is zero. The bits are those of the two operations. */
#include <string.h>
#include "graph/model.h"
#include "layers/linear.h"
#include "perilune/alloc.h"

extern const pl_layer_class pl_op_matmul, pl_op_add;

typedef struct { pl_graph *g; int *uses; } search;

/* The formula's trained parameter that input k of an operation is, and that nothing else uses; else -1. */
static int own_param(const search *s, const pl_op *op, int k) {
  const pl_value *v = &s->g->value[pl_op_input(s->g, op, k)];
  if (v->source != PL_FROM_PARAM || v->layer != op->layer || s->uses[pl_op_input(s->g, op, k)] != 1) return -1;
  return v->layer->param[v->index].trained ? v->index : -1;
}

static int weight_of(const search *s, const pl_op *op) {
  int weight = op->cls == &pl_op_matmul ? own_param(s, op, 1) : -1;
  if (weight < 0 || op->info->fixed[0] || op->info->in[0].axes == 0) return -1;
  return op->layer->param[weight].shape.axes == 2 ? weight : -1;
}

/* Whether `add` adds a row to what `product` makes, and which of its inputs is the row; else -1. A row of one value is
   none: its gradient would be summed in another order. */
static int row_of(const search *s, const pl_op *product, const pl_op *add) {
  if (add->cls != &pl_op_add || add->layer != product->layer || s->uses[product->out] != 1) return -1;
  int row = pl_op_input(s->g, add, 0) == product->out ? 1 : 0, param = own_param(s, add, row);
  if (pl_op_input(s->g, add, 1 - row) != product->out || param < 0) return -1;
  const pl_shape *shape = &add->layer->param[param].shape, *out = &product->info->out;
  int64_t width = out->size[out->axes - 1];
  bool fits = width > 1 && shape->axes > 0 && shape->size[shape->axes - 1] == width && pl_shape_count(shape) == width &&
              pl_shape_equal(&add->info->out, out);
  return fits ? row : -1;
}

static void drop(pl_value *v) { *v = (pl_value){ .shape = v->shape, .source = PL_FROM_NOWHERE }; }

/* `op` becomes Linear; x, the parameters' values fall out of use. */
static void become_linear(pl_graph *g, pl_op *op, int x, int weight_value, int bias_value, const pl_shape *in) {
  pl_operation *o = op->info;
  const pl_value *bias = bias_value < 0 ? NULL : &g->value[bias_value];
  *o = (pl_operation){ .cls = &pl_op_linear, .args = { 2, { g->value[weight_value].index, bias ? bias->index : -1 } },
                       .inputs = 1, .in = { *in }, .out = o->out };
  op->cls = &pl_op_linear;
  op->inputs = 1;
  g->input[op->input] = x;
  drop(&g->value[weight_value]);
  if (bias_value >= 0) drop(&g->value[bias_value]);
}

/* Takes out operations of which `gone`; rows keep to those that stay. */
static void take_out(pl_graph *g, const bool *gone, int *place) {
  int kept = 0;
  for (int i = 0; i < g->ops; i++) {
    place[i] = kept;
    if (gone[i]) {
      drop(&g->value[g->op[i].out]);
      pl_free(g->op[i].info);
    } else g->op[kept++] = g->op[i];
  }
  for (int r = 0; r < g->rows; r++) {
    if (g->row[r].op < 0) continue;
    g->row[r].op = place[g->row[r].op];
    g->row[r].first = place[g->row[r].first];
  }
  g->ops = kept;
}

pl_status pl_graph_recognize(pl_graph *g, pl_error *err) {
  search s = { g, pl_alloc_array((size_t)g->values + (size_t)g->ops + 1, sizeof *s.uses, err) };
  bool *gone = pl_alloc_array((size_t)g->ops + 1, sizeof *gone, err), any = false;
  pl_status status = s.uses == NULL || gone == NULL ? PL_ERROR_MEMORY : PL_OK;
  for (int i = 0; status == PL_OK && i < g->ops; i++)
    for (int k = 0; k < g->op[i].inputs; k++) s.uses[pl_op_input(g, &g->op[i], k)]++;
  if (status == PL_OK) s.uses[pl_graph_output(g)]++;
  for (int i = 0; status == PL_OK && i < g->ops; i++) {
    pl_op *product = &g->op[i];
    if (product->info == NULL || weight_of(&s, product) < 0) continue;
    pl_shape in = product->info->in[0];
    int x = pl_op_input(g, product, 0), weight = pl_op_input(g, product, 1), row = -1, next = i + 1;
    for (; next < g->ops && row < 0; next++) row = row_of(&s, product, &g->op[next]);
    if (row < 0) {
      become_linear(g, product, x, weight, -1, &in);
      continue;
    }
    pl_op *add = &g->op[next - 1];
    become_linear(g, add, x, weight, pl_op_input(g, add, row), &in);
    gone[i] = any = true;
  }
  if (any) take_out(g, gone, s.uses + g->values);
  pl_free(s.uses);
  pl_free(gone);
  return status;
}
