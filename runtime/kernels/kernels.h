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
typedef struct pl_gemm {
  float *c;
  const float *a, *b, *bias;
  ptrdiff_t c_row, a_row, a_outer, a_inner, b_outer, b_inner;
  size_t rows, cols, outer, inner;
  bool accumulate;
} pl_gemm;

/* `conv_weight_grad_1ch`: the same for x->rows groups of `taps` rows each (3 or 5), without bias: row g taps + t of c
   reads a from g*a_row + t on. The gradient of a kernel with one input channel: a group is a kernel row, a row is a
   tap. */

/* `scatter_patches`: adds patch (oy, ox), kh rows of `width` floats, to the rows of an image from oy*step_y + ox*step_x
   on. */
typedef struct pl_patches {
  size_t oh, ow, kh, width;
  ptrdiff_t step_y, step_x;
} pl_patches;

/* An optimizer's step on some rows of values. The gradient in use is  g' = clamp(g * scale, -limit, limit) + l2 * w.
   g NULL: the gradient of element i of row r is the product x[r] * dy[i]; with `unchanged` (a gradient of zero changes
   nothing) rows whose x is zero are skipped. The kernel returns whether all values written to w are finite. The
   scalars are the terms of the formulas above each kernel; a kernel reads those that its formula has. */
typedef struct pl_update {
  float *w;
  const float *g, *x, *dy;
  float *slot[3];
  size_t rows, count, stride, g_stride;   /* count: of a row; from row to row: stride, of g g_stride */
  bool unchanged;
  float scale, limit, l2;
  float beta1, one_minus_beta1;         /* b1, c1 in formulas; first average:   m <- b1 m + c1 g' */
  float beta2, one_minus_beta2, lift;   /* b2, c2; second:                      v <- b2 v + c2 g'^2 + lift */
  float root, eps_in, eps_out;          /* denominator:                         sqrt(root v + eps_in) + eps_out */
  float rate_m, rate_g;                 /* step (over the denominator):         rate_m m + rate_g g' */
  float weight_decay_factor;            /* decay; the weights:                  w <- decay w - step */
  float rate;                           /* LAMB's, applied by `descend` */
} pl_update;

/* Windows over an image [h, w, channels]: output (oy, ox) covers rows oy*sy - top + ky and columns ox*sx - left + kx
   for the taps ky < kh, kx < kw, as far as they lie inside the image. Every window holds at least one pixel. */
typedef struct pl_windows {
  size_t h, w, channels, oh, ow, kh, kw, sy, sx, top, left;
  bool count_padding;   /* averages divide by kh*kw, else by the number of pixels inside */
} pl_windows;

/* Rows [top, bottom) and columns [left, right) of a tile lie inside the image; the others are 0. */
typedef struct pl_inside { int top, bottom, left, right; } pl_inside;

typedef struct pl_kernel_table {
#define KERNEL(result, name, parameters) result (*name) parameters;
#include "kernels.def"
#undef KERNEL
} pl_kernel_table;

extern pl_kernel_table pl_kernel;

#endif
