/* All optimizers; a new one is one line. */
#include "optim/optim.h"

extern const pl_optimizer_class pl_optim_sgd, pl_optim_adam, pl_optim_adamw, pl_optim_rmsprop, pl_optim_adagrad,
  pl_optim_adadelta, pl_optim_adamax, pl_optim_nadam, pl_optim_eadam, pl_optim_adabelief, pl_optim_lamb;

const pl_optimizer_class *const pl_optimizer_registry[] = {
  &pl_optim_sgd,
  &pl_optim_adam,
  &pl_optim_adamw,
  &pl_optim_rmsprop,
  &pl_optim_adagrad,
  &pl_optim_adadelta,
  &pl_optim_adamax,
  &pl_optim_nadam,
  &pl_optim_eadam,
  &pl_optim_adabelief,
  &pl_optim_lamb,
  NULL
};
