/* Every loss once: a new one is one file and one line in this list. */
#include "loss/loss.h"

#define LOSSES(X) X(mse) X(cross_entropy) X(probability_cross_entropy) X(nll) X(bce) X(huber) X(focal)

#define DECLARE(name) extern const pl_loss_class pl_loss_##name;
LOSSES(DECLARE)
#define ENTRY(name) &pl_loss_##name,
const pl_loss_class *const pl_loss_registry[] = { LOSSES(ENTRY) NULL };
