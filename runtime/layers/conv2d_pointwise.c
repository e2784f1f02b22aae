/* Conv2d with a kernel of one tap and stride 1. The pixels of the batch are the rows of a matrix, x [N H W, in]:

     y = x W        dW = x' dy        dx = dy W'

   The sums have the order of conv2d.c. So little is done with each number of x, dy and y that reading them would take
   as long again as the products: while some rows are worked on, the next ones are fetched. */
#include <string.h>
#include "kernels/kernels.h"
#include "layers/conv2d.h"

static void fetch(const float *from, size_t floats) {
  enum { LINE = 16, SECOND_LEVEL = 2 };
  for (size_t i = 0; i < floats; i += LINE) __builtin_prefetch(from + i, 0, SECOND_LEVEL);
}

/* Rows [from, to) of `all`, which has so many rows; those next to them will be next. */
static void multiply(const pl_gemm *all, size_t from, size_t to, bool descending) {
  enum { ROWS = 12 };   /* of a chunk: full tiles with any instruction set */
  size_t chunks = (to - from + ROWS - 1) / ROWS;
  for (size_t i = 0; i < chunks; i++) {
    size_t at = from + (descending ? chunks - 1 - i : i) * ROWS, end = to - at < ROWS ? to : at + ROWS;
    size_t next = descending ? at - (at < ROWS ? at : ROWS) : end, rows = descending ?
        at - next : all->rows - end < ROWS ? all->rows - end : ROWS;
    pl_gemm c = *all;
    fetch(all->a + (ptrdiff_t)next * c.a_row, rows * c.inner);
    c.rows = end - at;
    c.a += (ptrdiff_t)at * c.a_row;
    c.c += (ptrdiff_t)at * c.c_row;
    pl_kernel.gemm(&c);
  }
}

void conv2d_pointwise_forward(const pl_pass *pass, const conv2d_sizes *s, const float *x, const float *weight,
                              const float *bias, bool per_position, float *y, pl_layer *activation) {
  size_t from, to, positions = s->oh * s->ow;
  pl_work work = pl_work_begin(pass->team, pass->batch * positions, positions, 1, PL_FROM_START);
  while (pl_work_take(&work, &from, &to)) {
    if (per_position) memcpy(y + from * s->out, bias, positions * s->out * sizeof *y);
    multiply(&(pl_gemm){
      .c = y, .c_row = (ptrdiff_t)s->out, .a = x, .a_row = (ptrdiff_t)s->in, .a_inner = 1, .b = weight,
      .b_inner = (ptrdiff_t)s->out,
      .rows = pass->batch * positions, .cols = s->out, .outer = 1, .inner = s->in, .bias = bias,
      .accumulate = per_position }, from, to, false);
    pl_activate(activation, y + from * s->out, to - from, s->out, s->out);
  }
}

/* Tiles of dW are the items of work. All of them take a few pixels before any goes on to the next: what they read of x
   and dy, two or three lines a pixel and far apart, stays in the first-level cache. */
void conv2d_pointwise_weights(const pl_pass *pass, const conv2d_sizes *s, const float *x, const float *dy, float *grad,
                              float *second) {
  enum { COLS = 32, PIXELS = 48 };
  size_t blocks = (s->in + CONV2D_TILE - 1) / CONV2D_TILE, strips = (s->out + COLS - 1) / COLS,
    positions = s->oh * s->ow;
  for (int h = 0; h < 2; h++) {
    pl_half half = pl_half_of(pass, h, blocks * strips, grad, second);
    size_t pixels = half.samples * positions, items = half.to - half.from;
    const float *from_x = x + half.first * positions * s->in, *from_dy = dy + half.first * positions * s->out;
    for (size_t p = 0, count; p < pixels && items > 0; p += count) {
      count = pixels - p < PIXELS ? pixels - p : PIXELS;
      size_t next = p + count, more = pixels - next < PIXELS ? pixels - next : PIXELS;
      for (size_t i = 0; i < items; i++) {
        size_t item = half.from + i, block = item % blocks, o = item / blocks * COLS, first = s->in * block / blocks,
          last = s->in * (block + 1) / blocks;
        size_t row = more * i / items, rows = more * (i + 1) / items - row;
        fetch(from_x + (next + row) * s->in, rows * s->in);
        fetch(from_dy + (next + row) * s->out, rows * s->out);
        pl_kernel.gemm(&(pl_gemm){
          .c = half.sum + first * s->out + o, .c_row = (ptrdiff_t)s->out, .a = from_x + p * s->in + first, .a_row = 1,
          .a_inner = (ptrdiff_t)s->in,
          .b = from_dy + p * s->out + o, .b_inner = (ptrdiff_t)s->out, .rows = last - first,
          .cols = s->out - o < COLS ? s->out - o : COLS,
          .outer = 1, .inner = count, .accumulate = p > 0 || half.accumulate });
      }
    }
  }
}

void conv2d_pointwise_data(const pl_pass *pass, const conv2d_sizes *s, const float *dy, float *dx,
                           const float *flipped) {
  size_t from, to, positions = s->oh * s->ow;
  pl_work work = pl_work_begin(pass->team, pass->batch * positions, positions, 1, PL_FROM_END);
  while (pl_work_take(&work, &from, &to)) multiply(&(pl_gemm){
    .c = dx, .c_row = (ptrdiff_t)s->in, .a = dy, .a_row = (ptrdiff_t)s->out, .a_inner = 1, .b = flipped,
    .b_inner = (ptrdiff_t)s->in,
    .rows = pass->batch * positions, .cols = s->in, .outer = 1, .inner = s->out }, from, to, true);
}
