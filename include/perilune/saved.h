/* Saved models: the file of model:save, any file of a run, or a run's folder, ready to predict.

   Intended use:  pl_model_load("digits.h5")  ->  pl_model_predict(x, n)  ->  pl_saved_free
   A model that was trained from C:  pl_model_save(model, loss, "digits.h5") */
#ifndef PERILUNE_SAVED_H
#define PERILUNE_SAVED_H

#include "perilune/exec.h"
#include "perilune/loss.h"

typedef struct pl_saved pl_saved;   /* a model, its layers, its memory for passes, what its outputs mean */

/* Saves a model, its description and its weights, as model:save does, for pl_model_load, `perilune predict`, nn.load.
   `loss` (NULL: none) says what its outputs are. `path` is replaced when all is written. PL_ERROR_STATE: not built;
   PL_ERROR_IO: the file cannot be written, or libhdf5 is missing. Writes HDF5: one thread of the process at a time. */
PL_API pl_status pl_model_save(pl_model *model, const pl_loss *loss, const char *path, pl_error *err);

/* `path`: a file, or the folder of a run. PL_ERROR_IO: it is not there, or libhdf5 is missing; PL_ERROR_CORRUPT: it is
   damaged (its digest is checked); PL_ERROR_VALUE: it holds no model, or one with functions of a script. Reads HDF5:
   one thread of the process at a time. */
PL_API pl_saved *pl_model_load(const char *path, pl_error *err);
PL_API void pl_saved_free(pl_saved *saved);
/* [borrowed] */
PL_API pl_model *pl_saved_model(pl_saved *saved);
/* [borrowed] of one sample; several outputs are one flat row. Inputs are what the model was trained on: of pixels the
   byte / 255, unless the data set was standardized. */
PL_API const pl_shape *pl_saved_input(const pl_saved *saved);
PL_API const pl_shape *pl_saved_output(const pl_saved *saved);
/* What the outputs are: logits, ... */
PL_API pl_output_kind pl_saved_outputs(const pl_saved *saved);

/* The caller's arrays, each of which may be NULL. Labels and probabilities are of the first output, of one axis. */
typedef struct pl_predicted {
  float *outputs;          /* [n, output...]; several outputs one after the other in each row */
  float *probabilities;    /* [n, classes], as the first output */
  int32_t *labels;         /* [n], from 0; PL_NO_LABEL for a row with NaN */
} pl_predicted;
/* x [n, input...], n may be 0. Parallel; in batches of its own, which take the memory. PL_ERROR_SHAPE: labels or
   probabilities of outputs that have not one axis; PL_ERROR_VALUE: probabilities where outputs are values. One thread
   of the host at a time. */
PL_API pl_status pl_model_predict(pl_saved *saved, const float *x, size_t n, const pl_predicted *out, pl_error *err);

#endif
