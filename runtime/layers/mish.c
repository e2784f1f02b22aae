/* Mish: y = x tanh(ln(1 + e^x)).  Misra: "Mish: a self regularized non-monotonic activation function", BMVC 2020 */
#include "layers/activation.h"

static const pl_option none[] = { { 0 } };

ACTIVATION("Mish", mish, x, 0, NULL, none)
