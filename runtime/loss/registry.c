/* All losses; a new one is one line. */
#include "loss/loss.h"

extern const pl_loss_class pl_loss_mse, pl_loss_cross_entropy, pl_loss_probability_cross_entropy, pl_loss_nll,
  pl_loss_bce, pl_loss_huber;

const pl_loss_class *const pl_loss_registry[] = {
  &pl_loss_mse,
  &pl_loss_cross_entropy,
  &pl_loss_probability_cross_entropy,
  &pl_loss_nll,
  &pl_loss_bce,
  &pl_loss_huber,
  NULL
};
