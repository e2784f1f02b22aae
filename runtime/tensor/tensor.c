/* Making, freeing and asking tensors. A tensor is a view: shape and strides over counted storage. */
#include <string.h>
#include "tensor/internal.h"
#include "perilune/alloc.h"

static const struct { const char *name; size_t size; } types[] = {
  [PL_F32] = { "f32", 4 }, [PL_U8] = { "u8", 1 }, [PL_I32] = { "i32", 4 },
};
enum { TYPES = sizeof types / sizeof types[0] };

size_t pl_dtype_size(pl_dtype type) { return types[type].size; }
const char *pl_dtype_name(pl_dtype type) { return types[type].name; }

pl_status pl_dtype_from_name(pl_dtype *out, const char *name, pl_error *err) {
  for (int i = 0; i < TYPES; i++) {
    if (strcmp(name, types[i].name) == 0) {
      *out = (pl_dtype)i;
      return PL_OK;
    }
  }
  return pl_error_set(err, PL_ERROR_TYPE, "an element type is \"f32\", \"u8\" or \"i32\", got \"%s\"", name);
}

void pl_strides_contiguous(int64_t stride[PL_MAX_AXES], const pl_shape *shape) {
  int64_t step = 1;
  for (int a = shape->axes - 1; a >= 0; a--) {
    stride[a] = step;
    step *= shape->size[a];
  }
}

/* A tensor without storage yet, rows in order. */
static pl_tensor *make(pl_dtype type, const pl_shape *shape, pl_error *err) {
  if (pl_shape_check(shape, err)) return NULL;
  pl_tensor *t = pl_alloc(sizeof *t, err);
  if (t == NULL) return NULL;
  t->type = type;
  t->shape = *shape;
  pl_strides_contiguous(t->stride, shape);
  return t;
}

pl_tensor *pl_tensor_new(pl_dtype type, const pl_shape *shape, pl_error *err) {
  pl_tensor *t = make(type, shape, err);
  if (t == NULL) return NULL;
  void *data = NULL;
  t->storage = pl_storage_new((size_t)pl_tensor_count(t) * types[type].size, &data, err);
  if (t->storage == NULL) {
    char text[PL_SHAPE_TEXT];
    pl_error_prefix(err, "a tensor %s of %s", pl_shape_text(text, shape, false), pl_dtype_name(type));
    pl_free(t);
    return NULL;
  }
  t->base = data;
  return t;
}

pl_tensor *pl_tensor_wrap(pl_dtype type, const pl_shape *shape, void *data, void (*release)(void *owner), void *owner,
                          pl_error *err) {
  pl_tensor *t = make(type, shape, err);
  if (t == NULL) return NULL;
  t->storage = pl_storage_wrap(release, owner, err);
  if (t->storage == NULL) {
    pl_free(t);
    return NULL;
  }
  t->base = data;
  return t;
}

void pl_tensor_on_write(pl_tensor *t, void (*written)(void *owner)) { pl_storage_on_write(t->storage, written); }

void pl_tensor_free(pl_tensor *t) {
  if (t == NULL) return;
  pl_storage_release(t->storage);
  pl_free(t);
}

pl_tensor *pl_tensor_view(const pl_tensor *t, pl_error *err) {
  pl_tensor *view = pl_alloc(sizeof *view, err);
  if (view == NULL) return NULL;
  *view = *t;
  pl_storage_retain(view->storage);
  return view;
}

pl_dtype pl_tensor_type(const pl_tensor *t) { return t->type; }
const pl_shape *pl_tensor_shape(const pl_tensor *t) { return &t->shape; }
const int64_t *pl_tensor_strides(const pl_tensor *t) { return t->stride; }
int64_t pl_tensor_count(const pl_tensor *t) { return pl_shape_count(&t->shape); }
void *pl_tensor_data(const pl_tensor *t) { return t->base; }

size_t pl_tensor_footprint(const pl_tensor *t) {
  enum { OVERHEAD = 128 };   /* of the allocator, and of the head of a storage */
  size_t own = sizeof *t + OVERHEAD;
  if (pl_storage_shared(t->storage)) return own;
  return own + OVERHEAD + (size_t)pl_tensor_count(t) * types[t->type].size;
}

bool pl_tensor_contiguous(const pl_tensor *t) {
  int64_t step = 1;
  if (pl_tensor_count(t) == 0) return true;
  for (int a = t->shape.axes - 1; a >= 0; a--) {
    if (t->shape.size[a] == 1) continue;
    if (t->stride[a] != step) return false;
    step *= t->shape.size[a];
  }
  return true;
}

/* Copies the elements of `t` in row order to `out`; the innermost axis is one run. */
static char *copy_axis(char *out, const pl_tensor *t, int axis, const char *from) {
  size_t size = types[t->type].size;
  if (axis == t->shape.axes) {
    memcpy(out, from, size);
    return out + size;
  }
  int64_t n = t->shape.size[axis], step = t->stride[axis] * (int64_t)size;
  if (axis == t->shape.axes - 1 && t->stride[axis] == 1) {
    memcpy(out, from, (size_t)n * size);
    return out + (size_t)n * size;
  }
  for (int64_t i = 0; i < n; i++) out = copy_axis(out, t, axis + 1, from + i * step);
  return out;
}

pl_tensor *pl_tensor_clone(const pl_tensor *t, pl_error *err) {
  pl_tensor *copy = pl_tensor_new(t->type, &t->shape, err);
  if (copy != NULL && pl_tensor_count(t) > 0) copy_axis(copy->base, t, 0, t->base);
  return copy;
}

pl_tensor *pl_tensor_to_contiguous(const pl_tensor *t, pl_error *err) {
  return pl_tensor_contiguous(t) ? pl_tensor_view(t, err) : pl_tensor_clone(t, err);
}
