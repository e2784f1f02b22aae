/* What a fused operation uses of Dropout. */
#ifndef LAYERS_DROPOUT_H
#define LAYERS_DROPOUT_H

#include "layers/layer.h"

enum { DROPOUT_GROUP = 64 };   /* elements whose fate is kept in one word */

/* n elements from `first`, a multiple of the group, on; x and y point to the first of them. relu: of max(x, 0); the
   bit that is kept tells what passed both. */
void dropout_range(const pl_layer *self, const pl_pass *pass, const float *x, float *y, size_t first, size_t n,
                   bool relu);

#endif
