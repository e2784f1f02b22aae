/* Elements of files as elements of tensors. A file has integers and floating-point numbers of one to eight bytes in
   either byte order; a tensor has u8, i32 and f32. What becomes of what:
     u8 -> u8;  i8, i16, u16, i32, bool -> i32;  u32, i64, u64 -> i32 where every value fits, else f32, rounded;
     f16, f32, f64 -> f32, rounded; a finite f64 beyond the range of f32 is an error. */
#ifndef READERS_ELEMENTS_H
#define READERS_ELEMENTS_H

#include "perilune/alloc.h"
#include "perilune/data.h"

typedef struct pl_element {
  char kind;        /* 'b' bool, 'i' signed, 'u' unsigned, 'f' floating point */
  uint8_t size;     /* bytes: 1, 2, 4, 8 */
  bool swapped;     /* in the file the bytes are in the other order than in memory */
} pl_element;

/* Is it one of those listed above? */
bool pl_element_is_known(pl_element e);
/* The type of a tensor of them: of integers that may not fit an i32, the type if they do. */
pl_dtype pl_element_type(pl_element e);
/* Are its bytes in the file those that a tensor would hold? */
bool pl_element_is_as_in_memory(pl_element e, bool as_float);

/* Converts n elements at `in` (any alignment) to `out`, which has the element's type, or is f32 if `as_float`.
   false: an integer does not fit an i32 (as_float converts it), or a number does not fit an f32; *bad is its index. */
bool pl_element_convert(void *out, const uint8_t *in, size_t n, pl_element e, bool as_float, size_t *bad);

/* Where bytes come from: exactly n of them, or an error. */
typedef pl_status (*pl_read_fn)(void *context, uint8_t *out, size_t n, pl_error *err);
/* A tensor of that shape, read and converted in chunks that stay in the cache. `name` begins the message of an error.
   */
pl_tensor *pl_element_read(const char *name, const pl_shape *shape, pl_element e, pl_read_fn read, void *context,
                           pl_error *err);

static inline bool pl_element_order_swapped(bool big_endian) {
  return big_endian != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

#endif
