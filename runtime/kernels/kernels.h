/* Kernels: raw pointers in, raw pointers out, no allocation, no failure. Each is compiled once per instruction
   set; pl_kernel.<name> is the copy in use. */
#ifndef KERNELS_H
#define KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* c[i][j] = start + sum over o < outer, k < inner of a[i*a_row + o*a_outer + k*a_inner] * b[o*b_outer + k*b_inner + j]
   for i < rows, j < cols. start = c[i][j] if accumulate, else bias[j] (or 0 when bias is NULL).
   One chain of fused multiply-adds an output, o outside, k inside, both ascending.
   This one form is a matrix product, a product with a transposed A, a direct convolution (i = pixel of a row,
   o = kernel row, k = kernel column and input channel) and the gradient of its weights. */
typedef struct pl_contraction {
  float *c;
  const float *a, *b, *bias;
  ptrdiff_t c_row, a_row, a_outer, a_inner, b_outer, b_inner;
  size_t rows, cols, outer, inner;
  bool accumulate;
} pl_contraction;

typedef struct pl_kernel_table {
#define KERNEL(result, name, parameters) result (*name) parameters;
#include "kernels.def"
#undef KERNEL
} pl_kernel_table;

extern pl_kernel_table pl_kernel;

#endif
