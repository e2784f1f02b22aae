/* AdaDelta: v <- b2 v + c2 g'^2,  d = g' sqrt(x + eps_in) / sqrt(v + eps_in),  x <- b2 x + c2 d^2,
   w <- decay w - rate_g d */
#include "kernels/update.h"

bool PL_KERNEL(adadelta)(const pl_update *update) {
  UPDATE_EACH(update, {
    UPDATE_BEGIN
    const vf eps = vf_set(u.eps_in);
    vf v = update_square(&u, u.slot[0] + i, n, g);
    vf d = vf_sqrt(vf_read(u.slot[1] + i, n) + eps) / vf_sqrt(v + eps) * g;
    update_square(&u, u.slot[1] + i, n, d);
    UPDATE_WEIGHTS(vf_set(u.rate_g) * d);
  });
}
