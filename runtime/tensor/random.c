/* Random fills. Element i in row order is a function of (seed, stream, i): not of type, layout or history. */
#include <math.h>
#include "tensor/internal.h"

typedef struct plan {
  pl_rng rng;
  double a, b;
} plan;

/* [a, b): what would be rounded up to b as an f32 becomes the f32 before it. */
static double uniform(const plan *p, uint64_t i) {
  double value = p->a + (p->b - p->a) * pl_rng_uniform(p->rng, i);
  return (float)value < (float)p->b || p->a >= p->b ? value : (double)nextafterf((float)p->b, -INFINITY);
}

static double normal(const plan *p, uint64_t i) { return p->a + p->b * pl_rng_normal(p->rng, i); }

/* low + floor(u * range); with 64 random bits no value is favoured by more than range / 2^64. */
static double integer(const plan *p, uint64_t i) {
  uint64_t bits = (uint64_t)pl_rng_word(p->rng, 2 * i) << 32 | pl_rng_word(p->rng, 2 * i + 1);
  uint64_t range = (uint64_t)(p->b - p->a) + 1;
  return p->a + (double)(uint64_t)(((unsigned __int128)bits * range) >> 64);
}

static pl_status fill(pl_tensor *t, double (*draw)(const plan *p, uint64_t i), plan p, const char *what,
                      pl_error *err) {
  double chunk[PL_CHUNK];
  int64_t count = pl_tensor_count(t);
  pl_status status = pl_tensor_check_target(t, &t->shape, what, err);
  if (status) return status;
  pl_cursor c = pl_cursor_open(t, &t->shape, 0);
  for (int64_t i = 0; i < count; i += PL_CHUNK) {
    size_t n = pl_chunk_size(i, count);
    for (size_t k = 0; k < n; k++) chunk[k] = draw(&p, (uint64_t)i + k);
    if (pl_cursor_write(&c, chunk, n) < n)
      return pl_error_set(err, PL_ERROR_TYPE, "%s: %s tensors hold whole numbers; use f32, or pl.randint", what,
                          pl_dtype_name(t->type));
  }
  return PL_OK;
}

pl_status pl_tensor_fill_uniform(pl_tensor *t, pl_rng rng, double low, double high, pl_error *err) {
  return fill(t, uniform, (plan){ rng, low, high }, "uniform", err);
}

pl_status pl_tensor_fill_normal(pl_tensor *t, pl_rng rng, double mean, double std, pl_error *err) {
  return fill(t, normal, (plan){ rng, mean, std }, "normal", err);
}

pl_status pl_tensor_fill_integers(pl_tensor *t, pl_rng rng, int64_t low, int64_t high, pl_error *err) {
  if (low > high)
    return pl_error_set(err, PL_ERROR_VALUE, "randint: the range %lld to %lld is empty", (long long)low,
                        (long long)high);
  for (int end = 0; end < 2; end++) {
    int64_t value = end ? high : low;
    if (t->type == PL_U8 ? value < 0 || value > UINT8_MAX : value < INT32_MIN || value > INT32_MAX)
      return pl_element_out_of_range(t->type == PL_F32 ? PL_I32 : t->type, (double)value, "randint", err);
  }
  return fill(t, integer, (plan){ rng, (double)low, (double)high }, "randint", err);
}
