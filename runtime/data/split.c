/* Choosing rows: any list, the first of each class, a held-out fraction. Storage is shared. */
#include <math.h>
#include "data/dataset.h"
#include "perilune/alloc.h"

pl_dataset *pl_dataset_select(const pl_dataset *ds, const uint32_t *positions, size_t n, pl_error *err) {
  if (n == 0) {
    pl_error_set(err, PL_ERROR_VALUE, "the selection is empty: a data set holds at least one sample");
    return NULL;
  }
  for (size_t i = 0; i < n; i++) {
    if (positions[i] >= ds->count) {
      pl_error_set(err, PL_ERROR_VALUE, "position %lld is out of range: the data set has %zu samples",
                   (long long)positions[i] + 1, ds->count);
      return NULL;
    }
  }
  pl_dataset *out = pl_dataset_like(ds, n, err);
  if (out != NULL) for (size_t i = 0; i < n; i++) out->rows[i] = ds->rows[positions[i]];
  return out;
}

static pl_status need_labels(const pl_dataset *ds, const char *what, pl_error *err) {
  if (ds->labels != NULL) return PL_OK;
  return pl_error_set(err, PL_ERROR_STATE, "%s needs labels; this data set has %s", what,
                      ds->targets ? "targets" : "none");
}

/* counts[k] = samples of class k; NULL when memory is short. */
static size_t *count_classes(const pl_dataset *ds, pl_error *err) {
  size_t *counts = pl_alloc_array((size_t)ds->classes, sizeof *counts, err);
  if (counts != NULL) for (size_t i = 0; i < ds->count; i++) counts[pl_dataset_label(ds, i)]++;
  return counts;
}

pl_dataset *pl_dataset_first_per_class(const pl_dataset *ds, size_t n, pl_error *err) {
  if (need_labels(ds, "a subset by class", err)) return NULL;
  if (n == 0) {
    pl_error_set(err, PL_ERROR_VALUE, "a subset takes at least 1 sample of each class, got 0");
    return NULL;
  }
  size_t *counts = count_classes(ds, err);
  if (counts == NULL) return NULL;
  pl_dataset *out = NULL;
  for (int64_t k = 0; k < ds->classes; k++) {
    if (counts[k] < n) {
      pl_error_set(err, PL_ERROR_VALUE, "class %lld has %zu samples, %zu of each are wanted", (long long)k, counts[k],
                   n);
      goto done;
    }
    counts[k] = n;   /* from here on: how many are still to be taken */
  }
  if ((out = pl_dataset_like(ds, n * (size_t)ds->classes, err)) == NULL) goto done;
  for (size_t i = 0, taken = 0; i < ds->count; i++) {
    size_t *left = &counts[pl_dataset_label(ds, i)];
    if (*left == 0) continue;
    --*left;
    out->rows[taken++] = ds->rows[i];
  }
done:
  pl_free(counts);
  return out;
}

/* Whole samples in that fraction of the first n. */
static size_t quota(double fraction, size_t n) { return (size_t)floor(fraction * (double)n + 0.5); }

/* Marks the last `wanted` positions of class k (of all if k < 0) in `order`. */
static void hold_out(uint8_t *held, const pl_dataset *ds, const uint32_t *order, int64_t k, size_t wanted) {
  for (size_t i = ds->count; i-- > 0 && wanted > 0;) {
    if (k >= 0 && pl_dataset_label(ds, order[i]) != k) continue;
    held[order[i]] = 1;
    wanted--;
  }
}

/* Class by class: quotas of the running total, so that each class is within one sample of its fraction and their sum
   is that of the whole. */
static void hold_out_classes(uint8_t *held, const pl_dataset *ds, const uint32_t *order, const size_t *counts,
                             double fraction) {
  size_t before = 0;
  for (int64_t k = 0; k < ds->classes; before += counts[k++])
    hold_out(held, ds, order, k, quota(fraction, before + counts[k]) - quota(fraction, before));
}

pl_status pl_dataset_split(pl_dataset **kept, pl_dataset **held, const pl_dataset *ds, const pl_split_options *how,
                           pl_error *err) {
  *kept = *held = NULL;
  if (!(how->fraction > 0 && how->fraction < 1))
    return pl_error_set(err, PL_ERROR_VALUE, "the fraction of the validation set lies between 0 and 1, got %g",
                        how->fraction);
  size_t n = quota(how->fraction, ds->count);
  if (n == 0 || n == ds->count)
    return pl_error_set(err, PL_ERROR_VALUE, "%zu samples are too few to hold out a fraction of %g", ds->count,
                        how->fraction);
  pl_status status = how->stratified ? need_labels(ds, "a stratified split", err) : PL_OK;
  if (status) return status;
  status = PL_ERROR_MEMORY;
  uint8_t *mark = pl_alloc(ds->count, err);
  uint32_t *order = pl_alloc_array(ds->count, sizeof *order, err);
  size_t *counts = how->stratified ? count_classes(ds, err) : NULL;
  if (mark == NULL || order == NULL || (how->stratified && counts == NULL)) goto done;
  if (how->shuffled) pl_rng_permutation(order, ds->count, pl_rng_make(how->seed, PL_FOR_SPLIT, 0, 0));
  else pl_epoch_order(order, ds->count, 0, 0, false);
  if (how->stratified) hold_out_classes(mark, ds, order, counts, how->fraction);
  else hold_out(mark, ds, order, -1, n);
  *kept = pl_dataset_like(ds, ds->count - n, err);
  *held = pl_dataset_like(ds, n, err);
  if (*kept == NULL || *held == NULL) goto done;
  uint32_t *to[2] = { (*kept)->rows, (*held)->rows };
  for (size_t i = 0; i < ds->count; i++) *to[mark[i]]++ = ds->rows[i];
  status = PL_OK;
done:
  if (status) {
    pl_dataset_free(*kept);
    pl_dataset_free(*held);
    *kept = *held = NULL;
  }
  pl_free(mark);
  pl_free(order);
  pl_free(counts);
  return status;
}
