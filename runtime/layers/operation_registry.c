/* Every operation of formulas once: a new one is its file and one line in this list; one on elements is a line in
   kernels/operations.def. */
#include "layers/layer.h"

#define OPERATIONS(X) \
  X(sum) X(mean) X(norm) X(var) X(std) X(max) X(min) X(matmul) X(reshape) X(permute) X(slice) X(cat) \
  X(pick) X(one_hot) X(softmax) X(log_softmax)

#define DECLARE(name) extern const pl_layer_class pl_op_##name;
#define ELEMENTWISE(name, type, inputs, kept) extern const pl_layer_class pl_op_##name;
OPERATIONS(DECLARE)
#include "kernels/operations.def"
#undef ELEMENTWISE
#define ENTRY(name) &pl_op_##name,
#define ELEMENTWISE(name, type, inputs, kept) &pl_op_##name,
const pl_layer_class *const pl_operation_registry[] = {
#include "kernels/operations.def"
  OPERATIONS(ENTRY) NULL };
