/* noise: adds an independent normal value of std `std` to every value. */
#include "data/augment.h"

typedef struct noise {
  pl_augment_head head;
  double std;
} noise;

static const noise defaults = { .head = PL_AUGMENT_HEAD_DEFAULTS };

static const pl_option options[] = {
  PL_AUGMENT_HEAD_OPTIONS(noise),
  { .name = "std", .kind = PL_OPTION_NUMBER, .offset = offsetof(noise, std), .position = 1, .required = true, .low = 0,
    .high = 1e15 },
  { .name = NULL },
};

static void alter(float *image, const void *config, pl_image_size s, pl_sampler draws, float *scratch) {
  const noise *n = config;
  (void)scratch;
  for (int64_t i = 0; i < s.height * s.width * s.channels; i++)
    image[i] += (float)(n->std * pl_sample_normal(draws, PL_SAMPLE_FIELD + (uint64_t)i));
}

static const char *const examples[] = { "{\"std\":0.1}", NULL };
const pl_augment_class pl_augment_noise = {
  { "noise", sizeof(noise), &defaults, options }, .alter = alter, .examples = examples,
};
