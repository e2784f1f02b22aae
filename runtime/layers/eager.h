/* Operations of formulas one at a time, on memory of the caller: for gradients on plain tensors. The same functions as
   in a plan, so the same bits. */
#ifndef LAYERS_EAGER_H
#define LAYERS_EAGER_H

#include "layers/operation.h"

/* y [batch or fixed, out...] from in[inputs]. */
pl_status pl_eager_forward(const pl_operation *o, size_t batch, const float *const *in, float *y, pl_error *err);
/* dx[k], of those that are not NULL, from dy. */
pl_status pl_eager_backward(const pl_operation *o, size_t batch, const float *const *in, const float *y,
                            const float *dy, float *const *dx, pl_error *err);

#endif
