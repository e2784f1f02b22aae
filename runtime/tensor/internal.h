/* What only this module sees: the inside of a tensor, and its elements as a stream of doubles. */
#ifndef TENSOR_INTERNAL_H
#define TENSOR_INTERNAL_H

#include "perilune/tensor.h"

/* Memory that several views share; it goes with its last view. */
typedef struct pl_storage pl_storage;

/* Zeroed. [out] *data: the first byte, aligned to 64. */
pl_storage *pl_storage_new(size_t bytes, void **data, pl_error *err);
pl_storage *pl_storage_wrap(void (*release)(void *owner), void *owner, pl_error *err);
void pl_storage_retain(pl_storage *storage);
void pl_storage_release(pl_storage *storage);
bool pl_storage_shared(const pl_storage *storage);   /* by more than one view */
void pl_storage_note_write(pl_storage *storage, const char *what);
void pl_storage_on_write(pl_storage *storage, void (*written)(void *owner));
uint64_t pl_storage_version(const pl_storage *storage, const char **writer);

/* Invariant: every element base + sum of index[a] * stride[a], 0 <= index[a] < shape.size[a], lies in `storage`. */
struct pl_tensor {
  pl_storage *storage;
  char *base;                        /* the element with all indices 0 */
  pl_dtype type;
  pl_shape shape;
  int64_t stride[PL_MAX_AXES];       /* in elements; 0 along an expanded axis, never negative */
  bool expanded;                     /* or a view of what is: its elements may be others' too, so none is written
                                        through it */
};

/* Strides of rows in order without gaps. */
void pl_strides_contiguous(int64_t stride[PL_MAX_AXES], const pl_shape *shape);

/* What every tensor's shape holds to: at most 6 axes, no negative size, and also without its axes of size 0 at most
   so many elements, so that no product of sizes and strides overflows. */
#define PL_MOST_ELEMENTS ((int64_t)1 << 48)
pl_status pl_shape_check(const pl_shape *shape, pl_error *err);
/* Makes a negative axis count from the end; `what` begins the error's text. */
pl_status pl_axis_resolve(int *axis, int axes, const char *what, pl_error *err);
/* The shape that both broadcast to. */
pl_status pl_shape_broadcast(pl_shape *out, const pl_shape *a, const pl_shape *b, const char *what, pl_error *err);

/* A position in the stream of a tensor's elements, broadcast to `shape`. Adjacent axes that form one run are one. */
typedef struct pl_cursor {
  pl_dtype type;
  char *at;
  int axes;
  int64_t size[PL_MAX_AXES], step[PL_MAX_AXES], index[PL_MAX_AXES];
} pl_cursor;

enum { PL_CHUNK = 256 };   /* doubles that an operation holds at a time */

static inline size_t pl_chunk_size(int64_t from, int64_t count) {
  return count - from < PL_CHUNK ? (size_t)(count - from) : PL_CHUNK;
}

pl_cursor pl_cursor_open(const pl_tensor *t, const pl_shape *shape, int64_t start);
void pl_cursor_read(pl_cursor *c, double *out, size_t n);
size_t pl_cursor_write(pl_cursor *c, const double *in, size_t n);   /* n, or the index of the first value that does
                                                                       not fit */

/* How many of the next `n` elements come before the innermost axis ends; and past n of them, which must be no more. */
size_t pl_cursor_run(const pl_cursor *c, size_t n);
void pl_cursor_advance(pl_cursor *c, size_t n);

/* "<what>: 300 does not fit in u8 ..." */
pl_status pl_element_out_of_range(pl_dtype type, double value, const char *what, pl_error *err);

/* A result that does not fit into its integer type. */
typedef struct pl_out_of_range {
  bool found;
  double value;
} pl_out_of_range;

/* Calls run(from, to, arg) for ranges that together are all elements of `out`; each takes about `work` steps: 1 in a
   vector kernel, PL_READ for an element that is read as a double. */
enum { PL_READ = 8 };
pl_status pl_range_run(const pl_tensor *out, int64_t work, const char *what,
                       pl_out_of_range (*run)(int64_t from, int64_t to, void *arg), void *arg, pl_error *err);

/* An operand as a stream: chunks of a tensor broadcast to `shape`, or of one number. */
typedef struct pl_doubles {
  bool constant;
  pl_cursor cursor;
  double chunk[PL_CHUNK];
} pl_doubles;

void pl_doubles_open(pl_doubles *s, const pl_operand *x, const pl_shape *shape, int64_t start);
const double *pl_doubles_read(pl_doubles *s, size_t n);

/* The same in f32, for kernels; of f32 tensors and numbers. */
enum { PL_FLOATS = 1024 };   /* floats in a chunk */
typedef struct pl_floats {
  bool constant;
  pl_cursor cursor;
  float chunk[PL_FLOATS];
} pl_floats;

void pl_floats_open(pl_floats *s, const pl_operand *x, const pl_shape *shape, int64_t start);
const float *pl_floats_read(pl_floats *s, size_t n);      /* n: at most PL_FLOATS */
/* Where the next chunk may be computed, and that it has been: it is written to the tensor unless it lies there. */
float *pl_floats_target(pl_floats *s, size_t n);
void pl_floats_write(pl_floats *s, const float *chunk, size_t n);

bool pl_operand_is_integer(const pl_operand *x);
/* The element type of a result; `integers`: all operands are. */
pl_dtype pl_result_type(pl_result_kind result, bool integers);

/* Before any write: an error if the tensor was expanded; else its version counts on. `what`: static text. */
pl_status pl_tensor_check_writable(const pl_tensor *t, const char *what, pl_error *err);
/* Before writing a result of shape `result` into `t`: the shapes are equal and no two elements are one. */
pl_status pl_tensor_check_target(const pl_tensor *t, const pl_shape *result, const char *what, pl_error *err);
/* An input that may share elements with the target in another order is replaced by a copy: [out] *copy, to be freed, or
   NULL. */
pl_status pl_tensor_unshare(const pl_tensor **in, pl_tensor **copy, const pl_tensor *target, pl_error *err);

#endif
