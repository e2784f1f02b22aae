/* The parts that the optimizers' kernels share (see pl_update). Blocks are whole multiples of 16 floats. */
#ifndef KERNELS_UPDATE_H
#define KERNELS_UPDATE_H

#include <math.h>
#include "kernels/kernels.h"
#include "kernels/vec.h"

/* g' = clamp(g * scale, -limit, limit) + l2 w; NaN passes. */
static inline vf update_gradient(const pl_update *u, size_t i, vf w) {
  vf g = vf_load(u->g + i) * vf_set(u->scale);
  if (u->limit < INFINITY) {
    const vf limit = vf_set(u->limit), least = vf_set(-u->limit);
    g = vf_greater(g, limit, limit, g);
    g = vf_greater(least, g, least, g);
  }
  return vf_fma(vf_set(u->l2), w, g);
}

/* x <- keep x + add y, stored and returned */
static inline vf update_average(float *x, float keep, float add, vf y) {
  vf average = vf_fma(vf_set(keep), vf_load(x), vf_set(add) * y);
  vf_store(x, average);
  return average;
}

/* v <- keep2 v + add2 y^2 + lift, stored and returned */
static inline vf update_square(const pl_update *u, float *v, vf y) {
  vf average = vf_fma(vf_set(u->keep2), vf_load(v), vf_fma(vf_set(u->add2) * y, y, vf_set(u->lift)));
  vf_store(v, average);
  return average;
}

static inline vf update_denominator(const pl_update *u, vf v) {
  return vf_sqrt(vf_fma(vf_set(u->root), v, vf_set(u->eps_in))) + vf_set(u->eps_out);
}

/* rate_m m + rate_g g' */
static inline vf update_direction(const pl_update *u, vf m, vf g) {
  return vf_fma(vf_set(u->rate_m), m, vf_set(u->rate_g) * g);
}

/* w <- shrink w - step. Returns odd + 0 w: zero, or NaN from the first weight on that is not finite. */
static inline vf update_weights(const pl_update *u, size_t i, vf w, vf step, vf odd) {
  vf moved = vf_fma(vf_set(u->shrink), w, -step);
  vf_store(u->w + i, moved);
  return vf_fma(moved, vf_set(0), odd);
}

static inline bool update_finite(vf odd) {
  float lane[PL_LANES], sum = 0;
  vf_store(lane, odd);
  for (int l = 0; l < PL_LANES; l++) sum += lane[l];
  return sum == 0;
}

#endif
