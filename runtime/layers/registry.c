/* Every layer once: a new layer is one file and one line in this list. */
#include "layers/layer.h"

#define LAYERS(X) \
  X(linear) X(conv2d) X(dropout) X(flatten) X(reshape) X(identity) X(lambda) X(relu) X(residual) X(sequential) \
  X(maxpool2d) X(avgpool2d) X(globalavgpool2d) X(batchnorm) X(tanh_layer) X(sigmoid_layer) \
  X(leaky_relu_layer) X(elu_layer) X(gelu_layer) X(silu_layer) X(mish_layer) X(softmax) X(log_softmax) \
  X(add) X(multiply) X(concat) X(formula)

#define DECLARE(name) extern const pl_layer_class pl_##name;
LAYERS(DECLARE)
#define ENTRY(name) &pl_##name,
const pl_layer_class *const pl_layer_registry[] = { LAYERS(ENTRY) NULL };
