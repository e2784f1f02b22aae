/* Inside the module: what an augmentation is. Adding one = a file with its class, a line in augment_registry.c, a
   test. */
#ifndef DATA_AUGMENT_H
#define DATA_AUGMENT_H

#include <stddef.h>
#include "perilune/data.h"

typedef struct pl_image_size {
  int64_t height, width, channels;
} pl_image_size;

/* The random numbers of one image: draws 0, 1, 2, ... of a stretch of the batch's stream that is its own. */
typedef struct pl_sampler {
  pl_rng rng;
  uint64_t first;       /* a multiple of 4 */
} pl_sampler;

static inline double pl_sample(pl_sampler d, uint64_t k) { return pl_rng_uniform(d.rng, d.first + k); }
static inline double pl_sample_between(pl_sampler d, uint64_t k, const double range[2]) {
  return range[0] + (range[1] - range[0]) * pl_sample(d, k);
}
/* A normal number; uses draws 2k and 2k + 1. */
static inline double pl_sample_normal(pl_sampler d, uint64_t k) { return pl_rng_normal(d.rng, d.first / 2 + k); }

/* The first draws of an image are for parameters, those from here on for fields of values. */
enum { PL_SAMPLE_FIELD = 64 };

/* The head of every configuration: how often it happens, decided for each batch or for each image. */
typedef struct pl_augment_head {
  double chance;
  int per;              /* an index of pl_augment_per */
} pl_augment_head;

extern const char *const pl_augment_per[];   /* "batch", "image" */
enum { PL_AUGMENT_BATCH, PL_AUGMENT_IMAGE };

#define PL_AUGMENT_HEAD_DEFAULTS { 1, PL_AUGMENT_IMAGE }
/* `config`: a struct whose first field is `pl_augment_head head`. */
#define PL_AUGMENT_HEAD_OPTIONS(config) \
  { .name = "chance", .kind = PL_OPTION_NUMBER, .offset = offsetof(config, head.chance), .low = 0, .high = 1 }, \
  { .name = "per", .kind = PL_OPTION_CHOICE, .offset = offsetof(config, head.per), .choices = pl_augment_per }

typedef struct pl_augment_class {
  pl_class head;
  pl_status (*check)(const void *config, pl_error *err);                  /* NULL: the options say it all */
  size_t (*scratch)(const void *config, pl_image_size size);              /* floats for one thread; NULL: none */
  void (*alter)(float *image, const void *config, pl_image_size size, pl_sampler draws, float *scratch);
  const char *const *examples;   /* for tests: options as JSON, each is tried; ends with NULL */
} pl_augment_class;

extern const pl_augment_class *const pl_augment_registry[];   /* ends with NULL; the entry of X is pl_augment_x */

/* A range {low, high} must not be reversed. */
pl_status pl_augment_check_range(const char *type, const char *option, const double range[2], pl_error *err);

#endif
