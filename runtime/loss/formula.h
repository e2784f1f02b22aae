/* Losses that are formulas of the script: loss.c hands them what a loss is asked. */
#ifndef LOSS_FORMULA_H
#define LOSS_FORMULA_H

#include "perilune/loss.h"

typedef struct pl_loss_formula pl_loss_formula;

extern const char pl_loss_formula_type[];   /* in files: "Formula" */

/* From { name =, reduction =, outputs =, options =, program =, shapes = (of several outputs) }; host NULL: its
   operations are those of `program`. */
pl_loss_formula *pl_loss_formula_new(const struct cJSON *config, pl_loss_record_fn host, void *context, pl_error *err);
void pl_loss_formula_free(pl_loss_formula *f);
struct cJSON *pl_loss_formula_write(const pl_loss_formula *f);
const char *pl_loss_formula_name(const pl_loss_formula *f);
/* -1: the formula does not say. */
int pl_loss_formula_outputs(const pl_loss_formula *f);
bool pl_loss_formula_is_mean(const pl_loss_formula *f);
/* Records it for these shapes, unless it has been, and takes the memory of passes by teams of pl_threads_get(). */
pl_status pl_loss_formula_check(pl_loss_formula *f, const pl_outputs *outputs, const pl_shape *target, bool labels,
                                pl_error *err);
pl_status pl_loss_formula_check_again(pl_loss_formula *f, pl_error *err);
void pl_loss_formula_forward(const pl_loss_formula *f, const pl_team *team, double *values, float *grad,
                             const float *output, pl_target target, size_t rows);
pl_status pl_loss_formula_verify(const pl_loss_formula *f, const float *output, pl_target target, size_t rows,
                                 pl_error *err);

#endif
