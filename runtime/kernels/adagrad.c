/* AdaGrad: v <- v + g'^2,   w <- shrink w - rate_g g' / (sqrt(v) + eps_out) */
#include "kernels/update.h"

bool PL_KERNEL(adagrad)(const pl_update *update) {
  const pl_update u = *update;
  vf odd = vf_set(0);
  for (size_t i = 0; i < u.count; i += PL_LANES) {
    vf w = vf_load(u.w + i), g = update_gradient(&u, i, w), v = vf_fma(g, g, vf_load(u.slot[0] + i));
    vf_store(u.slot[0] + i, v);
    odd = update_weights(&u, i, w, vf_set(u.rate_g) * g / (vf_sqrt(v) + vf_set(u.eps_out)), odd);
  }
  return update_finite(odd);
}
