/* Gradient descent, with momentum when there is a slot for it:
     v <- keep1 v + add1 g',   w <- shrink w - (rate_m v + rate_g g')   (no slot: rate_g g' alone) */
#include "kernels/update.h"

bool PL_KERNEL(sgd)(const pl_update *update) {
  UPDATE_EACH(update, {
    UPDATE_BEGIN
    vf step = vf_set(u.rate_g) * g;
    if (u.slot[0] != NULL) step = update_direction(&u, update_average(u.slot[0] + i, n, u.keep1, u.add1, g), g);
    UPDATE_WEIGHTS(step);
  });
}
