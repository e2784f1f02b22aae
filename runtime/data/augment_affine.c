/* affine: zoom, rotate, shear and shift about the centre c of the image,
     out - c = R(angle) S(shear) Z(zoom) (in - c) + shift,
   read backwards: every output pixel looks up in = c + (R S Z)^-1 (out - c - shift). Positive angles turn
   counter-clockwise, positive shifts move down and to the right. */
#include <math.h>
#include "data/augment.h"
#include "data/sample.h"
#include "kernels/kernels.h"
#include "perilune/math.h"

static const char *const units[] = { "fraction", "pixel", "whole", NULL };
enum { FRACTION, PIXEL, WHOLE };
static const char *const samplings[] = { "bilinear", "nearest", NULL };

typedef struct affine {
  pl_augment_head head;
  double zoom[2];          /* the image is 1 + zoom times as large */
  bool zoom_per_axis;      /* height and width each draw their own */
  double rotate[2];        /* degrees */
  double shift[2];         /* each axis draws its own, in `unit` */
  int unit;                /* fractions of the side, pixels, or whole pixels up to a fraction of the side */
  double shear[2];         /* columns to the right for every row further down */
  int sample;
  int fill;
  double value;            /* for fill = "value" */
} affine;

static const affine defaults = { .head = PL_AUGMENT_HEAD_DEFAULTS };

static const pl_option options[] = {
  PL_AUGMENT_HEAD_OPTIONS(affine),
  { .name = "zoom", .kind = PL_OPTION_RANGE, .offset = offsetof(affine, zoom), .low = -0.95, .high = 20 },
  { .name = "zoom_per_axis", .kind = PL_OPTION_BOOL, .offset = offsetof(affine, zoom_per_axis) },
  { .name = "rotate", .kind = PL_OPTION_RANGE, .offset = offsetof(affine, rotate), .low = -360, .high = 360 },
  { .name = "shift", .kind = PL_OPTION_RANGE, .offset = offsetof(affine, shift), .low = -10000, .high = 10000 },
  { .name = "unit", .kind = PL_OPTION_CHOICE, .offset = offsetof(affine, unit), .choices = units },
  { .name = "shear", .kind = PL_OPTION_RANGE, .offset = offsetof(affine, shear), .low = -100, .high = 100 },
  { .name = "sample", .kind = PL_OPTION_CHOICE, .offset = offsetof(affine, sample), .choices = samplings },
  { .name = "fill", .kind = PL_OPTION_CHOICE, .offset = offsetof(affine, fill), .choices = pl_outside_names },
  { .name = "value", .kind = PL_OPTION_NUMBER, .offset = offsetof(affine, value) },
  { .name = NULL },
};

static pl_status check(const void *config, pl_error *err) {
  const affine *a = config;
  pl_status status;
  if ((status = pl_augment_check_range("affine", "zoom", a->zoom, err))) return status;
  if ((status = pl_augment_check_range("affine", "rotate", a->rotate, err))) return status;
  if ((status = pl_augment_check_range("affine", "shift", a->shift, err))) return status;
  if ((status = pl_augment_check_range("affine", "shear", a->shear, err))) return status;
  if (a->zoom[0] > 0 && a->zoom[0] <= 1 && a->zoom[1] >= 1)
    return pl_error_set(err, PL_ERROR_VALUE, "affine: zoom = { %g, %g } makes the image 1 + zoom, %g to %g, times as "
                        "large; for %g to %g times write zoom = { %g, %g }", a->zoom[0], a->zoom[1], 1 + a->zoom[0],
                        1 + a->zoom[1], a->zoom[0], a->zoom[1], a->zoom[0] - 1, a->zoom[1] - 1);
  if (a->unit != PIXEL && (a->shift[0] <= -1 || a->shift[1] >= 1))
    return pl_error_set(err, PL_ERROR_VALUE, "affine: a shift of %g is in fractions of the side, and moves the image "
                        "out of sight; is unit = \"pixel\" meant?", a->shift[1] >= 1 ? a->shift[1] : a->shift[0]);
  return pl_padded_check("affine", (pl_outside)a->fill, a->value, err);
}

static size_t scratch_floats(const void *config, pl_image_size size) {
  (void)config;
  return pl_padded_floats(size);
}

static double draw_shift(const affine *a, pl_sampler draws, uint64_t k, int64_t side) {
  double scale = a->unit == PIXEL ? 1 : (double)side;
  if (a->unit != WHOLE) return scale * pl_sample_between(draws, k, a->shift);
  double low = ceil(a->shift[0] * scale - 1e-9), high = floor(a->shift[1] * scale + 1e-9);
  return high < low ? 0 : low + floor(pl_sample(draws, k) * (high - low + 1));
}

static void alter(float *image, const void *config, pl_image_size size, pl_sampler draws, float *scratch) {
  const affine *a = config;
  double zoom_y = 1 + pl_sample_between(draws, 0, a->zoom);
  double zoom_x = a->zoom_per_axis ? 1 + pl_sample_between(draws, 1, a->zoom) : zoom_y;
  double angle = pl_sample_between(draws, 2, a->rotate) * (3.141592653589793 / 180);
  double shear = pl_sample_between(draws, 3, a->shear);
  double down = draw_shift(a, draws, 4, size.height), right = draw_shift(a, draws, 5, size.width);
  double cosine = pl_cos(angle), sine = pl_sin(angle);
  /* (R S Z)^-1 = Z^-1 S^-1 R^-1 with rows y, x; y points down, so counter-clockwise is [y x] -> [y cos - x sin, y sin +
     x cos] */
  double yy = cosine / zoom_y, yx = sine / zoom_y;
  double xy = (-sine - shear * cosine) / zoom_x, xx = (cosine - shear * sine) / zoom_x;
  double centre_y = 0.5 * (double)(size.height - 1), centre_x = 0.5 * (double)(size.width - 1);
  pl_padded_image padded = pl_padded_fill(scratch, image, size, (pl_outside)a->fill, (float)a->value);
  for (int64_t i = 0; i < size.height; i++) {
    double v = (double)i - centre_y - down, h = -centre_x - right;
    float y = (float)(centre_y + yy * v + yx * h), x = (float)(centre_x + xy * v + xx * h);
    float step_y = (float)yx, step_x = (float)xx;
    float *out = image + i * size.width * size.channels;
    if (a->sample == 0 && size.channels == 1) {
      pl_kernel.bilinear(out, padded.origin, (int32_t)padded.row, padded.bottom, padded.right, y, x, step_y, step_x,
                         (size_t)size.width);
    } else if (a->sample == 0) {
      for (int64_t j = 0; j < size.width; j++, out += size.channels)
        pl_padded_bilinear(out, &padded, y + step_y * (float)j, x + step_x * (float)j);
    } else {
      for (int64_t j = 0; j < size.width; j++, out += size.channels)
        pl_padded_nearest(out, &padded, y + step_y * (float)j, x + step_x * (float)j);
    }
  }
}

static const char *const examples[] = {
  "{\"zoom\":0.2,\"rotate\":25,\"shift\":0.2,\"shear\":0.2,\"zoom_per_axis\":true}",
  "{\"zoom\":0.2,\"rotate\":25,\"sample\":\"nearest\",\"fill\":\"edge\",\"chance\":0.5}",
  NULL,
};
const pl_augment_class pl_augment_affine = {
  { "affine", sizeof(affine), &defaults, options }, .check = check, .scratch = scratch_floats, .alter = alter,
  .examples = examples,
};
