/* flip: the image mirrored, left to right ("horizontal") or top to bottom ("vertical"). */
#include "data/augment.h"

typedef struct flip {
  pl_augment_head head;
  int direction;        /* an index of `directions` */
} flip;

static const char *const directions[] = { "horizontal", "vertical", NULL };
enum { HORIZONTAL, VERTICAL };

static const flip defaults = { .head = { 0.5, PL_AUGMENT_IMAGE }, .direction = HORIZONTAL };

static const pl_option options[] = {
  PL_AUGMENT_HEAD_OPTIONS(flip),
  { .name = "direction", .kind = PL_OPTION_CHOICE, .offset = offsetof(flip, direction), .position = 1,
    .choices = directions },
  { .name = NULL },
};

/* Two stretches of n values change places. */
static void swap(float *a, float *b, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    float kept = a[i];
    a[i] = b[i];
    b[i] = kept;
  }
}

static void alter(float *image, const void *config, pl_image_size s, pl_sampler draws, float *scratch) {
  int64_t row = s.width * s.channels;
  (void)draws, (void)scratch;
  if (((const flip *)config)->direction == VERTICAL) {
    for (int64_t y = 0; y < s.height / 2; y++) swap(image + y * row, image + (s.height - 1 - y) * row, row);
    return;
  }
  for (int64_t y = 0; y < s.height; y++)
    for (int64_t x = 0; x < s.width / 2; x++)
      swap(image + y * row + x * s.channels, image + y * row + (s.width - 1 - x) * s.channels, s.channels);
}

static const char *const examples[] = { "{}", "{\"direction\":\"vertical\",\"chance\":0.4}", NULL };
const pl_augment_class pl_augment_flip = {
  { "flip", sizeof(flip), &defaults, options }, .alter = alter, .examples = examples,
};
