/* BatchNorm: y = weight (x - m) / sqrt(v + eps) + bias, for each feature of the last axis; leading axes and the batch
   are rows. In training m and v are the batch's mean and (biased) variance, and running = (1 - momentum) running +
   momentum batch; elsewhere m and v are the running ones. Ioffe, Szegedy: "Batch normalization", ICML 2015. weight
   (gamma), bias (beta), running_mean, running_var: [features]. `unbiased`: the running variance divides by rows - 1 (as
   PyTorch), else by rows (as Keras, whose momentum is ours taken from 1). One row has no variance: training on it is an
   error (`least_batch`). */
#include <math.h>
#include "kernels/kernels.h"
#include "layers/batchnorm.h"

typedef struct { int64_t features; double momentum, eps; bool affine, unbiased; } config;

static const config defaults = { .momentum = 0.1, .eps = 1e-5, .affine = true, .unbiased = true };
static const pl_option options[] = {
  { .name = "features", .kind = PL_OPTION_SIZE, .offset = offsetof(config, features), .position = 1, .required = true,
    .low = 1, .high = 1 << 24 },
  { .name = "momentum", .kind = PL_OPTION_NUMBER, .offset = offsetof(config, momentum), .low = 0, .high = 1 },
  { .name = "eps", .kind = PL_OPTION_NUMBER, .offset = offsetof(config, eps), .low = 1e-30, .high = 1 },
  { .name = "affine", .kind = PL_OPTION_BOOL, .offset = offsetof(config, affine) },
  { .name = "unbiased", .kind = PL_OPTION_BOOL, .offset = offsetof(config, unbiased) },
  { 0 }
};

static pl_status setup(pl_layer *self, pl_error *err) {
  const config *c = self->config;
  pl_init zero = { PL_INIT_ZEROS, 0, 0 }, one = { PL_INIT_CONSTANT, 1, 0 };
  pl_shape features = PL_SHAPE(c->features);
  (void)err;
  if (c->affine) {
    pl_layer_declare(self, "weight", features, one, 1, 1, true);
    pl_layer_declare(self, "bias", features, zero, 1, 1, true);
  }
  pl_layer_declare(self, "running_mean", features, zero, 1, 1, false);
  pl_layer_declare(self, "running_var", features, one, 1, 1, false);
  return PL_OK;
}

static pl_status shape(pl_layer *self, const pl_shape *in, pl_shape *out, pl_error *err) {
  const config *c = self->config;
  char text[PL_SHAPE_TEXT];
  if (in->axes < 1 || in->size[in->axes - 1] != c->features)
    return pl_error_set(err, PL_ERROR_SHAPE,
                        "expects %lld features in the last axis, got %s; its first argument is the number of features "
                        "(or channels)",
                        (long long)c->features, pl_shape_text(text, in, true));
  *out = *in;
  return PL_OK;
}

/* The workspace in rows of `width` floats: kept from forward to backward, then the passes' own. */
enum { MEAN, INVERSE, SCALE, KEPT };
enum { SUM_DY, SUM_DY_X, TIMES_X, PLUS, BACKWARD_SUMS };
enum { ROWS_AT_ONCE = 64 };

static size_t width_of(const config *c) { return ((size_t)c->features + 15) / 16 * 16; }
static size_t rows_of(const config *c, const pl_shape *in, size_t batch) {
  return batch * (size_t)(pl_shape_count(in) / c->features);
}

static void memory(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch, pl_memory *m) {
  const config *c = self->config;
  size_t sums = 2 * pl_column_sums_scratch(rows_of(c, in, batch), (size_t)c->features);
  (void)out;
  m->needs_x = true;
  m->least_batch = rows_of(c, in, 1) > 1 ? 1 : 2;
  m->saved = sizeof(float) * KEPT * width_of(c);
  m->scratch_forward = sizeof(float) * sums;
  m->scratch_backward = sizeof(float) * (BACKWARD_SUMS * width_of(c) + sums);
}

/* This member's columns of m and 1 / sqrt(v + eps), from the batch; the running ones follow. */
static void batch_statistics(pl_layer *self, const pl_pass *pass, const float *x, size_t rows, float *mean,
                             float *inverse, float *sums) {
  const config *c = self->config;
  size_t features = (size_t)c->features, from, to;
  float *running_mean = self->param[self->params - 2].value, *running_var = self->param[self->params - 1].value;
  double spread = c->unbiased && rows > 1 ? (double)rows / (double)(rows - 1) : 1;
  pl_team_share(pass->team, features, 16, &from, &to);
  pl_column_moments(pass->team, mean, inverse, x, rows, features, sums);
  for (size_t j = from; j < to; j++) {
    float variance = inverse[j] / (float)rows;
    running_mean[j] = (float)((1 - c->momentum) * (double)running_mean[j] + c->momentum * (double)mean[j]);
    running_var[j] = (float)((1 - c->momentum) * (double)running_var[j] + c->momentum * spread * (double)variance);
    inverse[j] = 1 / sqrtf(variance + (float)c->eps);
  }
}

void batchnorm_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y, const float *residual,
                       bool relu) {
  const config *c = self->config;
  size_t features = (size_t)c->features, width = width_of(c), rows = rows_of(c, &pass->in, pass->batch), from, to;
  float *kept = pass->saved, *mean = kept + MEAN * width, *inverse = kept + INVERSE * width,
    *scale = kept + SCALE * width;
  pl_team_share(pass->team, features, 16, &from, &to);
  if (pass->training) {
    batch_statistics(self, pass, x, rows, mean, inverse, pass->scratch);
  } else {
    const float *running_var = self->param[self->params - 1].value;
    mean = self->param[self->params - 2].value;
    for (size_t j = from; j < to; j++) inverse[j] = 1 / sqrtf(running_var[j] + (float)c->eps);
  }
  for (size_t j = from; j < to; j++) scale[j] = c->affine ? self->param[0].value[j] * inverse[j] : inverse[j];
  pl_team_barrier(pass->team);
  pl_team_share(pass->team, rows, 16, &from, &to);
  pl_kernel.normalize(y + from * features, x + from * features, mean, scale, c->affine ? self->param[1].value : NULL,
                      residual ? residual + from * features : NULL, to - from, features, relu);
}

/* With h = (x - m) / s, s = sqrt(v + eps), R rows:  y = weight h + bias  gives
   dbias = sum dy,  dweight = sum dy h,  dx = weight / s (dy - dbias / R - h dweight / R)
   (m and v depend on every x: hence the last two terms), written as dx = scale dy + b (x - m) + c. If a ReLU
   follows, y = max(.., 0), dy counts only where y > 0, which x tells again. */
void batchnorm_backward(pl_layer *self, const pl_pass *pass, const float *x, const float *dy, float *dx, bool relu) {
  const config *cfg = self->config;
  size_t features = (size_t)cfg->features, width = width_of(cfg), rows = rows_of(cfg, &pass->in, pass->batch), from, to;
  const float *kept = pass->saved, *mean = kept + MEAN * width, *inverse = kept + INVERSE * width,
    *scale = kept + SCALE * width;
  float *scratch = pass->scratch, *sum_dy = scratch + SUM_DY * width, *sum_dy_x = scratch + SUM_DY_X * width,
    *sums = scratch + BACKWARD_SUMS * width;
  float *b = scratch + TIMES_X * width, *c = scratch + PLUS * width;
  const float *shift = cfg->affine ? self->param[1].value : NULL;
  pl_team_share(pass->team, features, 16, &from, &to);
  pl_column_two_sums(pass->team, sum_dy, sum_dy_x, &(pl_two_sums){ dy, x, mean, scale, shift, features, relu }, rows,
                     sums);
  for (size_t j = from; j < to; j++) {
    float dweight = sum_dy_x[j] * inverse[j], r = (float)rows;
    b[j] = -scale[j] * inverse[j] * dweight / r;
    c[j] = -scale[j] * sum_dy[j] / r;
    if (!cfg->affine) continue;
    float *weight_grad = self->param[0].grad, *bias_grad = self->param[1].grad;
    weight_grad[j] = pass->accumulate ? weight_grad[j] + dweight : dweight;
    bias_grad[j] = pass->accumulate ? bias_grad[j] + sum_dy[j] : sum_dy[j];
  }
  if (dx == NULL) return;
  pl_team_barrier(pass->team);
  pl_team_share(pass->team, rows, 16, &from, &to);
  for (pl_chunk p = { to, to }; pl_descend(&p, from, ROWS_AT_ONCE);) {
    size_t at = p.start * features;
    pl_kernel.normalize_backward(dx + at, dy + at, x + at, mean, scale, b, c, shift, p.end - p.start, features, relu);
  }
}

static void forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  batchnorm_forward(self, pass, x, y, NULL, false);
}

static void backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  (void)y;
  batchnorm_backward(self, pass, x, dy, dx, false);
}

const pl_layer_class pl_batchnorm = {
  .head = { "BatchNorm", sizeof(config), &defaults, options },
  .flags = PL_PER_SAMPLE, .setup = setup, .shape = shape, .memory = memory, .forward = forward, .backward = backward,
  .example = { "[5]", { 2, { 4, 5 } } },
};
