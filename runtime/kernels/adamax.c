/* AdaMax: m <- keep1 m + add1 g',   n <- max(keep2 n, |g'| + eps_in),   w <- shrink w - rate_m m / n */
#include "kernels/update.h"

bool PL_KERNEL(adamax)(const pl_update *update) {
  const pl_update u = *update;
  vf odd = vf_set(0);
  for (size_t i = 0; i < u.count; i += PL_LANES) {
    vf w = vf_load(u.w + i), g = update_gradient(&u, i, w);
    vf m = update_average(u.slot[0] + i, u.keep1, u.add1, g);
    vf size = vf_greater(vf_set(0), g, -g, g) + vf_set(u.eps_in), old = vf_set(u.keep2) * vf_load(u.slot[1] + i);
    vf most = vf_greater(old, size, old, size);
    vf_store(u.slot[1] + i, most);
    odd = update_weights(&u, i, w, vf_set(u.rate_m) * m / most, odd);
  }
  return update_finite(odd);
}
