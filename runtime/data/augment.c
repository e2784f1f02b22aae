/* What augmentations have in common: how often, which random numbers, whose images. */
#include <stdatomic.h>
#include <string.h>
#include <cjson/cJSON.h>
#include "data/augment.h"
#include "perilune/alloc.h"

struct pl_augment {
  _Atomic int references;
  const pl_augment_class *cls;
  void *config;
};

const char *const pl_augment_per[] = { "batch", "image", NULL };

static const pl_augment_class *find_class(const char *type, pl_error *err) {
  for (int i = 0; pl_augment_registry[i] != NULL; i++)
    if (strcmp(pl_augment_registry[i]->head.type, type) == 0) return pl_augment_registry[i];
  const char *near = pl_nearest_name(type, pl_augment_types());
  pl_error_set(err, PL_ERROR_VALUE, "there is no augmentation '%s'%s%s%s", type, near ? "; did you mean '" : "",
               near ? near : "", near ? "'?" : "");
  return NULL;
}

const char *pl_augment_example(const char *type, int i) {
  const pl_augment_class *cls = find_class(type, NULL);
  return cls != NULL ? cls->examples[i] : NULL;
}

pl_augment *pl_augment_new(const char *type, const cJSON *args, pl_error *err) {
  const pl_augment_class *cls = find_class(type, err);
  if (cls == NULL) return NULL;
  pl_augment *a = pl_alloc(sizeof *a, err);
  if (a == NULL) return NULL;
  a->references = 1;
  a->cls = cls;
  a->config = pl_alloc(cls->head.config_size, err);
  if (a->config == NULL || pl_options_read(a->config, &cls->head, args, err) ||
      (cls->check && cls->check(a->config, err))) {
    pl_augment_free(a);
    return NULL;
  }
  return a;
}

pl_augment *pl_augment_retain(const pl_augment *a) {
  pl_augment *one = (pl_augment *)a;   /* only the count changes */
  atomic_fetch_add(&one->references, 1);
  return one;
}

void pl_augment_free(pl_augment *a) {
  if (a == NULL || atomic_fetch_sub(&a->references, 1) != 1) return;
  pl_free(a->config);
  pl_free(a);
}

const char *pl_augment_type(const pl_augment *a) { return a->cls->head.type; }

cJSON *pl_augment_config(const pl_augment *a) {
  cJSON *config = pl_options_write(&a->cls->head, a->config);
  pl_json_add(&config, "type", cJSON_CreateString(a->cls->head.type));
  return config;
}

pl_rng pl_augment_rng(uint64_t seed, uint64_t epoch, uint64_t batch, int index) {
  return pl_rng_make(seed, PL_FOR_AUGMENT, epoch, batch << 8 | (uint64_t)(unsigned)index);
}

static size_t scratch_for_one(const pl_augment *a, pl_image_size size) {
  size_t n = a->cls->scratch ? a->cls->scratch(a->config, size) : 0;
  return (n + 15) / 16 * 16;   /* threads do not share cache lines */
}

size_t pl_augment_scratch(const pl_augment *a, int64_t height, int64_t width, int64_t channels, int threads) {
  return (size_t)threads * scratch_for_one(a, (pl_image_size){ height, width, channels });
}

void pl_augment_one(const pl_augment *a, float *image, size_t i, int64_t height, int64_t width, int64_t channels,
                    pl_rng rng, float *scratch) {
  enum { DRAWS_OF_AN_IMAGE = 1 << 24 };
  const pl_augment_head *head = a->config;
  const pl_image_size size = { height, width, channels };
  pl_sampler draws = { rng, (uint64_t)(i + 1) * DRAWS_OF_AN_IMAGE };
  if (head->chance < 1) {
    double draw = head->per == PL_AUGMENT_BATCH ? pl_rng_uniform(rng, 0) : pl_sample(draws, 0);
    if (draw >= head->chance) return;
  }
  draws.first += 4;
  a->cls->alter(image, a->config, size, draws, scratch);
}

void pl_augment_apply(const pl_augment *a, const pl_team *team, float *images, size_t n, int64_t height, int64_t width,
                      int64_t channels,
                      pl_rng rng, float *scratch) {
  size_t from, to;
  float *own = scratch ? scratch + (size_t)team->rank * pl_augment_scratch(a, height, width, channels, 1) : NULL;
  pl_team_share(team, n, 1, &from, &to);
  for (size_t i = from; i < to; i++)
    pl_augment_one(a, images + i * (size_t)(height * width * channels), i, height, width, channels, rng, own);
}

pl_status pl_augment_check_range(const char *type, const char *option, const double range[2], pl_error *err) {
  if (range[0] <= range[1]) return PL_OK;
  return pl_error_set(err, PL_ERROR_VALUE, "%s: option '%s' is a range {low, high}, got {%g, %g}", type, option,
                      range[0], range[1]);
}
