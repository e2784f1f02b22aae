/* BatchNorm's passes, with what a fused operation adds to them. */
#ifndef LAYERS_BATCHNORM_H
#define LAYERS_BATCHNORM_H

#include "layers/layer.h"

/* y = norm(x) + residual (or NULL), and then max(y, 0) if `relu`. Backward: of max(norm(x), 0) if `relu`. */
void batchnorm_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y, const float *residual, bool relu);
void batchnorm_backward(pl_layer *self, const pl_pass *pass, const float *x, const float *dy, float *dx, bool relu);

#endif
