#include "train/update.h"
#include "train/nonfinite.h"

pl_status pl_check_bound(const pl_optimizer *optimizer, const pl_model *model, pl_error *err) {
  const pl_slice *mine, *its;
  size_t n = pl_model_slices(model, &mine), i = 0;
  if (pl_optimizer_size(optimizer) == pl_model_size(model) && pl_optimizer_slices(optimizer, &its) == n) {
    while (i < n && mine[i].offset == its[i].offset && mine[i].count == its[i].count) i++;
    if (i == n) return PL_OK;
  }
  return pl_error_set(err, PL_ERROR_STATE, "the optimizer is not bound to this model; call optimizer:bind(model)");
}

void pl_weight_update_check(pl_weight_update *u, const pl_team *team) {
  const pl_slice *slice;
  size_t from, to, slices = pl_model_slices(u->model, &slice);
  pl_team_share(team, pl_model_size(u->model), 16, &from, &to);
  for (size_t i = 0; i < slices; i++) {
    size_t end = slice[i].offset + slice[i].count, first = slice[i].offset > from ? slice[i].offset : from;
    end = end < to ? end : to;
    if (first < end && !pl_grads_are_usable(u->optimizer, i, pl_model_grads(u->model) + first, end - first))
      atomic_store(&u->not_finite, true);
  }
}

bool pl_weight_update_allows(pl_weight_update *u) {
  if (atomic_load(&u->not_finite)) u->trouble = PL_GRADIENT_NOT_FINITE;
  return u->trouble == PL_NO_TROUBLE;
}

void pl_weight_update_all(pl_weight_update *u, const pl_team *team) {
  if (!pl_optimizer_step(u->optimizer, team, pl_model_values(u->model), pl_model_grads(u->model)))
    atomic_store(&u->not_finite, true);
}

bool pl_weight_update_tile(void *update, const pl_grad_tile *tile) {
  pl_weight_update *u = update;
  bool finite = pl_optimizer_step_tile(u->optimizer, pl_model_values(u->model), tile);
  if (!finite) atomic_store(&u->not_finite, true);
  return finite;
}

pl_trouble pl_weight_update_trouble(const pl_weight_update *u) {
  return u->trouble == PL_NO_TROUBLE && atomic_load(&u->not_finite) ? PL_WEIGHT_NOT_FINITE : u->trouble;
}

static void check_region(const pl_team *team, void *arg) { pl_weight_update_check(arg, team); }
static void update_region(const pl_team *team, void *arg) { pl_weight_update_all(arg, team); }

pl_status pl_weight_update_run(pl_weight_update *u, int threads, pl_host_step_fn host_step, void *context,
                               pl_error *err) {
  const pl_team alone = { .size = 1 };
  pl_status status = pl_check_bound(u->optimizer, u->model, err);
  if (status == PL_OK) status = pl_optimizer_check_step(u->optimizer, host_step, err);
  if (status) return status;
  if (u->may_skip) pl_threads_run_on(threads, check_region, u);
  if (!pl_weight_update_allows(u)) return PL_OK;
  pl_optimizer_advance(u->optimizer);
  if (pl_optimizer_is_host(u->optimizer)) {
    bool finite = true;
    void *block = pl_model_block(u->model);     /* a script may give the model another one */
    pl_block_retain(block);
    status = pl_optimizer_step_host(u->optimizer, pl_model_values(u->model), pl_model_grads(u->model), host_step,
                                    context, &finite, err);
    pl_block_release(block);
    if (!finite) atomic_store(&u->not_finite, true);
  } else {
    pl_threads_run_on(threads, update_region, u);
  }
  pl_model_profile_stage(u->model, &alone, PL_STAGE_UPDATE);
  return status;
}

pl_status pl_train_update(pl_model *model, pl_optimizer *optimizer, bool may_skip, pl_host_step_fn host_step,
                          void *context, bool *taken, pl_nonfinite *found, pl_error *err) {
  const pl_team alone = { .size = 1 };
  pl_weight_update u = { .model = model, .optimizer = optimizer, .may_skip = may_skip };
  int threads = pl_threads_for(16.0 * (double)pl_optimizer_size(optimizer));
  pl_model_profile_stage(model, &alone, PL_STAGE_OTHER);
  pl_status status = pl_weight_update_run(&u, threads, host_step, context, err);
  pl_trouble trouble = pl_weight_update_trouble(&u);
  found->what = NULL;
  *taken = trouble != PL_GRADIENT_NOT_FINITE;
  if (status == PL_OK && trouble != PL_NO_TROUBLE) pl_find_nonfinite_gradient(model, optimizer, found);
  return status;
}
