/* Single elements, filling, copying and changing the element type. */
#include <math.h>
#include <stdint.h>
#include <string.h>
#include "tensor/internal.h"

pl_status pl_tensor_check_writable(const pl_tensor *t, const char *what, pl_error *err) {
  char have[PL_SHAPE_TEXT];
  if (!t->expanded || pl_tensor_count(t) == 0) {
    pl_storage_note_write(t->storage, what);
    return PL_OK;
  }
  return pl_error_set(err, PL_ERROR_STATE,
                      "%s: the tensor of shape %s was expanded, so several elements are one in memory; clone it first",
                      what, pl_shape_text(have, &t->shape, false));
}

uint64_t pl_tensor_version(const pl_tensor *t, const char **writer) { return pl_storage_version(t->storage, writer); }

double pl_tensor_get(const pl_tensor *t, int64_t index) {
  double value;
  pl_cursor c = pl_cursor_open(t, &t->shape, index);
  pl_cursor_read(&c, &value, 1);
  return value;
}

pl_status pl_tensor_set(pl_tensor *t, int64_t index, double value, pl_error *err) {
  pl_status status = pl_tensor_check_writable(t, "set", err);
  if (status) return status;
  pl_cursor c = pl_cursor_open(t, &t->shape, index);
  return pl_cursor_write(&c, &value, 1) == 1 ? PL_OK : pl_element_out_of_range(t->type, value, "set", err);
}

pl_status pl_tensor_fill(pl_tensor *t, double value, pl_error *err) {
  double chunk[PL_CHUNK];
  int64_t count = pl_tensor_count(t);
  pl_status status = pl_tensor_check_writable(t, "fill", err);
  if (status) return status;
  for (size_t i = 0; i < PL_CHUNK; i++) chunk[i] = value;
  pl_cursor c = pl_cursor_open(t, &t->shape, 0);
  for (int64_t i = 0; i < count; i += PL_CHUNK) {
    size_t n = pl_chunk_size(i, count);
    if (pl_cursor_write(&c, chunk, n) < n) return pl_element_out_of_range(t->type, value, "fill", err);
  }
  return PL_OK;
}

/* Copies the elements of `src`, broadcast, to `out`; `truncate` drops fractions on the way to an integer type. */
static pl_status convert(pl_tensor *out, const pl_tensor *src, bool truncate, const char *what, pl_error *err) {
  double chunk[PL_CHUNK];
  int64_t count = pl_tensor_count(out);
  pl_cursor from = pl_cursor_open(src, &out->shape, 0), to = pl_cursor_open(out, &out->shape, 0);
  for (int64_t i = 0; i < count; i += PL_CHUNK) {
    size_t n = pl_chunk_size(i, count);
    pl_cursor_read(&from, chunk, n);
    if (truncate) for (size_t k = 0; k < n; k++) chunk[k] = trunc(chunk[k]);
    size_t done = pl_cursor_write(&to, chunk, n);
    if (done < n) return pl_element_out_of_range(out->type, chunk[done], what, err);
  }
  return PL_OK;
}

/* Every element of `src` can be one of `type`: found out before the first is written. */
static pl_status check_fit(pl_dtype type, const pl_tensor *src, pl_error *err) {
  pl_tensor *trial = pl_tensor_new(type, &src->shape, err);
  pl_status status = trial == NULL ? PL_ERROR_MEMORY : convert(trial, src, false, "copy", err);
  pl_tensor_free(trial);
  return status;
}

pl_status pl_tensor_copy(pl_tensor *t, const pl_tensor *src, pl_error *err) {
  pl_shape shape;
  pl_tensor *safe = NULL;
  pl_status status = pl_shape_broadcast(&shape, &t->shape, &src->shape, "copy", err);
  if (status == PL_OK) status = pl_tensor_check_target(t, &shape, "copy", err);
  if (status == PL_OK) status = pl_tensor_unshare(&src, &safe, t, err);
  if (status == PL_OK && t->type != PL_F32 && t->type != src->type) status = check_fit(t->type, src, err);
  if (status == PL_OK) status = convert(t, src, false, "copy", err);
  pl_tensor_free(safe);
  return status;
}

pl_tensor *pl_tensor_to(const pl_tensor *t, pl_dtype type, pl_error *err) {
  if (type == t->type) return pl_tensor_clone(t, err);
  pl_tensor *out = pl_tensor_new(type, &t->shape, err);
  if (out == NULL) return NULL;
  if (convert(out, t, type != PL_F32, "to", err)) {
    pl_tensor_free(out);
    return NULL;
  }
  return out;
}

pl_status pl_tensor_check_target(const pl_tensor *t, const pl_shape *result, const char *what, pl_error *err) {
  char have[PL_SHAPE_TEXT], need[PL_SHAPE_TEXT];
  if (!pl_shape_equal(&t->shape, result))
    return pl_error_set(err, PL_ERROR_SHAPE,
                        "%s: the result has shape %s, which does not fit into the tensor of shape %s", what,
                        pl_shape_text(need, result, false), pl_shape_text(have, &t->shape, false));
  return pl_tensor_check_writable(t, what, err);
}

/* The addresses from the first element to the end of the last. */
static void extent(const pl_tensor *t, uintptr_t *from, uintptr_t *to) {
  int64_t last = 0;
  for (int a = 0; a < t->shape.axes; a++) last += (t->shape.size[a] - 1) * t->stride[a];
  *from = (uintptr_t)t->base;
  *to = *from + ((size_t)last + 1) * pl_dtype_size(t->type);
}

bool pl_tensor_overlap(const pl_tensor *a, const pl_tensor *b) {
  uintptr_t a_from, a_to, b_from, b_to;
  if (pl_tensor_count(a) == 0 || pl_tensor_count(b) == 0) return false;
  extent(a, &a_from, &a_to);
  extent(b, &b_from, &b_to);
  return a_from < b_to && b_from < a_to;
}

pl_status pl_tensor_unshare(const pl_tensor **in, pl_tensor **copy, const pl_tensor *target, pl_error *err) {
  const pl_tensor *t = *in;
  *copy = NULL;
  if (!pl_tensor_overlap(t, target)) return PL_OK;
  size_t used = (size_t)t->shape.axes * sizeof t->stride[0];
  if (t->base == target->base && pl_shape_equal(&t->shape, &target->shape) &&
      memcmp(t->stride, target->stride, used) == 0)
    return PL_OK;
  *in = *copy = pl_tensor_clone(t, err);
  return *copy == NULL ? PL_ERROR_MEMORY : PL_OK;
}
