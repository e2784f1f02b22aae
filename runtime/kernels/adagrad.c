/* AdaGrad: v <- v + g'^2,   w <- decay w - rate_g g' / (sqrt(v) + eps_out) */
#include "kernels/update.h"

bool PL_KERNEL(adagrad)(const pl_update *update) {
  UPDATE_EACH(update, {
    UPDATE_BEGIN
    vf v = vf_fma(g, g, vf_read(u.slot[0] + i, n));
    vf_write(u.slot[0] + i, v, n);
    UPDATE_WEIGHTS(vf_set(u.rate_g) * g / (vf_sqrt(v) + vf_set(u.eps_out)));
  });
}
