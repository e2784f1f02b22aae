/* Reading an image between its pixels. The image is copied into a padded one, one pixel wide above and to the left, two
   below and to the right, that holds what lies outside; so a position needs no test, only a clamp. */
#ifndef DATA_SAMPLE_H
#define DATA_SAMPLE_H

#include "data/augment.h"

/* What lies outside the image. */
typedef enum pl_outside { PL_OUTSIDE_ZERO, PL_OUTSIDE_EDGE, PL_OUTSIDE_VALUE } pl_outside;
extern const char *const pl_outside_names[];   /* "zero", "edge", "value" */

/* Error: a value other than 0 that nothing would be filled with. what: the augmentation whose option it is. */
pl_status pl_padded_check(const char *what, pl_outside outside, double value, pl_error *err);

typedef struct pl_padded_image {
  const float *origin;      /* pixel (0, 0) */
  int64_t row;              /* floats from a row to the next */
  int64_t channels;
  float bottom, right;      /* height, width: the farthest position that differs from what lies beyond */
} pl_padded_image;

static inline size_t pl_padded_floats(pl_image_size s) { return (size_t)((s.height + 3) * (s.width + 3) * s.channels); }

/* memory: pl_padded_floats(size) */
pl_padded_image pl_padded_fill(float *memory, const float *image, pl_image_size size, pl_outside outside, float value);

static inline float pl_padded_clamp(float v, float most) { return v < -1 ? -1 : v > most ? most : v; }

/* out[channels] = the image at (y, x), bilinear. */
static inline void pl_padded_bilinear(float *out, const pl_padded_image *f, float y, float x) {
  y = pl_padded_clamp(y, f->bottom) + 1;
  x = pl_padded_clamp(x, f->right) + 1;
  int64_t i = (int64_t)y, j = (int64_t)x;   /* y, x >= 0: truncation is floor */
  float v = y - (float)i, h = x - (float)j;
  const float *top = f->origin + (i - 1) * f->row + (j - 1) * f->channels, *bottom = top + f->row;
  for (int64_t c = 0; c < f->channels; c++) {
    float a = top[c] + (top[c + f->channels] - top[c]) * h;
    float b = bottom[c] + (bottom[c + f->channels] - bottom[c]) * h;
    out[c] = a + (b - a) * v;
  }
}

/* out[channels] = the pixel nearest to (y, x). */
static inline void pl_padded_nearest(float *out, const pl_padded_image *f, float y, float x) {
  int64_t i = (int64_t)(pl_padded_clamp(y, f->bottom) + 1.5f), j = (int64_t)(pl_padded_clamp(x, f->right) + 1.5f);
  const float *pixel = f->origin + (i - 1) * f->row + (j - 1) * f->channels;
  for (int64_t c = 0; c < f->channels; c++) out[c] = pixel[c];
}

#endif
