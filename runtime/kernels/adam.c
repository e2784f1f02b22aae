/* Adam and its kin (Adam, AdamW, EAdam, Nadam; LAMB up to its direction):
     m <- b1 m + c1 g',   v <- b2 v + c2 g'^2 + lift
     step = (rate_m m + rate_g g') / (sqrt(root v + eps_in) + eps_out),   w <- decay w - step */
#include "kernels/update.h"

INLINE vf adam_step(const pl_update *u, size_t i, const size_t n, vf g) {
  vf m = update_average(u->slot[0] + i, n, u->beta1, u->one_minus_beta1, g);
  vf v = update_square(u, u->slot[1] + i, n, g);
  return update_direction(u, m, g) / update_denominator(u, v);
}

bool PL_KERNEL(adam)(const pl_update *update) {
  UPDATE_EACH(update, {
    UPDATE_BEGIN
    UPDATE_WEIGHTS(adam_step(&u, i, n, g));
  });
}

/* slot[2] <- Adam's step + decay w: the direction whose length LAMB makes that of the weights. */
bool PL_KERNEL(lamb_direction)(const pl_update *update) {
  UPDATE_EACH(update, {
    UPDATE_BEGIN
    vf_write(u.slot[2] + i, vf_fma(vf_set(u.weight_decay_factor), w, adam_step(&u, i, n, g)), n);
  });
}

/* w[i] <- w[i] - rate direction[i], n a multiple of 16; whether all are finite */
bool PL_KERNEL(descend)(float *w, const float *direction, float rate, size_t n) {
  vf proof = vf_set(0);
  for (size_t i = 0; i < n; i += PL_LANES) {
    vf moved = vf_fma(vf_set(-rate), vf_load(direction + i), vf_load(w + i));
    proof = vf_fma(moved, vf_set(0), proof);
    vf_store(w + i, moved);
  }
  return vf_is_zero(proof);
}
