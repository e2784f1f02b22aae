/* Naive forward passes in double precision, written from the definitions, for comparison with the library. */
#ifndef SUPPORT_REFERENCE_H
#define SUPPORT_REFERENCE_H

#include "perilune/model.h"

/* The parameters that the reference reads: a copy in double of the model's blocks. */
typedef struct reference {
  const float *floats;      /* the model's block of trained values */
  const double *doubles;    /* the same places */
  bool training;            /* batch statistics instead of running ones */
} reference;

/* Output of `layer` (and its children) for x [n, in...]: allocated with malloc; *out is its shape. */
double *reference_forward(const reference *r, const pl_layer *layer, size_t n, const pl_shape *in, const double *x,
                          pl_shape *out);

#endif
