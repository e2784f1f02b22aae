/* Training steps: many in one parallel region, or, where functions of the script take part, one after the other; and
   what is done about those whose values are not finite. */
#include <string.h>
#include "train/nonfinite.h"
#include "train/trainer.h"
#include "perilune/cpu.h"

static void run_region(const pl_team *equal, void *arg) {
  pl_steps *s = arg;
  pl_trainer *t = s->t;
  pl_team balanced = *equal, *team = &balanced;
  if (team->rank == 0) s->balance = pl_load_balance_begin(&t->balance, team->size, pl_clock());
  pl_team_barrier(team);
  team->balance = s->balance;
  pl_member m = { s, s->first };
  pl_stages stages = { .team = team, .idle_fn = pl_step_load_ahead, .context = &m };
  pl_model_profile_stage(t->o.model, team, PL_STAGE_OTHER);
  if (s->given == NULL) pl_loader_load(&t->loader, team, s->first);
  pl_team_barrier(team);
  pl_model_profile_stage(t->o.model, team, PL_STAGE_DATA);
  for (; m.index < s->end; m.index++) if (!pl_step_in_region(&m, &stages)) return;
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
static void run_paced(pl_steps *s) {
  pl_trainer *t = s->t;
  int worth = pl_exec_team_size(t->exec), most = worth < t->loader.threads ? worth : t->loader.threads;
  if (most == 1 || pl_threads_chosen()) {
    pl_threads_run_on(most, run_region, s);
    return;
  }
  size_t samples = s->result->samples;
  long switches = pl_threads_involuntary_switches();
  double start = pl_clock();
  pl_threads_run_on(pl_thread_tuner_size(&t->tuner, most), run_region, s);
  double end = pl_clock();
  pl_thread_tuner_tell(&t->tuner, end, end - start, (double)(s->result->samples - samples),
                       pl_threads_involuntary_switches() - switches);
}

static pl_status run_in_one_region(pl_steps *s, pl_error *err) {
  enum { MANY = 16 };   /* steps that are worth a reordering */
  pl_trainer *t = s->t;
  pl_model *model = t->o.model;
  bool one_by_one = t->o.batch_size == 1, pack = t->fuse && !one_by_one && s->end - s->first >= MANY;
  pl_model_set_random(model, t->o.seed, 0);
  pl_status status = pl_exec_reserve(t->exec, t->o.batch_size, PL_TRAIN, err);
  if (status) return status;
  if (pack) pl_exec_pack(t->exec, reorder, t, false);
  if (pack || (t->fuse && one_by_one && s->given == NULL))
    pl_model_scan_weights(model, true, pl_exec_team_size(t->exec));
  for (size_t side = 0; side < 2; side++) pl_loader_reset(&t->loader, side);
  run_paced(s);
  pl_model_scan_weights(model, false, 1);
  if (pack) pl_exec_pack(t->exec, reorder, t, true);
  pl_model_set_random(model, t->o.seed, pl_step_number(t, s->epoch, s->end - 1));
  return PL_OK;
}

static void load_region(const pl_team *team, void *arg) {
  pl_steps *s = arg;
  pl_model_profile_stage(s->t->o.model, team, PL_STAGE_OTHER);
  pl_loader_load(&s->t->loader, team, s->first);
  pl_team_barrier(team);
  pl_model_profile_stage(s->t->o.model, team, PL_STAGE_DATA);
}

static pl_status run_in_parts(pl_steps *s, pl_error *err) {
  int threads = pl_threads_get();
  if (s->given == NULL)
    pl_threads_run_on(threads < s->t->loader.threads ? threads : s->t->loader.threads, load_region, s);
  pl_status status = s->given == NULL ? pl_dataset_status(s->t->loader.data, err) : PL_OK;
  if (status) return status;
  status = pl_step_with_script(s, s->first, err);
  if (status) pl_step_restore_states(s);
  return status;
}

/* Says what was not finite, and where; skips the batch, as if it had not been there, or ends the training. */
static void settle(pl_steps *s, pl_trouble trouble) {
  pl_trainer *t = s->t;
  pl_train_result *r = s->result;
  pl_given b = pl_step_batch(s, s->index);
  r->nonfinite = !s->update.may_skip || trouble == PL_WEIGHT_NOT_FINITE;
  if (r->nonfinite || r->skipped == 0) {   /* of several that are skipped, the first is told of */
    r->nonfinite_batch = s->index;
    if (trouble == PL_LOSS_NOT_FINITE) pl_find_nonfinite_loss(t->exec, b.x, b.n, b.target.values, t->first, &r->found);
    else pl_find_nonfinite_gradient(t->o.model, t->o.optimizer, &r->found);
  }
  if (r->nonfinite) return;
  pl_step_restore_states(s);
  r->skipped++;
  r->batches++;
}

pl_status pl_steps_run(pl_steps *s, pl_error *err) {
  const pl_trainer_options *o = &s->t->o;
  bool parts = pl_trainer_has_script(s->t);
  pl_status status = PL_OK;
  while (s->first < s->end && !s->result->nonfinite) {
    status = pl_check_bound(o->optimizer, o->model, err);
    s->update = (pl_weight_update){ .model = o->model, .optimizer = o->optimizer, .may_skip = o->skip_nonfinite };
    if (status == PL_OK) status = parts ? run_in_parts(s, err) : run_in_one_region(s, err);
    if (status == PL_OK) status = pl_dataset_status(s->t->loader.data, err);
    if (status) break;
    pl_trouble trouble = pl_weight_update_trouble(&s->update);
    if (trouble != PL_NO_TROUBLE) settle(s, trouble);
    s->first = s->index + 1;
  }
  pl_model_replace_grads(o->model);   /* a fused update leaves only some gradients of its step in memory */
  return status;
}
