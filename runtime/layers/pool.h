/* What the layers that slide a window over an image have in common: options, sizes, checks. */
#ifndef LAYERS_POOL_H
#define LAYERS_POOL_H

#include "kernels/kernels.h"
#include "layers/layer.h"

/* The head of the configuration struct of such a layer. */
typedef struct { int64_t kernel[2], stride[2], padding[2]; } pl_pool_config;   /* stride 0: as the kernel */

#define PL_POOL_OPTIONS \
  { .name = "kernel", .kind = PL_OPTION_PAIR, .offset = offsetof(pl_pool_config, kernel), .position = 1, \
    .required = true, .low = 1, .high = 256 }, \
  { .name = "stride", .kind = PL_OPTION_PAIR, .offset = offsetof(pl_pool_config, stride), .low = 1, .high = 1024 }, \
  { .name = "padding", .kind = PL_OPTION_PADDING, .offset = offsetof(pl_pool_config, padding), .low = 0, .high = 255 }

pl_windows pl_pool_windows(const pl_pool_config *c, const pl_shape *in);
pl_status pl_pool_setup(pl_layer *self, pl_error *err);
pl_status pl_pool_shape(pl_layer *self, const pl_shape *in, pl_shape *out, pl_error *err);

#endif
