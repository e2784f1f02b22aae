/* Lion: a step of the same length for every weight, in the direction of an average that leans on the gradient.
     c = b1 m + c1 g',   m <- b2 m + c2 g',   w <- decay w - rate_m sign(c)
   A gradient that is infinite makes the weight NaN, as with other optimizers, though its sign is finite. */
#include "kernels/update.h"

bool PL_KERNEL(lion)(const pl_update *update) {
  UPDATE_EACH(update, {
    UPDATE_BEGIN
    const vf one = vf_set(1), zero = vf_set(0);
    vf c = vf_fma(vf_set(u.beta1), vf_read(u.slot[0] + i, n), vf_set(u.one_minus_beta1) * g);
    vf sign = vf_greater(c, zero, one, vf_greater(zero, c, -one, c));
    update_average(u.slot[0] + i, n, u.beta2, u.one_minus_beta2, g);
    UPDATE_WEIGHTS(vf_set(u.rate_m) * vf_fma(g, zero, sign));
  });
}
