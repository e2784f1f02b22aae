/* One training step, by the whole team in one parallel region:
     gather -> augment -> forward -> loss -> backward -> update
   Members meet at a barrier between the stages. The state of a step (which samples, which random numbers) is a function
   of (seed, epoch, batch), so that training may be stopped and taken up between any two steps. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include "train/nonfinite.h"

struct pl_trainer {
  pl_trainer_options o;
  const pl_augment **augment;
  uint32_t *order;
  uint64_t order_epoch;
  size_t batches;
  int threads;             /* the most that the workspace of the augmentations allows */
  size_t width;            /* outputs a sample */
  bool labels;
  int64_t height, width_px, channels;
  float *x, *targets, *grad, *scratch;
  int32_t *label;
  double *losses;
  uint8_t *hit;
  float *states;           /* the model's, from before the step; NULL unless steps may be skipped */
};

int32_t pl_argmax(const float *x, size_t n) {
  if (n == 1) return x[0] > 0.5f;
  size_t best = 0;
  for (size_t i = 1; i < n; i++) {
    if (x[i] > x[best]) best = i;
  }
  return (int32_t)best;
}

/* Asked before every step: functions of the script run in between and may bind it anew. */
static pl_status check_optimizer(const pl_trainer_options *o, pl_error *err) {
  if (pl_optimizer_size(o->optimizer) == pl_model_size(o->model)) return PL_OK;
  return pl_error_set(err, PL_ERROR_STATE, "the optimizer is not bound to this model; call optimizer:bind(model)");
}

static pl_status check(const pl_trainer_options *o, pl_error *err) {
  pl_shape sample = pl_dataset_shape(o->data);
  pl_status status = pl_model_build(o->model, &sample, err);
  if (status) return status;
  bool labels = !pl_dataset_has_targets(o->data);
  pl_shape target = labels ? (pl_shape){ 0 } : pl_dataset_target_shape(o->data);
  if (labels && pl_dataset_classes(o->data) == 0) return pl_error_set(err, PL_ERROR_VALUE, "the data set has neither labels nor targets to learn");
  status = pl_loss_check(o->loss, pl_model_output(o->model), &target, labels, err);
  if (status) return status;
  int64_t width = pl_shape_count(pl_model_output(o->model));
  if (labels && width > 1 && width < pl_dataset_classes(o->data))
    return pl_error_set(err, PL_ERROR_SHAPE, "the model has %lld outputs but the data set has %lld classes; give the last layer %lld outputs",
                        (long long)width, (long long)pl_dataset_classes(o->data), (long long)pl_dataset_classes(o->data));
  if ((status = check_optimizer(o, err))) return status;
  if (o->batch_size == 0) return pl_error_set(err, PL_ERROR_VALUE, "batch_size must be at least 1");
  return PL_OK;
}

static pl_status allocate(pl_trainer *t, pl_error *err) {
  const pl_trainer_options *o = &t->o;
  pl_shape sample = pl_dataset_shape(o->data), target = t->labels ? (pl_shape){ 0 } : pl_dataset_target_shape(o->data);
  size_t n = o->batch_size, scratch = 0;
  if (sample.axes == 3) {
    t->height = sample.size[0], t->width_px = sample.size[1], t->channels = sample.size[2];
  }
  t->augment = pl_alloc_array(o->augments + 1, sizeof *t->augment, err);
  if (t->augment == NULL) return PL_ERROR_MEMORY;
  for (size_t i = 0; i < o->augments; i++) {
    if (sample.axes != 3) return pl_error_set(err, PL_ERROR_SHAPE, "augmentation needs images [N, H, W, C]; this data set has %d axes a sample", sample.axes);
    t->augment[i] = o->augment[i];
    size_t more = pl_augment_scratch(o->augment[i], t->height, t->width_px, t->channels, t->threads);
    if (more > scratch) scratch = more;
  }
  t->order = pl_alloc_array(pl_dataset_count(o->data), sizeof *t->order, err);
  t->x = pl_alloc_array(n, (size_t)pl_shape_count(&sample) * sizeof(float), err);
  t->targets = pl_alloc_array(n, (size_t)pl_shape_count(&target) * sizeof(float), err);
  t->label = pl_alloc_array(n, sizeof *t->label, err);
  t->grad = pl_alloc_array(n, t->width * sizeof(float), err);
  t->losses = pl_alloc_array(n, sizeof *t->losses, err);
  t->hit = pl_alloc_array(n, sizeof *t->hit, err);
  t->scratch = pl_alloc_array(scratch + 1, sizeof(float), err);
  if (o->skip_nonfinite && (t->states = pl_alloc_array(pl_model_states_size(o->model), sizeof *t->states, err)) == NULL) return PL_ERROR_MEMORY;
  bool ok = t->order && t->x && t->targets && t->label && t->grad && t->losses && t->hit && t->scratch;
  return ok ? pl_model_reserve(o->model, n, PL_TRAIN, err) : pl_error_prefix(err, "a batch of %zu samples", n);
}

pl_trainer *pl_trainer_new(const pl_trainer_options *options, pl_error *err) {
  if (check(options, err)) return NULL;
  pl_trainer *t = pl_alloc(sizeof *t, err);
  if (t == NULL) return NULL;
  t->o = *options;
  if (t->o.batch_size > pl_dataset_count(options->data)) t->o.batch_size = pl_dataset_count(options->data);
  t->threads = pl_threads_get();
  t->labels = !pl_dataset_has_targets(options->data);
  t->width = (size_t)pl_shape_count(pl_model_output(options->model));
  t->batches = pl_batch_count(pl_dataset_count(options->data), t->o.batch_size, options->drop_last);
  if (allocate(t, err) == PL_OK) return t;
  pl_trainer_free(t);
  return NULL;
}

void pl_trainer_free(pl_trainer *t) {
  if (t == NULL) return;
  pl_free(t->augment);
  pl_free(t->order);
  pl_free(t->x);
  pl_free(t->targets);
  pl_free(t->label);
  pl_free(t->grad);
  pl_free(t->losses);
  pl_free(t->hit);
  pl_free(t->scratch);
  pl_free(t->states);
  pl_free(t);
}

size_t pl_trainer_batches(const pl_trainer *t) { return t->batches; }

static int team_size(const pl_trainer *t, int wanted) { return wanted < t->threads ? wanted : t->threads; }

/* The model may have been built for other inputs since the last call. */
static pl_status rebuild(const pl_trainer *t, pl_error *err) {
  pl_shape sample = pl_dataset_shape(t->o.data);
  pl_status status = pl_model_build(t->o.model, &sample, err);
  return status ? status : check_optimizer(&t->o, err);
}

static void set_order(pl_trainer *t, uint64_t epoch) {
  if (t->order_epoch == epoch) return;
  pl_epoch_order(t->order, pl_dataset_count(t->o.data), t->o.seed, epoch, t->o.shuffle);
  t->order_epoch = epoch;
}

static size_t length_of(const pl_trainer *t, size_t index) { return pl_batch_length(pl_dataset_count(t->o.data), t->o.batch_size, index); }

/* Dropout masks: the step's number in the whole training. */
static uint64_t step_number(const pl_trainer *t, uint64_t epoch, size_t index) { return (epoch - 1) * t->batches + index + 1; }

/* Ends with a barrier. */
static void load(pl_trainer *t, const pl_team *team, uint64_t epoch, size_t index, size_t n) {
  pl_dataset_gather(t->o.data, team, t->order + index * t->o.batch_size, n, t->x, t->labels ? t->label : NULL, t->labels ? NULL : t->targets);
  pl_team_barrier(team);
  for (size_t i = 0; i < t->o.augments; i++) {
    pl_augment_apply(t->augment[i], team, t->x, n, t->height, t->width_px, t->channels, pl_augment_rng(t->o.seed, epoch, index, i), t->scratch);
    pl_team_barrier(team);
  }
}

static pl_target target_of(const pl_trainer *t) { return t->labels ? (pl_target){ .labels = t->label } : (pl_target){ .values = t->targets }; }

/* Losses, gradient and hits of each row; ends with a barrier. */
static void judge(pl_trainer *t, const pl_team *team, const float *y, pl_target target, size_t n) {
  size_t from, to;
  pl_loss_forward(t->o.loss, team, t->losses, t->grad, y, target, n, t->width);
  pl_team_share(team, n, 1, &from, &to);
  for (size_t i = from; i < to; i++) {
    int32_t wanted = target.labels ? target.labels[i] : pl_argmax(target.values + i * t->width, t->width);
    t->hit[i] = pl_argmax(y + i * t->width, t->width) == wanted;
  }
  pl_team_barrier(team);
}

/* Adds a batch to the result; false if its loss is not finite. One member only. */
static bool tally(pl_trainer *t, pl_train_result *r, size_t n) {
  double total = pl_loss_total(t->losses, n);
  if (!isfinite(total)) return false;
  r->loss += total;
  for (size_t i = 0; i < n; i++) r->correct += t->hit[i];
  r->samples += n;
  r->batches++;
  return true;
}

typedef struct { pl_trainer *t; uint64_t epoch; size_t first, count; pl_train_result *result; atomic_bool spoilt; } run_arg;

/* A step that is not to be taken shows in its loss before it, or in its weights after it: the gradients are not read once more. */
static void run_steps(const pl_team *team, void *arg) {
  run_arg *a = arg;
  pl_trainer *t = a->t;
  pl_model *m = t->o.model;
  pl_model_profile_stage(m, team, PL_STAGE_OTHER);
  for (size_t index = a->first; index < a->first + a->count; index++) {
    size_t n = length_of(t, index);
    load(t, team, a->epoch, index, n);
    pl_model_profile_stage(m, team, PL_STAGE_DATA);
    if (team->rank == 0) a->result->broken_batch = index;
    const float *y = pl_model_forward_team(m, team, t->x, n, PL_TRAIN, step_number(t, a->epoch, index));
    judge(t, team, y, target_of(t), n);
    if (team->rank == 0) {
      if (tally(t, a->result, n)) pl_optimizer_advance(t->o.optimizer);
      else a->result->broken = true;
    }
    pl_team_barrier(team);
    if (a->result->broken) return;
    pl_model_profile_stage(m, team, PL_STAGE_LOSS);
    pl_model_backward_team(m, team, t->grad);
    if (!pl_optimizer_step(t->o.optimizer, team, pl_model_values(m), pl_model_grads(m))) atomic_store(&a->spoilt, true);
    pl_team_barrier(team);
    if (atomic_load(&a->spoilt)) return;
    pl_model_profile_stage(m, team, PL_STAGE_UPDATE);
  }
}

static pl_status check_range(const pl_trainer *t, uint64_t epoch, size_t first, size_t count, pl_error *err) {
  if (epoch >= 1 && first <= t->batches && count <= t->batches - first) return PL_OK;
  return pl_error_set(err, PL_ERROR_VALUE, "batches %zu to %zu of epoch %llu: an epoch has %zu, and epochs count from 1",
                      first + 1, first + count, (unsigned long long)epoch, t->batches);
}

pl_status pl_trainer_run(pl_trainer *t, uint64_t epoch, size_t first, size_t count, pl_train_result *result, pl_error *err) {
  pl_status status = check_range(t, epoch, first, count, err);
  if (status || (status = rebuild(t, err))) return status;
  set_order(t, epoch);
  if (!pl_model_has_host(t->o.model) && !t->o.skip_nonfinite) {
    if ((status = pl_model_reserve(t->o.model, t->o.batch_size, PL_TRAIN, err))) return status;
    pl_model_set_random(t->o.model, t->o.seed, 0);
    run_arg run = { t, epoch, first, count, result, false };
    pl_threads_run_on(team_size(t, pl_model_team_size(t->o.model)), run_steps, &run);
    if (result->broken) pl_find_broken_loss(t->o.model, t->x, length_of(t, result->broken_batch), result);
    else if (run.spoilt) pl_find_broken_gradient(t->o.model, result);
    result->broken = result->broken || run.spoilt;
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

typedef struct { pl_trainer *t; uint64_t epoch; size_t index, n; } load_arg;

static void run_load(const pl_team *team, void *arg) {
  load_arg *a = arg;
  pl_model_profile_stage(a->t->o.model, team, PL_STAGE_OTHER);
  load(a->t, team, a->epoch, a->index, a->n);
  pl_model_profile_stage(a->t->o.model, team, PL_STAGE_DATA);
}

pl_status pl_trainer_load(pl_trainer *t, uint64_t epoch, size_t index, size_t *n, float **x, pl_target *target, pl_error *err) {
  pl_status status = check_range(t, epoch, index, 1, err);
  if (status) return status;
  set_order(t, epoch);
  *n = length_of(t, index);
  pl_threads_run_on(team_size(t, pl_threads_get()), run_load, &(load_arg){ t, epoch, index, *n });
  if (t->states != NULL && pl_model_states_size(t->o.model) > 0) memcpy(t->states, pl_model_states(t->o.model), pl_model_states_size(t->o.model) * sizeof *t->states);
  *x = t->x;
  *target = target_of(t);
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
  int threads = pl_model_team_size(t->o.model);
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
  pl_status status = rebuild(t, err);
  if (status) return status;
  pl_model_set_random(t->o.model, t->o.seed, step_number(t, epoch, index) - 1);
  status = pl_model_forward(t->o.model, x, n, PL_TRAIN, &y, err);
  if (status) return status;
  if (target.labels != NULL && (status = pl_loss_check_labels(target.labels, n, t->width, err))) return status;
  pl_threads_run_on(1, run_judge, &(judge_arg){ t, y, target, n });
  if (!isfinite(pl_loss_total(t->losses, n))) {
    pl_find_broken_loss(t->o.model, x, n, result);
    pl_trainer_refuse(t, index, result);
    return PL_OK;
  }
  pl_model_replace_grads(t->o.model);
  if ((status = pl_model_backward(t->o.model, t->grad, NULL, err)) || (status = check_optimizer(&t->o, err))) return status;
  if (update(t, index, result)) tally(t, result, n);
  return PL_OK;
}
