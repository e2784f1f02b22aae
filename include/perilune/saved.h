/* Saved models: the file of model:save, any file of a run, or a run's folder, ready to predict.

   Intended use:  pl_model_load("digits.h5")  ->  pl_model_predict(x, n)  ->  pl_saved_free */
#ifndef PERILUNE_SAVED_H
#define PERILUNE_SAVED_H

#include "perilune/exec.h"
#include "perilune/loss.h"

typedef struct pl_saved pl_saved;   /* a model, its layers, its memory for passes, what its outputs mean */

/* NULL and an error when the file is damaged, holds no model, or one with functions of a script. Checks the file's
   digest. Reads HDF5: on one thread of the host at a time. */
PL_API pl_saved *pl_model_load(const char *path, pl_error *err);
PL_API void pl_saved_free(pl_saved *saved);                        /* NULL is allowed */
PL_API pl_model *pl_saved_model(pl_saved *saved);                  /* [borrowed] */
PL_API const pl_shape *pl_saved_input(const pl_saved *saved);      /* [borrowed] one sample */
PL_API const pl_shape *pl_saved_output(const pl_saved *saved);     /* [borrowed] one sample */
PL_API pl_output_kind pl_saved_outputs(const pl_saved *saved);     /* what the outputs are: logits, ... */

/* x [n, input...]. Each may be NULL: outputs [n, output...], several flat, one after the other; probabilities, of the
   shape of the first (an error where outputs are values); labels [n], from 0, PL_NO_LABEL for a row with NaN: where it
   has one axis. One thread of the host at a time. */
typedef struct pl_predicted {
  float *outputs, *probabilities;
  int32_t *labels;
} pl_predicted;
PL_API pl_status pl_model_predict(pl_saved *saved, const float *x, size_t n, const pl_predicted *out, pl_error *err);

#endif
