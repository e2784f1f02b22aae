/* Picking elements: by indices along an axis, by masks, one of two. */
#include <string.h>
#include "tensor/internal.h"

/* Item `index` of an axis of `n`; also counted from the end. */
static pl_status resolve(int64_t *index, int64_t n, int axis, const char *what, pl_error *err) {
  int64_t i = *index < 0 ? *index + n : *index;
  if (i < 0 || i >= n)
    return pl_error_set(err, PL_ERROR_VALUE, "%s: index %lld is out of range: axis %d has items 1 to %lld", what,
                        (long long)(*index < 0 ? *index : *index + 1), axis + 1, (long long)n);
  *index = i;
  return PL_OK;
}

static pl_status check_indices(const pl_tensor *indices, int axes, const char *what, pl_error *err) {
  if (indices->type == PL_F32)
    return pl_error_set(err, PL_ERROR_TYPE, "%s: indices are an i32 tensor, got f32; convert with :to(\"i32\")", what);
  if (indices->shape.axes != axes)
    return pl_error_set(err, PL_ERROR_SHAPE, "%s: expects indices with %d axes, got %d", what, axes,
                        indices->shape.axes);
  return PL_OK;
}

pl_tensor *pl_tensor_index(const pl_tensor *t, int axis, const pl_tensor *indices, pl_error *err) {
  if (pl_axis_resolve(&axis, t->shape.axes, "index", err) || check_indices(indices, 1, "index", err)) return NULL;
  int64_t n = t->shape.size[axis], picked = indices->shape.size[0], outer = 1;
  size_t block = pl_dtype_size(t->type);
  pl_shape shape = t->shape;
  shape.size[axis] = picked;
  for (int a = 0; a < axis; a++) outer *= shape.size[a];
  for (int a = axis + 1; a < shape.axes; a++) block *= (size_t)shape.size[a];
  pl_tensor *from = pl_tensor_to_contiguous(t, err);
  pl_tensor *out = from == NULL ? NULL : pl_tensor_new(t->type, &shape, err);
  for (int64_t k = 0; out != NULL && k < picked; k++) {
    int64_t i = (int64_t)pl_tensor_get(indices, k);
    if (resolve(&i, n, axis, "index", err)) {
      pl_tensor_free(out);
      out = NULL;
      break;
    }
    for (int64_t o = 0; block > 0 && o < outer; o++)
      memcpy(out->base + (size_t)(o * picked + k) * block, from->base + (size_t)(o * n + i) * block, block);
  }
  pl_tensor_free(from);
  return out;
}

static pl_status check_gather(const pl_tensor *t, int axis, const pl_tensor *indices, pl_error *err) {
  pl_status status = check_indices(indices, t->shape.axes, "gather", err);
  for (int a = 0; status == PL_OK && a < t->shape.axes; a++) {
    if (a == axis || indices->shape.size[a] <= t->shape.size[a]) continue;
    char first[PL_SHAPE_TEXT], second[PL_SHAPE_TEXT];
    status = pl_error_set(err, PL_ERROR_SHAPE,
                          "gather: indices of shape %s do not fit a tensor of shape %s: axis %d is longer",
                          pl_shape_text(first, &indices->shape, false), pl_shape_text(second, &t->shape, false), a + 1);
  }
  return status;
}

pl_tensor *pl_tensor_gather(const pl_tensor *t, int axis, const pl_tensor *indices, pl_error *err) {
  if (pl_axis_resolve(&axis, t->shape.axes, "gather", err) || check_gather(t, axis, indices, err)) return NULL;
  pl_tensor *out = pl_tensor_new(t->type, &indices->shape, err);
  if (out == NULL) return NULL;
  size_t size = pl_dtype_size(t->type);
  int64_t count = pl_tensor_count(out);
  pl_cursor where = pl_cursor_open(indices, &indices->shape, 0);
  for (int64_t k = 0; k < count; k++) {
    double index;
    pl_cursor_read(&where, &index, 1);
    int64_t i = (int64_t)index, offset = 0, rest = k;
    if (resolve(&i, t->shape.size[axis], axis, "gather", err)) {
      pl_tensor_free(out);
      return NULL;
    }
    for (int a = t->shape.axes - 1; a >= 0; a--) {
      offset += (a == axis ? i : rest % out->shape.size[a]) * t->stride[a];
      rest /= out->shape.size[a];
    }
    memcpy(out->base + (size_t)k * size, t->base + offset * (int64_t)size, size);
  }
  return out;
}

typedef struct job {
  pl_operand mask, yes, no;
  pl_tensor *out;
} job;

static pl_out_of_range choose(int64_t from, int64_t to, void *arg) {
  const job *j = arg;
  double result[PL_CHUNK];
  const pl_shape *shape = &j->out->shape;
  pl_doubles mask, yes, no;
  pl_doubles_open(&mask, &j->mask, shape, from);
  pl_doubles_open(&yes, &j->yes, shape, from);
  pl_doubles_open(&no, &j->no, shape, from);
  pl_cursor out = pl_cursor_open(j->out, shape, from);
  for (int64_t i = from; i < to; i += PL_CHUNK) {
    size_t n = pl_chunk_size(i, to);
    const double *m = pl_doubles_read(&mask, n), *y = pl_doubles_read(&yes, n), *x = pl_doubles_read(&no, n);
    for (size_t k = 0; k < n; k++) result[k] = m[k] != 0 ? y[k] : x[k];
    size_t done = pl_cursor_write(&out, result, n);
    if (done < n) return (pl_out_of_range){ true, result[done] };
  }
  return (pl_out_of_range){ false, 0 };
}

pl_tensor *pl_tensor_where(const pl_tensor *mask, pl_operand yes, pl_operand no, pl_error *err) {
  pl_shape shape = mask->shape;
  if (yes.tensor != NULL && pl_shape_broadcast(&shape, &shape, &yes.tensor->shape, "where", err)) return NULL;
  if (no.tensor != NULL && pl_shape_broadcast(&shape, &shape, &no.tensor->shape, "where", err)) return NULL;
  pl_dtype type = pl_result_type(PL_RESULT_NUMBER, pl_operand_is_integer(&yes) && pl_operand_is_integer(&no));
  if (yes.tensor != NULL && no.tensor != NULL && yes.tensor->type == no.tensor->type) type = yes.tensor->type;
  pl_tensor *out = pl_tensor_new(type, &shape, err);
  job j = { { .tensor = mask }, yes, no, out };
  if (out != NULL && pl_range_run(out, PL_READ, "where", choose, &j, err)) {
    pl_tensor_free(out);
    return NULL;
  }
  return out;
}

/* The mask is broadcast to the shape of the tensor, never the other way. */
static pl_status check_mask(const pl_tensor *t, const pl_tensor *mask, const char *what, pl_error *err) {
  pl_shape shape;
  pl_status status = pl_shape_broadcast(&shape, &t->shape, &mask->shape, what, err);
  return status ? status : pl_tensor_check_target(t, &shape, what, err);
}

pl_tensor *pl_tensor_masked_select(const pl_tensor *t, const pl_tensor *mask, pl_error *err) {
  pl_shape shape;
  if (pl_shape_broadcast(&shape, &t->shape, &mask->shape, "masked_select", err) || pl_shape_check(&shape, err))
    return NULL;
  int64_t count = pl_shape_count(&shape), picked = 0;
  double value, chosen;
  pl_cursor m = pl_cursor_open(mask, &shape, 0), from = pl_cursor_open(t, &shape, 0);
  for (int64_t i = 0; i < count; i++) {
    pl_cursor_read(&m, &chosen, 1);
    picked += chosen != 0;
  }
  pl_shape vector = { 1, { picked } };
  pl_tensor *out = pl_tensor_new(t->type, &vector, err);
  if (out == NULL) return NULL;
  pl_cursor to = pl_cursor_open(out, &vector, 0);
  m = pl_cursor_open(mask, &shape, 0);
  for (int64_t i = 0; i < count; i++) {
    pl_cursor_read(&m, &chosen, 1);
    pl_cursor_read(&from, &value, 1);
    if (chosen != 0) pl_cursor_write(&to, &value, 1);
  }
  return out;
}

pl_status pl_tensor_masked_fill(pl_tensor *t, const pl_tensor *mask, double value, pl_error *err) {
  pl_tensor *copy = NULL;
  pl_status status = check_mask(t, mask, "masked_fill", err);
  if (status == PL_OK) status = pl_tensor_unshare(&mask, &copy, t, err);
  if (status) return status;
  int64_t count = pl_tensor_count(t);
  pl_cursor m = pl_cursor_open(mask, &t->shape, 0), to = pl_cursor_open(t, &t->shape, 0);
  for (int64_t i = 0; status == PL_OK && i < count; i++) {
    double chosen, old;
    pl_cursor here = to;
    pl_cursor_read(&m, &chosen, 1);
    pl_cursor_read(&to, &old, 1);
    if (chosen != 0 && pl_cursor_write(&here, &value, 1) < 1)
      status = pl_element_out_of_range(t->type, value, "masked_fill", err);
  }
  pl_tensor_free(copy);
  return status;
}
