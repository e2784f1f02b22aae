/* One training step:  forward -> loss -> backward -> check -> gradients of parameters and update; beside it the next
   batch is loaded.
   A step that is not to be taken shows in its loss before it, or in its weights after it. Only where steps may be
   skipped are all gradients written and looked at first. */
#include <math.h>
#include <string.h>
#include "train/nonfinite.h"
#include "train/trainer.h"
#include "perilune/cpu.h"

uint64_t pl_step_number(const pl_trainer *t, uint64_t epoch, size_t index) {
  return (epoch - 1) * t->loader.batches + index + 1;
}

pl_given pl_step_batch(const pl_steps *s, size_t index) {
  if (s->given != NULL) return *s->given;
  return (pl_given){ pl_loader_x(&s->t->loader, index), pl_loader_target(&s->t->loader, index),
                     pl_loader_length(&s->t->loader, index) };
}

static bool has_next(const pl_member *m) { return m->index + 1 < m->steps->end; }

void pl_step_load_ahead(const pl_team *team, void *context) {
  pl_member *m = context;
  if (!has_next(m)) return;
  while (!pl_team_leader_at_barrier(team) && pl_loader_take(&m->steps->t->loader, team->rank, m->index + 1)) continue;
}

/* Losses and their gradient (unless a function of the script has made them), and hits or errors of each row. */
static void compute_loss(pl_trainer *t, const pl_team *team, const float *y, const pl_given *b) {
  size_t from, to;
  if (t->o.loss != NULL) pl_loss_forward(t->o.loss, team, t->losses, t->grad, y, b->target, b->n, t->width);
  pl_team_share(team, b->n, 1, &from, &to);
  for (size_t i = from; i < to; i++) {
    const float *row = y + i * t->width;
    if (t->values) {
      t->errors[i] = pl_errors_of_row(t->outputs, row, b->target.values + i * t->first, t->first);
      continue;
    }
    int32_t guess = pl_decide(t->outputs, row, t->first);
    int32_t label = b->target.labels ? b->target.labels[i] : pl_decide(PL_OUTPUT_PROBABILITIES,
        b->target.values + i * t->first, t->first);
    t->hit[i] = guess == label && guess != PL_NO_LABEL;
  }
}

/* Adds a batch to the result. One member only. */
static void accumulate_result(const pl_steps *s, size_t n) {
  const pl_trainer *t = s->t;
  pl_train_result *r = s->result;
  r->loss += s->total;
  for (size_t i = 0; i < n; i++) {
    r->correct += t->hit[i];
    if (!t->values) continue;
    r->errors.absolute += t->errors[i].absolute;
    r->errors.squared += t->errors[i].squared;
  }
  r->samples += n;
  r->batches++;
}

/* The step will be taken, as far as is known. One member only. */
static void accept(pl_steps *s, size_t n) {
  accumulate_result(s, n);
  pl_optimizer_advance(s->t->o.optimizer);
}

/* One member only. */
static void save_states(const pl_steps *s) {
  if (pl_model_states_size(s->t->o.model) > 0)
    memcpy(s->t->states, pl_model_states(s->t->o.model), pl_model_states_size(s->t->o.model) * sizeof *s->t->states);
}

static void check_share(pl_steps *s, const pl_team *team) {
  size_t from, to;
  pl_team_share(team, pl_model_size(s->t->o.model), 16, &from, &to);
  if (!pl_all_finite(pl_model_grads(s->t->o.model) + from, to - from)) atomic_store(&s->not_finite, true);
}

static bool update_tile(void *context, const pl_grad_tile *tile) {
  pl_steps *s = context;
  bool finite = pl_optimizer_step_tile(s->t->o.optimizer, pl_model_values(s->t->o.model), tile);
  if (!finite) atomic_store(&s->not_finite, true);
  return finite;
}

static void update_all(pl_steps *s, const pl_team *team) {
  pl_model *model = s->t->o.model;
  if (!pl_optimizer_step(s->t->o.optimizer, team, pl_model_values(model), pl_model_grads(model)))
    atomic_store(&s->not_finite, true);
}

/* The loss of a batch, by the team if it is large; then what one member does. */
static void loss_stages(const pl_member *m, pl_stages *stages, const float *y, const pl_given *b) {
  enum { FEW = 4096 };   /* outputs */
  pl_steps *s = m->steps;
  const pl_team *team = pl_stage_begin(stages, b->n * s->t->width <= FEW);
  if (team != NULL) compute_loss(s->t, team, y, b);
  pl_stage_end(stages);
  if (pl_stage_begin(stages, true) != NULL) {
    pl_loader_reset(&s->t->loader, m->index);
    s->index = m->index;
    s->total = pl_loss_total(s->t->losses, b->n);
    if (!isfinite(s->total)) s->trouble = PL_LOSS_NOT_FINITE;
    else if (s->t->states == NULL) accept(s, b->n);
  }
  pl_stage_end(stages);
  pl_model_profile_stage(s->t->o.model, stages->team, PL_STAGE_LOSS);
}

/* After backward, by one member: may updates be made as gradients come? Where a gradient might not be finite they are
   written, to be found; and in the last step of a run, to be looked at. */
static void decide_stage(const pl_member *m, pl_stages *stages, const pl_batch *batch) {
  pl_steps *s = m->steps;
  if (pl_stage_begin(stages, true) != NULL) {
    s->fused = s->t->fuse && has_next(m) && pl_exec_grads_cannot_overflow(s->t->exec, batch);
    if (!s->fused) pl_model_scan_weights(s->t->o.model, false, 1);
    double now = s->balance != NULL ? pl_clock() : 0;
    if (s->balance != NULL && pl_load_balance_is_due(s->balance, now))
      pl_load_balance_adjust(s->balance, now, pl_threads_involuntary_switches());
  }
  pl_stage_end(stages);
  pl_stage_barrier_wait(stages);
}

/* Where steps may be skipped: gradients are complete and finite, or nothing has happened. */
static void check_stages(pl_steps *s, pl_stages *stages, size_t n) {
  pl_stage_end(stages);
  check_share(s, pl_stage_begin(stages, false));
  pl_stage_end(stages);
  if (pl_stage_begin(stages, true) != NULL) {
    if (atomic_load(&s->not_finite)) s->trouble = PL_GRADIENT_NOT_FINITE;
    else accept(s, n);
  }
  pl_stage_end(stages);
  pl_stage_barrier_wait(stages);
}

static bool update_stages(const pl_member *m, pl_stages *stages, const pl_batch *batch) {
  pl_steps *s = m->steps;
  pl_model *model = s->t->o.model;
  const pl_grad_sink sink = { update_tile, s };
  pl_exec_param_grads_stages(s->t->exec, stages, batch, s->fused ? &sink : NULL);
  if (s->t->states != NULL) {
    check_stages(s, stages, batch->n);
    if (s->trouble != PL_NO_TROUBLE) return false;
    update_all(s, pl_stage_begin(stages, false));
  } else if (!s->fused) {
    pl_stage_end(stages);
    update_all(s, pl_stage_begin(stages, false));
  }
  pl_model_profile_stage(model, stages->team, PL_STAGE_UPDATE);
  while (has_next(m) && pl_loader_take(&s->t->loader, stages->team->rank, m->index + 1)) continue;
  pl_stage_end(stages);
  pl_model_profile_stage(model, stages->team, PL_STAGE_DATA);
  return !atomic_load(&s->not_finite);
}

bool pl_step_in_stages(pl_member *m, pl_stages *stages) {
  pl_steps *s = m->steps;
  pl_given b = pl_step_batch(s, m->index);
  pl_batch batch = { b.x, s->t->grad, b.n, pl_step_number(s->t, s->epoch, m->index) };
  if (s->t->states != NULL) {
    if (pl_stage_begin(stages, true) != NULL) save_states(s);
    pl_stage_end(stages);
  }
  const float *y = pl_exec_forward_stages(s->t->exec, stages, &batch);
  loss_stages(m, stages, y, &b);
  pl_exec_backward_stages(s->t->exec, stages, &batch);
  decide_stage(m, stages, &batch);
  return s->trouble == PL_NO_TROUBLE && update_stages(m, stages, &batch);
}

typedef struct { pl_steps *s; const pl_given *b; const float *y; } part;

static void loss_part(const pl_team *team, void *arg) {
  part *p = arg;
  compute_loss(p->s->t, team, p->y, p->b);
  pl_model_profile_stage(p->s->t->o.model, team, PL_STAGE_LOSS);
}

static void check_part(const pl_team *team, void *arg) { check_share(((part *)arg)->s, team); }

static void update_part(const pl_team *team, void *arg) {
  part *p = arg;
  update_all(p->s, team);
  pl_team_barrier(team);
  pl_model_profile_stage(p->s->t->o.model, team, PL_STAGE_UPDATE);
}

/* A loss that is a function of the script: the mean over the batch, and its gradient. */
static pl_status host_loss(pl_steps *s, const pl_given *b, const float *y, pl_error *err) {
  pl_host_loss_call call = { .y = y, .outputs = pl_exec_outputs(s->t->exec), .target = b->target, .n = b->n,
                             .grad = s->t->grad };
  pl_status status = s->t->o.host_loss(s->t->o.host_loss_context, &call, err);
  s->total = call.value * (double)b->n;
  return status;
}

static void profile_part(const pl_team *team, void *arg) {
  pl_model_profile_stage(((part *)arg)->s->t->o.model, team, PL_STAGE_UPDATE);
}

/* An optimizer that is a function of the script, or one in C. */
static pl_status take_step(pl_steps *s, part *p, int threads, pl_error *err) {
  const pl_trainer_options *o = &s->t->o;
  pl_optimizer_advance(o->optimizer);
  if (!pl_optimizer_is_host(o->optimizer)) {
    pl_threads_run_on(threads, update_part, p);
    return PL_OK;
  }
  bool finite = true;
  void *block = pl_model_block(o->model);     /* a script may give the model another one */
  pl_block_retain(block);
  pl_status status = pl_optimizer_step_host(o->optimizer, pl_model_values(o->model), pl_model_grads(o->model),
                                            o->host_step, o->host_step_context, &finite, err);
  pl_block_release(block);
  if (!finite) atomic_store(&s->not_finite, true);
  pl_threads_run_on(1, profile_part, p);
  return status;
}

pl_status pl_step_in_parts(pl_steps *s, size_t index, pl_error *err) {
  pl_trainer *t = s->t;
  pl_given b = pl_step_batch(s, index);
  part p = { s, &b, NULL };
  s->index = index;
  if (t->states != NULL) save_states(s);
  pl_model_set_random(t->o.model, t->o.seed, pl_step_number(t, s->epoch, index) - 1);
  pl_status status = pl_exec_forward(t->exec, b.x, b.n, PL_TRAIN, &p.y, err);
  if (status || (status = pl_trainer_check_loss(t, err))) return status;
  if (t->o.host_loss != NULL && (status = host_loss(s, &b, p.y, err))) return status;
  pl_threads_run_on(1, loss_part, &p);
  if (t->o.host_loss == NULL) s->total = pl_loss_total(t->losses, b.n);
  if (!isfinite(s->total)) {
    s->trouble = PL_LOSS_NOT_FINITE;
    return PL_OK;
  }
  pl_model_replace_grads(t->o.model);
  if ((status = pl_exec_backward(t->exec, t->grad, NULL, err)) || (status = pl_trainer_check_optimizer(t, err)))
    return status;
  int threads = pl_exec_team_size(t->exec);
  if (t->states != NULL) pl_threads_run_on(threads, check_part, &p);
  if (s->not_finite) {
    s->trouble = PL_GRADIENT_NOT_FINITE;
    return PL_OK;
  }
  if ((status = take_step(s, &p, threads, err))) return status;
  if (!s->not_finite) accumulate_result(s, b.n);
  return PL_OK;
}
