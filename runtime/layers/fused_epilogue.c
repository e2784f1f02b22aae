/* Layers whose output is finished tile by tile, while it is in the cache: an activation, a residual sum, or both. */
#include "layers/batchnorm.h"
#include "layers/conv2d.h"
#include "layers/fused.h"
#include "layers/linear.h"

void pl_fused_conv2d_activation(const pl_fused *f) {
  conv2d_forward(f->layer[0], &f->pass[0], f->x, f->y, f->layer[1]);
}
void pl_fused_linear_activation(const pl_fused *f) {
  linear_layer_forward(f->layer[0], &f->pass[0], f->x, f->y, f->layer[1]);
}
void pl_fused_product_activation(const pl_fused *f) {
  linear_formula_forward(f->layer[0], &f->pass[0], f->x, f->y, f->layer[1]);
}

void pl_fused_add_relu(const pl_fused *f) {
  size_t from, to;
  pl_team_share(f->pass[0].team, f->pass[0].batch * (size_t)pl_shape_count(&f->pass[0].out), 64, &from, &to);
  for (pl_chunk p = { to, to }; pl_descend(&p, from, PL_VALUES_AT_ONCE);)
    pl_kernel.add_relu(f->y + p.start, f->x + p.start, f->other + p.start, p.end - p.start);
}

void pl_fused_norm_relu(const pl_fused *f) { batchnorm_forward(f->layer[0], &f->pass[0], f->x, f->y, NULL, true); }
void pl_fused_norm_relu_backward(const pl_fused *f) {
  batchnorm_backward(f->layer[0], &f->pass[0], f->x, f->dy, f->dx, true);
}
void pl_fused_norm_add(const pl_fused *f) { batchnorm_forward(f->layer[0], &f->pass[0], f->x, f->y, f->other, false); }
void pl_fused_norm_add_relu(const pl_fused *f) {
  batchnorm_forward(f->layer[0], &f->pass[0], f->x, f->y, f->other, true);
}
