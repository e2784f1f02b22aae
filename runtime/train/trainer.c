/* One training step, by the whole team in one parallel region:
     forward -> loss -> backward -> gradients and update, parameter by parameter; and beside it, the next batch is loaded.
   The state of a step (which samples, which random numbers) is a function of (seed, epoch, batch), so that training may be
   stopped and taken up between any two steps. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include "base/balance.h"
#include "train/loader.h"
#include "train/nonfinite.h"
#include "train/pace.h"
#include "perilune/settings.h"

struct pl_trainer {
  pl_trainer_options o;
  pl_exec *exec;           /* its own: shapes are those that the model had when it was made */
  pl_loader loader;
  pl_pace pace;
  pl_balance balance;
  bool fuse;               /* steps may be taken as gradients come, where that changes no bit; PERILUNE_FUSE=0: never */
  size_t width;            /* outputs a sample */
  float *grad;
  double *losses;
  bool values;             /* targets are values: errors are summed; else hits */
  uint8_t *hit;
  pl_row_errors *errors;
  float *spare;            /* for reordering a parameter */
  float *states;           /* the model's, from before the step; NULL unless steps may be skipped */
};

/* Asked before every step: functions of the script run in between and may bind it anew. */
static pl_status check_optimizer(const pl_trainer_options *o, pl_error *err) {
  const pl_slice *mine, *its;
  size_t n = pl_model_slices(o->model, &mine), i = 0;
  if (pl_optimizer_size(o->optimizer) == pl_model_size(o->model) && pl_optimizer_slices(o->optimizer, &its) == n) {
    while (i < n && mine[i].offset == its[i].offset && mine[i].count == its[i].count) i++;
    if (i == n) return PL_OK;
  }
  return pl_error_set(err, PL_ERROR_STATE, "the optimizer is not bound to this model; call optimizer:bind(model)");
}

static pl_status check(const pl_trainer_options *o, pl_error *err) {
  pl_shape sample = pl_dataset_shape(o->data);
  pl_status status = pl_model_build(o->model, &sample, err);
  if (status) return status;
  if ((status = pl_check_fit(pl_model_output(o->model), o->loss, o->data, err)) || (status = check_optimizer(o, err))) return status;
  return pl_check_batches(o->model, pl_dataset_count(o->data), o->batch_size, o->drop_last, err);
}

static pl_status allocate(pl_trainer *t, pl_error *err) {
  pl_status status = pl_loader_open(&t->loader, &t->o, err);
  if (status) return status;
  size_t n = t->o.batch_size = t->loader.batch_size;
  t->grad = pl_alloc_array(n, t->width * sizeof(float), err);
  t->losses = pl_alloc_array(n, sizeof *t->losses, err);
  t->hit = pl_alloc_array(n, sizeof *t->hit, err);
  t->errors = pl_alloc_array(t->values ? n : 1, sizeof *t->errors, err);
  t->spare = pl_alloc_array(pl_model_largest_packed(t->o.model) + 1, sizeof(float), err);
  if (t->o.skip_nonfinite && (t->states = pl_alloc_array(pl_model_states_size(t->o.model), sizeof *t->states, err)) == NULL) return PL_ERROR_MEMORY;
  if (t->grad && t->losses && t->hit && t->errors && t->spare) return pl_exec_reserve(t->exec, n, PL_TRAIN, err);
  return pl_error_prefix(err, "a batch of %zu samples", n);
}

pl_trainer *pl_trainer_new(const pl_trainer_options *options, pl_error *err) {
  if (check(options, err)) return NULL;
  pl_trainer *t = pl_alloc(sizeof *t, err);
  if (t == NULL) return NULL;
  t->o = *options;
  t->fuse = pl_settings_get().fuse && pl_optimizer_is_local(options->optimizer);
  t->exec = pl_exec_new(options->model, err);
  t->width = (size_t)pl_shape_count(pl_model_output(options->model));
  t->values = pl_dataset_has_targets(options->data) && !pl_loss_is_for_classes(options->loss);
  if (t->exec != NULL && allocate(t, err) == PL_OK) return t;
  pl_trainer_free(t);
  return NULL;
}

void pl_trainer_free(pl_trainer *t) {
  if (t == NULL) return;
  pl_loader_close(&t->loader);
  pl_exec_free(t->exec);
  pl_free(t->grad);
  pl_free(t->losses);
  pl_free(t->hit);
  pl_free(t->errors);
  pl_free(t->spare);
  pl_free(t->states);
  pl_free(t);
}

size_t pl_trainer_batches(const pl_trainer *t) { return t->loader.batches; }

static int team_size(const pl_trainer *t, int wanted) { return wanted < t->loader.threads ? wanted : t->loader.threads; }

/* Dropout masks: the step's number in the whole training. */
static uint64_t step_number(const pl_trainer *t, uint64_t epoch, size_t index) { return (epoch - 1) * t->loader.batches + index + 1; }

/* Losses, gradient, and hits or errors of each row. */
static void judge(pl_trainer *t, const pl_team *team, const float *y, pl_target target, size_t n) {
  size_t from, to;
  pl_output_kind outputs = pl_loss_outputs(t->o.loss);
  pl_loss_forward(t->o.loss, team, t->losses, t->grad, y, target, n, t->width);
  pl_team_share(team, n, 1, &from, &to);
  for (size_t i = from; i < to; i++) {
    const float *row = y + i * t->width;
    if (t->values) {
      t->errors[i] = pl_errors_of_row(outputs, row, target.values + i * t->width, t->width);
      continue;
    }
    int32_t guess = pl_decide(outputs, row, t->width);
    int32_t wanted = target.labels ? target.labels[i] : pl_decide(PL_OUTPUT_PROBABILITIES, target.values + i * t->width, t->width);
    t->hit[i] = guess == wanted && guess != PL_NO_LABEL;
  }
}

/* Adds a batch to the result; false if its loss is not finite. One member only. */
static bool tally(pl_trainer *t, pl_train_result *r, size_t n) {
  double total = pl_loss_total(t->losses, n);
  if (!isfinite(total)) return false;
  r->loss += total;
  for (size_t i = 0; i < n; i++) {
    r->correct += t->hit[i];
    if (!t->values) continue;
    r->errors.absolute += t->errors[i].absolute;
    r->errors.squared += t->errors[i].squared;
  }
  r->samples += n;
  r->batches++;
  return true;
}

typedef struct { pl_trainer *t; uint64_t epoch; size_t first, count; pl_train_result *result; bool fused; atomic_bool spoilt; pl_balance *balance; } run_arg;
typedef struct { run_arg *run; size_t index; } member;

static bool has_next(const member *m) { return m->index + 1 < m->run->first + m->run->count; }

/* Loads what it can of the next batch, until the first member is there. */
static void load_ahead(const pl_team *team, void *context) {
  member *m = context;
  if (!has_next(m)) return;
  while (!pl_team_first_waits(team) && pl_loader_take(&m->run->t->loader, team->rank, m->index + 1)) continue;
}

static bool update_tile(void *context, const pl_grad_tile *tile) {
  run_arg *run = context;
  bool finite = pl_optimizer_step_tile(run->t->o.optimizer, pl_model_values(run->t->o.model), tile);
  if (!finite) atomic_store(&run->spoilt, true);
  return finite;
}

/* The loss of a batch, by the team if it is large; then what one member does. */
static void judge_stages(const member *m, pl_stages *stages, const float *y, const pl_batch *b) {
  enum { FEW = 4096 };   /* outputs */
  run_arg *run = m->run;
  pl_trainer *t = run->t;
  const pl_team *team = pl_stage_begin(stages, b->n * t->width <= FEW);
  if (team != NULL) judge(t, team, y, pl_loader_target(&t->loader, m->index), b->n);
  pl_stage_end(stages);
  if (pl_stage_begin(stages, true) != NULL) {
    pl_loader_reset(&t->loader, m->index);
    run->result->broken_batch = m->index;
    if (tally(t, run->result, b->n)) pl_optimizer_advance(t->o.optimizer);
    else run->result->broken = true;
  }
  pl_stage_end(stages);
  pl_model_profile_stage(t->o.model, stages->team, PL_STAGE_LOSS);
}

/* Gradients and update. A step that is not to be taken shows in its loss before it, or in its weights after it: the gradients
   are not read once more. Where one might not be finite they are written, to be found; and in the last step of a run, to be
   looked at. */
static void update_stages(const member *m, pl_stages *stages, const pl_batch *b) {
  run_arg *run = m->run;
  pl_trainer *t = run->t;
  pl_model *model = t->o.model;
  const pl_grad_sink sink = { update_tile, run };
  pl_exec_param_grads_stages(t->exec, stages, b, run->fused ? &sink : NULL);
  if (!run->fused) {
    pl_stage_end(stages);
    if (!pl_optimizer_step(t->o.optimizer, pl_stage_begin(stages, false), pl_model_values(model), pl_model_grads(model))) atomic_store(&run->spoilt, true);
  }
  pl_model_profile_stage(model, stages->team, PL_STAGE_UPDATE);
  while (has_next(m) && pl_loader_take(&t->loader, stages->team->rank, m->index + 1)) continue;
  pl_stage_end(stages);
  pl_model_profile_stage(model, stages->team, PL_STAGE_DATA);
}

static void adjust(pl_balance *b) {
  double now = b != NULL ? pl_clock() : 0;
  if (b != NULL && pl_balance_is_due(b, now)) pl_balance_adjust(b, now, pl_threads_displaced());
}

static void run_steps(const pl_team *equal, void *arg) {
  run_arg *a = arg;
  pl_trainer *t = a->t;
  pl_model *model = t->o.model;
  pl_team balanced = *equal, *team = &balanced;
  if (team->rank == 0) a->balance = pl_balance_begin(&t->balance, team->size, pl_clock());
  pl_team_barrier(team);
  team->balance = a->balance;
  member m = { a, a->first };
  pl_stages stages = { .team = team, .meanwhile = load_ahead, .context = &m };
  pl_model_profile_stage(model, team, PL_STAGE_OTHER);
  if (a->count > 0) pl_loader_load(&t->loader, team, a->first);
  pl_team_barrier(team);
  pl_model_profile_stage(model, team, PL_STAGE_DATA);
  for (; m.index < a->first + a->count; m.index++) {
    pl_batch b = { pl_loader_x(&t->loader, m.index), t->grad, pl_loader_length(&t->loader, m.index), step_number(t, a->epoch, m.index) };
    const float *y = pl_exec_forward_stages(t->exec, &stages, &b);
    judge_stages(&m, &stages, y, &b);
    pl_exec_backward_stages(t->exec, &stages, &b);
    if (pl_stage_begin(&stages, true) != NULL) {
      a->fused = t->fuse && has_next(&m) && pl_exec_grads_cannot_overflow(t->exec, &b);
      if (!a->fused) pl_model_scan_weights(model, false, 1);
      adjust(a->balance);
    }
    pl_stage_end(&stages);
    pl_stage_meet(&stages);
    if (a->result->broken) return;
    update_stages(&m, &stages, &b);
    if (atomic_load(&a->spoilt)) return;
  }
}

static void reorder_block(pl_trainer *t, const pl_order *order, float *block, size_t count) {
  memcpy(t->spare, block, count * sizeof *block);
  pl_order_apply(order, block, t->spare);
}

static void reorder(void *context, const pl_order *order, size_t offset, size_t count) {
  pl_trainer *t = context;
  reorder_block(t, order, pl_model_values(t->o.model) + offset, count);
  if (order->back) reorder_block(t, order, pl_model_grads(t->o.model) + offset, count);
  for (int i = 0; i < pl_optimizer_slots(t->o.optimizer); i++)
    reorder_block(t, order, (float *)pl_tensor_data(pl_optimizer_slot(t->o.optimizer, i)) + offset, count);
}

/* With as many threads as were asked for; where none were, with as many as are fastest now. */
static void run_paced(pl_trainer *t, run_arg *arg) {
  int most = team_size(t, pl_exec_team_size(t->exec));
  if (most == 1 || pl_threads_chosen()) {
    pl_threads_run_on(most, run_steps, arg);
    return;
  }
  size_t samples = arg->result->samples;
  long displaced = pl_threads_displaced();
  double start = pl_clock();
  pl_threads_run_on(pl_pace_size(&t->pace, most), run_steps, arg);
  double end = pl_clock();
  pl_pace_tell(&t->pace, end, end - start, (double)(arg->result->samples - samples), pl_threads_displaced() - displaced);
}

/* Whether all weights are finite after it. */
static bool run(pl_trainer *t, uint64_t epoch, size_t first, size_t count, pl_train_result *result) {
  enum { MANY = 16 };   /* steps that are worth a reordering */
  pl_model *model = t->o.model;
  bool one_by_one = t->o.batch_size == 1, pack = t->fuse && !one_by_one && count >= MANY;
  if (pack) pl_exec_pack(t->exec, reorder, t, false);
  if (pack || (t->fuse && one_by_one)) pl_model_scan_weights(model, true, pl_exec_team_size(t->exec));
  run_arg arg = { .t = t, .epoch = epoch, .first = first, .count = count, .result = result };
  for (size_t side = 0; side < 2; side++) pl_loader_reset(&t->loader, side);
  run_paced(t, &arg);
  pl_model_scan_weights(model, false, 1);
  if (pack) pl_exec_pack(t->exec, reorder, t, true);
  if (count > 0) pl_model_set_random(model, t->o.seed, step_number(t, epoch, first + count - 1));
  return !arg.spoilt;
}

static pl_status check_range(const pl_trainer *t, uint64_t epoch, size_t first, size_t count, pl_error *err) {
  if (epoch >= 1 && first <= t->loader.batches && count <= t->loader.batches - first) return PL_OK;
  return pl_error_set(err, PL_ERROR_VALUE, "batches %zu to %zu of epoch %llu: an epoch has %zu, and epochs count from 1",
                      first + 1, first + count, (unsigned long long)epoch, t->loader.batches);
}

pl_status pl_trainer_run(pl_trainer *t, uint64_t epoch, size_t first, size_t count, pl_train_result *result, pl_error *err) {
  pl_status status = check_range(t, epoch, first, count, err);
  if (status || (status = check_optimizer(&t->o, err))) return status;
  pl_loader_epoch(&t->loader, epoch);
  if (!pl_model_has_host(t->o.model) && !t->o.skip_nonfinite) {
    pl_model_set_random(t->o.model, t->o.seed, 0);
    if ((status = pl_exec_reserve(t->exec, t->o.batch_size, PL_TRAIN, err))) return status;
    bool sound = run(t, epoch, first, count, result);
    size_t at = result->broken_batch;
    if (result->broken) pl_find_broken_loss(t->exec, pl_loader_x(&t->loader, at), pl_loader_length(&t->loader, at), result);
    else if (!sound) pl_find_broken_gradient(t->o.model, result);
    result->broken = result->broken || !sound;
    return PL_OK;
  }
  for (size_t i = first; i < first + count && !result->broken; i++) {
    size_t n;
    float *x;
    pl_target target;
    if ((status = pl_trainer_load(t, epoch, i, &n, &x, &target, err))) return status;
    if ((status = pl_trainer_step(t, epoch, i, x, target, n, result, err))) return status;
  }
  return PL_OK;
}

typedef struct { pl_trainer *t; size_t index; } load_arg;

static void run_load(const pl_team *team, void *arg) {
  load_arg *a = arg;
  pl_model_profile_stage(a->t->o.model, team, PL_STAGE_OTHER);
  pl_loader_load(&a->t->loader, team, a->index);
  pl_team_barrier(team);
  pl_model_profile_stage(a->t->o.model, team, PL_STAGE_DATA);
}

pl_status pl_trainer_load(pl_trainer *t, uint64_t epoch, size_t index, size_t *n, float **x, pl_target *target, pl_error *err) {
  pl_status status = check_range(t, epoch, index, 1, err);
  if (status) return status;
  pl_loader_epoch(&t->loader, epoch);
  pl_threads_run_on(team_size(t, pl_threads_get()), run_load, &(load_arg){ t, index });
  if (t->states != NULL && pl_model_states_size(t->o.model) > 0) memcpy(t->states, pl_model_states(t->o.model), pl_model_states_size(t->o.model) * sizeof *t->states);
  *n = pl_loader_length(&t->loader, index);
  *x = pl_loader_x(&t->loader, index);
  *target = pl_loader_target(&t->loader, index);
  return PL_OK;
}

typedef struct { pl_trainer *t; const float *y; pl_target target; size_t n; } judge_arg;

static void run_judge(const pl_team *team, void *arg) {
  judge_arg *a = arg;
  judge(a->t, team, a->y, a->target, a->n);
  pl_model_profile_stage(a->t->o.model, team, PL_STAGE_LOSS);
}

typedef struct { pl_trainer *t; atomic_bool spoilt; } update_arg;

static void run_check(const pl_team *team, void *arg) {
  update_arg *a = arg;
  size_t from, to;
  pl_team_share(team, pl_model_size(a->t->o.model), 16, &from, &to);
  if (!pl_all_finite(pl_model_grads(a->t->o.model) + from, to - from)) atomic_store(&a->spoilt, true);
}

static void run_update(const pl_team *team, void *arg) {
  update_arg *a = arg;
  pl_model *m = a->t->o.model;
  if (!pl_optimizer_step(a->t->o.optimizer, team, pl_model_values(m), pl_model_grads(m))) atomic_store(&a->spoilt, true);
  pl_team_barrier(team);
  pl_model_profile_stage(m, team, PL_STAGE_UPDATE);
}

void pl_trainer_refuse(pl_trainer *t, size_t index, pl_train_result *result) {
  result->broken_batch = index;
  if (t->states == NULL) {
    result->broken = true;
    return;
  }
  if (pl_model_states_size(t->o.model) > 0) memcpy(pl_model_states(t->o.model), t->states, pl_model_states_size(t->o.model) * sizeof *t->states);
  result->skipped++;
  result->batches++;
}

/* Is the step taken? */
static bool update(pl_trainer *t, size_t index, pl_train_result *result) {
  update_arg a = { t, false };
  int threads = pl_exec_team_size(t->exec);
  if (t->states != NULL) {
    pl_threads_run_on(threads, run_check, &a);
    if (a.spoilt) {
      pl_find_broken_gradient(t->o.model, result);
      pl_trainer_refuse(t, index, result);
      return false;
    }
  }
  pl_optimizer_advance(t->o.optimizer);
  pl_threads_run_on(threads, run_update, &a);
  if (a.spoilt) {
    pl_find_broken_gradient(t->o.model, result);
    result->broken = true;
    result->broken_batch = index;
  }
  return !a.spoilt;
}

pl_status pl_trainer_update(pl_trainer *t, size_t index, pl_train_result *result, pl_error *err) {
  pl_status status = check_optimizer(&t->o, err);
  if (status == PL_OK) update(t, index, result);
  return status;
}

pl_status pl_trainer_step(pl_trainer *t, uint64_t epoch, size_t index, const float *x, pl_target target, size_t n, pl_train_result *result, pl_error *err) {
  const float *y;
  if (n > t->o.batch_size) return pl_error_set(err, PL_ERROR_VALUE, "a batch of %zu samples is larger than batch_size = %zu", n, t->o.batch_size);
  pl_status status = check_optimizer(&t->o, err);
  if (status) return status;
  pl_model_set_random(t->o.model, t->o.seed, step_number(t, epoch, index) - 1);
  status = pl_exec_forward(t->exec, x, n, PL_TRAIN, &y, err);
  if (status) return status;
  status = target.labels ? pl_loss_check_labels(target.labels, n, t->width, err) : pl_loss_check_values(t->o.loss, target.values, 0, n, t->width, err);
  if (status) return status;
  pl_threads_run_on(1, run_judge, &(judge_arg){ t, y, target, n });
  if (!isfinite(pl_loss_total(t->losses, n))) {
    pl_find_broken_loss(t->exec, x, n, result);
    pl_trainer_refuse(t, index, result);
    return PL_OK;
  }
  pl_model_replace_grads(t->o.model);
  if ((status = pl_exec_backward(t->exec, t->grad, NULL, err)) || (status = check_optimizer(&t->o, err))) return status;
  if (update(t, index, result)) tally(t, result, n);
  return PL_OK;
}
