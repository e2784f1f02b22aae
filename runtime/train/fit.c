/* Do a model's outputs, a loss and a data set fit each other? And are there batches to train on? */
#include "perilune/alloc.h"
#include "perilune/train.h"

static pl_status check_labels(const pl_shape *output, int64_t classes, pl_error *err) {
  char got[PL_SHAPE_TEXT];
  long long width = (long long)pl_shape_count(output), k = (long long)classes;
  if (output->axes != 1)
    return pl_error_set(err, PL_ERROR_SHAPE, "the data set has labels, for outputs [N, classes], got %s; end the model "
                        "with nn.Flatten() and nn.Linear(inputs, %lld)", pl_shape_text(got, output, true), k);
  if (width == 1 && classes > 2)
    return pl_error_set(err, PL_ERROR_SHAPE, "the model has one output, which tells two classes apart, but the data "
                        "set has %lld classes; give the last layer %lld outputs, and take the loss CrossEntropy", k, k);
  if (width > 1 && width < k)
    return pl_error_set(err, PL_ERROR_SHAPE, "the model has %lld outputs but the data set has %lld classes; give the "
                        "last layer %lld outputs", width, k, k);
  return PL_OK;
}

static pl_status check_values(const pl_loss *loss, const pl_dataset *data, size_t width, pl_error *err) {
  pl_team one = { .size = 1 };
  pl_status status = PL_OK;
  float *values = pl_alloc_array(width, sizeof *values, err);
  if (values == NULL) return PL_ERROR_MEMORY;
  for (uint32_t i = 0; i < pl_dataset_count(data) && status == PL_OK; i++) {
    pl_dataset_gather(data, &one, &i, 1, NULL, NULL, values);
    status = pl_loss_check_values(loss, values, i, 1, width, err);
  }
  pl_free(values);
  return status;
}

pl_status pl_check_fit(const pl_outputs *outputs, pl_loss *loss, const pl_dataset *data, pl_error *err) {
  char got[PL_SHAPE_TEXT], other[PL_SHAPE_TEXT];
  const pl_shape *output = &outputs->shape[0];
  int64_t classes = pl_dataset_classes(data);
  bool labels = classes > 0;
  if (!labels && !pl_dataset_has_targets(data))
    return pl_error_set(err, PL_ERROR_VALUE, "the data set has neither labels nor targets: nothing says what the "
                        "outputs should be; give it y");
  pl_shape target = labels ? (pl_shape){ 0 } : pl_dataset_target_shape(data);
  pl_status status = loss ? pl_loss_check_outputs(loss, outputs, &target, labels, err) : PL_OK;
  if (status) return status;
  if (labels) return check_labels(output, classes, err);
  if (loss != NULL && !pl_loss_is_formula(loss)) return check_values(loss, data, (size_t)pl_shape_count(&target), err);
  if (pl_shape_equal(output, &target)) return PL_OK;
  return pl_error_set(err, PL_ERROR_SHAPE, "the model's %soutputs are %s, the data set's targets %s; give the last "
                      "layer outputs of that shape%s", outputs->count > 1 ? "first " : "",
                      pl_shape_text(got, output, true),
                      pl_shape_text(other, &target, true), loss == NULL ? "" : ", or return { what is compared with "
                      "the targets, what else the loss needs } from an nn.Graph");
}

pl_status pl_check_batches(const pl_model *model, size_t samples, size_t batch_size, bool drop_last, pl_error *err) {
  const pl_layer *layer = NULL;
  char label[PL_PATH_TEXT];
  if (batch_size == 0) return pl_error_set(err, PL_ERROR_VALUE, "batch_size must be at least 1");
  if (samples == 0) return pl_error_set(err, PL_ERROR_VALUE, "there are no samples to train on");
  if (drop_last && samples < batch_size)
    return pl_error_set(err, PL_ERROR_VALUE, "drop_last leaves nothing to train on: %zu samples are fewer than a batch "
                        "of %zu; take a smaller batch_size, or drop_last = false", samples, batch_size);
  size_t least = pl_model_least_batch(model, &layer), last = samples % batch_size;
  if (batch_size < least)
    return pl_error_set(err, PL_ERROR_VALUE, "%s: has no variance of one row: batch_size must be at least %zu",
                        pl_layer_label(label, layer), least);
  if (drop_last || last == 0 || last >= least) return PL_OK;
  return pl_error_set(err, PL_ERROR_VALUE, "%s: has no variance of one row, and the last batch would be one: %zu "
                      "samples in batches of %zu; add drop_last = true, or take another batch_size",
                      pl_layer_label(label, layer), samples, batch_size);
}
