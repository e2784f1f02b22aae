/* elastic (Simard, Steinkraus, Platt: "Best practices for convolutional neural networks", ICDAR 2003): every pixel
   looks up at a displaced position, out(y, x) = in(y + alpha dy(y, x), x + alpha dx(y, x)), bilinear, where dy and dx
   are uniform noise in [-1, 1) smoothed by a Gaussian of std sigma (zero beyond the image). */
#include <math.h>
#include "data/augment.h"
#include "data/sample.h"
#include "perilune/math.h"

typedef struct elastic {
  pl_augment_head head;
  double alpha, sigma;     /* pixels */
  int fill;
  double value;
} elastic;

static const elastic defaults = { .head = PL_AUGMENT_HEAD_DEFAULTS, .alpha = 34, .sigma = 4 };

static const pl_option options[] = {
  PL_AUGMENT_HEAD_OPTIONS(elastic),
  { .name = "alpha", .kind = PL_OPTION_NUMBER, .offset = offsetof(elastic, alpha), .low = 0, .high = 10000 },
  { .name = "sigma", .kind = PL_OPTION_NUMBER, .offset = offsetof(elastic, sigma), .low = 0.5, .high = 20 },
  { .name = "fill", .kind = PL_OPTION_CHOICE, .offset = offsetof(elastic, fill), .choices = pl_outside_names },
  { .name = "value", .kind = PL_OPTION_NUMBER, .offset = offsetof(elastic, value) },
  { .name = NULL },
};

static pl_status check(const void *config, pl_error *err) {
  const elastic *e = config;
  return pl_padded_check("elastic", (pl_outside)e->fill, e->value, err);
}

enum { RADIUS_MOST = 60 };   /* 3 sigma */

static size_t scratch_floats(const void *config, pl_image_size s) {
  (void)config;
  return pl_padded_floats(s) + 3 * (size_t)(s.height * s.width);
}

/* out[i] = sum over |k| <= radius of weight[k] in[i + k], zero beyond [0, n). */
static void smooth(float *out, const float *in, int64_t n, int64_t stride, const float *weight, int radius) {
  for (int64_t i = 0; i < n; i++) {
    int64_t from = i < radius ? -i : -radius, to = n - 1 - i < radius ? n - 1 - i : radius;
    float sum = 0;
    for (int64_t k = from; k <= to; k++) sum += weight[k + radius] * in[(i + k) * stride];
    out[i * stride] = sum;
  }
}

/* Smoothed noise in `field`; `line` is as large. */
static void make_field(float *field, float *line, pl_image_size s, pl_sampler draws, uint64_t first,
                       const float *weight,
                       int radius) {
  for (int64_t i = 0; i < s.height * s.width; i++) field[i] = (float)(2 * pl_sample(draws, first + (uint64_t)i) - 1);
  for (int64_t y = 0; y < s.height; y++) smooth(line + y * s.width, field + y * s.width, s.width, 1, weight, radius);
  for (int64_t x = 0; x < s.width; x++) smooth(field + x, line + x, s.height, s.width, weight, radius);
}

static void alter(float *image, const void *config, pl_image_size s, pl_sampler draws, float *scratch) {
  const elastic *e = config;
  int radius = (int)ceil(3 * e->sigma);
  float weight[2 * RADIUS_MOST + 1];
  double sum = 0;
  for (int k = -radius; k <= radius; k++) sum += pl_exp(-0.5 * k * k / (e->sigma * e->sigma));
  for (int k = -radius; k <= radius; k++)
    weight[k + radius] = (float)(pl_exp(-0.5 * k * k / (e->sigma * e->sigma)) / sum);
  int64_t pixels = s.height * s.width;
  float *dy = scratch + pl_padded_floats(s), *dx = dy + pixels, *line = dx + pixels, alpha = (float)e->alpha;
  make_field(dy, line, s, draws, PL_SAMPLE_FIELD, weight, radius);
  make_field(dx, line, s, draws, PL_SAMPLE_FIELD + (uint64_t)pixels, weight, radius);
  pl_padded_image padded = pl_padded_fill(scratch, image, s, (pl_outside)e->fill, (float)e->value);
  for (int64_t y = 0, i = 0; y < s.height; y++)
    for (int64_t x = 0; x < s.width; x++, i++)
      pl_padded_bilinear(image + i * s.channels, &padded, (float)y + alpha * dy[i], (float)x + alpha * dx[i]);
}

static const char *const examples[] = { "{\"alpha\":30,\"sigma\":3,\"chance\":0.7}", NULL };
const pl_augment_class pl_augment_elastic = {
  { "elastic", sizeof(elastic), &defaults, options }, .check = check, .scratch = scratch_floats, .alter = alter,
  .examples = examples,
};
