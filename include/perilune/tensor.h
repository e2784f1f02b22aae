/* Tensors: a view (shape, strides, offset) of counted storage. Elements are f32, u8 or i32. */
#ifndef PERILUNE_TENSOR_H
#define PERILUNE_TENSOR_H

#include "perilune/base.h"

typedef enum pl_dtype { PL_F32, PL_U8, PL_I32 } pl_dtype;

typedef struct pl_tensor pl_tensor;

PL_API size_t pl_dtype_size(pl_dtype type);
PL_API const char *pl_dtype_name(pl_dtype type);   /* "f32", "u8", "i32" */

/* A new zeroed tensor with storage of its own; NULL and an error when refused. Free with pl_tensor_free. */
PL_API pl_tensor *pl_tensor_new(pl_dtype type, const pl_shape *shape, pl_error *err);
/* A tensor over memory that is `owner`'s: `release(owner)` is called when the last view is freed (may be NULL). */
PL_API pl_tensor *pl_tensor_wrap(pl_dtype type, const pl_shape *shape, void *data, void (*release)(void *owner), void *owner, pl_error *err);
PL_API void pl_tensor_free(pl_tensor *t);          /* this view; storage goes with its last view */

PL_API pl_dtype pl_tensor_type(const pl_tensor *t);
PL_API const pl_shape *pl_tensor_shape(const pl_tensor *t);   /* [borrowed] */
PL_API const int64_t *pl_tensor_strides(const pl_tensor *t);  /* [borrowed] in elements */
PL_API int64_t pl_tensor_count(const pl_tensor *t);
PL_API void *pl_tensor_data(const pl_tensor *t);              /* [borrowed] the first element */
PL_API bool pl_tensor_contiguous(const pl_tensor *t);         /* rows in order without gaps */
/* A new contiguous tensor with the same elements (a view of `t` if it already is contiguous). */
PL_API pl_tensor *pl_tensor_to_contiguous(const pl_tensor *t, pl_error *err);

#endif
