/* Conv2d: y[n][oy][ox][o] = bias[o] + sum over ky, kx, i of x[n][oy*sy + ky - py][ox*sx + kx - px][i] w[ky][kx][i][o],
   with zeros outside the image. x [N, H, W, in], weight [kh, kw, in, out], bias [out] or, "per-position", [OH, OW,
   out].

   The input is copied once into a buffer with its border of zeros. A row of outputs is then one matrix product: pixels
   are rows, output channels are lanes, kernel rows the outer and (kernel column, input channel) the inner part of the
   reduction. Backward-data is the same with the border around dy (spread out by the stride) and the kernel flipped and
   transposed; backward-weights has (kernel column, input channel) as rows and the pixels as the reduction. */
#include <string.h>
#include "kernels/kernels.h"
#include "layers/conv2d.h"

static const char *const bias_choices[] = { "false", "true", "per-position", NULL };

static const conv2d_config defaults = { .stride = { 1, 1 }, .bias = CONV2D_BIAS, .init = { PL_INIT_HE, 0, 0 },
                                        .bias_init = { PL_INIT_ZEROS, 0, 0 } };
static const pl_option options[] = {
  { .name = "in", .kind = PL_OPTION_SIZE, .offset = offsetof(conv2d_config, in), .position = 1, .required = true,
    .low = 1, .high = 65536 },
  { .name = "out", .kind = PL_OPTION_SIZE, .offset = offsetof(conv2d_config, out), .position = 2, .required = true,
    .low = 1, .high = 65536 },
  { .name = "kernel", .kind = PL_OPTION_PAIR, .offset = offsetof(conv2d_config, kernel), .position = 3,
    .required = true,
    .low = 1, .high = 1024 },
  { .name = "stride", .kind = PL_OPTION_PAIR, .offset = offsetof(conv2d_config, stride), .low = 1, .high = 1024 },
  { .name = "padding", .kind = PL_OPTION_PADDING, .offset = offsetof(conv2d_config, padding), .low = 0, .high = 1024 },
  { .name = "bias", .kind = PL_OPTION_CHOICE, .offset = offsetof(conv2d_config, bias), .choices = bias_choices },
  { .name = "init", .kind = PL_OPTION_INIT, .offset = offsetof(conv2d_config, init) },
  { .name = "bias_init", .kind = PL_OPTION_INIT, .offset = offsetof(conv2d_config, bias_init) },
  { 0 }
};

/* PERILUNE_CONV=direct or winograd overrides the choice, which otherwise depends on the layer's shape alone. */
static bool choose_winograd(const conv2d_config *c, const conv2d_sizes *s) {
  bool possible = s->sy == 1 && s->sx == 1 && s->kh == s->kw && (s->kh == 3 || s->kh == 5) &&
      c->bias != CONV2D_BIAS_PER_POSITION &&
                  s->top < s->kh && s->left < s->kw;
  if (!possible || c->algorithm == PL_CONV_DIRECT) return false;
  if (c->algorithm == PL_CONV_WINOGRAD) return true;
  size_t n = s->kh + 3, tiles = (s->oh + 3) / 4 * ((s->ow + 3) / 4);   /* see conv2d_winograd.c */
  /* multiplications, not counting transforms */
  bool much_less = 2 * s->oh * s->ow * s->kh * s->kw >= 5 * tiles * n * n;
  return s->in >= 16 && s->out >= 16 && much_less;
}

conv2d_sizes conv2d_sizes_of(const conv2d_config *c, const pl_shape *in) {
  conv2d_sizes s = { .kh = (size_t)c->kernel[0], .kw = (size_t)c->kernel[1], .sy = (size_t)c->stride[0],
                     .sx = (size_t)c->stride[1],
                     .h = (size_t)in->size[0], .w = (size_t)in->size[1], .in = (size_t)c->in, .out = (size_t)c->out };
  /* "same": ceil(size / stride) outputs; an odd border puts the extra zero below and to the right */
  if (c->padding[0] < 0) {
    s.oh = (s.h + s.sy - 1) / s.sy;
    s.ow = (s.w + s.sx - 1) / s.sx;
    size_t ph = (s.oh - 1) * s.sy + s.kh, pw = (s.ow - 1) * s.sx + s.kw;
    s.ph = ph > s.h ? ph : s.h;
    s.pw = pw > s.w ? pw : s.w;
    s.top = (s.ph - s.h) / 2;
    s.left = (s.pw - s.w) / 2;
  } else {
    s.top = (size_t)c->padding[0];
    s.left = (size_t)c->padding[1];
    s.ph = s.h + 2 * s.top;
    s.pw = s.w + 2 * s.left;
    s.oh = s.ph >= s.kh ? (s.ph - s.kh) / s.sy + 1 : 0;
    s.ow = s.pw >= s.kw ? (s.pw - s.kw) / s.sx + 1 : 0;
  }
  s.eh = s.ph + s.kh - 1;
  s.ew = s.pw + s.kw - 1;
  s.winograd = choose_winograd(c, &s);
  s.pointwise = s.kh * s.kw * s.sy * s.sx == 1 && s.top + s.left == 0;
  s.patches = !s.winograd && s.kh * s.kw > 1 && s.kw * s.in >= 32 && s.ow > 0 && s.ow <= 6 && s.oh <= 64;
  return s;
}

static bool has_border(const conv2d_sizes *s) { return s->ph != s->h || s->pw != s->w; }

static pl_status setup(pl_layer *self, pl_error *err) {
  conv2d_config *c = self->config;
  double area = (double)(c->kernel[0] * c->kernel[1]);
  (void)err;
  c->algorithm = pl_settings_get().conv;
  pl_layer_declare(self, "weight", PL_SHAPE(c->kernel[0], c->kernel[1], c->in, c->out), c->init, area * (double)c->in,
                   area * (double)c->out, true);
  if (c->bias == CONV2D_NO_BIAS) return PL_OK;
  pl_shape shape = PL_SHAPE(c->out);
  if (c->bias == CONV2D_BIAS_PER_POSITION) shape.axes = -1;
  pl_layer_declare(self, "bias", shape, c->bias_init, area * (double)c->in, area * (double)c->out, true);
  return PL_OK;
}

static pl_status shape(pl_layer *self, const pl_shape *in, pl_shape *out, pl_error *err) {
  const conv2d_config *c = self->config;
  char text[PL_SHAPE_TEXT];
  if (in->axes != 3 || in->size[2] != c->in) {
    pl_shape_text(text, in, true);
    if (in->axes == 2 && c->in == 1)
      return pl_error_set(err, PL_ERROR_SHAPE,
                          "expects images [N, H, W, 1], got %s; put nn.Reshape{%lld, %lld, 1} before it", text,
                          (long long)in->size[0], (long long)in->size[1]);
    if (in->axes == 3 && in->size[0] == c->in)
      return pl_error_set(err, PL_ERROR_SHAPE,
                          "expects images [N, H, W, %lld], channels last, got %s; x:permute(1, 3, 4, 2) puts them last",
                          (long long)c->in, text);
    return pl_error_set(err, PL_ERROR_SHAPE, "expects images [N, H, W, %lld], got %s%s", (long long)c->in, text,
                        in->axes == 3 ? "; its first argument is the number of input channels"
                                      : "; it needs height, width and channels");
  }
  conv2d_sizes s = conv2d_sizes_of(c, in);
  if (s.oh == 0 || s.ow == 0)
    return pl_error_set(err, PL_ERROR_SHAPE,
                        "its %zux%zu kernel is larger than the (padded) %zux%zu image, got %s; use "
                        "padding = \"same\" or a smaller kernel",
                        s.kh, s.kw, s.ph, s.pw, pl_shape_text(text, in, true));
  *out = PL_SHAPE((int64_t)s.oh, (int64_t)s.ow, c->out);
  if (c->bias == CONV2D_BIAS_PER_POSITION) {
    if (self->param[1].value != NULL && !pl_shape_equal(&self->param[1].shape, out))
      return pl_error_set(err, PL_ERROR_SHAPE, "has a bias for every position of another image size; got %s",
                          pl_shape_text(text, in, true));
    self->param[1].shape = *out;
  }
  return PL_OK;
}

static void memory(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch, pl_memory *m) {
  conv2d_sizes s = conv2d_sizes_of(self->config, in);
  (void)out;
  if (s.winograd) {
    conv2d_winograd_memory(&s, batch, m);
    return;
  }
  if (has_border(&s)) m->saved = sizeof(float) * batch * s.ph * s.pw * s.in;
  else m->needs_x = true;
  if (s.patches) m->scratch_forward = sizeof(float) * (size_t)m->members * conv2d_patches_memory(&s);
  size_t sums = pl_column_sums_scratch(batch * s.oh * s.ow, s.out);
  m->scratch_backward = sizeof(float) * (conv2d_data_memory(&s, batch, m->members) + conv2d_weights(&s) + sums);
}

void conv2d_pad(const pl_team *team, float *out, size_t fh, size_t fw, const float *in, size_t batch, size_t h,
                size_t w, size_t channels, size_t top, size_t left, size_t step_y, size_t step_x) {
  size_t from, to;
  pl_team_share(team, batch * fh, 1, &from, &to);
  for (size_t r = from; r < to; r++) {
    size_t n = r / fh, y = r % fh;
    float *row = out + r * fw * channels;
    memset(row, 0, fw * channels * sizeof *row);
    if (y < top || (y - top) % step_y || (y - top) / step_y >= h) continue;
    const float *from_row = in + (n * h + (y - top) / step_y) * w * channels;
    if (step_x == 1) memcpy(row + left * channels, from_row, w * channels * sizeof *row);
    else for (size_t x = 0; x < w; x++) memcpy(row + (left + x * step_x) * channels, from_row + x * channels,
                                               channels * sizeof *row);
  }
}

/* How the rows of outputs are made. The team copies the input into its border of zeros, if there is one. */
static conv2d_rows rows_of(const pl_layer *self, const pl_pass *pass, const conv2d_sizes *s, const float *x) {
  const conv2d_config *c = self->config;
  const float *bias = c->bias == CONV2D_NO_BIAS ? NULL : self->param[1].value;
  bool per_position = c->bias == CONV2D_BIAS_PER_POSITION;
  if (has_border(s)) {
    conv2d_pad(pass->team, pass->saved, s->ph, s->pw, x, pass->batch, s->h, s->w, s->in, s->top, s->left, 1, 1);
    pl_team_barrier(pass->team);
    x = pass->saved;
  }
  return (conv2d_rows){
    .first = { .a = x, .a_row = (ptrdiff_t)(s->sx * s->in), .a_outer = (ptrdiff_t)(s->pw * s->in), .a_inner = 1,
               .c_row = (ptrdiff_t)s->out,
               .b = self->param[0].value, .b_outer = (ptrdiff_t)(s->kw * s->in * s->out), .b_inner = (ptrdiff_t)s->out,
               .rows = s->ow, .cols = s->out, .outer = s->kh, .inner = s->kw * s->in, .bias = bias,
               .accumulate = per_position },
    .a_sample = (ptrdiff_t)(s->ph * s->pw * s->in), .a_next = (ptrdiff_t)(s->sy * s->pw * s->in),
    .start = per_position ? bias : NULL };
}

bool conv2d_makes_rows(const pl_layer *self, const pl_shape *in) {
  conv2d_sizes s = conv2d_sizes_of(self->config, in);
  return !s.winograd && !s.patches && !(s.pointwise && s.ow < CONV2D_TILE);   /* short rows would leave tiles empty */
}

conv2d_rows conv2d_rows_begin(const pl_layer *self, const pl_pass *pass, const float *x) {
  conv2d_sizes s = conv2d_sizes_of(self->config, &pass->in);
  return rows_of(self, pass, &s, x);
}

void conv2d_make_rows(const conv2d_rows *r, size_t n, size_t row, size_t count, float *out) {
  size_t size = r->first.rows * r->first.cols;
  for (size_t i = row; i < row + count; i++, out += size) {
    pl_gemm c = r->first;
    c.c = out;
    c.a += (ptrdiff_t)n * r->a_sample + (ptrdiff_t)i * r->a_next;
    if (r->start != NULL) memcpy(out, r->start + i * size, size * sizeof *out);
    pl_kernel.gemm(&c);
  }
}

void conv2d_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y, pl_layer *activation) {
  conv2d_sizes s = conv2d_sizes_of(self->config, &pass->in);
  size_t from, to;
  if (s.winograd) {
    conv2d_winograd_forward(self, pass, &s, x, y, activation);
    return;
  }
  conv2d_rows made = rows_of(self, pass, &s, x);
  if (s.patches) {
    conv2d_patches_forward(pass, &s, made.first.a, made.first.b, made.first.bias, made.start != NULL, y, activation);
    return;
  }
  if (s.pointwise) {
    conv2d_pointwise_forward(pass, &s, made.first.a, made.first.b, made.first.bias, made.start != NULL, y, activation);
    return;
  }
  pl_work work = pl_work_begin(pass->team, pass->batch * s.oh, s.oh, 1, PL_FROM_START);
  while (pl_work_take(&work, &from, &to)) {
    conv2d_make_rows(&made, from / s.oh, 0, s.oh, y + from * s.ow * s.out);
    pl_activate(activation, y + from * s.ow * s.out, s.oh, s.ow * s.out, s.ow * s.out);
  }
}

static void forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  conv2d_forward(self, pass, x, y, NULL);
}

/* y[oy][ox][o] = sum x[oy*sy + ky][ox*sx + kx][i] w[ky][kx][i][o]  (x with its border)  gives
   dw[ky][kx][i][o] = sum over n, oy, ox of x[n][oy*sy + ky][ox*sx + kx][i] dy[n][oy][ox][o] */
static pl_gemm weights_of(const conv2d_sizes *s, const pl_half *half, const float *x, const float *dy,
                          size_t n) {
  return (pl_gemm){
    .c = half->sum, .c_row = (ptrdiff_t)s->out,
    .a = x + (half->first + n) * s->ph * s->pw * s->in, .a_row = 1, .a_outer = (ptrdiff_t)(s->sy * s->pw * s->in),
    .a_inner = (ptrdiff_t)(s->sx * s->in),
    .b = dy + (half->first + n) * s->oh * s->ow * s->out, .b_outer = (ptrdiff_t)(s->ow * s->out),
    .b_inner = (ptrdiff_t)s->out,
    .rows = s->kw * s->in, .cols = s->out, .outer = s->oh, .inner = s->ow, .accumulate = n > 0 || half->accumulate };
}

/* One input channel: kernel rows, or parts of the outputs, are the items. */
static void backward_weights_narrow(pl_layer *self, const pl_pass *pass, const conv2d_sizes *s, const float *x,
                                    const float *dy, float *second) {
  enum { STRIP = 16 };
  size_t strips = (s->out + STRIP - 1) / STRIP, members = ((size_t)pass->team->size + 1) / 2;   /* for a half */
  size_t height = strips >= members ? s->kh : (s->kh * strips + members - 1) / members,
    bands = (s->kh + height - 1) / height;
  for (int h = 0; h < 2; h++) {
    pl_half half = pl_half_of(pass, h, strips * bands, self->param[0].grad, second);
    for (size_t n = 0; n < half.samples; n++) {   /* outside: an image stays in the cache */
      for (size_t item = half.from; item < half.to; item++) {
        size_t o = item / bands * STRIP, ky = item % bands * height;
        pl_gemm c = weights_of(s, &half, x, dy, n);
        c.c += ky * s->kw * s->out + o;
        c.a += ky * s->pw;
        c.a_row = (ptrdiff_t)s->pw;
        c.b += o;
        c.rows = s->kh - ky < height ? s->kh - ky : height;
        c.cols = s->out - o < STRIP ? s->out - o : STRIP;
        pl_kernel.conv_weight_grad_1ch(&c, (int)s->kw);
      }
    }
  }
}

static void backward_weights(pl_layer *self, const pl_pass *pass, const conv2d_sizes *s, const float *x,
                             const float *dy, float *second) {
  enum { COLS = 32 };
  size_t inner = s->kw * s->in, blocks = (inner + CONV2D_TILE - 1) / CONV2D_TILE, strips = (s->out + COLS - 1) / COLS,
    tiles = s->kh * blocks;
  /* members at the same half read their part of the wider of dy and x, and all of the other */
  bool halve_dy = s->out > s->in;
  for (int h = 0; h < 2; h++) {
    pl_half half = pl_half_of(pass, h, tiles * strips, self->param[0].grad, second);
    for (size_t n = 0; n < half.samples; n++) {
      for (size_t item = half.from; item < half.to; item++) {
        size_t at = halve_dy ? item % tiles : item / strips, o = (halve_dy ? item / tiles : item % strips) * COLS,
          ky = at / blocks, block = at % blocks;
        size_t first = inner * block / blocks, last = inner * (block + 1) / blocks;
        pl_gemm c = weights_of(s, &half, x, dy, n);
        c.c += (ky * inner + first) * s->out + o;
        c.a += ky * s->pw * s->in + first;
        c.b += o;
        c.rows = last - first;
        c.cols = s->out - o < COLS ? s->out - o : COLS;
        pl_kernel.gemm(&c);
      }
    }
  }
}

static void backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  const conv2d_config *c = self->config;
  conv2d_sizes s = conv2d_sizes_of(c, &pass->in);
  size_t positions = s.oh * s.ow;
  float *scratch = pass->scratch, *second = scratch + conv2d_data_memory(&s, pass->batch, pass->team->size),
    *sums = second + conv2d_weights(&s), *members = scratch + conv2d_weights(&s);
  (void)y;
  if (s.winograd) {
    conv2d_winograd_backward(self, pass, &s, x, dy, dx);
    return;
  }
  if (has_border(&s)) x = pass->saved;
  if (dx != NULL) {
    conv2d_prepare_data(self, pass, &s, dy, scratch);
    pl_team_barrier(pass->team);
  }
  if (s.patches) conv2d_patches_weights(pass, &s, x, dy, self->param[0].grad, second, members);
  else if (s.pointwise) conv2d_pointwise_weights(pass, &s, x, dy, self->param[0].grad, second);
  else (s.in == 1 && (s.kw == 3 || s.kw == 5) ? backward_weights_narrow : backward_weights)(self, pass, &s, x, dy,
      second);
  if (c->bias == CONV2D_BIAS) pl_column_sums_parts(pass->team, dy, pass->batch * positions, s.out, sums);
  if (c->bias == CONV2D_BIAS_PER_POSITION) {
    size_t from, to, width = positions * s.out;
    pl_team_share(pass->team, width, 16, &from, &to);
    if (from < to) pl_kernel.column_sums(self->param[1].grad + from, dy + from, pass->batch, to - from, width,
                                         pass->accumulate);
  }
  if (dx != NULL) conv2d_backward_data(pass, &s, dy, dx, scratch, members);
  pl_team_barrier(pass->team);
  if (c->bias == CONV2D_BIAS)
    pl_column_sums_total(pass->team, self->param[1].grad, dy, pass->batch * positions, s.out, pass->accumulate, sums);
  pl_add_halves(pass, self->param[0].grad, second, conv2d_weights(&s));
}

static double work(const pl_layer *self, const pl_shape *in, const pl_shape *out) {
  const conv2d_config *c = self->config;
  (void)in;
  return (double)pl_shape_count(out) * (double)(c->kernel[0] * c->kernel[1] * c->in);
}

const pl_layer_class pl_conv2d = {
  .head = { "Conv2d", sizeof(conv2d_config), &defaults, options }, .flags = PL_PER_SAMPLE,
  .setup = setup, .shape = shape, .memory = memory, .forward = forward, .backward = backward, .work = work,
  .example = { "[3, 4, 3]", { 3, { 6, 5, 3 } } },
};
