/* GlobalAvgPool2d: y[n][c] = mean over the image of x[n][.][.][c].  [N, H, W, C] -> [N, C]
   Lin, Chen, Yan: "Network in network", ICLR 2014, section 3.2. */
#include "kernels/kernels.h"
#include "layers/layer.h"

static pl_status shape(pl_layer *self, const pl_shape *in, pl_shape *out, pl_error *err) {
  char text[PL_SHAPE_TEXT];
  (void)self;
  if (in->axes != 3) return pl_error_set(err, PL_ERROR_SHAPE,
                                         "expects images [N, H, W, C], got %s; it needs height, width and channels",
                                         pl_shape_text(text, in, true));
  *out = PL_SHAPE(in->size[2]);
  return PL_OK;
}

static void forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  size_t from, to, channels = (size_t)pass->out.size[0], pixels = (size_t)(pass->in.size[0] * pass->in.size[1]);
  (void)self;
  pl_team_share(pass->team, pass->batch, 1, &from, &to);
  for (size_t n = from; n < to; n++) {
    pl_kernel.column_sums(y + n * channels, x + n * pixels * channels, pixels, channels, channels, false);
    for (size_t c = 0; c < channels; c++) y[n * channels + c] /= (float)pixels;
  }
}

static void backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  size_t from, to, channels = (size_t)pass->out.size[0], pixels = (size_t)(pass->in.size[0] * pass->in.size[1]);
  (void)self, (void)x, (void)y;
  if (dx == NULL) return;
  pl_team_share(pass->team, pass->batch * pixels, 1, &from, &to);
  /* y[n][c] = sum of x / pixels  gives  dx = dy[n][c] / pixels */
  for (size_t r = from; r < to; r++) {
    for (size_t c = 0; c < channels; c++) dx[r * channels + c] = dy[r / pixels * channels + c] / (float)pixels;
  }
}

static const pl_option options[] = { { 0 } };

const pl_layer_class pl_globalavgpool2d = { .head = { "GlobalAvgPool2d", 0, NULL, options }, .flags = PL_PER_SAMPLE,
                                            .shape = shape, .forward = forward, .backward = backward,
  .example = { "[]", { 3, { 3, 4, 5 } } },
};
