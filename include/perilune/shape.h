/* Shapes: the sizes of an array's axes, the last of which is contiguous in memory. Any thread may call. */
#ifndef PERILUNE_SHAPE_H
#define PERILUNE_SHAPE_H

#include "perilune/api.h"

#define PL_MAX_AXES 6

typedef struct pl_shape {
  int axes;                   /* 0 to PL_MAX_AXES; 0: a scalar */
  int64_t size[PL_MAX_AXES];  /* of the first `axes`; the others mean nothing */
} pl_shape;

/* What a model computes of a sample; several outputs lie in memory one after the other, as one flat row. */
enum { PL_MOST_OUTPUTS = 16 };
typedef struct pl_outputs {
  int count;
  pl_shape shape[PL_MOST_OUTPUTS];
} pl_outputs;

/* Number of elements (a scalar has one), or -1 when the product overflows or a size is negative. */
PL_API int64_t pl_shape_count(const pl_shape *shape);
/* As many axes, of equal sizes. */
PL_API bool pl_shape_equal(const pl_shape *a, const pl_shape *b);
/* As many outputs, of equal shapes; and the shape of the row that they lie in. */
PL_API bool pl_outputs_equal(const pl_outputs *a, const pl_outputs *b);
PL_API pl_shape pl_outputs_flat(const pl_outputs *outputs);

#define PL_SHAPE_TEXT 160     /* holds PL_MAX_AXES sizes of any value */
/* "[2, 3]"; with `batch` "[N, 2, 3]". Returns `text`. */
PL_API const char *pl_shape_text(char text[PL_SHAPE_TEXT], const pl_shape *shape, bool batch);

#endif
