/* RMSprop: v <- b2 v + c2 g'^2,  q = g' / (sqrt(v) + eps_out),  w <- decay w - rate_g q.
   With slot 1 (centered): a <- b2 a + c2 g', and v - a^2 (not below 0) stands under the root.
   With slot 2 (momentum): b <- b1 b + q, and b takes the place of q. */
#include "kernels/update.h"

bool PL_KERNEL(rmsprop)(const pl_update *update) {
  UPDATE_EACH(update, {
    UPDATE_BEGIN
    vf v = update_square(&u, u.slot[0] + i, n, g);
    if (u.slot[1] != NULL) {
      vf a = update_average(u.slot[1] + i, n, u.beta2, u.one_minus_beta2, g);
      v = vf_fma(-a, a, v);
      v = vf_greater(vf_set(0), v, vf_set(0), v);
    }
    vf q = g / (vf_sqrt(v) + vf_set(u.eps_out));
    if (u.slot[2] != NULL) q = update_average(u.slot[2] + i, n, u.beta1, 1, q);
    UPDATE_WEIGHTS(vf_set(u.rate_g) * q);
  });
}
