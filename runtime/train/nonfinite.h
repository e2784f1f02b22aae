/* Values that are not finite: is there one, and where did it come from? */
#ifndef TRAIN_NONFINITE_H
#define TRAIN_NONFINITE_H

#include "perilune/train.h"

bool pl_all_finite(const float *x, size_t n);
/* Are n gradients of a slice finite as the optimizer's step uses them? (pl_optimizer_is_frozen,
   pl_optimizer_cuts_infinite) */
bool pl_grads_are_usable(const pl_optimizer *optimizer, size_t slice, const float *grads, size_t n);
/* Of a loss: the first value in what the step was given, x [n, sample...] and `targets` [n * values of one] (NULL: they
   are labels), and then in the order of a forward pass: a parameter, a layer's output. */
void pl_find_nonfinite_loss(pl_exec *exec, const float *x, size_t n, const float *targets, size_t values,
                            pl_nonfinite *found);
/* Of a gradient that the step uses: the parameter that the backward pass met first; or a weight that the step itself
   made so. */
void pl_find_nonfinite_gradient(pl_model *model, const pl_optimizer *optimizer, pl_nonfinite *found);

#endif
