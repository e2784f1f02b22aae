/* Runs a plan: the operations forwards, then backwards, as one parallel region for every stretch without a host layer. */
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

static pl_pass pass_of(const pl_model *m, const pl_team *team, int i, bool backward) {
  const pl_op *op = &m->graph.op[i];
  return (pl_pass){
    .team = team, .batch = m->n, .training = m->mode == PL_TRAIN, .noise = m->mode == PL_NOISE || m->mode == PL_TRAIN,
    .accumulate = !m->overwrite, .seed = m->seed, .step = m->step, .in = m->graph.value[op->in[0]], .out = m->graph.value[op->out[0]],
    .saved = arena_of(m) + m->current->saved[i], .scratch = arena_of(m) + m->current->scratch[backward][i],
  };
}

static void add_shared(const pl_team *team, float *out, const float *a, const float *b, size_t n) {
  size_t from, to;
  pl_team_share(team, n, 64, &from, &to);
  pl_kernel.add(out + from, a + from, b + from, to - from);
}

static bool is_host(const pl_model *m, int i) { return m->graph.op[i].kind == PL_OP_LAYER && m->graph.op[i].layer->cls->host; }

static void forward_op(const pl_model *m, const pl_team *team, int i) {
  const pl_op *op = &m->graph.op[i];
  float *y = act(m, op->out[0]);
  if (op->kind == PL_OP_LAYER && y != act(m, op->in[0])) {
    pl_pass pass = pass_of(m, team, i, false);
    op->layer->cls->forward(op->layer, &pass, act(m, op->in[0]), y);
  } else if (op->kind == PL_OP_JOIN) {
    add_shared(team, y, act(m, op->in[0]), act(m, op->in[1]), m->n * (size_t)pl_shape_count(&m->graph.value[op->out[0]]));
  } else {
    return;
  }
  pl_team_barrier(team);
  pl_model_profile_op(m, team, i, false);
}

static void backward_op(const pl_model *m, const pl_team *team, int i) {
  const pl_op *op = &m->graph.op[i];
  const pl_memory *need = &m->current->need[i];
  if (!m->current->wanted[op->out[0]]) return;
  float *dx = grad(m, op->in[0]);
  if (op->kind == PL_OP_LAYER) {
    pl_pass pass = pass_of(m, team, i, true);
    op->layer->cls->backward(op->layer, &pass, need->needs_x ? act(m, op->in[0]) : NULL, need->needs_y ? act(m, op->out[0]) : NULL,
                             grad(m, op->out[0]), dx);
  } else if (op->kind == PL_OP_FORK && dx != NULL) {
    /* both branches received x: dx = d(branch) + d(shortcut) */
    add_shared(team, dx, grad(m, op->out[0]), grad(m, op->out[1]), m->n * (size_t)pl_shape_count(&m->graph.value[op->in[0]]));
  } else {
    return;
  }
  pl_team_barrier(team);
  pl_model_profile_op(m, team, i, true);
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
  pl_model_profile_op(m, &(pl_team){ 0, 1, NULL }, i, !forward);
  return status;
}

typedef struct { const pl_model *model; int from, to; } stretch;

static void forward_stretch(const pl_team *team, void *arg) {
  const stretch *s = arg;
  for (int i = s->from; i < s->to; i++) forward_op(s->model, team, i);
}

static void backward_stretch(const pl_team *team, void *arg) {
  const stretch *s = arg;
  for (int i = s->to - 1; i >= s->from; i--) backward_op(s->model, team, i);
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

pl_status pl_model_forward(pl_model *model, const float *x, size_t n, pl_mode mode, const float **y, pl_error *err) {
  pl_status status = pl_model_prepare(model, n, mode, true, err);
  if (status) return status;
  int ops = model->graph.ops, threads = pl_model_team_size(model);
  pl_model_profile_stage(model, &(pl_team){ 0, 1, NULL }, PL_STAGE_OTHER);
  model->x = x;
  if (mode == PL_TRAIN) model->step++;
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
  pl_model_profile_stage(model, &(pl_team){ 0, 1, NULL }, PL_STAGE_OTHER);
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

pl_status pl_model_reserve(pl_model *model, size_t batch, pl_mode mode, pl_error *err) { return pl_model_prepare(model, batch, mode, false, err); }

size_t pl_model_arena(pl_model *model, size_t batch, pl_mode mode) {
  pl_plan plan = { 0 };
  if (!model->built || pl_plan_make(model, &plan, batch, mode, false, NULL)) return 0;
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
