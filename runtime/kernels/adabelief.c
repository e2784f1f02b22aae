/* AdaBelief: the second average is of the gradient's distance to its own average.
     m <- b1 m + c1 g',   s <- b2 s + c2 (g' - m)^2 + lift
     w <- decay w - rate_m m / (sqrt(root s + eps_in) + eps_out) */
#include "kernels/update.h"

bool PL_KERNEL(adabelief)(const pl_update *update) {
  UPDATE_EACH(update, {
    UPDATE_BEGIN
    vf m = update_average(u.slot[0] + i, n, u.beta1, u.one_minus_beta1, g);
    vf s = update_square(&u, u.slot[1] + i, n, g - m);
    UPDATE_WEIGHTS(vf_set(u.rate_m) * m / update_denominator(&u, s));
  });
}
