/* Conversion of a file's elements; see elements.h. */
#include <math.h>
#include <string.h>
#include "data/readers/elements.h"

bool pl_element_is_known(pl_element e) {
  switch (e.kind) {
    case 'b': return e.size == 1;
    case 'i': case 'u': return e.size == 1 || e.size == 2 || e.size == 4 || e.size == 8;
    case 'f': return e.size == 2 || e.size == 4 || e.size == 8;
    default: return false;
  }
}

pl_dtype pl_element_type(pl_element e) {
  if (e.kind == 'f') return PL_F32;
  return e.kind == 'u' && e.size == 1 ? PL_U8 : PL_I32;
}

static uint64_t load(const uint8_t *in, pl_element e) {
  uint16_t two;
  uint32_t four;
  uint64_t eight;
  switch (e.size) {
    case 1: return *in;
    case 2: memcpy(&two, in, 2); return e.swapped ? __builtin_bswap16(two) : two;
    case 4: memcpy(&four, in, 4); return e.swapped ? __builtin_bswap32(four) : four;
    default: memcpy(&eight, in, 8); return e.swapped ? __builtin_bswap64(eight) : eight;
  }
}

/* IEEE binary16: sign, 5 bits of exponent (bias 15), 10 of fraction. */
static float half(uint16_t h) {
  int exponent = h >> 10 & 31, fraction = h & 1023;
  float value = exponent == 31 ? (fraction ? NAN : INFINITY)
              : exponent == 0  ? ldexpf((float)fraction, -24)
                               : ldexpf((float)(fraction + 1024), exponent - 25);
  return h & 0x8000 ? -value : value;
}

static float real(uint64_t bits, size_t size, bool *fits) {
  if (size == 2) return half((uint16_t)bits);
  if (size == 4) {
    uint32_t word = (uint32_t)bits;
    float f;
    memcpy(&f, &word, 4);
    return f;
  }
  double d;
  memcpy(&d, &bits, 8);
  float f = (float)d;
  *fits = isinf(d) || !isinf(f);
  return f;
}

/* The value of a signed integer, sign extended. */
static int64_t extend(uint64_t bits, size_t size) {
  int shift = 64 - 8 * (int)size;
  return (int64_t)(bits << shift) >> shift;
}

bool pl_element_is_as_in_memory(pl_element e, bool as_float) {
  return e.kind == 'f' ? e.size == 4 && !e.swapped : e.kind == 'u' && e.size == 1 && !as_float;
}

bool pl_element_convert(void *out, const uint8_t *in, size_t n, pl_element e, bool as_float, size_t *bad) {
  if (pl_element_is_as_in_memory(e, as_float)) {
    memcpy(out, in, n * e.size);
    return true;
  }
  for (size_t i = 0; i < n; i++, in += e.size) {
    uint64_t bits = load(in, e);
    bool fits = true;
    if (e.kind == 'f') ((float *)out)[i] = real(bits, e.size, &fits);
    else if (e.kind == 'i') {
      int64_t value = extend(bits, e.size);
      if (as_float) ((float *)out)[i] = (float)value;
      else if ((fits = value == (int32_t)value)) ((int32_t *)out)[i] = (int32_t)value;
    } else {
      if (e.kind == 'b') bits = bits != 0;
      if (as_float) ((float *)out)[i] = (float)bits;
      else if ((fits = bits <= INT32_MAX)) ((int32_t *)out)[i] = (int32_t)bits;
    }
    if (!fits) {
      *bad = i;
      return false;
    }
  }
  return true;
}

pl_tensor *pl_element_read(const char *name, const pl_shape *shape, pl_element e, pl_read_fn read, void *context,
                           pl_error *err) {
  enum { CHUNK = 1 << 15 };   /* elements */
  pl_tensor *t = pl_tensor_new(pl_element_type(e), shape, err);
  uint8_t *chunk = t ? pl_alloc((size_t)CHUNK * e.size, err) : NULL;
  if (chunk == NULL) {
    pl_error_prefix(err, "%s", name);
    pl_tensor_free(t);
    return NULL;
  }
  size_t count = (size_t)pl_tensor_count(t), bad = 0;
  size_t unit = pl_dtype_size(pl_tensor_type(t));
  bool as_float = false;
  for (size_t from = 0; from < count; from += CHUNK) {
    size_t n = count - from < CHUNK ? count - from : CHUNK;
    char *out = (char *)pl_tensor_data(t) + from * unit;
    if (read(context, chunk, n * e.size, err)) goto fail;
    if (pl_element_convert(out, chunk, n, e, as_float, &bad)) continue;
    if (e.kind == 'f') {
      double value;
      uint64_t bits = load(chunk + bad * e.size, e);
      memcpy(&value, &bits, 8);
      pl_error_set(err, PL_ERROR_CORRUPT, "%s: element %zu is %g, beyond the range of f32 (3.4e38)", name,
                   from + bad + 1, value);
      goto fail;
    }
    /* an integer that no i32 holds: what is there already becomes f32 too */
    pl_tensor *floats = pl_tensor_new(PL_F32, shape, err);
    if (floats == NULL) goto fail;
    const int32_t *known = pl_tensor_data(t);
    for (size_t i = 0; i < from; i++) ((float *)pl_tensor_data(floats))[i] = (float)known[i];
    pl_tensor_free(t);
    t = floats;
    as_float = true;
    pl_element_convert((float *)pl_tensor_data(t) + from, chunk, n, e, true, &bad);
  }
  pl_free(chunk);
  return t;
fail:
  pl_free(chunk);
  pl_tensor_free(t);
  return NULL;
}
