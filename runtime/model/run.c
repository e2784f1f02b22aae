/* Runs a plan: the operations forwards, then backwards, as one parallel region for every stretch without a host layer. */
#include <stdatomic.h>
#include <string.h>
#include "kernels/kernels.h"
#include "model/model.h"

static char *arena_of(const pl_model *m) { return m->arena[m->mode == PL_TRAIN]; }

/* Memory of value v: the caller's input, or a place in the arena. */
static float *act(const pl_model *m, int v) {
  int r = m->current->act_root[v];
  if (r == m->current->act_root[0]) return (float *)m->x;
  return (float *)(void *)(arena_of(m) + m->current->act[r]);
}

static int last_value(const pl_graph *g) { return g->ops ? g->op[g->ops - 1].out[0] : 0; }

static float *grad(const pl_model *m, int v) {
  int r = m->current->grad_root[v], last = last_value(&m->graph);
  if (!m->current->wanted[v]) return NULL;
  if (r == m->current->grad_root[last]) return (float *)m->dy;
  if (r == m->current->grad_root[0]) return m->dx;
  return (float *)(void *)(arena_of(m) + m->current->grad[r]);
}

enum { FORWARD, BACKWARD, LEARN };

static pl_pass pass_of(const pl_model *m, const pl_team *team, int i, int phase) {
  const pl_op *op = &m->graph.op[i], *join = op + 1;
  bool joined = phase == FORWARD && m->current->joined[i];
  return (pl_pass){
    .team = team, .batch = m->n, .training = m->mode == PL_TRAIN, .noise = m->mode == PL_NOISE || m->mode == PL_TRAIN,
    .data = m->current->act_root[op->in[0]] == m->current->act_root[0],
    .accumulate = !m->overwrite, .defer = m->defer, .clamp = m->current->along[i] == PL_ALONG_BOTH,
    .activation = phase == FORWARD && m->current->along[i] == PL_ALONG_FORWARD ? op[1].layer : NULL,
    .plus = joined ? act(m, join->in[join->in[0] == op->out[0]]) : NULL, .clamp_sum = joined && m->current->along[i + 1] == PL_ALONG_FORWARD,
    .seed = m->seed, .step = m->step, .in = m->graph.value[op->in[0]], .out = m->graph.value[op->out[0]],
    .saved = arena_of(m) + m->current->saved[i], .scratch = arena_of(m) + m->current->scratch[phase][i],
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

static bool is_host(const pl_model *m, int i) { return m->graph.op[i].kind == PL_OP_LAYER && m->graph.op[i].layer->cls->host; }

/* An operation that is fused into a later one is run by it. */
static void forward_op(const pl_model *m, pl_stages *stages, int i) {
  if (m->current->runner[i] != i) return;
  const pl_op *op = &m->graph.op[i];
  int first = pl_plan_first(m->current, i), in = m->graph.op[first].in[0];
  float *y = act(m, op->out[0]);
  bool layer = op->kind == PL_OP_LAYER && y != act(m, in);
  if (!layer && (op->kind != PL_OP_JOIN || m->current->joined[i - 1])) return;
  const pl_team *team = pl_stage_begin(stages, m->current->alone[i]);
  if (team != NULL && layer) {
    pl_pass pass = pass_of(m, team, i, FORWARD), makers = first < i ? pass_of(m, team, first, FORWARD) : pass;
    pl_before before = { .pass = &makers };
    if (first < i) {
      before.activation = op[-1].layer;
      before.maker = first < i - 1 ? op[-2].layer : NULL;
      pass.before = &before;
    }
    op->layer->cls->forward(op->layer, &pass, act(m, in), y);
  } else if (team != NULL) {
    join(team, y, act(m, op->in[0]), act(m, op->in[1]), m->n * (size_t)pl_shape_count(&m->graph.value[op->out[0]]), m->current->along[i] == PL_ALONG_FORWARD);
  }
  pl_stage_end(stages);
  pl_model_profile_op(m, stages->team, first, false);
}

/* A fused operation goes back through the activation before it; what made the activation's input has a backward of its own. */
static void backward_op(const pl_model *m, pl_stages *stages, int i) {
  const pl_op *op = &m->graph.op[i];
  const pl_memory *need = &m->current->need[i];
  if (m->current->runner[i] == i + 1) return;
  float *dx = grad(m, need->fused ? op[-1].in[0] : op->in[0]);
  if (!m->current->wanted[op->out[0]] || (op->kind != PL_OP_LAYER && (op->kind != PL_OP_FORK || dx == NULL))) return;
  if (pl_plan_is_gone(m->current, i) || m->current->merged[i]) return;
  if (m->defer && dx == NULL && op->layer->cls->learn != NULL) return;
  const pl_team *team = pl_stage_begin(stages, m->current->alone[i]);
  size_t n = m->n * (size_t)pl_shape_count(&m->graph.value[op->in[0]]);
  if (team != NULL && m->current->merged[i + 1]) {
    if (dx != NULL) add_branches(team, dx, grad(m, op[1].out[0]), grad(m, op[1].out[1]), act(m, op->out[0]), n);
  } else if (team != NULL && op->kind == PL_OP_LAYER) {
    pl_pass pass = pass_of(m, team, i, BACKWARD);
    pl_before before = { .activation = need->fused ? op[-1].layer : NULL };
    if (need->fused) pass.before = &before;
    op->layer->cls->backward(op->layer, &pass, need->needs_x ? act(m, op->in[0]) : NULL, need->needs_y ? act(m, op->out[0]) : NULL,
                             grad(m, op->out[0]), dx);
  } else if (team != NULL) {
    add_branches(team, dx, grad(m, op->out[0]), grad(m, op->out[1]), NULL, n);
  }
  pl_stage_end(stages);
  pl_model_profile_op(m, stages->team, need->fused ? i - 1 : i, true);
}

static void forward_ops(const pl_model *m, pl_stages *stages, int from, int to) {
  for (int i = from; i < to; i++) forward_op(m, stages, i);
}

static void backward_ops(const pl_model *m, pl_stages *stages, int from, int to) {
  for (int i = to - 1; i >= from; i--) backward_op(m, stages, i);
}

static pl_status host_op(pl_model *m, int i, bool forward, pl_error *err) {
  const pl_op *op = &m->graph.op[i];
  pl_host_call call = {
    .kind = forward ? PL_HOST_FORWARD : PL_HOST_BACKWARD, .in = m->graph.value[op->in[0]], .out = m->graph.value[op->out[0]],
    .batch = m->n, .training = m->mode == PL_TRAIN, .x = act(m, op->in[0]), .y = act(m, op->out[0]),
    .dy = forward ? NULL : grad(m, op->out[0]), .dx = forward ? NULL : grad(m, op->in[0]),
  };
  if (!forward && call.dx == NULL) return PL_OK;
  if (op->layer->host == NULL) return pl_error_set(err, PL_ERROR_STATE, "%s has no function to call; make it in a script", op->layer->cls->head.type);
  m->calling = true;
  pl_status status = op->layer->host(op->layer->host_context, &call, err);
  m->calling = false;
  pl_model_profile_op(m, &(pl_team){ .size = 1 }, i, !forward);
  return status;
}

typedef struct { const pl_model *model; int from, to; } stretch;

static void forward_stretch(const pl_team *team, void *arg) {
  const stretch *s = arg;
  pl_stages stages = { .team = team };
  forward_ops(s->model, &stages, s->from, s->to);
  pl_stage_meet(&stages);
}

static void backward_stretch(const pl_team *team, void *arg) {
  const stretch *s = arg;
  pl_stages stages = { .team = team };
  backward_ops(s->model, &stages, s->from, s->to);
  pl_stage_meet(&stages);
}

/* A region costs microseconds: small work stays on one thread. Bits do not depend on it. */
int pl_model_team_size(const pl_model *m) {
  enum { ENOUGH = 200000 };   /* multiply-adds a member */
  double work = 0;
  for (int i = 0; i < m->graph.ops; i++) {
    const pl_op *op = &m->graph.op[i];
    if (op->kind == PL_OP_LAYER && op->layer->cls->work != NULL)
      work += op->layer->cls->work(op->layer, &m->graph.value[op->in[0]], &m->graph.value[op->out[0]]);
  }
  double most = 1 + work * (double)m->n / ENOUGH;
  int threads = pl_threads_get();
  return most < threads ? (int)most : threads;
}

const float *pl_model_forward_ops(const pl_model *model, pl_stages *stages) {
  forward_ops(model, stages, 0, model->graph.ops);
  return act(model, last_value(&model->graph));
}

typedef struct { const pl_model *model; const float *y; } answers;

static void answer(const pl_team *team, void *arg) {
  answers *a = arg;
  const float *y = pl_pieces_forward(a->model, team);
  if (team->rank == 0) a->y = y;
}

pl_status pl_model_forward(pl_model *model, const float *x, size_t n, pl_mode mode, const float **y, pl_error *err) {
  pl_status status = pl_model_prepare(model, n, mode, true, err);
  if (status) return status;
  int ops = model->graph.ops, threads = pl_model_team_size(model);
  pl_model_profile_stage(model, &(pl_team){ .size = 1 }, PL_STAGE_OTHER);
  model->x = x;
  if (mode == PL_TRAIN) model->step++;
  if (model->current->piece != 0) {
    answers a = { model, NULL };
    pl_threads_run_on(threads, answer, &a);
    *y = a.y;
    return PL_OK;
  }
  for (int from = 0; from < ops;) {
    int to = from;
    while (to < ops && !is_host(model, to)) to++;
    if (to > from) pl_threads_run_on(threads, forward_stretch, &(stretch){ model, from, to });
    if (to < ops && (status = host_op(model, to, true, err))) return status;
    from = to + 1;
  }
  model->pending = mode == PL_TRAIN;
  *y = act(model, last_value(&model->graph));
  return PL_OK;
}

pl_status pl_model_backward(pl_model *model, const float *dy, float *dx, pl_error *err) {
  if (pl_model_idle(model, err)) return PL_ERROR_STATE;
  if (!model->pending || model->mode != PL_TRAIN) return pl_error_set(err, PL_ERROR_STATE, "backward follows a forward (a training pass); infer, predict and evaluate keep nothing");
  int ops = model->graph.ops, threads = pl_model_team_size(model);
  pl_status status = PL_OK;
  pl_model_profile_stage(model, &(pl_team){ .size = 1 }, PL_STAGE_OTHER);
  model->dy = dy;
  model->dx = dx;
  for (int to = ops; to > 0;) {
    int from = to;
    while (from > 0 && !is_host(model, from - 1)) from--;
    if (to > from) pl_threads_run_on(threads, backward_stretch, &(stretch){ model, from, to });
    if (from > 0 && (status = host_op(model, from - 1, false, err))) return status;
    to = from - 1;
  }
  /* a model of aliases alone: the output is the input, and so are their gradients */
  if (dx != NULL && model->current->grad_root[0] == model->current->grad_root[last_value(&model->graph)])
    memcpy(dx, dy, model->n * (size_t)pl_shape_count(&model->graph.value[0]) * sizeof *dx);
  model->pending = model->overwrite = false;
  return PL_OK;
}

const float *pl_model_forward_team(pl_model *model, const pl_team *team, const float *x, size_t n, pl_mode mode, uint64_t step) {
  if (team->rank == 0) {
    model->x = x;
    model->n = n;
    model->mode = mode;
    model->step = step;
    if (mode == PL_TRAIN) model->overwrite = true;
  }
  pl_team_barrier(team);
  if (model->current->piece != 0) return pl_pieces_forward(model, team);
  forward_stretch(team, &(stretch){ model, 0, model->graph.ops });
  return act(model, last_value(&model->graph));
}

void pl_model_replace_grads(pl_model *model) { model->overwrite = true; }

void pl_model_backward_team(pl_model *model, const pl_team *team, const float *dy) {
  if (team->rank == 0) {
    model->dy = dy;
    model->dx = NULL;
  }
  pl_team_barrier(team);
  backward_stretch(team, &(stretch){ model, 0, model->graph.ops });
}

/* Each member has a view of the model of its own: so the next pass may begin without a barrier. */
static pl_model view_of(const pl_model *model, const pl_batch *b) {
  pl_model view = *model;
  view.x = b->x;
  view.dy = b->dy;
  view.dx = NULL;
  view.n = b->n;
  view.step = b->step;
  view.mode = PL_TRAIN;
  view.overwrite = view.defer = true;
  return view;
}

const float *pl_model_forward_stages(const pl_model *model, pl_stages *stages, const pl_batch *batch) {
  pl_model view = view_of(model, batch);
  return pl_model_forward_ops(&view, stages);
}

void pl_model_backward_stages(const pl_model *model, pl_stages *stages, const pl_batch *batch) {
  pl_model view = view_of(model, batch);
  backward_ops(&view, stages, 0, view.graph.ops);
}

static bool learns(const pl_model *m, int i) {
  const pl_op *op = &m->graph.op[i];
  return op->kind == PL_OP_LAYER && op->layer->cls->learn != NULL && m->current->wanted[op->out[0]];
}

bool pl_model_is_bounded(const pl_model *model, const pl_batch *batch) {
  pl_model view = view_of(model, batch);
  for (int i = 0; i < view.graph.ops; i++) {
    if (!learns(&view, i)) continue;
    const pl_op *op = &view.graph.op[i];
    size_t ins = view.n * (size_t)pl_shape_count(&view.graph.value[op->in[0]]), outs = view.n * (size_t)pl_shape_count(&view.graph.value[op->out[0]]);
    double x = (double)pl_kernel.largest(act(&view, op->in[0]), ins), dy = (double)pl_kernel.largest(grad(&view, op->out[0]), outs);
    if (!(x * dy * (double)ins < 1e38)) return false;
  }
  return true;
}

void pl_model_learn_stages(const pl_model *model, pl_stages *stages, const pl_batch *batch, const pl_stepper *stepper) {
  pl_model view = view_of(model, batch);
  const pl_team *team = pl_stage_begin(stages, false);
  for (int i = 0; i < view.graph.ops; i++) {
    if (!learns(&view, i)) continue;
    const pl_op *op = &view.graph.op[i];
    pl_pass pass = pass_of(&view, team, i, LEARN);
    pass.stepper = stepper;
    op->layer->cls->learn(op->layer, &pass, act(&view, op->in[0]), grad(&view, op->out[0]));
  }
  for (size_t i = 0; stepper != NULL && i < model->slices; i++) {
    const pl_slice *s = &model->slice[i];
    size_t from, to;
    if (s->layer->cls->learn != NULL) continue;
    pl_team_share(team, s->count, 16, &from, &to);
    if (from == to) continue;
    stepper->step(stepper->context, &(pl_part){ .slice = i, .offset = from, .rows = 1, .cols = to - from, .grad = model->block->grads + s->offset + from });
  }
}

static bool may_be_ordinary(const pl_layer *layer, const pl_param *p) { return layer->cls->learn != NULL && p->trained; }

/* Each member its share of each parameter. */
static void look_at_values(const pl_team *team, void *arg) {
  pl_model *model = arg;
  for (size_t i = 0; i < model->slices; i++) {
    pl_layer *layer = (pl_layer *)model->slice[i].layer;
    for (int k = 0; k < layer->params; k++) {
      pl_param *p = &layer->param[k];
      size_t from, to;
      pl_team_share(team, (size_t)pl_shape_count(&p->shape), 16, &from, &to);
      if (may_be_ordinary(layer, p) && !pl_kernel.ordinary(p->value + from, to - from)) atomic_store(&p->ordinary, false);
    }
  }
}

void pl_model_trust(pl_model *model, bool look) {
  enum { MANY = 1 << 18 };   /* parameters that are worth a team */
  for (size_t i = 0; i < model->slices; i++) {
    pl_layer *layer = (pl_layer *)model->slice[i].layer;
    for (int k = 0; k < layer->params; k++) atomic_store(&layer->param[k].ordinary, look && may_be_ordinary(layer, &layer->param[k]));
  }
  if (look) pl_threads_run_on(model->parameters < MANY ? 1 : pl_model_team_size(model), look_at_values, model);
}

size_t pl_model_pack(pl_model *model, pl_reorder_fn reorder, void *context, bool back) {
  size_t most = 0;
  for (size_t i = 0; i < model->slices; i++) {
    pl_layer *layer = (pl_layer *)model->slice[i].layer;
    for (int k = 0; k < layer->params; k++) {
      pl_param *p = &layer->param[k];
      if (layer->cls->pack == NULL || !p->trained || p->slice != i || !layer->cls->pack(layer, k, NULL, NULL, back)) continue;
      if (model->slice[i].count > most) most = model->slice[i].count;
      if (reorder == NULL) continue;
      reorder(context, &(pl_order){ layer, k, back }, model->slice[i].offset, model->slice[i].count);
      p->packed = !back;
    }
  }
  return most;
}

void pl_order_apply(const pl_order *order, float *out, const float *in) { order->layer->cls->pack(order->layer, order->param, out, in, order->back); }

pl_status pl_model_reserve(pl_model *model, size_t batch, pl_mode mode, pl_error *err) { return pl_model_prepare(model, batch, mode, false, err); }

size_t pl_model_arena(pl_model *model, size_t batch, pl_mode mode) {
  pl_plan plan = { 0 };
  if (!model->built || pl_plan_make(model, &plan, batch, pl_threads_get(), mode, false, NULL)) return 0;
  size_t bytes = plan.bytes;
  pl_plan_clear(&plan);
  return bytes;
}

int pl_model_ops(const pl_model *model) { return model->graph.ops; }

pl_model_op pl_model_op_at(const pl_model *model, int i) {
  const pl_op *op = &model->graph.op[i];
  const pl_shape *in = &model->graph.value[op->in[0]], *out = &model->graph.value[op->out[0]];
  pl_model_op result = { .layer = op->layer, .output = *out };
  if (op->kind == PL_OP_LAYER) {
    pl_memory need = { 0 };
    if (op->layer->cls->memory != NULL) op->layer->cls->memory(op->layer, in, out, 1, &need);
    if (op->layer->cls->work != NULL) result.work = op->layer->cls->work(op->layer, in, out);
    result.memory = (size_t)pl_shape_count(out) * sizeof(float) + need.saved;
  }
  result.kind = op->kind == PL_OP_FORK ? PL_MODEL_FORK : op->kind == PL_OP_JOIN ? PL_MODEL_JOIN : PL_MODEL_LAYER;
  return result;
}

const float *pl_model_activation(const pl_model *model, int i) {
  return model->current != NULL && model->mode == PL_LOOK ? act(model, model->graph.op[i].out[0]) : NULL;
}
