/* One training step:  forward -> loss -> backward -> check -> gradients of parameters and update; beside it the next
   batch is loaded.
   A step that is not to be taken shows in its loss before it, or in its weights after it. Only where steps may be
   skipped are all gradients written and looked at first.
   There are two ways through it. Inside a parallel region, which many steps share: the fast one, but no function of the
   script can run there. So where the script takes part, the same stages from outside, in a region each, with the calls
   between them. A loop by hand makes its own passes, and ends its step as the second way does (update.c). */
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
    int32_t label = b->target.labels ? b->target.labels[i]
                  : pl_decide(PL_OUTPUT_PROBABILITIES, b->target.values + i * t->first, t->first);
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

/* The step will be taken. One member only. */
static void accept(pl_steps *s, size_t n) {
  accumulate_result(s, n);
  pl_optimizer_advance(s->t->o.optimizer);
}

/* One member only. */
static void save_states(const pl_steps *s) {
  if (pl_model_states_size(s->t->o.model) > 0)
    memcpy(s->t->states, pl_model_states(s->t->o.model), pl_model_states_size(s->t->o.model) * sizeof *s->t->states);
}

void pl_step_restore_states(const pl_steps *s) {
  if (s->t->states != NULL && pl_model_states_size(s->t->o.model) > 0)
    memcpy(pl_model_states(s->t->o.model), s->t->states, pl_model_states_size(s->t->o.model) * sizeof *s->t->states);
}

/* The loss of a batch, by the team if it is large; then one member looks whether it is finite. */
static void loss_stages(const pl_member *m, pl_stages *stages, const float *y, const pl_given *b) {
  enum { FEW = 4096 };   /* outputs */
  pl_steps *s = m->steps;
  const pl_team *team = pl_stage_begin(stages, b->n * s->t->width <= FEW);
  if (team != NULL) compute_loss(s->t, team, y, b);
  pl_stage_end(stages);
  if (pl_stage_begin(stages, true) != NULL) {
    pl_loader_reset(&s->t->loader, m->index);
    s->index = m->index;
    if (s->t->o.loss != NULL) s->total = pl_loss_total(s->t->losses, b->n);
    if (!isfinite(s->total)) s->update.trouble = PL_LOSS_NOT_FINITE;
  }
  pl_stage_end(stages);
  pl_model_profile_stage(s->t->o.model, stages->team, PL_STAGE_LOSS);
}

/* After backward, by one member: may updates be made as gradients come? Where a gradient might not be finite they are
   written, to be found; and in the last step of a run, to be looked at. */
static void decide_stage(const pl_member *m, pl_stages *stages, const pl_batch *batch) {
  pl_steps *s = m->steps;
  if (pl_stage_begin(stages, true) != NULL) {
    if (s->update.trouble == PL_NO_TROUBLE && !s->update.may_skip) accept(s, batch->n);
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
  pl_weight_update_check(&s->update, pl_stage_begin(stages, false));
  pl_stage_end(stages);
  if (pl_stage_begin(stages, true) != NULL && pl_weight_update_allows(&s->update)) accept(s, n);
  pl_stage_end(stages);
  pl_stage_barrier_wait(stages);
}

static bool update_stages(const pl_member *m, pl_stages *stages, const pl_batch *batch) {
  pl_steps *s = m->steps;
  pl_model *model = s->t->o.model;
  const pl_grad_sink sink = { pl_weight_update_tile, &s->update };
  pl_exec_param_grads_stages(s->t->exec, stages, batch, s->fused ? &sink : NULL);
  if (s->update.may_skip) {
    check_stages(s, stages, batch->n);
    if (s->update.trouble != PL_NO_TROUBLE) return false;
    pl_weight_update_all(&s->update, pl_stage_begin(stages, false));
  } else if (!s->fused) {
    pl_stage_end(stages);
    pl_weight_update_all(&s->update, pl_stage_begin(stages, false));
  }
  pl_model_profile_stage(model, stages->team, PL_STAGE_UPDATE);
  while (has_next(m) && pl_loader_take(&s->t->loader, stages->team->rank, m->index + 1)) continue;
  pl_stage_end(stages);
  pl_model_profile_stage(model, stages->team, PL_STAGE_DATA);
  return pl_weight_update_trouble(&s->update) == PL_NO_TROUBLE;
}

/* Samples of a stream that could not be read are zeros in the batch: nothing may see them. */
static bool is_read(const pl_member *m, pl_stages *stages) {
  pl_steps *s = m->steps;
  if (s->given != NULL || !pl_dataset_is_streamed(s->t->loader.data)) return true;
  if (pl_stage_begin(stages, true) != NULL && pl_dataset_status(s->t->loader.data, NULL))
    s->update.trouble = PL_BATCH_NOT_READ;
  pl_stage_end(stages);
  pl_stage_barrier_wait(stages);
  return s->update.trouble == PL_NO_TROUBLE;
}

bool pl_step_in_region(pl_member *m, pl_stages *stages) {
  pl_steps *s = m->steps;
  if (!is_read(m, stages)) return false;
  pl_given b = pl_step_batch(s, m->index);
  pl_batch batch = { b.x, s->t->grad, b.n, pl_step_number(s->t, s->epoch, m->index) };
  if (s->update.may_skip) {
    if (pl_stage_begin(stages, true) != NULL) save_states(s);
    pl_stage_end(stages);
  }
  const float *y = pl_exec_forward_stages(s->t->exec, stages, &batch);
  loss_stages(m, stages, y, &b);
  pl_exec_backward_stages(s->t->exec, stages, &batch);
  decide_stage(m, stages, &batch);
  return s->update.trouble == PL_NO_TROUBLE && update_stages(m, stages, &batch);
}

/* A loss that is a function of the script: the mean over the batch, and its gradient. */
static pl_status host_loss(pl_steps *s, const pl_given *b, const float *y, pl_error *err) {
  pl_host_loss_call call = { .y = y, .outputs = pl_exec_outputs(s->t->exec), .target = b->target, .n = b->n,
                             .grad = s->t->grad };
  pl_status status = s->t->o.host_loss(s->t->o.host_loss_context, &call, err);
  s->total = call.value * (double)b->n;
  return status;
}

typedef struct { pl_member m; const pl_given *b; const float *y; } loss_arg;

static void loss_region(const pl_team *team, void *arg) {
  loss_arg *a = arg;
  loss_stages(&a->m, &(pl_stages){ .team = team }, a->y, a->b);
}

pl_status pl_step_with_script(pl_steps *s, size_t index, pl_error *err) {
  pl_trainer *t = s->t;
  pl_given b = pl_step_batch(s, index);
  loss_arg loss = { { s, index }, &b, NULL };
  save_states(s);
  pl_model_set_random(t->o.model, t->o.seed, pl_step_number(t, s->epoch, index) - 1);
  pl_status status = pl_exec_forward(t->exec, b.x, b.n, PL_TRAIN, &loss.y, err);
  if (status || (status = pl_trainer_check_loss(t, err))) return status;
  if (t->o.host_loss != NULL && (status = host_loss(s, &b, loss.y, err))) return status;
  pl_threads_run_on(1, loss_region, &loss);
  if (s->update.trouble != PL_NO_TROUBLE) return PL_OK;
  pl_model_replace_grads(t->o.model);
  if ((status = pl_exec_backward(t->exec, t->grad, NULL, err))) return status;
  status = pl_weight_update_run(&s->update, pl_exec_team_size(t->exec), t->o.host_step, t->o.host_step_context, err);
  if (status == PL_OK && s->update.trouble == PL_NO_TROUBLE) accumulate_result(s, b.n);
  return status;
}
