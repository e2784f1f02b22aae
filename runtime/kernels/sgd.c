/* Gradient descent, with momentum when there is a slot for it:
     v <- keep1 v + add1 g',   w <- shrink w - (rate_m v + rate_g g')   (no slot: rate_g g' alone) */
#include "kernels/update.h"

bool PL_KERNEL(sgd)(const pl_update *update) {
  const pl_update u = *update;
  vf odd = vf_set(0);
  for (size_t i = 0; i < u.count; i += PL_LANES) {
    vf w = vf_load(u.w + i), g = update_gradient(&u, i, w), step = vf_set(u.rate_g) * g;
    if (u.slot[0] != NULL) step = update_direction(&u, update_average(u.slot[0] + i, u.keep1, u.add1, g), g);
    odd = update_weights(&u, i, w, step, odd);
  }
  return update_finite(odd);
}
