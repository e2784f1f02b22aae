/* Operations on elements, with broadcasting: y = f(a, b, ..). The functions and their derivatives are in
   kernels/operations.c; here are the addresses of elements, and sums where an input was broadcast:
   da[j] = sum over all i that j was broadcast to of dy[i] df/da[i]. */
#include <string.h>
#include "kernels/kernels.h"
#include "kernels/operations.h"
#include "layers/chain.h"

static const unsigned char keeps[] = {
#define ELEMENTWISE(name, type, inputs, kept) kept,
#include "kernels/operations.def"
#undef ELEMENTWISE
};
static const unsigned char arity[] = {
#define ELEMENTWISE(name, type, inputs, kept) inputs,
#include "kernels/operations.def"
#undef ELEMENTWISE
};

static pl_status infer(pl_operation *o, pl_error *err) {
  int inputs = arity[o->cls->code];
  if (o->inputs != inputs)
    return pl_error_set(err, PL_ERROR_VALUE, "%s takes %d inputs, got %d", o->cls->head.type, inputs, o->inputs);
  return pl_broadcast_infer(o, err);
}

/* Named as the layers are, and by the same kernels. */
extern const pl_layer_class pl_relu, pl_tanh_layer, pl_sigmoid_layer;

pl_layer *pl_op_as_activation(const pl_op *op) {
  static pl_layer relu = { .cls = &pl_relu }, tanh = { .cls = &pl_tanh_layer }, sigmoid = { .cls = &pl_sigmoid_layer };
  if (op->info == NULL) return op->cls->flags & PL_ELEMENTWISE ? op->layer : NULL;
  if (op->cls->infer != infer || op->info->out_fixed) return NULL;
  switch (op->cls->code) {
    case PL_EL_relu: return &relu;
    case PL_EL_tanh: return &tanh;
    case PL_EL_sigmoid: return &sigmoid;
    default: return NULL;
  }
}

int pl_elementwise_code(const pl_operation *o) { return o->cls->infer == infer ? o->cls->code : -1; }

unsigned pl_elementwise_reads(int code, int k) {
  enum { A = 1, B = 2, RESULT = 1 << PL_CHAIN_RESULT };
  switch (code) {
    case PL_EL_add: case PL_EL_sub: case PL_EL_neg: return 0;
    case PL_EL_mul: return k == 0 ? B : A;
    case PL_EL_div: return k == 0 ? B : B | RESULT;
    case PL_EL_pow: return k == 0 ? A | B : A | B | RESULT;
    case PL_EL_maximum: case PL_EL_minimum: return A | B;
    default: return (keeps[code] & PL_KEEP_IN ? A : 0) | (keeps[code] & PL_KEEP_OUT ? RESULT : 0);
  }
}

/* A broadcast input has a sum that a chain makes, by itself as among others, if all inputs lie beside the output as a
   chain has them. The program's outers: inputs, the result, dy, gradients. */
static bool sums_in_chain(const pl_operation *o) {
  bool broadcast = false;
  for (int k = 0; k < o->inputs; k++) {
    pl_lane lane = pl_lane_of(o, k);
    if (lane == PL_LANE_OTHER) return false;
    broadcast = broadcast || lane != PL_LANE_DENSE;
  }
  return broadcast && !o->out_fixed && pl_shape_count(&o->out) > 0;
}

enum { RESULT = PL_WALK_OPERANDS, DY, GRADS };

static void make_chain(const pl_operation *o, float *const *dx, pl_chain_code *code) {
  int op = o->cls->code;
  *code = (pl_chain_code){ .registers = 1 };
  for (int k = 0; k < o->inputs; k++) {
    unsigned reads = pl_elementwise_reads(op, k);
    pl_lane lane = pl_lane_of(o, k);
    if (dx != NULL && dx[k] == NULL) continue;
    short dy = pl_chain_outer_at(code, PL_LANE_DENSE, false, false, DY), to = dy;
    short from[PL_CHAIN_FROM] = { PL_CHAIN_NONE, PL_CHAIN_NONE, PL_CHAIN_NONE, dy, PL_CHAIN_NONE };
    for (int i = 0; i < o->inputs; i++)
      if (reads & 1u << i) from[i] = pl_chain_outer_at(code, pl_lane_of(o, i), false, false, i);
    if (reads & 1 << PL_CHAIN_RESULT) from[4] = pl_chain_outer_at(code, PL_LANE_DENSE, false, false, RESULT);
    if (lane == PL_LANE_DENSE) to = pl_chain_outer_at(code, lane, true, false, GRADS + k);
    else if (!pl_elementwise_passes(op, k)) to = 0;
    if (to != dy) pl_chain_add_step(code, PL_CHAIN_SLOPE, op, k, to, from);
    if (lane != PL_LANE_DENSE)
      pl_chain_add_step(code, PL_CHAIN_SUM, 0, 0, pl_chain_outer_at(code, lane, true, true, GRADS + k),
                        (short[PL_CHAIN_FROM]){ to, PL_CHAIN_NONE, PL_CHAIN_NONE, PL_CHAIN_NONE, PL_CHAIN_NONE });
  }
}

static void backward_in_chain(const pl_pass *pass, const float *y, const float *dy) {
  const pl_operation *o = pass->op;
  size_t cols = pl_lane_cols(&o->out), rows = pass->batch * (size_t)pl_shape_count(&o->out) / cols;
  pl_chain_code code;
  float *place[PL_CHAIN_OUTERS];
  make_chain(o, pass->input_grad, &code);
  for (int i = 0; i < code.outers; i++) {
    int id = code.outer[i].id;
    place[i] = id < RESULT ? (float *)pass->input[id] : id == RESULT ? (float *)y : id == DY ? (float *)dy :
      pass->input_grad[id - GRADS];
  }
  pl_chain_run(&code, pass->team, place, rows, cols, pass->scratch);
}

/* A sum over samples is made in blocks of them, which are then added in order. */
enum { BLOCK = 8 };

static size_t block_samples(const pl_operation *o, int k) {
  return 64 * pl_shape_count(&o->in[k]) <= pl_shape_count(&o->out) ? 1 : BLOCK;
}

static bool sums_over_batch(const pl_operation *o, int k) { return o->fixed[k] && !o->out_fixed; }

static size_t blocks_of(const pl_operation *o, int k, size_t batch) {
  return (batch + block_samples(o, k) - 1) / block_samples(o, k);
}

static void need(const pl_operation *o, size_t batch, pl_memory *m) {
  size_t floats = 0;
  m->needs_x = keeps[o->cls->code] & PL_KEEP_IN;
  m->needs_y = keeps[o->cls->code] & PL_KEEP_OUT;
  for (int k = 0; k < o->inputs; k++)
    if (sums_over_batch(o, k)) floats += blocks_of(o, k, batch) * (size_t)pl_shape_count(&o->in[k]);
  m->scratch_backward = floats * sizeof(float);
  if (sums_in_chain(o)) {
    pl_chain_code code;
    size_t cols = pl_lane_cols(&o->out);
    make_chain(o, NULL, &code);
    m->scratch_backward = pl_chain_scratch(&code, batch * (size_t)pl_shape_count(&o->out) / cols, cols, m->members);
  }
}

/* Elements of operands side by side: from where they lie, or copied. */
typedef struct pl_strips {
  float copy[PL_WALK_OPERANDS][PL_STRIP];
  const float *same[PL_WALK_OPERANDS];      /* copy[k] holds `filled` times this one element */
  size_t filled[PL_WALK_OPERANDS];
} pl_strips;

static const float *strip_of(pl_strips *s, const pl_walk *w, int k, const float *from, size_t n) {
  ptrdiff_t step = pl_walk_step(w, k);
  if (step == 1 || n == 1) return from;
  if (step == 0 && s->same[k] == from && s->filled[k] >= n) return s->copy[k];
  for (size_t i = 0; i < n; i++) s->copy[k][i] = from[(ptrdiff_t)i * step];
  s->same[k] = step == 0 ? from : NULL;
  s->filled[k] = n;
  return s->copy[k];
}

static void take_strips(pl_strips *s, const pl_walk *w, const pl_pass *pass, const pl_stretch *at,
                        const float *in[PL_WALK_OPERANDS]) {
  for (int k = 0; k < w->operands; k++) in[k] = strip_of(s, w, k, pass->input[k] + at->offset[k], at->n);
}

static size_t values_of(const pl_pass *pass) { return pass->batch * (size_t)pl_shape_count(&pass->out); }

static void forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  const float *in[PL_WALK_OPERANDS] = { 0 };
  pl_walk w = pl_walk_make(pass->op, pass->batch);
  pl_strips strips;
  size_t from, to;
  (void)self, (void)x;
  memset(strips.same, 0, sizeof strips.same);
  pl_team_share(pass->team, values_of(pass), 64, &from, &to);
  for (size_t i = from; i < to;) {
    pl_stretch at = pl_walk_stretch(&w, i, to);
    take_strips(&strips, &w, pass, &at, in);
    pl_kernel.elementwise(pass->op->cls->code, y + i, in[0], in[1], in[2], at.n);
    i += at.n;
  }
}

typedef struct { const pl_pass *pass; const pl_walk *walk; pl_strips *strips; const float *y, *dy; int k; } slope;

/* dy df/dk of a stretch. */
static void slopes(const slope *s, float *out, const pl_stretch *at) {
  const float *in[PL_WALK_OPERANDS] = { 0 };
  int code = s->pass->op->cls->code;
  if (keeps[code] & PL_KEEP_IN) take_strips(s->strips, s->walk, s->pass, at, in);
  pl_kernel.elementwise_grad(code, s->k, out, s->dy + at->at, in[0], in[1], s->y ? s->y + at->at : NULL, at->n);
}

/* Adds the slopes of elements [from, to) to where they were broadcast from; `origin`: the element of the input that
   out[0] stands for. */
static void sum_slopes(const slope *s, float *out, ptrdiff_t origin, size_t from, size_t to) {
  float g[PL_STRIP];
  ptrdiff_t step = pl_walk_step(s->walk, s->k);
  for (size_t i = from; i < to;) {
    pl_stretch at = pl_walk_stretch(s->walk, i, to);
    float *sum = out + at.offset[s->k] - origin;
    slopes(s, g, &at);
    if (step == 1) pl_kernel.add(sum, sum, g, at.n);
    else if (step == 0) *sum += (float)pl_kernel.sum_tree(g, at.n, 1, false, 0);
    else for (size_t j = 0; j < at.n; j++) sum[(ptrdiff_t)j * step] += g[j];
    i += at.n;
  }
}

static void backward_dense(const slope *s, float *dx) {
  size_t from, to;
  pl_team_share(s->pass->team, values_of(s->pass), 64, &from, &to);
  for (size_t i = from; i < to;) {
    pl_stretch at = pl_walk_stretch(s->walk, i, to);
    slopes(s, dx + i, &at);
    i += at.n;
  }
}

/* Each sample by one member; or, of values without a batch, all by one. */
static void backward_within_samples(const slope *s, float *dx) {
  size_t from, to, each = (size_t)pl_shape_count(&s->pass->out), width = (size_t)pl_shape_count(&s->pass->op->in[s->k]);
  pl_team_share(s->pass->team, s->pass->batch, 1, &from, &to);
  for (size_t n = from; n < to; n++) {
    memset(dx + n * width, 0, width * sizeof *dx);
    sum_slopes(s, dx + n * width, (ptrdiff_t)(s->pass->op->fixed[s->k] ? 0 : n * width), n * each, (n + 1) * each);
  }
}

static void backward_blocks(const slope *s, float *parts) {
  const pl_operation *o = s->pass->op;
  size_t from, to, each = (size_t)pl_shape_count(&s->pass->out), width = (size_t)pl_shape_count(&o->in[s->k]),
    samples = block_samples(o, s->k), batch = s->pass->batch;
  pl_team_share(s->pass->team, blocks_of(o, s->k, batch), 1, &from, &to);
  for (size_t b = from; b < to; b++) {
    size_t end = (b + 1) * samples < batch ? (b + 1) * samples : batch;
    memset(parts + b * width, 0, width * sizeof *parts);
    sum_slopes(s, parts + b * width, 0, b * samples * each, end * each);
  }
}

static void add_blocks(const pl_pass *pass, int k, float *dx, const float *parts) {
  size_t from, to, width = (size_t)pl_shape_count(&pass->op->in[k]);
  pl_team_share(pass->team, width, 16, &from, &to);
  if (from < to) pl_kernel.column_sums(dx + from, parts + from, blocks_of(pass->op, k, pass->batch), to - from, width,
                                       false);
}

static void backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  pl_walk w = pl_walk_make(pass->op, pass->batch);
  pl_strips strips;
  float *parts = pass->scratch;
  bool blocks = false;
  (void)self, (void)x, (void)dx;
  if (sums_in_chain(pass->op)) {
    backward_in_chain(pass, y, dy);
    return;
  }
  for (int k = 0; k < pass->inputs; k++) {
    float *grad = pass->input_grad[k];
    slope s = { pass, &w, &strips, y, dy, k };
    memset(strips.same, 0, sizeof strips.same);
    if (grad == NULL) continue;
    if (pl_walk_is_dense(pass->op, k)) backward_dense(&s, grad);
    else if (!sums_over_batch(pass->op, k)) backward_within_samples(&s, grad);
    else {
      backward_blocks(&s, parts);
      parts += blocks_of(pass->op, k, pass->batch) * (size_t)pl_shape_count(&pass->op->in[k]);
      blocks = true;
    }
  }
  if (!blocks) return;
  pl_team_barrier(pass->team);
  parts = pass->scratch;
  for (int k = 0; k < pass->inputs; k++) {
    if (pass->input_grad[k] == NULL || !sums_over_batch(pass->op, k)) continue;
    add_blocks(pass, k, pass->input_grad[k], parts);
    parts += blocks_of(pass->op, k, pass->batch) * (size_t)pl_shape_count(&pass->op->in[k]);
  }
}

static double work(const pl_operation *o) {
  return 4 * (double)pl_shape_count(&o->out);
}

static const pl_option none[] = { { 0 } };

#define ELEMENTWISE(name, type, inputs, kept) \
  const pl_layer_class pl_op_##name = { \
    .head = { type, 0, NULL, none }, .code = PL_EL_##name, \
    .flags = PL_PER_SAMPLE | (PL_EL_##name >= PL_EL_lt ? PL_NO_GRAD : 0), \
    .infer = infer, .need = need, .forward = forward, .backward = backward, .operation_work = work };
#include "kernels/operations.def"
#undef ELEMENTWISE
