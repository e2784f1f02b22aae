/* The operations on elements that formulas are made of, by number. */
#ifndef KERNELS_OPERATIONS_H
#define KERNELS_OPERATIONS_H

enum { PL_KEEP_IN = 1, PL_KEEP_OUT = 2 };

typedef enum pl_elementwise_op {
#define ELEMENTWISE(name, type, inputs, kept) PL_EL_##name,
#include "kernels/operations.def"
#undef ELEMENTWISE
  PL_EL_OPS
} pl_elementwise_op;

#endif
