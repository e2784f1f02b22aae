/* Training and evaluation: data set, augmentation, model, loss and optimizer brought together. Many steps run in one
   parallel region; the weights that result are a function of the arguments, not of threads. A trainer and all that it
   was made of are used by one thread of the host at a time; functions of the host are called on that thread.

   Intended use:  pl_trainer_new, once model and optimizer are built, initialized and bound; then for epoch = 1, 2, ...
                  pl_optimizer_epoch, pl_trainer_run(epoch, 0, pl_trainer_batches), pl_evaluate */
#ifndef PERILUNE_TRAIN_H
#define PERILUNE_TRAIN_H

#include "perilune/data.h"
#include "perilune/exec.h"
#include "perilune/loss.h"
#include "perilune/model.h"
#include "perilune/optim.h"

typedef struct pl_trainer pl_trainer;

/* A loss that is a function of the script, called between parallel regions: the mean over a batch of outputs
   y [n, output...], and its gradient for them. An error that it returns ends the run, and is passed on. */
typedef struct pl_host_loss_call {     /* [borrowed] all of it, during the call */
  const float *y;
  pl_outputs outputs;                  /* of one sample; several lie one after the other in y, and in grad */
  pl_target target;
  size_t n;
  double value;                        /* [out] */
  float *grad;                         /* [out] as y */
} pl_host_loss_call;
typedef pl_status (*pl_host_loss_fn)(void *context, pl_host_loss_call *call, pl_error *err);

typedef struct pl_trainer_options {
  pl_model *model;                     /* [borrowed], as loss and optimizer; it is built for the data's shape */
  pl_loss *loss;                       /* NULL: host_loss, which else is not called */
  pl_host_loss_fn host_loss;
  void *host_loss_context;
  pl_output_kind outputs;              /* what the outputs mean, where the loss does not know it */
  pl_optimizer *optimizer;             /* bound to the model */
  pl_host_step_fn host_step;           /* the step, if the optimizer's is the host's (else not called) */
  void *host_step_context;
  const pl_dataset *data;              /* retained, as the augmentations */
  const pl_augment *const *augment;    /* applied in order; the samples are then images */
  size_t augments;
  size_t batch_size;                   /* samples, 1 or more; all where there are fewer */
  uint64_t seed;                       /* order of samples, augmentation, dropout */
  bool drop_last;                      /* leave out a last, smaller batch */
  bool shuffle;                        /* a new order each epoch */
  /* go on after a loss that is not finite, or a gradient that the step uses, as if its batch had not been there */
  bool skip_nonfinite;
} pl_trainer_options;

/* The first value that is not finite, in words. */
typedef struct pl_nonfinite {
  const char *what;     /* "the loss", "a gradient" or "a weight", static; NULL: all are finite */
  char at[192];         /* the layer or parameter with that value, or where else it was */
} pl_nonfinite;

/* Sums over what was run, zero to begin with. Steps add to what is there: an epoch run in parts has the same bits as
   one run at once. */
typedef struct pl_train_result {
  double loss;          /* over samples: divide by `samples` for the mean */
  size_t correct;       /* samples whose outputs decide for the right label (pl_decide); 0 where targets are values */
  pl_row_errors errors; /* sums over all outputs, where targets are values */
  size_t samples, batches;
  size_t skipped;       /* of these batches: not learned from, because loss or gradient was not finite */
  /* training cannot go on, and nothing after this batch was run: its loss was not finite (its step was not taken), or
     its gradient or a weight is not (its step was taken: go back to earlier weights) */
  bool nonfinite;
  size_t nonfinite_batch;      /* that one, or else the first that was skipped; from 0 in its epoch */
  pl_nonfinite found;          /* there */
} pl_train_result;

/* Checks that model, loss and data fit each other; takes memory for a batch. The options are copied. Errors of
   pl_model_build, pl_check_fit and pl_check_batches; PL_ERROR_STATE: the optimizer is not bound to the model;
   PL_ERROR_VALUE: there is no loss, or no host_step for the host's; PL_ERROR_SHAPE: what is to be augmented is no
   image. */
PL_API pl_trainer *pl_trainer_new(const pl_trainer_options *options, pl_error *err);
/* Before the model; loss and optimizer stay the caller's. */
PL_API void pl_trainer_free(pl_trainer *t);
/* Batches in an epoch. */
PL_API size_t pl_trainer_batches(const pl_trainer *t);

/* Batches first .. first+count-1 (from 0) of an epoch (from 1), trained on. What is not finite is no error, but in the
   result. PL_ERROR_VALUE: there are no such batches; PL_ERROR_STATE: the optimizer has been bound to another model, or
   weights are packed; errors of reading a stream, and of functions of the host. After an error, steps before it have
   been taken, and the one that failed has changed neither weights nor states nor the result; but with an error of
   host_step it counts, and the parameters before it have moved. A stream is read ahead: it may fail some steps before
   the batch that it lacks, never after. */
PL_API pl_status pl_trainer_run(pl_trainer *t, uint64_t epoch, size_t first, size_t count, pl_train_result *result,
                                pl_error *err);

/* The same in two halves, for callers that look at or alter a batch: loads batch `index`, augmented, into memory of the
   trainer: *n samples at *x and their targets, which are the caller's to alter until the next load or run. Then trains
   on such a batch, or another of 1 to batch_size samples of the caller's, as batch `index`. Errors as above;
   PL_ERROR_VALUE also: labels or values that the loss is not made for (pl_loss_check_labels, pl_loss_check_values), or
   fewer samples than the model trains on (pl_exec_check_batch). */
PL_API pl_status pl_trainer_load(pl_trainer *t, uint64_t epoch, size_t index, size_t *n, float **x, pl_target *target,
                                 pl_error *err);
PL_API pl_status pl_trainer_step(pl_trainer *t, uint64_t epoch, size_t index, const float *x, pl_target target,
                                 size_t n, pl_train_result *result, pl_error *err);

/* The end of a step alone, for callers that make the passes themselves: moves the weights by the model's gradients, as
   a trainer's step does. `found` is filled where a gradient that the step uses (pl_optimizer_is_frozen,
   pl_optimizer_cuts_infinite) or a weight is not finite. With may_skip gradients are looked at first, and if such a one
   is not finite nothing moves: *taken [out] is false. host_step and its context as in pl_trainer_options; NULL unless
   the optimizer's step is the host's. PL_ERROR_STATE: it is not bound to the model; errors of pl_optimizer_check_step,
   with which no step has begun, and of host_step. */
PL_API pl_status pl_train_update(pl_model *model, pl_optimizer *optimizer, bool may_skip, pl_host_step_fn host_step,
                                 void *context, bool *taken, pl_nonfinite *found, pl_error *err);

typedef struct pl_evaluation {
  double loss;          /* mean over samples, whatever the reduction; 0 without a loss */
  size_t count;         /* samples */
  bool of_values;       /* targets are values: mean absolute error, root mean squared error and R2; else `correct` */
  double mae, rmse, r2; /* over all outputs, in the targets' unit; r2: pl_r2 */
  size_t correct;       /* samples whose label is right */
} pl_evaluation;

/* R2 = 1 - sum (y - t)^2 / sum (t - mean of its column)^2, over all outputs together: squared and spread
   (pl_dataset_target_spread) are the two sums. As scikit-learn has it: targets
   that do not vary give 1 if they are met exactly, else 0; of a single sample there is none (NaN). */
PL_API double pl_r2(double squared, double spread, size_t samples);

/* What an evaluation keeps of each sample, in the caller's arrays [count]. */
typedef struct pl_predictions {
  int32_t *label;             /* predicted; PL_NO_LABEL of a row with NaN */
  float *probability;         /* of that label; NaN where outputs are values */
} pl_predictions;

/* One pass over a data set in PL_INFER, or PL_INFER_DROPOUT (dropout on; masks from the model's seed and step, which
   each batch of 64 samples advances). loss may be NULL; `outputs` says what the outputs are: the loss's own kind
   (pl_loss_outputs), if there is one. confusion [classes * (classes + 1)] may be NULL: row = actual label, column =
   predicted, the last: none of the classes (a row with NaN, or an output that no class has); added to, and only where
   the data set has labels. predictions may be NULL, and are left alone where targets are values. The exec's model is
   built for the data's shape. Errors of pl_model_build, pl_check_fit and pl_exec_forward, of reading a stream;
   PL_ERROR_VALUE: another mode. *result is then 0. */
PL_API pl_status pl_evaluate(pl_exec *exec, pl_loss *loss, pl_output_kind outputs, const pl_dataset *data,
                             pl_mode mode, pl_evaluation *result, int64_t *confusion, const pl_predictions *predictions,
                             pl_error *err);

/* Do such outputs fit the loss (may be NULL), and both the data set? Labels take an output for each class, or one
   output for two; targets have the outputs' shape. Of a model of several outputs that is asked of the first, which is
   scored. PL_ERROR_SHAPE or an error of pl_loss_check; PL_ERROR_VALUE: the data set has neither labels nor targets, or
   values that the loss is not made for. */
PL_API pl_status pl_check_fit(const pl_outputs *outputs, pl_loss *loss, const pl_dataset *data, pl_error *err);
/* Is there a batch, and is each large enough for the model (pl_model_least_batch)? Else PL_ERROR_VALUE. */
PL_API pl_status pl_check_batches(const pl_model *model, size_t samples, size_t batch_size, bool drop_last,
                                  pl_error *err);

#endif
