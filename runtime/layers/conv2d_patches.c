/* Conv2d by patches. What a pixel of y sees, [kh][kw][in], is a row of `patches`:

     y = patches W        dW = patches' dy        d patches = dy W'

   with W as [kh kw in][out]; rows of patches of several samples make one product. The sums have the order of conv2d.c.
   It is for images with few columns, whose rows alone would fill no register tile; and its backward-data, which adds no
   zeros, for images that the kernel shrinks much and for few input channels. */
#include <string.h>
#include "kernels/kernels.h"
#include "layers/conv2d.h"

enum { ENOUGH_ROWS = 64 };

static size_t patch_of(const conv2d_sizes *s) { return s->kh * s->kw * s->in; }

/* Samples of a product. */
static size_t block_of(const conv2d_sizes *s) {
  size_t pixels = s->oh * s->ow;
  return pixels < ENOUGH_ROWS ? ENOUGH_ROWS / pixels : 1;
}

size_t conv2d_patches_memory(const conv2d_sizes *s) {
  return pl_member_floats(block_of(s) * s->oh * s->ow * patch_of(s) + s->ph * s->pw * s->in);
}

static void gather(float *patches, const conv2d_sizes *s, const float *x, size_t samples) {
  size_t run = s->kw * s->in, row = s->pw * s->in;
  for (size_t pixel = 0; pixel < samples * s->oh * s->ow; pixel++) {
    size_t n = pixel / (s->oh * s->ow), oy = pixel / s->ow % s->oh, ox = pixel % s->ow;
    const float *from = x + (n * s->ph + oy * s->sy) * row + ox * s->sx * s->in;
    for (size_t ky = 0; ky < s->kh; ky++, patches += run) memcpy(patches, from + ky * row, run * sizeof *patches);
  }
}

void conv2d_patches_forward(const pl_pass *pass, const conv2d_sizes *s, const float *x, const float *weight,
                            const float *bias, bool per_position, float *y, pl_layer *activation) {
  const pl_team single_thread = { .size = 1 };
  size_t size = s->oh * s->ow * s->out;
  float *patches = (float *)pass->scratch + (size_t)pass->team->rank * conv2d_patches_memory(s);
  pl_work work = pl_work_begin(pass->team, pass->batch, 1, block_of(s), PL_FROM_START);
  for (size_t n, to; pl_work_take(&work, &n, &to);) {
    size_t count = to - n;
    gather(patches, s, x + n * s->ph * s->pw * s->in, count);
    for (size_t i = 0; i < count && per_position; i++) memcpy(y + (n + i) * size, bias, size * sizeof *y);
    pl_gemm_team(&single_thread, &(pl_gemm){
      .c = y + n * size, .c_row = (ptrdiff_t)s->out, .a = patches, .a_row = (ptrdiff_t)patch_of(s), .a_inner = 1,
      .b = weight, .b_inner = (ptrdiff_t)s->out,
      .rows = count * s->oh * s->ow, .cols = s->out, .outer = 1, .inner = patch_of(s), .bias = bias,
      .accumulate = per_position }, activation);
  }
}

void conv2d_patches_weights(const pl_pass *pass, const conv2d_sizes *s, const float *x, const float *dy, float *grad,
                            float *second, float *scratch) {
  size_t patch = patch_of(s), tiles = (patch + CONV2D_TILE - 1) / CONV2D_TILE;
  float *patches = scratch + (size_t)pass->team->rank * conv2d_patches_memory(s);
  for (int h = 0; h < 2; h++) {
    pl_half half = pl_half_of(pass, h, tiles, grad, second);
    size_t first = patch * half.from / tiles, rows = patch * half.to / tiles - first;
    for (size_t n = 0, count; n < half.samples && rows > 0; n += count) {
      count = half.samples - n < block_of(s) ? half.samples - n : block_of(s);
      gather(patches, s, x + (half.first + n) * s->ph * s->pw * s->in, count);
      pl_kernel.gemm(&(pl_gemm){
        .c = half.sum + first * s->out, .c_row = (ptrdiff_t)s->out, .a = patches + first, .a_row = 1,
        .a_inner = (ptrdiff_t)patch, .accumulate = n > 0 || half.accumulate,
        .b = dy + (half.first + n) * s->oh * s->ow * s->out, .b_inner = (ptrdiff_t)s->out,
        .rows = rows, .cols = s->out, .outer = 1, .inner = count * s->oh * s->ow });
    }
  }
}

void conv2d_patches_transpose(const pl_team *team, const conv2d_sizes *s, const float *weight, float *transposed) {
  size_t from, to;
  pl_team_share(team, patch_of(s), 16, &from, &to);
  pl_kernel.transpose(transposed + from, weight + from * s->out, to - from, s->out, patch_of(s), s->out);
}

void conv2d_patches_data(const pl_pass *pass, const conv2d_sizes *s, const float *dy, float *dx,
                         const float *transposed,
                         float *scratch) {
  const pl_team *team = pass->team;
  size_t patch = patch_of(s), row = s->pw * s->in, pixels = s->oh * s->ow;
  float *patches = scratch + (size_t)team->rank * conv2d_patches_memory(s),
    *padded = patches + block_of(s) * pixels * patch;
  pl_work work = pl_work_begin(team, pass->batch, 1, block_of(s), PL_FROM_START);
  for (size_t n, to; pl_work_take(&work, &n, &to);) {
    size_t count = to - n;
    pl_kernel.gemm(&(pl_gemm){
      .c = patches, .c_row = (ptrdiff_t)patch, .a = dy + n * pixels * s->out, .a_row = (ptrdiff_t)s->out, .a_inner = 1,
      .b = transposed, .b_inner = (ptrdiff_t)patch, .rows = count * pixels, .cols = patch, .outer = 1,
      .inner = s->out });
    for (size_t i = 0; i < count; i++) {
      memset(padded, 0, s->ph * row * sizeof *padded);
      pl_kernel.scatter_patches(padded, (ptrdiff_t)row, patches + i * pixels * patch, &(pl_patches){
        s->oh, s->ow, s->kh, s->kw * s->in, (ptrdiff_t)(s->sy * row), (ptrdiff_t)(s->sx * s->in) });
      for (size_t y = 0; y < s->h; y++)
        memcpy(dx + ((n + i) * s->h + y) * s->w * s->in, padded + (y + s->top) * row + s->left * s->in,
               s->w * s->in * sizeof *dx);
    }
  }
}
