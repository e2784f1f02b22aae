/* The elements of any tensor as a stream of doubles in row order: every operation reads and writes chunks of
   this stream, so that none has to know element types, strides or broadcasting. A double holds every f32, u8
   and i32 exactly. */
#include <stdio.h>
#include "tensor/internal.h"

#define LOAD(name, T) \
  static void name(double *out, const char *from, int64_t step, size_t n) { \
    const T *p = (const T *)(const void *)from; \
    if (step == 1) for (size_t i = 0; i < n; i++) out[i] = p[i]; \
    else if (step == 0) for (size_t i = 0; i < n; i++) out[i] = *p; \
    else for (size_t i = 0; i < n; i++, p += step) out[i] = *p; \
  }
LOAD(load_f32, float)
LOAD(load_u8, uint8_t)
LOAD(load_i32, int32_t)

static size_t store_f32(char *to, int64_t step, const double *in, size_t n) {
  float *p = (float *)(void *)to;
  if (step == 1) for (size_t i = 0; i < n; i++) p[i] = (float)in[i];
  else for (size_t i = 0; i < n; i++, p += step) *p = (float)in[i];
  return n;
}

/* Whole numbers in range only: an integer tensor never wraps or rounds silently. */
#define STORE_WHOLE(name, T, low, high) \
  static size_t name(char *to, int64_t step, const double *in, size_t n) { \
    T *p = (T *)(void *)to; \
    for (size_t i = 0; i < n; i++, p += step) { \
      if (!(in[i] >= (low) && in[i] <= (high)) || in[i] != (double)(T)in[i]) return i; \
      *p = (T)in[i]; \
    } \
    return n; \
  }
STORE_WHOLE(store_u8, uint8_t, 0, UINT8_MAX)
STORE_WHOLE(store_i32, int32_t, INT32_MIN, INT32_MAX)

static const struct {
  void (*load)(double *out, const char *from, int64_t step, size_t n);
  /* n, or the index of the first that does not fit */
  size_t (*store)(char *to, int64_t step, const double *in, size_t n);
  const char *range;
} types[] = {
  [PL_F32] = { load_f32, store_f32, "" },
  [PL_U8] = { load_u8, store_u8, "0 to 255" },
  [PL_I32] = { load_i32, store_i32, "-2147483648 to 2147483647" },
};

pl_status pl_element_out_of_range(pl_dtype type, double value, const char *what, pl_error *err) {
  return pl_error_set(err, PL_ERROR_VALUE,
                      "%s: %.15g does not fit in %s (whole numbers from %s); convert the tensor with :to(\"f32\") "
                      "first",
                      what, value, pl_dtype_name(type), types[type].range);
}

pl_cursor pl_cursor_open(const pl_tensor *t, const pl_shape *shape, int64_t start) {
  pl_cursor c = { .type = t->type, .at = t->base };
  int more = shape->axes - t->shape.axes;
  for (int a = 0; a < shape->axes; a++) {
    if (shape->size[a] == 1) continue;
    bool repeated = a < more || t->shape.size[a - more] == 1;
    int64_t step = repeated ? 0 : t->stride[a - more];
    if (c.axes > 0 && c.step[c.axes - 1] == step * shape->size[a]) {   /* the two axes are one run */
      c.size[c.axes - 1] *= shape->size[a];
      c.step[c.axes - 1] = step;
    } else {
      c.size[c.axes] = shape->size[a];
      c.step[c.axes++] = step;
    }
  }
  if (c.axes == 0) c.size[c.axes++] = 1;
  int64_t element = (int64_t)pl_dtype_size(t->type);
  for (int a = c.axes - 1; a >= 0 && start > 0; a--) {
    c.index[a] = start % c.size[a];
    start /= c.size[a];
    c.at += c.index[a] * c.step[a] * element;
  }
  return c;
}

size_t pl_cursor_run(const pl_cursor *c, size_t n) {
  size_t left = (size_t)(c->size[c->axes - 1] - c->index[c->axes - 1]);
  return n < left ? n : left;
}

void pl_cursor_advance(pl_cursor *c, size_t n) {
  int64_t element = (int64_t)pl_dtype_size(c->type);
  int a = c->axes - 1;
  c->index[a] += (int64_t)n;
  c->at += (int64_t)n * c->step[a] * element;
  while (c->index[a] == c->size[a] && a > 0) {
    c->at += (c->step[a - 1] - c->size[a] * c->step[a]) * element;
    c->index[a--] = 0;
    c->index[a]++;
  }
}

void pl_cursor_read(pl_cursor *c, double *out, size_t n) {
  while (n > 0) {
    size_t run = pl_cursor_run(c, n);
    types[c->type].load(out, c->at, c->step[c->axes - 1], run);
    pl_cursor_advance(c, run);
    out += run;
    n -= run;
  }
}

size_t pl_cursor_write(pl_cursor *c, const double *in, size_t n) {
  size_t done = 0;
  while (done < n) {
    size_t run = pl_cursor_run(c, n - done);
    size_t stored = types[c->type].store(c->at, c->step[c->axes - 1], in + done, run);
    if (stored < run) return done + stored;
    pl_cursor_advance(c, run);
    done += run;
  }
  return n;
}
