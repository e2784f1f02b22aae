/* The parts that the optimizers' kernels share (see pl_update). */
#ifndef KERNELS_UPDATE_H
#define KERNELS_UPDATE_H

#include <math.h>
#include "kernels/kernels.h"
#include "kernels/vec.h"

/* Runs what it is given for each vector: lanes i to i + n - 1 of a row. Zero times a finite number is zero, so `proof`
   stays zero as long as what UPDATE_WEIGHTS stores is finite. */
#define UPDATE_EACH(update, ...) do { \
  pl_update u = *(update); \
  vf proof = vf_set(0); \
  for (size_t r = 0; r < u.rows; r++) { \
    if (!(u.unchanged && u.g == NULL && u.x[r] == 0)) { \
      const vf x = vf_set(u.g == NULL ? u.x[r] : 0); \
      size_t i = 0; \
      for (; i + PL_LANES <= u.count; i += PL_LANES) { enum { n = PL_LANES }; __VA_ARGS__ } \
      if (i < u.count) { const size_t n = u.count - i; __VA_ARGS__ } \
    } \
    update_next_row(&u); \
  } \
  return vf_is_zero(proof); \
} while (0)

/* What that begins with: w and g'. */
#define UPDATE_BEGIN vf w = vf_read(u.w + i, n), g = update_gradient(&u, i, n, x, w);
/* w <- decay w - step */
#define UPDATE_WEIGHTS(step) do { \
  vf moved = vf_fma(vf_set(u.weight_decay_factor), w, -(step)); \
  proof = vf_fma(moved, vf_set(0), proof); \
  vf_write(u.w + i, moved, n); \
} while (0)

INLINE void update_next_row(pl_update *u) {
  u->w += u->stride;
  for (int k = 0; k < 3; k++) if (u->slot[k] != NULL) u->slot[k] += u->stride;
  if (u->g != NULL) u->g += u->g_stride;
}

/* g' = clamp(g * scale, -limit, limit) + l2 w; NaN passes. A product is added to zero, as the sum of one is. */
INLINE vf update_gradient(const pl_update *u, size_t i, const size_t n, vf x, vf w) {
  vf g = (u->g != NULL ? vf_read(u->g + i, n) : vf_fma(x, vf_read(u->dy + i, n), vf_set(0))) * vf_set(u->scale);
  if (u->limit < INFINITY) {
    const vf limit = vf_set(u->limit), least = vf_set(-u->limit);
    g = vf_greater(g, limit, limit, g);
    g = vf_greater(least, g, least, g);
  }
  return vf_fma(vf_set(u->l2), w, g);
}

/* x <- keep x + add y, stored and returned */
INLINE vf update_average(float *x, const size_t n, float keep, float add, vf y) {
  vf average = vf_fma(vf_set(keep), vf_read(x, n), vf_set(add) * y);
  vf_write(x, average, n);
  return average;
}

/* v <- b2 v + c2 y^2 + lift, stored and returned */
INLINE vf update_square(const pl_update *u, float *v, const size_t n, vf y) {
  vf average = vf_fma(vf_set(u->beta2), vf_read(v, n), vf_fma(vf_set(u->one_minus_beta2) * y, y, vf_set(u->lift)));
  vf_write(v, average, n);
  return average;
}

INLINE vf update_denominator(const pl_update *u, vf v) {
  return vf_sqrt(vf_fma(vf_set(u->root), v, vf_set(u->eps_in))) + vf_set(u->eps_out);
}

/* rate_m m + rate_g g' */
INLINE vf update_direction(const pl_update *u, vf m, vf g) {
  return vf_fma(vf_set(u->rate_m), m, vf_set(u->rate_g) * g);
}

#endif
