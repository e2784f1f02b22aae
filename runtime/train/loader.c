#include "train/loader.h"
#include "perilune/alloc.h"

pl_status pl_loader_open(pl_loader *l, const pl_trainer_options *o, pl_error *err) {
  pl_shape sample = pl_dataset_shape(o->data);
  l->data = pl_dataset_retain(o->data);
  l->count = pl_dataset_count(o->data);
  l->batch_size = o->batch_size < l->count ? o->batch_size : l->count;
  l->batches = pl_batch_count(l->count, l->batch_size, o->drop_last);
  l->seed = o->seed;
  l->shuffle = o->shuffle;
  l->threads = pl_threads_get();
  l->labels = pl_dataset_classes(o->data) > 0;
  l->size = (size_t)pl_shape_count(&sample);
  if (!l->labels) {
    pl_shape target = pl_dataset_target_shape(o->data);
    l->target_size = (size_t)pl_shape_count(&target);
  }
  if (sample.axes == 3) {
    l->height = sample.size[0], l->width = sample.size[1], l->channels = sample.size[2];
  }
  l->augment = pl_alloc_array(o->augments + 1, sizeof *l->augment, err);
  if (l->augment == NULL) return PL_ERROR_MEMORY;
  for (; l->augments < o->augments; l->augments++) {
    if (sample.axes != 3)
      return pl_error_set(err, PL_ERROR_SHAPE, "augmentation needs images [N, H, W, C]; this data set has %d axes a "
                          "sample", sample.axes);
    l->augment[l->augments] = pl_augment_retain(o->augment[l->augments]);
    size_t more = pl_augment_scratch(o->augment[l->augments], l->height, l->width, l->channels, 1);
    if (more > l->scratch_each) l->scratch_each = more;
  }
  l->order = pl_alloc_array(l->count, sizeof *l->order, err);
  l->scratch = pl_alloc_array((size_t)l->threads * l->scratch_each + 1, sizeof(float), err);
  bool ok = l->order && l->scratch;
  for (int k = 0; k < 2; k++) {
    pl_loader_side *s = &l->side[k];
    s->x = pl_alloc_array(l->batch_size, l->size * sizeof(float), err);
    s->targets = pl_alloc_array(l->batch_size, (l->target_size + 1) * sizeof(float), err);
    s->label = pl_alloc_array(l->batch_size, sizeof *s->label, err);
    ok = ok && s->x && s->targets && s->label;
  }
  if (ok && pl_dataset_is_streamed(o->data)) {
    l->ahead = pl_read_ahead_open(o->data, l->batch_size, err);
    return l->ahead ? PL_OK : PL_ERROR_MEMORY;
  }
  if (ok) return PL_OK;
  pl_error_prefix(err, "a batch of %zu samples", l->batch_size);
  return PL_ERROR_MEMORY;
}

void pl_loader_close(pl_loader *l) {
  pl_read_ahead_close(l->ahead);
  pl_dataset_free(l->data);
  for (size_t k = 0; k < l->augments; k++) pl_augment_free(l->augment[k]);
  pl_free(l->augment);
  pl_free(l->order);
  pl_free(l->scratch);
  for (int k = 0; k < 2; k++) {
    pl_free(l->side[k].x);
    pl_free(l->side[k].targets);
    pl_free(l->side[k].label);
  }
}

pl_status pl_loader_epoch(pl_loader *l, uint64_t epoch, pl_error *err) {
  if (l->epoch == epoch) return PL_OK;
  pl_status status = l->ahead ? pl_read_ahead_start(l->ahead, l->order, l->seed, epoch, l->shuffle, err)
                              : pl_dataset_order(l->data, l->order, l->seed, epoch, l->shuffle, err);
  l->epoch = status == PL_OK ? epoch : 0;   /* that of before is no longer read either */
  return status;
}

size_t pl_loader_length(const pl_loader *l, size_t index) { return pl_batch_length(l->count, l->batch_size, index); }

float *pl_loader_x(const pl_loader *l, size_t index) { return l->side[index % 2].x; }

pl_target pl_loader_target(const pl_loader *l, size_t index) {
  const pl_loader_side *s = &l->side[index % 2];
  return l->labels ? (pl_target){ .labels = s->label } : (pl_target){ .values = s->targets };
}

/* Sample i of the batch. */
static void load(const pl_loader *l, int rank, size_t index, size_t i) {
  const pl_loader_side *s = &l->side[index % 2];
  const pl_team one = { .size = 1 };
  float *x = s->x + i * l->size;
  size_t position = index * l->batch_size + i;
  if (position + 2 < l->count) pl_dataset_prefetch(l->data, l->order[position + 2]);
  if (l->ahead) pl_read_ahead_take(l->ahead, position, index * l->batch_size, x);
  pl_dataset_gather(l->data, &one, l->order + position, 1, l->ahead ? NULL : x, l->labels ? s->label + i : NULL,
                    l->labels ? NULL : s->targets + i * l->target_size);
  for (size_t k = 0; k < l->augments; k++)
    pl_augment_one(l->augment[k], x, i, l->height, l->width, l->channels,
                   pl_augment_rng(l->seed, l->epoch, index, (int)k),
                   l->scratch + (size_t)rank * l->scratch_each);
}

int pl_loader_threads(const pl_loader *l, size_t index) {
  return pl_threads_for((double)(pl_loader_length(l, index) * l->size) * (1 + 32 * (double)l->augments));
}

void pl_loader_load(pl_loader *l, const pl_team *team, size_t index) {
  size_t from, to;
  if (l->ahead && team->rank == 0) pl_read_ahead_share(l->ahead, team->size >= pl_threads_cores());
  pl_team_share(team, pl_loader_length(l, index), 1, &from, &to);
  for (size_t i = from; i < to; i++) load(l, team->rank, index, i);
}

bool pl_loader_take(pl_loader *l, int rank, size_t index) {
  size_t i = atomic_fetch_add_explicit(&l->side[index % 2].next, 1, memory_order_relaxed);
  if (i >= pl_loader_length(l, index)) return false;
  load(l, rank, index, i);
  return true;
}

void pl_loader_reset(pl_loader *l, size_t side) {
  atomic_store_explicit(&l->side[side % 2].next, 0, memory_order_relaxed);
}
