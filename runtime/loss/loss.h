/* What a loss's file needs to implement one: the loss of one row and its gradient. */
#ifndef LOSS_LOSS_H
#define LOSS_LOSS_H

#include "perilune/loss.h"

typedef struct pl_loss_row {
  size_t width;
  const float *output;        /* [width] */
  const float *target;        /* [width], or NULL: the label speaks */
  int32_t label;
  double scale;               /* the gradient is multiplied by it */
  float *grad;                /* [width], or NULL: not needed */
} pl_loss_row;

typedef enum pl_loss_kind {
  PL_LOSS_ELEMENTS,           /* `row` is a sum over elements: weighed with 1/width by reduction "mean" */
  PL_LOSS_CLASSES             /* outputs are scores of two classes or more, on one axis */
} pl_loss_kind;

typedef struct pl_loss_class {
  pl_class head;              /* the configuration begins with a pl_loss_common */
  pl_loss_kind kind;
  pl_output_kind outputs;
  pl_output_kind (*outputs_of)(const void *config);            /* where it depends on the options; else NULL */
  bool probabilities;         /* target values are probabilities */
  double (*row)(const void *config, const pl_loss_row *row);   /* fills row->grad, returns the loss */
  const char *const *examples;   /* for tests: options as JSON, each is tried; ends with NULL */
} pl_loss_class;

typedef enum pl_reduction { PL_REDUCTION_MEAN, PL_REDUCTION_SUM } pl_reduction;
typedef struct pl_loss_common { int reduction; } pl_loss_common;
extern const char *const pl_reductions[];
#define PL_LOSS_COMMON(config) \
  { .name = "reduction", .kind = PL_OPTION_CHOICE, .offset = offsetof(config, common.reduction), \
    .choices = pl_reductions }

/* The target value of element j. */
static inline double pl_loss_wanted(const pl_loss_row *row, size_t j) {
  if (row->target != NULL) return (double)row->target[j];
  return row->width == 1 ? (double)row->label : (double)((size_t)row->label == j);
}

extern const pl_loss_class *const pl_loss_registry[];   /* ends with NULL */

#endif
