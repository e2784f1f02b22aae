#include <stdio.h>
#include <string.h>
#include "train/nonfinite.h"

/* Infinity has all eight bits of the exponent set and no other, NaN has others: what is added to the bits carries into
   the sign from infinity on, or from the next one on. */
enum { FROM_INFINITY = 0x00800000, FROM_NAN = 0x007fffff };

static bool none(const float *x, size_t n, uint32_t from) {
  uint32_t carry = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    carry |= (bits & 0x7fffffffu) + from;
  }
  return carry >> 31 == 0;
}

bool pl_all_finite(const float *x, size_t n) { return none(x, n, FROM_INFINITY); }

bool pl_grads_are_usable(const pl_optimizer *optimizer, size_t slice, const float *grads, size_t n) {
  return pl_optimizer_is_frozen(optimizer, slice) ||
         none(grads, n, pl_optimizer_cuts_infinite(optimizer) ? FROM_NAN : FROM_INFINITY);
}

static void parameter_of(const pl_slice *slice, pl_nonfinite *found) {
  char label[PL_PATH_TEXT];
  snprintf(found->at, sizeof found->at, "the %s of %s", slice->name, pl_layer_label(label, slice->layer));
}

void pl_find_nonfinite_loss(pl_exec *exec, const float *x, size_t n, const float *targets, size_t values,
                            pl_nonfinite *found) {
  pl_model *m = pl_exec_model(exec);
  const pl_slice *slice;
  size_t slices = pl_model_slices(m, &slice);
  const float *y;
  char label[PL_PATH_TEXT];
  found->what = "the loss";
  if (!pl_all_finite(x, n * (size_t)pl_shape_count(pl_exec_input(exec)))) {
    snprintf(found->at, sizeof found->at, "the input");
    return;
  }
  if (targets != NULL && !pl_all_finite(targets, n * values)) {
    snprintf(found->at, sizeof found->at, "the targets");
    return;
  }
  for (size_t i = 0; i < slices; i++) {
    if (!pl_all_finite(pl_model_values(m) + slice[i].offset, slice[i].count)) {
      parameter_of(&slice[i], found);
      return;
    }
  }
  snprintf(found->at, sizeof found->at, "the loss");
  if (pl_exec_forward(exec, x, n, PL_CAPTURE, &y, NULL)) return;
  for (int i = 0; i < pl_exec_rows(exec); i++) {   /* a callback may have built the model for another shape since */
    pl_model_row row = pl_exec_row_at(exec, i);
    if (pl_all_finite(pl_exec_activation(exec, i), n * (size_t)pl_shape_count(&row.output))) continue;
    snprintf(found->at, sizeof found->at, "the output of %s", pl_layer_label(label, row.layer));
    return;
  }
}

void pl_find_nonfinite_gradient(pl_model *m, const pl_optimizer *optimizer, pl_nonfinite *found) {
  const pl_slice *slice;
  size_t slices = pl_model_slices(m, &slice);
  found->what = "a gradient";
  snprintf(found->at, sizeof found->at, "the step");
  for (size_t i = slices; i-- > 0;) {
    if (!pl_grads_are_usable(optimizer, i, pl_model_grads(m) + slice[i].offset, slice[i].count)) {
      parameter_of(&slice[i], found);
      return;
    }
  }
  found->what = "a weight";
  for (size_t i = 0; i < slices; i++) {
    if (!pl_optimizer_is_frozen(optimizer, i) &&
        !pl_all_finite(pl_model_values(m) + slice[i].offset, slice[i].count)) {
      parameter_of(&slice[i], found);
      return;
    }
  }
}
