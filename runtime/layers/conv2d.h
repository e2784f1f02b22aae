/* What the ways of computing a Conv2d share: direct (conv2d.c), by patches (conv2d_patches.c), Winograd
   (conv2d_winograd.c), and for a single tap (conv2d_pointwise.c). */
#ifndef LAYERS_CONV2D_H
#define LAYERS_CONV2D_H

#include "layers/layer.h"
#include "perilune/threads.h"
#include "perilune/settings.h"

enum { CONV2D_NO_BIAS, CONV2D_BIAS, CONV2D_BIAS_PER_POSITION };

typedef struct conv2d_config {
  int64_t in, out, kernel[2], stride[2], padding[2];
  int bias;
  pl_init init, bias_init;
  pl_conv_algorithm algorithm;           /* no option: what the environment said when the layer was made */
} conv2d_config;

/* Every size that the loops need, from the configuration and the input's shape. */
typedef struct conv2d_sizes {
  size_t kh, kw, sy, sx, top, left;      /* kernel, stride, border above and to the left of the input */
  size_t h, w, in, oh, ow, out;          /* input and output */
  size_t ph, pw;                         /* input with its border */
  /* dy spread out by the stride, with a border of kernel - 1: see conv2d_data.c */
  size_t eh, ew;
  bool winograd, patches, pointwise;
} conv2d_sizes;

enum { CONV2D_TILE = 14 };   /* rows of sums that registers hold: see kernels/gemm.c */

static inline size_t conv2d_weights(const conv2d_sizes *s) { return s->kh * s->kw * s->in * s->out; }

conv2d_sizes conv2d_sizes_of(const conv2d_config *c, const pl_shape *in);

/* The layer's forward, with an activation (elementwise, or NULL) of each finished tile of y. */
void conv2d_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y, pl_layer *activation);

/* Outputs that are made row by row, each by one matrix product, for operations that use them up while they are in the
   cache. */
typedef struct conv2d_rows {
  pl_gemm first;         /* row 0 of sample 0 */
  ptrdiff_t a_sample, a_next;   /* in its `a`: from sample to sample, from row to row */
  const float *start;           /* what each row of a sample starts from; NULL: first.bias */
} conv2d_rows;

bool conv2d_makes_rows(const pl_layer *self, const pl_shape *in);   /* whether it does for such an input */
/* Every member calls; a barrier inside, where the input is copied into its border of zeros. */
conv2d_rows conv2d_rows_begin(const pl_layer *self, const pl_pass *pass, const float *x);
/* Rows [row, row + count) of sample n. */
void conv2d_make_rows(const conv2d_rows *r, size_t n, size_t row, size_t count, float *out);

/* Copies images into zeroed larger frames: pixel (y, x) goes to (top + y*step_y, left + x*step_x). */
void conv2d_pad(const pl_team *team, float *out, size_t fh, size_t fw, const float *in, size_t batch, size_t h,
                size_t w, size_t channels, size_t top, size_t left, size_t step_y, size_t step_x);
/* The gradient of the input (conv2d_data.c; not Winograd's). Floats of workspace that it takes: the kernel in its
   order, then what members have for themselves, or dy with its border. prepare: what all members need, at `transposed`;
   a barrier; then backward. */
size_t conv2d_data_memory(const conv2d_sizes *s, size_t batch, int members);
void conv2d_prepare_data(const pl_layer *self, const pl_pass *pass, const conv2d_sizes *s, const float *dy,
                         float *transposed);
void conv2d_backward_data(const pl_pass *pass, const conv2d_sizes *s, const float *dy, float *dx,
                          const float *transposed,
                          float *members);
/* flipped[ky][kx][o][i] = weight[kh-1-ky][kw-1-kx][i][o], shared by the team */
void conv2d_flip(const pl_layer *self, const pl_team *team, const conv2d_sizes *s, float *flipped);

size_t conv2d_patches_memory(const conv2d_sizes *s);   /* floats of a member's workspace */
/* x with its border; `bias` [out], or [oh, ow, out] if `per_position`, or NULL */
void conv2d_patches_forward(const pl_pass *pass, const conv2d_sizes *s, const float *x, const float *weight,
                            const float *bias, bool per_position, float *y, pl_layer *activation);
void conv2d_patches_weights(const pl_pass *pass, const conv2d_sizes *s, const float *x, const float *dy, float *grad,
                            float *second, float *scratch);
/* W' [out, kh kw in], shared by the team; and what follows from it */
void conv2d_patches_transpose(const pl_team *team, const conv2d_sizes *s, const float *weight, float *transposed);
void conv2d_patches_data(const pl_pass *pass, const conv2d_sizes *s, const float *dy, float *dx,
                         const float *transposed,
                         float *scratch);

/* `bias` as for patches */
void conv2d_pointwise_forward(const pl_pass *pass, const conv2d_sizes *s, const float *x, const float *weight,
                              const float *bias, bool per_position, float *y, pl_layer *activation);
void conv2d_pointwise_weights(const pl_pass *pass, const conv2d_sizes *s, const float *x, const float *dy, float *grad,
                              float *second);
void conv2d_pointwise_data(const pl_pass *pass, const conv2d_sizes *s, const float *dy, float *dx,
                           const float *flipped);

void conv2d_winograd_memory(const conv2d_sizes *s, size_t batch, pl_memory *m);
void conv2d_winograd_forward(pl_layer *self, const pl_pass *pass, const conv2d_sizes *s, const float *x, float *y,
                             pl_layer *activation);
void conv2d_winograd_backward(pl_layer *self, const pl_pass *pass, const conv2d_sizes *s, const float *x,
                              const float *dy, float *dx);

#endif
