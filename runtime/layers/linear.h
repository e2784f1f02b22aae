/* Linear's forward, with an activation (elementwise, or NULL) of each finished tile of y. */
#ifndef LAYERS_LINEAR_H
#define LAYERS_LINEAR_H

#include "layers/layer.h"

void linear_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y, pl_layer *activation);

#endif
