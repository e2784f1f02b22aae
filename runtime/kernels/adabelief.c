/* AdaBelief: the second average is of the gradient's distance to its own average.
     m <- keep1 m + add1 g',   s <- keep2 s + add2 (g' - m)^2 + lift,   w <- shrink w - rate_m m / (sqrt(root s + eps_in) + eps_out) */
#include "kernels/update.h"

bool PL_KERNEL(adabelief)(const pl_update *update) {
  const pl_update u = *update;
  vf odd = vf_set(0);
  for (size_t i = 0; i < u.count; i += PL_LANES) {
    vf w = vf_load(u.w + i), g = update_gradient(&u, i, w);
    vf m = update_average(u.slot[0] + i, u.keep1, u.add1, g);
    vf s = update_square(&u, u.slot[1] + i, g - m);
    odd = update_weights(&u, i, w, vf_set(u.rate_m) * m / update_denominator(&u, s), odd);
  }
  return update_finite(odd);
}
