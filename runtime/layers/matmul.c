/* Matrix products of formulas: c[.., i, j] = sum over k of a[.., i, k] b[.., k, j]. Leading axes, the batch first,
   broadcast; a vector is one row (a) or one column (b), and that axis is dropped again.
   da = dc b^T, db = a^T dc, each summed over what it was broadcast to. */
#include <string.h>
#include "kernels/kernels.h"
#include "layers/layer.h"

/* A product as a list of matrix products: of all rows at once where b is one matrix for all. */
typedef struct pl_product {
  size_t rows, inner, cols, items;           /* items: matrices of c for the batch */
  int axes;                                  /* leading axes, the batch among them */
  size_t size[PL_MAX_AXES + 1], a[PL_MAX_AXES + 1], b[PL_MAX_AXES + 1];   /* in matrices; 0: broadcast */
} pl_product;

/* As matrices, with the batch in front of those that have one. */
static pl_shape with_axes(const pl_shape *in, bool fixed, bool first) {
  pl_shape s = { 0 };
  int axes = in->axes + !fixed;
  if (!fixed) s.size[s.axes++] = -1;
  for (int a = 0; a < in->axes; a++) s.size[s.axes++] = in->size[a];
  if (axes == 1 && first) s = (pl_shape){ 2, { 1, s.size[0] } };
  else if (axes == 1) s = (pl_shape){ 2, { s.size[0], 1 } };
  return s;
}

static pl_status infer(pl_operation *o, pl_error *err) {
  if (o->inputs != 2) return pl_operation_refuse(o, err, "takes two inputs");
  int axes[2] = { o->in[0].axes + !o->fixed[0], o->in[1].axes + !o->fixed[1] };
  if (axes[0] == 0 || axes[1] == 0)
    return pl_operation_refuse(o, err, "both need at least one axis; multiply by a number with *");
  if (axes[0] > PL_MAX_AXES || axes[1] > PL_MAX_AXES) return pl_operation_refuse(o, err, "at most 6 axes");
  if (!o->fixed[1] && axes[1] < 3)
    return pl_operation_refuse(o, err, "the second is a matrix for each sample, so it has three axes or more; "
                                       "to multiply a sample's values with each other, use * and sum");
  if (!o->fixed[0] && axes[0] < 2)
    return pl_operation_refuse(o, err, "the first has only the batch axis; give it another with unsqueeze(-1)");
  if (!o->fixed[1] && axes[0] > 1 && !o->fixed[0] && axes[0] != axes[1])
    return pl_operation_refuse(o, err, "the batch is the first axis of both, so both need as many axes; "
                                       "use unsqueeze(-2) for a row a sample");
  pl_shape a = with_axes(&o->in[0], o->fixed[0], true), b = with_axes(&o->in[1], o->fixed[1], false);
  if (a.size[a.axes - 1] != b.size[b.axes - 2])
    return pl_operation_refuse(o, err, "the last axis of the first (%lld) must equal the %s of the second (%lld)%s",
                               (long long)a.size[a.axes - 1], axes[1] > 1 ? "last but one" : "axis",
                               (long long)b.size[b.axes - 2],
                               axes[1] > 1 && b.size[b.axes - 1] == a.size[a.axes - 1]
                               ? "; transpose the second, with transpose(-2, -1)" : "");
  int lead = (a.axes > b.axes ? a.axes : b.axes) - 2;
  if (lead + 2 > PL_MAX_AXES + 1) return pl_operation_refuse(o, err, "at most 6 axes");
  pl_shape c = { .axes = 0 };
  bool batch = !o->fixed[0] || !o->fixed[1];
  for (int i = 0; i < lead; i++) {
    int ia = i - lead + a.axes - 2, ib = i - lead + b.axes - 2;
    int64_t sa = ia < 0 ? 1 : a.size[ia], sb = ib < 0 ? 1 : b.size[ib];
    if (sa != sb && sa != 1 && sb != 1) return pl_operation_refuse(o, err, "the leading axes do not broadcast");
    c.size[c.axes++] = sa == 1 ? sb : sa;
    if (batch && i == 0 && c.size[0] != -1 && !(lead == 0))
      return pl_operation_refuse(o, err, "the batch stays the first axis");
    if (i > 0 && c.size[i] == -1) return pl_operation_refuse(o, err, "the batch stays the first axis");
  }
  if (!(axes[0] == 1)) c.size[c.axes++] = a.size[a.axes - 2];
  if (!(axes[1] == 1)) c.size[c.axes++] = b.size[b.axes - 1];
  o->out_fixed = !batch;
  o->out = (pl_shape){ 0 };
  for (int i = batch; i < c.axes; i++) o->out.size[o->out.axes++] = c.size[i];
  return PL_OK;
}

static pl_product product_of(const pl_operation *o, size_t batch) {
  pl_shape a = with_axes(&o->in[0], o->fixed[0], true), b = with_axes(&o->in[1], o->fixed[1], false);
  pl_product p = { .rows = (size_t)a.size[a.axes - 2], .inner = (size_t)a.size[a.axes - 1],
                   .cols = (size_t)b.size[b.axes - 1], .items = 1 };
  size_t next_a = 1, next_b = 1;
  if (a.size[a.axes - 2] == -1) p.rows = batch;
  p.axes = (a.axes > b.axes ? a.axes : b.axes) - 2;
  bool one_b = true;
  for (int i = p.axes - 1; i >= 0; i--) {
    int ia = i - p.axes + a.axes - 2, ib = i - p.axes + b.axes - 2;
    int64_t sa = ia < 0 ? 1 : a.size[ia], sb = ib < 0 ? 1 : b.size[ib];
    size_t na = sa == -1 ? batch : (size_t)sa, nb = sb == -1 ? batch : (size_t)sb;
    p.size[i] = sa == 1 ? nb : na;
    p.a[i] = sa == 1 ? 0 : next_a;
    p.b[i] = sb == 1 ? 0 : next_b;
    next_a *= na;
    next_b *= nb;
    p.items *= p.size[i];
    one_b = one_b && (sb == 1);
  }
  bool dense_a = true;
  for (int i = 0; i < p.axes; i++) dense_a = dense_a && (p.a[i] != 0 || p.size[i] == 1);
  if (one_b && dense_a) {   /* one matrix product with more rows */
    p.rows *= p.items;
    p.items = 1;
    p.axes = 0;
  }
  return p;
}

static size_t matrix(const pl_product *p, const size_t *stride, size_t item) {
  size_t at = 0;
  for (int i = p->axes - 1; i >= 0; i--) {
    at += item % p->size[i] * stride[i];
    item /= p->size[i];
  }
  return at;
}

static size_t matrices(const pl_product *p, const size_t *stride) {
  size_t n = 1;
  for (int i = 0; i < p->axes; i++) if (stride[i] != 0) n *= p->size[i];
  return n;
}

static void need(const pl_operation *o, size_t batch, pl_memory *m) {
  pl_product p = product_of(o, batch);
  m->needs_x = true;
  /* b transposed, for da */
  m->scratch_backward = (p.inner * p.cols * matrices(&p, p.b)) * sizeof(float);
}

/* Few large products are shared, each by the whole team; many small ones are shared out. Each sum is one chain. */
static bool shares_each(const pl_product *p, size_t items) {
  return items < 8 || p->rows * p->cols * p->inner > 1 << 18;
}

static void multiply(const pl_team *team, const pl_product *p, const pl_gemm *c) {
  static const pl_team single_thread = { .size = 1 };
  (void)p;
  pl_gemm_team(team != NULL ? team : &single_thread, c, NULL);
}

static void forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  pl_product p = product_of(pass->op, pass->batch);
  bool each = shares_each(&p, p.items);
  size_t from = 0, to = p.items;
  (void)self, (void)x;
  if (!each) pl_team_share(pass->team, p.items, 1, &from, &to);
  if (p.rows * p.cols == 0) return;
  for (size_t i = from; i < to; i++) {
    multiply(each ? pass->team : NULL, &p, &(pl_gemm){
      .c = y + i * p.rows * p.cols, .c_row = (ptrdiff_t)p.cols,
      .a = pass->input[0] + matrix(&p, p.a, i) * p.rows * p.inner, .a_row = (ptrdiff_t)p.inner, .a_inner = 1,
      .b = pass->input[1] + matrix(&p, p.b, i) * p.inner * p.cols, .b_inner = (ptrdiff_t)p.cols,
      .rows = p.rows, .cols = p.cols, .outer = 1, .inner = p.inner });
  }
}

typedef struct { const pl_pass *pass; const pl_product *p; const float *dy, *transposed; float *dx; } grads;

/* da (+)= dc b^T, of item i of c. */
static void step_a(const grads *g, const pl_team *team, size_t m, size_t i, bool accumulate) {
  const pl_product *p = g->p;
  multiply(team, p, &(pl_gemm){
    .c = g->dx + m * p->rows * p->inner, .c_row = (ptrdiff_t)p->inner,
    .a = g->dy + i * p->rows * p->cols, .a_row = (ptrdiff_t)p->cols, .a_inner = 1,
    .b = g->transposed + matrix(p, p->b, i) * p->inner * p->cols, .b_inner = (ptrdiff_t)p->inner,
    .rows = p->rows, .cols = p->inner, .outer = 1, .inner = p->cols, .accumulate = accumulate });
}

/* db (+)= a^T dc, of item i of c. */
static void step_b(const grads *g, const pl_team *team, size_t m, size_t i, bool accumulate) {
  const pl_product *p = g->p;
  multiply(team, p, &(pl_gemm){
    .c = g->dx + m * p->inner * p->cols, .c_row = (ptrdiff_t)p->cols,
    .a = g->pass->input[0] + matrix(p, p->a, i) * p->rows * p->inner, .a_row = 1, .a_inner = (ptrdiff_t)p->inner,
    .b = g->dy + i * p->rows * p->cols, .b_inner = (ptrdiff_t)p->cols,
    .rows = p->inner, .cols = p->cols, .outer = 1, .inner = p->rows, .accumulate = accumulate });
}

/* Calls `step` for each item of c that a matrix `m` of an operand was broadcast to, in order. */
static void all_steps(const grads *g, const size_t *stride, void (*step)(const grads *, const pl_team *, size_t, size_t,
                                                                         bool)) {
  size_t count = matrices(g->p, stride), from = 0, to = count;
  bool each = shares_each(g->p, count);
  if (!each) pl_team_share(g->pass->team, count, 1, &from, &to);
  if (count == g->p->items) {
    for (size_t m = from; m < to; m++) step(g, each ? g->pass->team : NULL, m, m, false);
    return;
  }
  for (size_t m = from; m < to; m++) {
    bool accumulate = false;
    for (size_t i = 0; i < g->p->items; i++) {
      if (matrix(g->p, stride, i) != m) continue;
      step(g, each ? g->pass->team : NULL, m, i, accumulate);
      accumulate = true;
    }
  }
}

static void transpose_all(const pl_pass *pass, const pl_product *p, float *transposed) {
  enum { WIDTH = 32 };
  size_t from, to, count = matrices(p, p->b), blocks = (p->cols + WIDTH - 1) / WIDTH;
  pl_team_share(pass->team, count * blocks, 1, &from, &to);
  for (size_t i = from; i < to; i++) {
    size_t m = i / blocks, j = i % blocks * WIDTH, width = p->cols - j < WIDTH ? p->cols - j : WIDTH;
    const float *b = pass->input[1] + m * p->inner * p->cols;
    pl_kernel.transpose(transposed + m * p->inner * p->cols + j * p->inner, b + j, p->inner, width, p->inner, p->cols);
  }
}

static void backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  pl_product p = product_of(pass->op, pass->batch);
  float *transposed = pass->scratch;
  (void)self, (void)x, (void)y, (void)dx;
  if (p.inner == 0 || p.rows * p.cols * p.items == 0) {   /* sums of nothing */
    for (int k = 0; k < 2; k++) {
      size_t from, to, n = (pass->op->fixed[k] ? 1 : pass->batch) * (size_t)pl_shape_count(&pass->op->in[k]);
      pl_team_share(pass->team, n, 16, &from, &to);
      if (pass->input_grad[k] != NULL) memset(pass->input_grad[k] + from, 0, (to - from) * sizeof *dx);
    }
    return;
  }
  grads g = { pass, &p, dy, transposed, NULL };
  if (pass->input_grad[0] != NULL) {
    transpose_all(pass, &p, transposed);
    pl_team_barrier(pass->team);
    g.dx = pass->input_grad[0];
    all_steps(&g, p.a, step_a);
  }
  if (pass->input_grad[1] == NULL) return;
  g.dx = pass->input_grad[1];
  all_steps(&g, p.b, step_b);
}

static double work(const pl_operation *o) {
  pl_product p = product_of(o, 1);
  return (double)p.items * (double)p.rows * (double)p.cols * (double)p.inner;
}

static const pl_option none[] = { { 0 } };

const pl_layer_class pl_op_matmul = {
  .head = { "matmul", 0, NULL, none }, .flags = PL_PER_SAMPLE,
  .infer = infer, .need = need, .forward = forward, .backward = backward, .operation_work = work };
