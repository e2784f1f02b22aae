/* The trainer's inside, shared by trainer.c, step.c and loop.c. */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "base/load_balance.h"
#include "train/loader.h"
#include "train/thread_tuner.h"
#include "train/update.h"

struct pl_trainer {
  pl_trainer_options o;
  pl_exec *exec;           /* its own: shapes are those that the model had when it was made */
  pl_loader loader;
  pl_thread_tuner tuner;
  pl_load_balance balance;
  /* updates may be made as gradients come, where that changes no bit; PERILUNE_FUSE=0: never */
  bool fuse;
  bool values;             /* targets are values: errors are summed; else hits */
  pl_output_kind outputs;
  size_t width, first;     /* values of a sample's outputs, and of the first of them, which is scored */
  float *grad;
  double *losses;
  uint8_t *hit;
  pl_row_errors *errors;
  float *spare;            /* for reordering a parameter */
  float *states;           /* the model's, from before the step; NULL unless it may be skipped, or fail in a script */
};

/* Steps first .. end-1 of an epoch. The step of index i is of the loader's batch, or of `given`. */
typedef struct pl_given { const float *x; pl_target target; size_t n; } pl_given;

typedef struct pl_steps {
  pl_trainer *t;
  uint64_t epoch;
  size_t first, end;
  const pl_given *given;   /* NULL: the loader's batches */
  pl_train_result *result;
  size_t index;            /* of the last step that was begun */
  double total;            /* of its loss, over samples */
  bool fused;              /* its updates are made as gradients come */
  pl_weight_update update; /* and what was not finite */
  pl_load_balance *balance;
} pl_steps;

/* How far one member is among the steps, for the stages of a step. */
typedef struct pl_member { pl_steps *steps; size_t index; } pl_member;

/* ---- step.c: one training step ---- */
/* Every member calls; false: this was the last step (steps->update says why). */
bool pl_step_in_region(pl_member *m, pl_stages *stages);
/* The same, from outside a region, for a model, a loss or an optimizer with functions of the script. */
pl_status pl_step_with_script(pl_steps *steps, size_t index, pl_error *err);
/* As before a step that was not taken. */
void pl_step_restore_states(const pl_steps *steps);
/* Loads what it can of the next batch, until the leader is at the barrier. */
void pl_step_load_ahead(const pl_team *team, void *member);

pl_given pl_step_batch(const pl_steps *steps, size_t index);
/* The step's number in the whole training: what dropout masks are a function of. */
uint64_t pl_step_number(const pl_trainer *t, uint64_t epoch, size_t index);

/* A loss that is a formula is recorded for one shape at a time, and may have been used for another since. */
pl_status pl_trainer_check_loss(const pl_trainer *t, pl_error *err);

/* Functions of the script take part in its steps: in the model, the loss or the optimizer. */
bool pl_trainer_has_script(const pl_trainer *t);

/* ---- loop.c: as many steps as there are, and what to do about trouble ---- */
pl_status pl_steps_run(pl_steps *steps, pl_error *err);

#endif
