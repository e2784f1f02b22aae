/* Elementary functions whose bits do not depend on the C library: for schedules, random numbers, augmentation and
   whatever else reaches a weight. Angles are radians; special values (NaN, infinities) as IEEE 754 recommends. Any
   thread may call them. */
#ifndef PERILUNE_MATH_H
#define PERILUNE_MATH_H

#include "perilune/api.h"

/* Accurate to three units in the last place; powers to a relative error below 3e-13. */
PL_API double pl_exp(double x);
PL_API double pl_log(double x);
PL_API double pl_pow(double x, double y);
/* To the same three units, however large the argument. */
PL_API double pl_sin(double x);
PL_API double pl_cos(double x);
PL_API double pl_tanh(double x);

#endif
