/* Operations that stand for several which follow each other: one pass over memory where there were two or three. Their
   bits are those of the parts. graph/fusion.c says where they are used. */
#ifndef LAYERS_FUSED_H
#define LAYERS_FUSED_H

#include "layers/layer.h"

enum { PL_MOST_FUSED = 3 };

typedef struct pl_fused {
  int ops;
  pl_layer *layer[PL_MOST_FUSED];   /* in order */
  pl_pass pass[PL_MOST_FUSED];      /* of each, with its own `saved` and `scratch` */
  const float *x;                   /* input of the first; backward: of the first that goes backward with the others */
  const float *other;               /* where one is a sum: its other input */
  float *y;                         /* output of the last */
  const float *dy;
  float *dx;
} pl_fused;

/* Conv2d, Linear, or Linear as a formula writes it, then an elementwise activation. */
void pl_fused_conv2d_activation(const pl_fused *f);
void pl_fused_linear_activation(const pl_fused *f);
void pl_fused_product_activation(const pl_fused *f);
/* Add of two, then ReLU. */
void pl_fused_add_relu(const pl_fused *f);
/* BatchNorm, then ReLU; BatchNorm, then Add of two [, then ReLU]. */
void pl_fused_norm_relu(const pl_fused *f);
void pl_fused_norm_relu_backward(const pl_fused *f);
void pl_fused_norm_add(const pl_fused *f);
void pl_fused_norm_add_relu(const pl_fused *f);
/* [Conv2d that makes rows, then] an activation whose derivative is written in y, then MaxPool2d with windows side by
   side. */
bool pl_fused_pool_fits(const pl_layer *pool, const pl_shape *in);
/* added to what the pool itself asks for */
void pl_fused_pool_memory(const pl_layer *pool, const pl_shape *in, pl_memory *m);
void pl_fused_activation_pool(const pl_fused *f);
void pl_fused_conv2d_activation_pool(const pl_fused *f);
void pl_fused_activation_pool_backward(const pl_fused *f);
/* [Conv2d that makes rows, then] ReLU, then Dropout. */
void pl_fused_relu_dropout(const pl_fused *f);
void pl_fused_conv2d_relu_dropout(const pl_fused *f);
void pl_fused_relu_dropout_backward(const pl_fused *f);

#endif
