/* What Linear computes, for the layer and for formulas that write it out (linear_formula.c). */
#ifndef LAYERS_LINEAR_H
#define LAYERS_LINEAR_H

#include "layers/layer.h"

typedef struct linear {
  pl_param *weight, *bias;   /* [in, out], [out]; bias NULL: none */
  size_t in, out;
  bool bias_last;            /* as x:matmul(w) + b has it: the bias, and gradients of an earlier pass, are added to
                                finished sums; the bias's gradient is pl_row_sums */
} linear;

/* `activation` (elementwise, or NULL) of each finished tile of y. */
void linear_forward(const linear *l, const pl_pass *pass, const float *x, float *y, pl_layer *activation);
void linear_backward(const linear *l, const pl_pass *pass, const float *dy, float *dx);
/* scratch: that of the sums over rows */
void linear_param_grads(const linear *l, const pl_pass *pass, const float *x, const float *dy);
bool linear_pack(const pl_param *weight, float *to, const float *from, bool back);

/* Of the layer, and of an operation of a formula. */
void linear_layer_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y, pl_layer *activation);
void linear_formula_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y, pl_layer *activation);

/* x:matmul(w) + b, or x:matmul(w), where w and b are parameters of the formula that nothing else uses: not recorded,
   but put in place of those when a graph is complete (graph/recognize.c). Arguments: the numbers of w and of b (-1:
   none) among the layer's parameters. */
enum { LINEAR_WEIGHT, LINEAR_BIAS };
extern const pl_layer_class pl_op_linear;

#endif
