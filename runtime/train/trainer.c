/* A trainer: what it checks, what memory it takes, and how it is asked for steps. The steps are in step.c and loop.c.
   The state of a step (which samples, which random numbers) is a function of (seed, epoch, batch), so that training
   may be stopped and taken up between any two steps. */
#include <string.h>
#include "perilune/alloc.h"
#include "perilune/settings.h"
#include "train/trainer.h"

static pl_status check(const pl_trainer_options *o, pl_error *err) {
  pl_shape sample = pl_dataset_shape(o->data);
  if (o->loss == NULL && o->host_loss == NULL) return pl_error_set(err, PL_ERROR_VALUE, "a training needs a loss");
  if (pl_optimizer_is_host(o->optimizer) && o->host_step == NULL)
    return pl_error_set(err, PL_ERROR_VALUE, "the step of %s is a function of the host's, which is not given",
                        pl_optimizer_type(o->optimizer));
  pl_status status = pl_model_build(o->model, &sample, err);
  if (status) return status;
  pl_outputs outputs = pl_model_outputs(o->model);
  if ((status = pl_check_fit(&outputs, o->loss, o->data, err))) return status;
  if ((status = pl_check_bound(o->optimizer, o->model, err))) return status;
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
  bool may_undo = t->o.skip_nonfinite || pl_trainer_has_script(t);
  if (may_undo) t->states = pl_alloc_array(pl_model_states_size(t->o.model), sizeof *t->states, err);
  if (may_undo && t->states == NULL) return PL_ERROR_MEMORY;
  if (t->grad && t->losses && t->hit && t->errors && t->spare) return pl_exec_reserve(t->exec, n, PL_TRAIN, err);
  pl_error_prefix(err, "a batch of %zu samples", n);
  return PL_ERROR_MEMORY;
}

pl_trainer *pl_trainer_new(const pl_trainer_options *options, pl_error *err) {
  if (check(options, err)) return NULL;
  pl_trainer *t = pl_alloc(sizeof *t, err);
  if (t == NULL) return NULL;
  t->o = *options;
  t->fuse = pl_settings_get().fuse && pl_optimizer_is_local(options->optimizer) && !options->skip_nonfinite;
  t->exec = pl_exec_new(options->model, err);
  pl_outputs outputs = pl_model_outputs(options->model);
  t->width = (size_t)pl_shape_count(pl_model_output(options->model));
  t->first = (size_t)pl_shape_count(&outputs.shape[0]);
  t->values = pl_dataset_has_targets(options->data) &&
      (options->loss == NULL || !pl_loss_is_for_classes(options->loss));
  t->outputs = options->loss && pl_loss_knows_outputs(options->loss) ? pl_loss_outputs(options->loss)
             : t->values ? PL_OUTPUT_VALUES : options->outputs;
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

static pl_status check_range(const pl_trainer *t, uint64_t epoch, size_t first, size_t count, pl_error *err) {
  if (epoch >= 1 && first <= t->loader.batches && count <= t->loader.batches - first) return PL_OK;
  return pl_error_set(err, PL_ERROR_VALUE,
                      "batches %zu to %zu of epoch %llu: an epoch has %zu, and epochs count from 1",
                      first + 1, first + count, (unsigned long long)epoch, t->loader.batches);
}

pl_status pl_trainer_check_loss(const pl_trainer *t, pl_error *err) {
  if (t->o.loss == NULL || !pl_loss_is_formula(t->o.loss)) return PL_OK;
  bool labels = !pl_dataset_has_targets(t->loader.data);
  pl_shape target = labels ? (pl_shape){ 0 } : pl_dataset_target_shape(t->loader.data);
  pl_outputs outputs = pl_exec_outputs(t->exec);
  return pl_loss_check_outputs(t->o.loss, &outputs, &target, labels, err);
}

bool pl_trainer_has_script(const pl_trainer *t) {
  return pl_model_has_host(t->o.model) || t->o.host_loss != NULL || pl_optimizer_is_host(t->o.optimizer);
}

pl_status pl_trainer_run(pl_trainer *t, uint64_t epoch, size_t first, size_t count, pl_train_result *result,
                         pl_error *err) {
  pl_status status = check_range(t, epoch, first, count, err);
  if (status) return status;
  if ((status = pl_trainer_check_loss(t, err)) || (status = pl_loader_epoch(&t->loader, epoch, err))) return status;
  return pl_steps_run(&(pl_steps){ .t = t, .epoch = epoch, .first = first, .end = first + count, .result = result },
                      err);
}

typedef struct { pl_trainer *t; size_t index; } load_arg;

static void run_load(const pl_team *team, void *arg) {
  load_arg *a = arg;
  pl_model_profile_stage(a->t->o.model, team, PL_STAGE_OTHER);
  pl_loader_load(&a->t->loader, team, a->index);
  pl_team_barrier(team);
  pl_model_profile_stage(a->t->o.model, team, PL_STAGE_DATA);
}

pl_status pl_trainer_load(pl_trainer *t, uint64_t epoch, size_t index, size_t *n, float **x, pl_target *target,
                          pl_error *err) {
  pl_status status = check_range(t, epoch, index, 1, err);
  if (status) return status;
  int threads = pl_loader_threads(&t->loader, index);
  if ((status = pl_loader_epoch(&t->loader, epoch, err))) return status;
  pl_threads_run_on(threads < t->loader.threads ? threads : t->loader.threads, run_load, &(load_arg){ t, index });
  *n = pl_loader_length(&t->loader, index);
  *x = pl_loader_x(&t->loader, index);
  *target = pl_loader_target(&t->loader, index);
  return pl_dataset_status(t->loader.data, err);
}

pl_status pl_trainer_step(pl_trainer *t, uint64_t epoch, size_t index, const float *x, pl_target target, size_t n,
                          pl_train_result *result, pl_error *err) {
  if (n == 0 || (target.labels == NULL) == (target.values == NULL))
    return pl_error_set(err, PL_ERROR_VALUE, "a batch has one sample or more, and either labels or values as targets");
  if (t->values && target.labels != NULL)
    return pl_error_set(err, PL_ERROR_VALUE, "the data set's targets are values, and so are those of every batch");
  if (n > t->o.batch_size)
    return pl_error_set(err, PL_ERROR_VALUE, "a batch of %zu samples is larger than batch_size = %zu", n,
                        t->o.batch_size);
  pl_status status = check_range(t, epoch, index, 1, err);
  if (status == PL_OK) status = pl_exec_check_batch(t->exec, n, err);
  if (status == PL_OK) status = pl_trainer_check_loss(t, err);
  if (status == PL_OK && target.labels != NULL) status = pl_loss_check_labels(target.labels, n, t->first, err);
  else if (status == PL_OK && t->o.loss != NULL)
    status = pl_loss_check_values(t->o.loss, target.values, 0, n, t->first, err);
  if (status) return status;
  const pl_given given = { x, target, n };
  return pl_steps_run(&(pl_steps){ .t = t, .epoch = epoch, .first = index, .end = index + 1, .given = &given,
                                   .result = result }, err);
}
