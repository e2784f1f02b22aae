/* Losses: what a batch of outputs costs, and the gradient of that cost.

   A batch is rows x width values, contiguous: one row a sample. A row's loss is a number of its own; the loss of
   the batch is the mean of the rows' (reduction "mean", the default) or their sum ("sum"). Element by element
   losses (MSE, BCE, Huber) take the mean over the elements of a row, or their sum, by the same option; so the
   values are PyTorch's. Rows lie one after the other; outputs, targets and gradients are f32, losses double. */
#ifndef PERILUNE_LOSS_H
#define PERILUNE_LOSS_H

#include "perilune/options.h"
#include "perilune/threads.h"

typedef struct pl_loss pl_loss;
struct cJSON;
struct pl_program;

/* What the outputs should have been; exactly one of the two is set.
   labels [rows]: the class of each row, from 0. Every loss takes them: those made for values see the one-hot row.
   With width 1 there are two classes, and the label itself, 0 or 1, is the target value.
   values [rows * width]: target values, or a probability of each class. */
typedef struct pl_target {      /* [borrowed] by the call that gets it */
  const int32_t *labels;
  const float *values;
} pl_target;

/* A loss of the named type ("CrossEntropy"; pl_loss_type_name has all); `args` as for pl_options_read, which also says
   the errors. PL_ERROR_VALUE: there is no such loss. */
PL_API pl_loss *pl_loss_new(const char *type, const struct cJSON *args, pl_error *err);
PL_API void pl_loss_free(pl_loss *loss);
/* "CrossEntropy", or the name of a formula; [borrowed]. */
PL_API const char *pl_loss_type(const pl_loss *loss);
/* { type = "CrossEntropy", config = { ... } }, NULL when memory is short; and back: errors of pl_loss_new, or
   PL_ERROR_VALUE where there is no type. */
PL_API struct cJSON *pl_loss_to_json(const pl_loss *loss);
PL_API pl_loss *pl_loss_from_json(const struct cJSON *json, pl_error *err);
typedef struct pl_loss_recording {
  struct pl_program *program;
  const pl_outputs *outputs;
} pl_loss_recording;
typedef pl_status (*pl_loss_record_fn)(void *context, pl_loss_recording *recording, pl_error *err);
/* A loss that is a formula (loss/formula.c): { name =, reduction =, outputs =, options = }. The host records it: fills
   the program, whose first two inputs are the outputs, flat if there are several, and the targets. `context` is
   borrowed. host NULL: the config has the recorded program. But for its forward, one thread at a time. */
PL_API pl_loss *pl_loss_new_formula(const struct cJSON *config, pl_loss_record_fn host, void *context, pl_error *err);
PL_API bool pl_loss_is_formula(const pl_loss *loss);
/* Records a formula again: PL_ERROR_STATE if it is another one now. Of other losses: nothing. */
PL_API pl_status pl_loss_check_again(pl_loss *loss, pl_error *err);
/* Types in the registry's order; NULL past the end. */
PL_API const char *pl_loss_type_name(int i);
/* For tests that try every type: options as JSON; NULL past the end. */
PL_API const char *pl_loss_example(const char *type, int i);

/* Do these shapes of one sample fit? `labels`: integer labels, `target` then is a scalar (axes 0). PL_ERROR_SHAPE or
   PL_ERROR_TYPE, or an error of the host's. A formula is recorded for them, and takes the memory that its passes need:
   to be asked before each series of passes, outside them. */
PL_API pl_status pl_loss_check(pl_loss *loss, const pl_shape *output, const pl_shape *target, bool labels,
                               pl_error *err);
/* The same for a model of several outputs. */
PL_API pl_status pl_loss_check_outputs(pl_loss *loss, const pl_outputs *outputs, const pl_shape *target, bool labels,
                                       pl_error *err);
/* Are all labels in 0 .. width-1 (width 1: 0 or 1)? PL_ERROR_VALUE names the first that is not; rows count from 1. */
PL_API pl_status pl_loss_check_labels(const int32_t *labels, size_t rows, size_t width, pl_error *err);

/* Are all target values ones that the loss is made for: probabilities in [0, 1] for BCE and the losses on classes?
   PL_ERROR_VALUE names the first that is not. `rows` rows, of which the first is sample `first` (from 0). */
PL_API pl_status pl_loss_check_values(const pl_loss *loss, const float *values, size_t first, size_t rows, size_t width,
                                      pl_error *err);

/* values[i] [out, rows]: the loss of row i. grad [out, rows * width, or NULL]: d(loss of the batch)/d(output).
   Shapes, labels and values have been checked. Every member of a team calls it, with the same arguments (one thread: a
   team { .size = 1 }); rows are shared, no barrier inside. Outputs that are not finite give losses that are not. */
PL_API void pl_loss_forward(const pl_loss *loss, const pl_team *team, double *values, float *grad, const float *output,
                            pl_target target, size_t rows, size_t width);
/* Of a formula, for shapes that have been checked: compares the values and gradients with those of its operations one
   after the other, each value in memory of its own; PL_ERROR_STATE unless they agree to the last bit. */
PL_API pl_status pl_loss_verify(const pl_loss *loss, const float *output, pl_target target, size_t rows, pl_error *err);
/* Sum of the rows' losses, in ascending order. */
PL_API double pl_loss_total(const double *values, size_t rows);
/* The loss of the batch, by the reduction: the total, or the total / rows. */
PL_API double pl_loss_value(const pl_loss *loss, const double *values, size_t rows);

/* ---- what outputs mean: labels and probabilities; see loss/decision.c ---- */

typedef enum pl_output_kind {
  PL_OUTPUT_LOGITS,               /* scores of classes, made probabilities by softmax */
  PL_OUTPUT_INDEPENDENT_LOGITS,   /* each made a probability by a sigmoid */
  PL_OUTPUT_PROBABILITIES,
  PL_OUTPUT_LOG_PROBABILITIES,
  PL_OUTPUT_VALUES                /* of a regression, or trained towards one-hot rows */
} pl_output_kind;

/* What the outputs are that such a loss trains; a formula may not know it: then it is PL_OUTPUT_VALUES. */
PL_API pl_output_kind pl_loss_outputs(const pl_loss *loss);
PL_API bool pl_loss_knows_outputs(const pl_loss *loss);
/* Made for classes: targets of the outputs' shape are a distribution over them, whose largest entry is the label. */
PL_API bool pl_loss_is_for_classes(const pl_loss *loss);
/* "logits", "independent logits", ... in the order of the enumeration; ends with NULL; static. */
PL_API const char *const *pl_output_names(void);

enum { PL_NO_LABEL = -1 };   /* of a row with NaN: equal to no label */
/* The label of a row of outputs: the largest, the first of equals; of one output (width 1) 0 or 1. Any thread, as those
   below. */
PL_API int32_t pl_decide(pl_output_kind kind, const float *y, size_t width);
/* p [out, rows * width]; of one output the probability of label 1. false, nothing written: values have none. */
PL_API bool pl_probabilities(pl_output_kind kind, float *p, const float *y, size_t rows, size_t width);

/* Of one label of a row; NaN where there is none. */
PL_API float pl_probability(pl_output_kind kind, const float *y, size_t width, int32_t label);

typedef struct pl_row_errors { double absolute, squared; } pl_row_errors;
/* Sums over a row of |d| and d^2, d = output - target; independent logits are compared as probabilities. */
PL_API pl_row_errors pl_errors_of_row(pl_output_kind kind, const float *y, const float *target, size_t width);

#endif
