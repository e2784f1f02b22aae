#include "layers/pool.h"

/* Outputs along one axis, and the padding before the first pixel. "same": ceil(size / stride) outputs, an odd padding
   puts the extra one after the last pixel. */
static size_t outputs_of(size_t size, size_t kernel, size_t stride, int64_t padding, size_t *before) {
  if (padding < 0) {
    size_t n = (size + stride - 1) / stride, covered = (n - 1) * stride + kernel;
    *before = covered > size ? (covered - size) / 2 : 0;
    return n;
  }
  size_t padded = size + 2 * (size_t)padding;
  *before = (size_t)padding;
  return padded >= kernel ? (padded - kernel) / stride + 1 : 0;
}

pl_windows pl_pool_windows(const pl_pool_config *c, const pl_shape *in) {
  pl_windows w = { .h = (size_t)in->size[0], .w = (size_t)in->size[1], .channels = (size_t)in->size[2],
                   .kh = (size_t)c->kernel[0], .kw = (size_t)c->kernel[1], .sy = (size_t)c->stride[0],
                   .sx = (size_t)c->stride[1] };
  w.oh = outputs_of(w.h, w.kh, w.sy, c->padding[0], &w.top);
  w.ow = outputs_of(w.w, w.kw, w.sx, c->padding[1], &w.left);
  return w;
}

pl_status pl_pool_setup(pl_layer *self, pl_error *err) {
  pl_pool_config *c = self->config;
  for (int i = 0; i < 2; i++) {
    if (c->stride[i] == 0) c->stride[i] = c->kernel[i];
    if (c->padding[i] >= c->kernel[i])   /* else a window could lie outside altogether */
      return pl_error_set(err, PL_ERROR_VALUE,
                          "%s: option 'padding' must be smaller than the kernel, got padding %lld and kernel %lld",
                          self->cls->head.type, (long long)c->padding[i], (long long)c->kernel[i]);
  }
  return PL_OK;
}

pl_status pl_pool_shape(pl_layer *self, const pl_shape *in, pl_shape *out, pl_error *err) {
  char text[PL_SHAPE_TEXT];
  pl_shape_text(text, in, true);
  if (in->axes != 3) {
    if (in->axes == 2) return pl_error_set(err, PL_ERROR_SHAPE,
                                           "expects images [N, H, W, C], got %s; put nn.Reshape{%lld, %lld, 1} "
                                           "before it",
                                           text, (long long)in->size[0], (long long)in->size[1]);
    return pl_error_set(err, PL_ERROR_SHAPE,
                        "expects images [N, H, W, C], got %s; it needs height, width and channels", text);
  }
  pl_windows w = pl_pool_windows(self->config, in);
  if (w.oh == 0 || w.ow == 0)
    return pl_error_set(err, PL_ERROR_SHAPE,
                        "its %zux%zu window is larger than the (padded) image, got %s; use a smaller window or "
                        "padding = \"same\"",
                        w.kh, w.kw, text);
  *out = PL_SHAPE((int64_t)w.oh, (int64_t)w.ow, in->size[2]);
  return PL_OK;
}
