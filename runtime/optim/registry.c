/* Every optimizer once: a new one is one file and one line in this list. */
#include "optim/optim.h"

#define OPTIMIZERS(X) \
  X(sgd) X(adam) X(adamw) X(rmsprop) X(adagrad) X(adadelta) X(adamax) X(nadam) X(eadam) X(adabelief) X(lamb) X(lion)

#define DECLARE(name) extern const pl_optimizer_class pl_optim_##name;
OPTIMIZERS(DECLARE)
#define ENTRY(name) &pl_optim_##name,
const pl_optimizer_class *const pl_optimizer_registry[] = { OPTIMIZERS(ENTRY) NULL };
