/* AdaMax: m <- b1 m + c1 g',   n <- max(b2 n, |g'| + eps_in),   w <- decay w - rate_m m / n */
#include "kernels/update.h"

bool PL_KERNEL(adamax)(const pl_update *update) {
  UPDATE_EACH(update, {
    UPDATE_BEGIN
    vf m = update_average(u.slot[0] + i, n, u.beta1, u.one_minus_beta1, g);
    vf size = vf_greater(vf_set(0), g, -g, g) + vf_set(u.eps_in), old = vf_set(u.beta2) * vf_read(u.slot[1] + i, n);
    vf most = vf_greater(old, size, old, size);
    vf_write(u.slot[1] + i, most, n);
    UPDATE_WEIGHTS(vf_set(u.rate_m) * m / most);
  });
}
