/* AdaDelta: v <- keep2 v + add2 g'^2,  d = g' sqrt(x + eps_in) / sqrt(v + eps_in),  x <- keep2 x + add2 d^2,
   w <- shrink w - rate_g d */
#include "kernels/update.h"

bool PL_KERNEL(adadelta)(const pl_update *update) {
  const pl_update u = *update;
  vf odd = vf_set(0);
  const vf eps = vf_set(u.eps_in);
  for (size_t i = 0; i < u.count; i += PL_LANES) {
    vf w = vf_load(u.w + i), g = update_gradient(&u, i, w), v = update_square(&u, u.slot[0] + i, g);
    vf d = vf_sqrt(vf_load(u.slot[1] + i) + eps) / vf_sqrt(v + eps) * g;
    update_square(&u, u.slot[1] + i, d);
    odd = update_weights(&u, i, w, vf_set(u.rate_g) * d, odd);
  }
  return update_finite(odd);
}
