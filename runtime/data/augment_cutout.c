/* cutout (DeVries, Taylor: "Improved regularization of convolutional neural networks with cutout", 2017): `count`
   squares of `size` pixels, each about a pixel chosen anywhere, are set to `value`; what lies outside is cut off. */
#include "data/augment.h"

typedef struct cutout {
  pl_augment_head head;
  int64_t size, count;
  double value;
} cutout;

static const cutout defaults = { .head = PL_AUGMENT_HEAD_DEFAULTS, .size = 8, .count = 1 };

static const pl_option options[] = {
  PL_AUGMENT_HEAD_OPTIONS(cutout),
  { .name = "size", .kind = PL_OPTION_SIZE, .offset = offsetof(cutout, size), .position = 1, .low = 1, .high = 65536 },
  { .name = "count", .kind = PL_OPTION_SIZE, .offset = offsetof(cutout, count), .low = 1, .high = 1000 },
  { .name = "value", .kind = PL_OPTION_NUMBER, .offset = offsetof(cutout, value) },
  { .name = NULL },
};

/* Pixels [*from, *to) of the side that a square about a random pixel covers. */
static void draw_extent(int64_t *from, int64_t *to, int64_t side, int64_t size, double draw) {
  *from = (int64_t)(draw * (double)side) - size / 2;
  *to = *from + size < side ? *from + size : side;
  if (*from < 0) *from = 0;
}

static void alter(float *image, const void *config, pl_image_size s, pl_sampler draws, float *scratch) {
  const cutout *cut = config;
  (void)scratch;
  for (int64_t k = 0; k < cut->count; k++) {
    int64_t top, bottom, left, right;
    draw_extent(&top, &bottom, s.height, cut->size, pl_sample(draws, 2 * (uint64_t)k));
    draw_extent(&left, &right, s.width, cut->size, pl_sample(draws, 2 * (uint64_t)k + 1));
    for (int64_t y = top; y < bottom; y++)
      for (int64_t i = (y * s.width + left) * s.channels; i < (y * s.width + right) * s.channels; i++)
        image[i] = (float)cut->value;
  }
}

static const char *const examples[] = { "{\"size\":5,\"count\":2}", NULL };
const pl_augment_class pl_augment_cutout = {
  { "cutout", sizeof(cutout), &defaults, options }, .alter = alter, .examples = examples,
};
