/* Tensors: a view (shape, strides, offset) of counted storage. Elements are f32, u8 or i32. */
#ifndef PERILUNE_TENSOR_H
#define PERILUNE_TENSOR_H

#include "perilune/base.h"

typedef enum pl_dtype { PL_F32, PL_U8, PL_I32 } pl_dtype;

typedef struct pl_tensor pl_tensor;

PL_API size_t pl_dtype_size(pl_dtype type);
PL_API const char *pl_dtype_name(pl_dtype type);   /* "f32", "u8", "i32" */
PL_API pl_status pl_dtype_from_name(pl_dtype *out, const char *name, pl_error *err);

/* A new zeroed tensor with storage of its own; NULL and an error when refused. Free with pl_tensor_free. */
PL_API pl_tensor *pl_tensor_new(pl_dtype type, const pl_shape *shape, pl_error *err);
/* A tensor over memory that is `owner`'s: `release(owner)` is called when the last view is freed (may be NULL). */
PL_API pl_tensor *pl_tensor_wrap(pl_dtype type, const pl_shape *shape, void *data, void (*release)(void *owner), void *owner, pl_error *err);
PL_API void pl_tensor_free(pl_tensor *t);          /* this view; storage goes with its last view */

PL_API pl_dtype pl_tensor_type(const pl_tensor *t);
PL_API const pl_shape *pl_tensor_shape(const pl_tensor *t);   /* [borrowed] */
PL_API const int64_t *pl_tensor_strides(const pl_tensor *t);  /* [borrowed] in elements */
PL_API int64_t pl_tensor_count(const pl_tensor *t);
PL_API size_t pl_tensor_footprint(const pl_tensor *t);        /* bytes that this view adds: its storage if it is alone in it */
PL_API void *pl_tensor_data(const pl_tensor *t);              /* [borrowed] the first element */
PL_API bool pl_tensor_contiguous(const pl_tensor *t);         /* rows in order without gaps */
/* A new contiguous tensor with the same elements (a view of `t` if it already is contiguous). */
PL_API pl_tensor *pl_tensor_to_contiguous(const pl_tensor *t, pl_error *err);
PL_API pl_tensor *pl_tensor_clone(const pl_tensor *t, pl_error *err);   /* always storage of its own */

/* Views share storage with `t`. Axes count from 0 here; the texts of errors count from 1, as Lua's users do.
   A negative axis counts from the end. */
PL_API pl_tensor *pl_tensor_view(const pl_tensor *t, pl_error *err);    /* the same again */
PL_API pl_tensor *pl_tensor_select(const pl_tensor *t, int axis, int64_t index, pl_error *err);   /* without `axis` */
PL_API pl_tensor *pl_tensor_slice(const pl_tensor *t, int axis, int64_t from, int64_t to, pl_error *err); /* from <= i < to */
PL_API pl_tensor *pl_tensor_transpose(const pl_tensor *t, int a, int b, pl_error *err);
PL_API pl_tensor *pl_tensor_permute(const pl_tensor *t, const int *axes, int n, pl_error *err);   /* axis i was axes[i] */
PL_API pl_tensor *pl_tensor_squeeze(const pl_tensor *t, int axis, pl_error *err);        /* `axis` must have size 1 */
PL_API pl_tensor *pl_tensor_squeeze_all(const pl_tensor *t, pl_error *err);              /* every axis of size 1 */
PL_API pl_tensor *pl_tensor_unsqueeze(const pl_tensor *t, int axis, pl_error *err);      /* a new axis of size 1 */
PL_API pl_tensor *pl_tensor_expand(const pl_tensor *t, const pl_shape *shape, pl_error *err);   /* repeats axes of size 1 */
/* The same elements in row order under another shape, one size of which may be -1 (deduced). A view if `t` is
   contiguous, else a copy. */
PL_API pl_tensor *pl_tensor_reshape(const pl_tensor *t, const pl_shape *shape, pl_error *err);

/* Elements by their position in row order, which must be in range. */
PL_API double pl_tensor_get(const pl_tensor *t, int64_t index);
PL_API pl_status pl_tensor_set(pl_tensor *t, int64_t index, double value, pl_error *err);
PL_API pl_status pl_tensor_fill(pl_tensor *t, double value, pl_error *err);
PL_API pl_status pl_tensor_copy(pl_tensor *t, const pl_tensor *src, pl_error *err);   /* `src` is broadcast and converted */
/* A copy of another element type. Fractions are dropped; what does not fit is an error. */
PL_API pl_tensor *pl_tensor_to(const pl_tensor *t, pl_dtype type, pl_error *err);

#endif
