/* Conv2d, the gradient of the input: a forward convolution of dy with the kernel transposed round, in the way that
   suits its sizes. */
#include <string.h>
#include "kernels/kernels.h"
#include "layers/conv2d.h"

/* Few input channels would leave lanes of dx empty. Where they fill half of them, see backward_data_by_planes; else,
   conv2d_patches.c. */
static bool is_narrow(const conv2d_sizes *s) { return s->in <= 8 && s->kh * s->kw > 1; }
static bool by_planes(const conv2d_sizes *s) {
  bool mostly_zeros = 4 * s->h * s->w > 5 * s->oh * s->ow;   /* of what the kernel meets from a pixel of dx */
  return is_narrow(s) && s->in > 4 && s->sy * s->sx == 1 && s->top < s->kh && s->left < s->kw && !mostly_zeros &&
      !s->patches;
}

static size_t planes_memory(const conv2d_sizes *s) {
  return pl_member_floats((s->h + s->kh - 1) * (s->w + s->kw - 1) * s->out);
}

/* Floats of workspace that the backward pass takes: kernel, then planes or patches of each member, or dy with its
   border. */
size_t conv2d_data_memory(const conv2d_sizes *s, size_t batch, int members) {
  size_t kernel = conv2d_weights(s);
  if (s->pointwise) return kernel;
  if (!s->patches && !is_narrow(s)) return kernel + batch * s->eh * s->ew * s->out;
  return kernel + (size_t)members * (by_planes(s) ? planes_memory(s) : conv2d_patches_memory(s));
}

/* ... and dx[iy][ix][i] = sum over ky, kx, o of e[iy - ky][ix - kx][o] w[ky][kx][i][o], where e is dy spread out by the
   stride; with a border of kernel - 1 around e and the kernel flipped, w'[ky][kx][o][i] = w[kh-1-ky][kw-1-kx][i][o],
   this is a forward convolution of stride 1. */
void conv2d_flip(const pl_layer *self, const pl_team *team, const conv2d_sizes *s, float *flipped) {
  enum { CHANNELS = 16 };   /* of a chunk of work: a kernel may have one tap */
  size_t taps = s->kh * s->kw, blocks = (s->in + CHANNELS - 1) / CHANNELS, from, to;
  pl_team_share(team, taps * blocks, 1, &from, &to);
  for (size_t item = from; item < to; item++) {
    size_t t = item / blocks, i = item % blocks * CHANNELS, count = s->in - i < CHANNELS ? s->in - i : CHANNELS;
    pl_kernel.transpose(flipped + t * s->in * s->out + i, self->param[0].value + ((taps - 1 - t) * s->in + i) * s->out,
                        count, s->out, s->in, s->out);
  }
}

static const float *padded(const conv2d_sizes *s, const float *dy, const float *scratch) {
  return s->eh == s->oh && s->ew == s->ow ? dy : scratch + conv2d_weights(s);
}

static void backward_data_by_rows(const pl_pass *pass, const conv2d_sizes *s, const float *dy, float *dx,
                                  const float *flipped) {
  size_t from, to;
  const float *e = padded(s, dy, flipped);
  pl_work work = pl_work_begin(pass->team, pass->batch * s->h, s->h, 1, PL_FROM_END);
  while (pl_work_take(&work, &from, &to)) for (size_t r = to; r-- > from;) {
    size_t n = r / s->h, iy = r % s->h;
    pl_kernel.gemm(&(pl_gemm){
      .c = dx + r * s->w * s->in, .c_row = (ptrdiff_t)s->in,
      .a = e + ((n * s->eh + iy + s->top) * s->ew + s->left) * s->out, .a_row = (ptrdiff_t)s->out,
      .a_outer = (ptrdiff_t)(s->ew * s->out), .a_inner = 1,
      .b = flipped, .b_outer = (ptrdiff_t)(s->kw * s->in * s->out), .b_inner = (ptrdiff_t)s->in,
      .rows = s->w, .cols = s->in, .outer = s->kh, .inner = s->kw * s->out });
  }
}

/* The same sum as in backward_data_by_rows, kernel columns outside: e[iy][o][ix] has its pixels side by side, which
   lets gemm work on two of them at a time; (ky, o) is one step through e, w'[kx][ky][o][i] =
   w[kh-1-ky][kw-1-kx][i][o]. */
static void transpose_planes(const pl_team *team, const conv2d_sizes *s, const float *weight, float *transposed) {
  size_t from, to, taps = s->kh * s->kw, plane = s->in * s->out;
  pl_team_share(team, taps, 1, &from, &to);
  for (size_t t = from; t < to; t++)
    pl_kernel.transpose(transposed + (t % s->kw * s->kh + t / s->kw) * plane, weight + (taps - 1 - t) * plane, s->in,
                        s->out, s->in, s->out);
}

static void backward_data_by_planes(const pl_pass *pass, const conv2d_sizes *s, const float *dy, float *dx,
                                    const float *transposed, float *members) {
  const pl_team *team = pass->team;
  size_t height = s->h + s->kh - 1, width = s->w + s->kw - 1, plane = s->in * s->out;
  float *e = members + (size_t)team->rank * planes_memory(s),
    *inside = e + (s->kh - 1 - s->top) * s->out * width + s->kw - 1 - s->left;
  memset(e, 0, height * width * s->out * sizeof *e);
  pl_work work = pl_work_begin(team, pass->batch, 1, 1, PL_FROM_START);
  for (size_t n, end; pl_work_take(&work, &n, &end);) {
    for (size_t oy = 0; oy < s->oh; oy++)
      pl_kernel.transpose(inside + oy * s->out * width, dy + (n * s->oh + oy) * s->ow * s->out, s->ow, s->out, width,
                          s->out);
    for (size_t iy = 0; iy < s->h; iy++) {
      pl_kernel.gemm(&(pl_gemm){
        .c = dx + (n * s->h + iy) * s->w * s->in, .c_row = (ptrdiff_t)s->in,
        .a = e + iy * s->out * width, .a_row = 1, .a_outer = 1, .a_inner = (ptrdiff_t)width,
        .b = transposed, .b_outer = (ptrdiff_t)(s->kh * plane), .b_inner = (ptrdiff_t)s->in,
        .rows = s->w, .cols = s->in, .outer = s->kw, .inner = s->kh * s->out });
    }
  }
}

/* What conv2d_backward_data needs of all members: the kernel in its order, at `transposed`, and dy with its border
   after it. */
void conv2d_prepare_data(const pl_layer *self, const pl_pass *pass, const conv2d_sizes *s, const float *dy,
                         float *transposed) {
  const pl_team *team = pass->team;
  const float *weight = self->param[0].value;
  if (by_planes(s)) {
    transpose_planes(team, s, weight, transposed);
  } else if (is_narrow(s) || s->patches) {
    conv2d_patches_transpose(team, s, weight, transposed);
  } else {
    conv2d_flip(self, team, s, transposed);
    if (padded(s, dy, transposed) != dy)
      conv2d_pad(team, transposed + conv2d_weights(s), s->eh, s->ew, dy, pass->batch, s->oh, s->ow, s->out, s->kh - 1,
                 s->kw - 1, s->sy, s->sx);
  }
}

void conv2d_backward_data(const pl_pass *pass, const conv2d_sizes *s, const float *dy, float *dx,
                          const float *transposed,
                          float *members) {
  if (s->pointwise) conv2d_pointwise_data(pass, s, dy, dx, transposed);
  else if (by_planes(s)) backward_data_by_planes(pass, s, dy, dx, transposed, members);
  else if (is_narrow(s) || s->patches) conv2d_patches_data(pass, s, dy, dx, transposed, members);
  else backward_data_by_rows(pass, s, dy, dx, transposed);
}
