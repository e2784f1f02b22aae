/* How much the targets vary: what a prediction of their means would cost. */
#include "data/dataset.h"
#include "perilune/alloc.h"

pl_status pl_dataset_target_spread(double *spread, const pl_dataset *ds, pl_error *err) {
  pl_shape shape = pl_dataset_target_shape(ds);
  size_t width = (size_t)pl_shape_count(&shape);
  const float *targets = pl_tensor_data(ds->targets);
  double *mean = pl_alloc_array(width, sizeof *mean, err);
  *spread = 0;
  if (mean == NULL) return PL_ERROR_MEMORY;
  /* from the first row on, so that a column of equal values has exactly their mean */
  const float *first = targets + ds->rows[0] * width;
  for (size_t i = 0; i < ds->count; i++) {
    const float *t = targets + ds->rows[i] * width;
    for (size_t j = 0; j < width; j++) mean[j] += (double)t[j] - (double)first[j];
  }
  for (size_t j = 0; j < width; j++) mean[j] = (double)first[j] + mean[j] / (double)ds->count;
  for (size_t i = 0; i < ds->count; i++) {
    const float *t = targets + ds->rows[i] * width;
    for (size_t j = 0; j < width; j++) *spread += ((double)t[j] - mean[j]) * ((double)t[j] - mean[j]);
  }
  pl_free(mean);
  return PL_OK;
}
