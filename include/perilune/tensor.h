/* Tensors: a view (shape, strides, offset) of counted storage. Elements are f32, u8 or i32.

   What returns a tensor makes a new one, which the caller frees, or gives NULL and an error; inputs are only read. A
   view shares the elements of its source and keeps them: the source may be freed first. Tensors have at most
   PL_MAX_AXES axes and 2^48 elements.
   Axes and indices count from 0 here, a negative one from the end; the texts of errors count from 1, as Lua's users do.
   Errors: PL_ERROR_SHAPE where an axis is not there or shapes do not fit, PL_ERROR_VALUE where an index or a value is
   out of its range, PL_ERROR_TYPE for a wrong element type; writing is PL_ERROR_STATE where several elements are one in
   memory (pl_tensor_expand). No operation is affected by the number of threads that it takes. */
#ifndef PERILUNE_TENSOR_H
#define PERILUNE_TENSOR_H

#include <stdio.h>

#include "perilune/error.h"
#include "perilune/rng.h"
#include "perilune/shape.h"

typedef enum pl_dtype { PL_F32, PL_U8, PL_I32 } pl_dtype;

typedef struct pl_tensor pl_tensor;

/* Bytes of an element; "f32", "u8", "i32"; and the type of such a name (else PL_ERROR_TYPE). */
PL_API size_t pl_dtype_size(pl_dtype type);
PL_API const char *pl_dtype_name(pl_dtype type);
PL_API pl_status pl_dtype_from_name(pl_dtype *out, const char *name, pl_error *err);

/* Zeroed, with storage of its own, aligned to 64 bytes. */
PL_API pl_tensor *pl_tensor_new(pl_dtype type, const pl_shape *shape, pl_error *err);
/* A tensor over memory that is `owner`'s, rows in order, aligned as its elements ask. When its last view is freed,
   release(owner) is called (may be NULL), by whoever frees it; not when this fails. */
PL_API pl_tensor *pl_tensor_wrap(pl_dtype type, const pl_shape *shape, void *data, void (*release)(void *owner),
                                 void *owner, pl_error *err);
/* For a tensor that pl_tensor_wrap made: from now on each write in place, through it or a view of it, also calls
   written(owner), on the thread that writes; what is counted by pl_tensor_version. */
PL_API void pl_tensor_on_write(pl_tensor *t, void (*written)(void *owner));
/* Ends this view; storage goes with its last view. */
PL_API void pl_tensor_free(pl_tensor *t);

/* The type of its elements. */
PL_API pl_dtype pl_tensor_type(const pl_tensor *t);
/* [borrowed]; strides in elements. */
PL_API const pl_shape *pl_tensor_shape(const pl_tensor *t);
PL_API const int64_t *pl_tensor_strides(const pl_tensor *t);
/* Number of elements. */
PL_API int64_t pl_tensor_count(const pl_tensor *t);
/* Bytes that this view adds: its storage, too, if it is alone in it. */
PL_API size_t pl_tensor_footprint(const pl_tensor *t);
/* [borrowed] the first element; as long as a view of the storage lives. */
PL_API void *pl_tensor_data(const pl_tensor *t);
/* Rows in order without gaps. */
PL_API bool pl_tensor_contiguous(const pl_tensor *t);
/* Contiguous, with the same elements (a view of `t` if it already is). */
PL_API pl_tensor *pl_tensor_to_contiguous(const pl_tensor *t, pl_error *err);
/* May the two have elements in the same memory? By their first and last addresses, not by their storage: tensors that
   were wrapped around the same memory have a storage each. */
PL_API bool pl_tensor_overlap(const pl_tensor *a, const pl_tensor *b);
/* The same elements, contiguous, always in storage of its own. */
PL_API pl_tensor *pl_tensor_clone(const pl_tensor *t, pl_error *err);

/* ---- views: they share storage with `t` ---- */

/* The same again. */
PL_API pl_tensor *pl_tensor_view(const pl_tensor *t, pl_error *err);
/* Item `index` of `axis`, without that axis. */
PL_API pl_tensor *pl_tensor_select(const pl_tensor *t, int axis, int64_t index, pl_error *err);
/* Items from <= i < to of `axis`; neither counts from the end. */
PL_API pl_tensor *pl_tensor_slice(const pl_tensor *t, int axis, int64_t from, int64_t to, pl_error *err);
/* Axes a and b change places; in general, axis i was axes[i], each of the n axes once. */
PL_API pl_tensor *pl_tensor_transpose(const pl_tensor *t, int a, int b, pl_error *err);
PL_API pl_tensor *pl_tensor_permute(const pl_tensor *t, const int *axes, int n, pl_error *err);
/* Without `axis`, which must have size 1, or without every axis of size 1; and with a new axis of size 1 there. */
PL_API pl_tensor *pl_tensor_squeeze(const pl_tensor *t, int axis, pl_error *err);
PL_API pl_tensor *pl_tensor_squeeze_all(const pl_tensor *t, pl_error *err);
PL_API pl_tensor *pl_tensor_unsqueeze(const pl_tensor *t, int axis, pl_error *err);
/* Repeats axes of size 1, and adds axes in front. What is repeated is one element in memory: not to be written. */
PL_API pl_tensor *pl_tensor_expand(const pl_tensor *t, const pl_shape *shape, pl_error *err);
/* The same elements in row order under another shape, one size of which may be -1 (deduced). A view if `t` is
   contiguous, else a copy. */
PL_API pl_tensor *pl_tensor_reshape(const pl_tensor *t, const pl_shape *shape, pl_error *err);

/* ---- elements ---- */

/* How often a tensor of this storage was changed in place, and [out] by what last: "fill", "add"; NULL: by nothing.
   Writes through pl_tensor_data are not counted. */
PL_API uint64_t pl_tensor_version(const pl_tensor *t, const char **writer);
/* An element by its index in row order, from 0, which must be in range (not checked). Integer tensors take whole
   numbers of their range. */
PL_API double pl_tensor_get(const pl_tensor *t, int64_t index);
PL_API pl_status pl_tensor_set(pl_tensor *t, int64_t index, double value, pl_error *err);
/* All elements become `value`. */
PL_API pl_status pl_tensor_fill(pl_tensor *t, double value, pl_error *err);
/* The elements of `src`, broadcast to the shape of `t` and converted; one that does not fit leaves `t` unchanged. They
   may share storage. */
PL_API pl_status pl_tensor_copy(pl_tensor *t, const pl_tensor *src, pl_error *err);
/* A copy of another element type. Fractions are dropped; what does not fit is PL_ERROR_VALUE. */
PL_API pl_tensor *pl_tensor_to(const pl_tensor *t, pl_dtype type, pl_error *err);

/* ---- elementwise operations ----
   Element types of results: integers among themselves give i32 (a value out of its range is an error, never
   wrapped), f32 makes f32, fractions are always f32, comparisons and other truths are u8 masks of 0 and 1.
   In-place forms keep the type and shape of the tensor; a value that does not fit is an error and leaves it
   unchanged. Operands may share storage with it. */

typedef enum pl_result_kind { PL_RESULT_NUMBER, PL_RESULT_FLOAT, PL_RESULT_MASK } pl_result_kind;

typedef struct pl_operand {   /* a tensor, or when that is NULL a number */
  const pl_tensor *tensor;
  double number;              /* rounded to f32 among f32 */
  bool is_integer;            /* the number counts as an integer */
} pl_operand;

typedef struct pl_binary_op {
  const char *name;           /* "add", "lt", ... */
  void (*fn)(double *out, const double *a, const double *b, size_t n);
  void (*f32)(float *out, const float *a, const float *b, size_t n);   /* among f32, if not NULL; out may be an input */
  pl_result_kind result;
} pl_binary_op;

/* All of them, up to one whose name is NULL; and the one of that name, NULL when there is none. */
PL_API const pl_binary_op pl_binary_ops[];
PL_API const pl_binary_op *pl_binary_find(const char *name);
/* a op b; shapes broadcast. */
PL_API pl_tensor *pl_tensor_binary(const pl_binary_op *op, pl_operand a, pl_operand b, pl_error *err);
/* t = t op b */
PL_API pl_status pl_tensor_binary_in_place(pl_tensor *t, const pl_binary_op *op, pl_operand b, pl_error *err);

typedef struct pl_unary_op {
  const char *name;           /* "exp", "clamp", ... */
  void (*fn)(double *out, const double *in, size_t n, const double *parameters);
  void (*f32)(float *out, const float *in, size_t n, const float *parameters);   /* of f32, if not NULL */
  pl_result_kind result;
  int parameters;             /* clamp has 2: low and high */
} pl_unary_op;

/* As above. */
PL_API const pl_unary_op pl_unary_ops[];
PL_API const pl_unary_op *pl_unary_find(const char *name);
/* op(t); `parameters` [op->parameters], NULL where there are none. In place: t = op(t). */
PL_API pl_tensor *pl_tensor_unary(const pl_unary_op *op, const pl_tensor *t, const double *parameters, pl_error *err);
PL_API pl_status pl_tensor_unary_in_place(pl_tensor *t, const pl_unary_op *op, const double *parameters, pl_error *err);

/* ---- reductions ----
   Sums are made in double in a fixed tree, so that neither threads nor layout change a bit. NaN is the largest and the
   smallest. */

typedef enum pl_reduces {
  PL_REDUCES_TO_NUMBER,    /* f32 of f32, i32 of integers (PL_ERROR_VALUE where it does not fit) */
  PL_REDUCES_TO_FRACTION,  /* f32 */
  PL_REDUCES_TO_ELEMENT,   /* the type of the tensor */
  PL_REDUCES_TO_INDEX,     /* i32, from 0 */
  PL_REDUCES_TO_MASK       /* u8 */
} pl_reduces;

struct pl_cursor;
typedef struct pl_reduction_op {
  const char *name;        /* "sum", "argmax", ... */
  double (*row)(struct pl_cursor *c, int64_t n, double parameter);   /* of the next n elements */
  pl_reduces to;
  bool has_identity;       /* also defined for no elements; else those are PL_ERROR_SHAPE */
  bool corrected;          /* var and std: divide by n - parameter (0 <= parameter < n); others have no parameter */
} pl_reduction_op;

/* All of them, up to one whose name is NULL; and the one of that name, NULL when there is none. */
PL_API const pl_reduction_op pl_reduction_ops[];
PL_API const pl_reduction_op *pl_reduction_find(const char *name);
/* [out] over all elements, in row order. */
PL_API pl_status pl_tensor_reduce_all(double *out, const pl_reduction_op *op, const pl_tensor *t, double parameter,
                                      pl_error *err);
/* Over the axes marked in `reduced`, which are dropped or, with `keep`, stay with size 1. */
PL_API pl_tensor *pl_tensor_reduce(const pl_reduction_op *op, const pl_tensor *t, const bool reduced[PL_MAX_AXES],
                                   bool keep, double parameter, pl_error *err);

/* ---- products, f32 ---- */

/* [n, k] x [k, m] -> [n, m]; a vector counts as one row (first) or one column (second) and that axis is dropped
   again; leading axes broadcast. */
PL_API pl_tensor *pl_tensor_matmul(const pl_tensor *a, const pl_tensor *b, pl_error *err);

/* ---- picking, joining, sorting ---- */

/* The items of `axis` named by the vector `indices` (i32 or u8), in that order. */
PL_API pl_tensor *pl_tensor_index(const pl_tensor *t, int axis, const pl_tensor *indices, pl_error *err);
/* out[i][j] = t[i][indices[i][j]] for axis 1, and so on; indices (i32 or u8) have as many axes as t, and no more items
   but along `axis`. The result has their shape. */
PL_API pl_tensor *pl_tensor_gather(const pl_tensor *t, int axis, const pl_tensor *indices, pl_error *err);
/* `yes` where the mask is not 0, else `no`; all three broadcast. */
PL_API pl_tensor *pl_tensor_where(const pl_tensor *mask, pl_operand yes, pl_operand no, pl_error *err);
/* The elements where the mask is not 0, as a vector; both broadcast. */
PL_API pl_tensor *pl_tensor_masked_select(const pl_tensor *t, const pl_tensor *mask, pl_error *err);
/* Elements where the mask is not 0 become `value`; the mask is broadcast to the shape of `t`. */
PL_API pl_status pl_tensor_masked_fill(pl_tensor *t, const pl_tensor *mask, double value, pl_error *err);
/* Joins n tensors (1 or more) along `axis`, or along a new one there; types, and the other sizes, are equal. */
PL_API pl_tensor *pl_tensor_cat(const pl_tensor *const *list, size_t n, int axis, pl_error *err);
PL_API pl_tensor *pl_tensor_stack(const pl_tensor *const *list, size_t n, int axis, pl_error *err);
/* Row i has a 1 in column labels[i], from 0; f32 [N, classes]. Labels: i32 or u8 [N], else PL_ERROR_SHAPE. */
PL_API pl_tensor *pl_tensor_one_hot(const pl_tensor *labels, int64_t classes, pl_error *err);
/* Along `axis`; stable; NaN last, whatever the direction. [out] the sorted elements, and i32: where each came from. */
PL_API pl_status pl_tensor_sort(pl_tensor **values, pl_tensor **indices, const pl_tensor *t, int axis, bool descending,
                                pl_error *err);

/* ---- comparing and describing ---- */

/* Equal shapes, and no two elements further apart than `tolerance`, whatever the types. NaN equals nothing. */
PL_API bool pl_tensor_equal(const pl_tensor *a, const pl_tensor *b, double tolerance);

/* Moments of the finite elements (the std divides by their number), how many are 0, how many are not finite. */
typedef struct pl_histogram {
  int64_t count, zeros, nonfinite;           /* count: of the finite ones */
  double mean, std, min, max, low, high;     /* low, high: the ends of the histogram; 0 where nothing is finite */
} pl_histogram;
/* [out] counts[bins]: finite elements in equal parts of [low, high]; an end that is not finite: the least, the largest
   element. bins = 0: moments only, counts may be NULL. */
PL_API pl_histogram pl_tensor_histogram(int64_t *counts, int bins, double low, double high, const pl_tensor *t);

/* Writes a few aligned lines with shape and type, the last without its end; long axes show their ends. Whether all
   was written: ferror(out). */
PL_API void pl_tensor_write_text(const pl_tensor *t, FILE *out);

/* ---- random fills: element i in row order is a function of (rng, i) ---- */

/* In [low, high), or with that mean and standard deviation; of f32: other types are PL_ERROR_TYPE at the first
   fraction. */
PL_API pl_status pl_tensor_fill_uniform(pl_tensor *t, pl_rng rng, double low, double high, pl_error *err);
PL_API pl_status pl_tensor_fill_normal(pl_tensor *t, pl_rng rng, double mean, double std, pl_error *err);
/* Whole numbers from low to high, both included, of any element type, within its range (f32: that of i32). */
PL_API pl_status pl_tensor_fill_integers(pl_tensor *t, pl_rng rng, int64_t low, int64_t high, pl_error *err);

#endif
