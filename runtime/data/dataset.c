/* The data set: counted storage, a list of rows, a normalisation. See dataset.h for the invariant. */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "data/dataset.h"
#include "data/stream.h"
#include "kernels/kernels.h"
#include "perilune/alloc.h"

pl_dataset *pl_dataset_retain(const pl_dataset *ds) {
  pl_dataset *one = (pl_dataset *)ds;   /* only the count changes */
  atomic_fetch_add(&one->references, 1);
  return one;
}

void pl_dataset_free(pl_dataset *ds) {
  if (ds == NULL || atomic_fetch_sub(&ds->references, 1) != 1) return;
  pl_tensor_free(ds->samples);
  pl_stream_free(ds->stream);
  pl_tensor_free(ds->labels);
  pl_tensor_free(ds->targets);
  pl_tensor_free(ds->mean);
  pl_tensor_free(ds->std);
  pl_free(ds->rows);
  pl_free(ds->label_names);
  pl_free(ds);
}

static pl_shape without_first_axis(const pl_tensor *t) {
  pl_shape shape = *pl_tensor_shape(t);
  shape.axes--;
  memmove(shape.size, shape.size + 1, (size_t)shape.axes * sizeof shape.size[0]);
  return shape;
}

/* Another view of the same storage; NULL stays NULL. */
static bool share(pl_tensor **out, const pl_tensor *t, pl_error *err) {
  return t == NULL || (*out = pl_tensor_to_contiguous(t, err)) != NULL;
}

/* Labels are copied: they index what has an entry a class, so nobody may alter them once they have been checked. */
static bool take_targets(pl_dataset *ds, const pl_tensor *targets, bool labelled, pl_error *err) {
  return labelled ? (ds->labels = pl_tensor_clone(targets, err)) != NULL : share(&ds->targets, targets, err);
}

static bool share_samples(pl_dataset *out, const pl_tensor *samples, pl_stream *stream, pl_error *err) {
  out->stream = stream ? pl_stream_retain(stream) : NULL;
  return stream ? (out->samples = pl_tensor_view(samples, err)) != NULL : share(&out->samples, samples, err);
}

/* Every label in 0..classes-1; classes = 0 becomes the largest + 1. */
static pl_status check_labels(pl_dataset *ds, pl_error *err) {
  const int32_t *label = pl_tensor_data(ds->labels);
  int64_t known = ds->classes, n = pl_tensor_count(ds->labels);
  for (int64_t i = 0; i < n; i++) {
    if (label[i] < 0 || (known > 0 && label[i] >= known)) {
      if (known > 0)
        return pl_error_set(err, PL_ERROR_VALUE,
                            "label %d of sample %lld is out of range: %lld classes have labels 0 to %lld",
                            label[i], (long long)i + 1, (long long)known, (long long)known - 1);
      return pl_error_set(err, PL_ERROR_VALUE, "label %d of sample %lld is negative; labels count from 0", label[i],
                          (long long)i + 1);
    }
    if (known == 0 && label[i] >= ds->classes) ds->classes = (int64_t)label[i] + 1;
  }
  return PL_OK;
}

static pl_status check_parts(const pl_tensor *samples, const pl_tensor *targets, pl_error *err) {
  const pl_shape *x = pl_tensor_shape(samples), *y = targets ? pl_tensor_shape(targets) : NULL;
  char text[PL_SHAPE_TEXT], other[PL_SHAPE_TEXT];
  if (pl_tensor_type(samples) == PL_I32)
    return pl_error_set(err, PL_ERROR_TYPE, "the samples of a data set are u8 (pixels) or f32, got i32");
  if (x->axes < 2)
    return pl_error_set(err, PL_ERROR_SHAPE, "samples are [N, ...] with at least one axis for each sample, got %s",
                        pl_shape_text(text, x, false));
  if (pl_shape_count(x) == 0)
    return pl_error_set(err, PL_ERROR_VALUE, "the data set is empty: its samples are %s",
                        pl_shape_text(text, x, false));
  if (x->size[0] > UINT32_MAX)
    return pl_error_set(err, PL_ERROR_VALUE, "a data set holds at most 2^32 - 1 samples, got %lld",
                        (long long)x->size[0]);
  if (targets == NULL) return PL_OK;
  if (pl_tensor_type(targets) == PL_U8)
    return pl_error_set(err, PL_ERROR_TYPE, "targets are i32 (labels) or f32 (values), got u8");
  if (y->axes < 1 || y->size[0] != x->size[0])
    return pl_error_set(err, PL_ERROR_SHAPE, "samples %s and targets %s differ in number",
                        pl_shape_text(text, x, false), pl_shape_text(other, y, false));
  if (pl_tensor_type(targets) == PL_I32 && y->axes != 1)
    return pl_error_set(err, PL_ERROR_SHAPE, "labels are [N], got %s", pl_shape_text(text, y, false));
  return PL_OK;
}

pl_dataset *pl_dataset_new(const pl_tensor *samples, const pl_tensor *targets, int64_t classes, pl_error *err) {
  return pl_dataset_make(samples, targets, classes, NULL, err);
}

pl_dataset *pl_dataset_make(const pl_tensor *samples, const pl_tensor *targets, int64_t classes, pl_stream *stream,
                            pl_error *err) {
  if (check_parts(samples, targets, err)) return NULL;
  if (classes < 0) {
    pl_error_set(err, PL_ERROR_VALUE, "a data set has 1 class or more, or 0 to count its labels, got %lld",
                 (long long)classes);
    return NULL;
  }
  pl_dataset *ds = pl_alloc(sizeof *ds, err);
  if (ds == NULL) return NULL;
  ds->references = 1;
  bool labelled = targets != NULL && pl_tensor_type(targets) == PL_I32;
  ds->count = (size_t)pl_tensor_shape(samples)->size[0];
  ds->classes = labelled ? classes : 0;
  ds->rows = pl_alloc_array(ds->count, sizeof *ds->rows, err);
  if (ds->rows == NULL || !share_samples(ds, samples, stream, err) ||
      !take_targets(ds, targets, labelled, err) || (labelled && check_labels(ds, err))) {
    pl_dataset_free(ds);
    return NULL;
  }
  for (size_t i = 0; i < ds->count; i++) ds->rows[i] = (uint32_t)i;
  return ds;
}

pl_dataset *pl_dataset_like(const pl_dataset *ds, size_t count, pl_error *err) {
  pl_dataset *out = pl_alloc(sizeof *out, err);
  if (out == NULL) return NULL;
  out->references = 1;
  out->count = count;
  out->classes = ds->classes;
  out->label_bytes = ds->label_bytes;
  memcpy(out->name, ds->name, sizeof out->name);
  memcpy(out->sha256, ds->sha256, sizeof out->sha256);
  out->rows = pl_alloc_array(count, sizeof *out->rows, err);
  if (ds->label_names) out->label_names = pl_alloc(ds->label_bytes, err);
  if (out->rows == NULL || (ds->label_names && out->label_names == NULL) ||
      !share_samples(out, ds->samples, ds->stream, err) ||
      !share(&out->labels, ds->labels, err) || !share(&out->targets, ds->targets, err) ||
      !share(&out->mean, ds->mean, err) ||
      !share(&out->std, ds->std, err)) {
    pl_dataset_free(out);
    return NULL;
  }
  if (ds->label_names) memcpy(out->label_names, ds->label_names, ds->label_bytes);
  return out;
}

size_t pl_dataset_count(const pl_dataset *ds) { return ds->count; }
pl_shape pl_dataset_shape(const pl_dataset *ds) { return without_first_axis(ds->samples); }
int64_t pl_dataset_classes(const pl_dataset *ds) { return ds->classes; }
bool pl_dataset_has_pixels(const pl_dataset *ds) { return pl_tensor_type(ds->samples) == PL_U8; }
bool pl_dataset_has_targets(const pl_dataset *ds) { return ds->targets != NULL; }
pl_shape pl_dataset_target_shape(const pl_dataset *ds) { return without_first_axis(ds->targets); }
int32_t pl_dataset_label(const pl_dataset *ds, size_t position) {
    return ((const int32_t *)pl_tensor_data(ds->labels))[ds->rows[position]]; }

const char *pl_dataset_name(const pl_dataset *ds) { return ds->name; }
void pl_dataset_set_name(pl_dataset *ds, const char *name) { snprintf(ds->name, sizeof ds->name, "%s", name); }
const char *pl_dataset_sha256(const pl_dataset *ds) { return ds->sha256; }
void pl_dataset_set_sha256(pl_dataset *ds, const char *sha256) {
  snprintf(ds->sha256, sizeof ds->sha256, "%s", sha256);
}

const char *pl_dataset_label_name(const pl_dataset *ds, int64_t k) {
  if (ds->label_names == NULL || k < 0 || k >= ds->classes) return NULL;
  const char *name = ds->label_names;
  while (k-- > 0) name += strlen(name) + 1;
  return name;
}

pl_status pl_dataset_set_label_names(pl_dataset *ds, const char *const *names, int64_t n, pl_error *err) {
  if (n != ds->classes)
    return pl_error_set(err, PL_ERROR_VALUE, "%lld label names for %lld classes", (long long)n, (long long)ds->classes);
  size_t bytes = 0;
  for (int64_t k = 0; k < n; k++) bytes += strlen(names[k]) + 1;
  char *block = pl_alloc(bytes, err), *at = block;
  if (block == NULL) return PL_ERROR_MEMORY;
  for (int64_t k = 0; k < n; k++) at = stpcpy(at, names[k]) + 1;
  pl_free(ds->label_names);
  ds->label_names = block;
  ds->label_bytes = bytes;
  return PL_OK;
}

static void normalise(float *x, size_t size, const pl_tensor *mean, const pl_tensor *std) {
  if (mean != NULL) {
    const float *m = pl_tensor_data(mean);
    if (pl_tensor_count(mean) == 1) for (size_t e = 0; e < size; e++) x[e] -= m[0];
    else for (size_t e = 0; e < size; e++) x[e] -= m[e];
  }
  if (std != NULL) {
    const float *d = pl_tensor_data(std);
    if (pl_tensor_count(std) == 1) for (size_t e = 0; e < size; e++) x[e] /= d[0];
    else for (size_t e = 0; e < size; e++) x[e] /= d[e];
  }
}

void pl_dataset_finish(const pl_dataset *ds, const void *stored, float *x) {
  size_t size = (size_t)(pl_tensor_count(ds->samples) / pl_tensor_shape(ds->samples)->size[0]);
  if (pl_tensor_type(ds->samples) == PL_U8) pl_kernel.from_bytes(x, stored, size, 1.0f / 255.0f);
  else memcpy(x, stored, size * sizeof *x);
  normalise(x, size, ds->mean, ds->std);
}

/* A stream is asked for several rows at once: what they share is read once. */
static void gather_stream(const pl_dataset *ds, const uint32_t *positions, size_t n, size_t size, float *x) {
  enum { AT_ONCE = 32 };
  uint32_t rows[AT_ONCE], sorted_at[AT_ONCE];
  uint64_t spare[2 * AT_ONCE];
  pl_error err;
  size_t bytes = size * pl_dtype_size(pl_tensor_type(ds->samples));
  char *stored = pl_alloc_array(n < AT_ONCE ? n : AT_ONCE, bytes, &err);
  pl_status status = stored ? PL_OK : PL_ERROR_MEMORY;
  for (size_t from = 0; from < n; from += AT_ONCE) {
    size_t m = n - from < AT_ONCE ? n - from : AT_ONCE;
    for (size_t i = 0; i < m; i++) rows[i] = ds->rows[positions[from + i]];
    pl_stream_sort(rows, sorted_at, m, spare);
    if (status == PL_OK) status = pl_stream_read_rows(ds->stream, stored, rows, m, &err);
    for (size_t i = 0; i < m; i++) {
      if (status == PL_OK) pl_dataset_finish(ds, stored + sorted_at[i] * bytes, x + (from + i) * size);
      else memset(x + (from + i) * size, 0, size * sizeof *x);
    }
  }
  if (status) pl_stream_fail(ds->stream, &err);
  pl_free(stored);
}

void pl_dataset_gather(const pl_dataset *ds, const pl_team *team, const uint32_t *positions, size_t n, float *x,
                       int32_t *labels, float *targets) {
  size_t size = (size_t)(pl_tensor_count(ds->samples) / pl_tensor_shape(ds->samples)->size[0]), from, to;
  size_t target_size = ds->targets ? (size_t)(pl_tensor_count(ds->targets) / pl_tensor_shape(ds->targets)->size[0]) : 0;
  bool bytes = pl_tensor_type(ds->samples) == PL_U8;
  pl_team_share(team, n, 1, &from, &to);
  if (ds->stream != NULL && x != NULL) {
    bool alone = ds->stream->one_reads;   /* several would read the same chunk in turns */
    size_t begin = alone ? 0 : from, end = !alone ? to : team->rank == 0 ? n : 0;
    if (end > begin) gather_stream(ds, positions + begin, end - begin, size, x + begin * size);
  }
  for (size_t i = from; i < to; i++) {
    size_t row = ds->rows[positions[i]];
    if (x != NULL && ds->stream == NULL) {
      float *out = x + i * size;
      if (bytes) {
        const uint8_t *in = (const uint8_t *)pl_tensor_data(ds->samples) + row * size;
        pl_kernel.from_bytes(out, in, size, 1.0f / 255.0f);
      } else {
        memcpy(out, (const float *)pl_tensor_data(ds->samples) + row * size, size * sizeof *out);
      }
      normalise(out, size, ds->mean, ds->std);
    }
    if (labels != NULL && ds->labels != NULL) labels[i] = ((const int32_t *)pl_tensor_data(ds->labels))[row];
    if (targets != NULL && ds->targets != NULL)
      memcpy(targets + i * target_size, (const float *)pl_tensor_data(ds->targets) + row * target_size,
             target_size * sizeof *targets);
  }
}

pl_status pl_dataset_extent(float *low, float *high, const pl_dataset *ds, pl_error *err) {
  static const pl_team single = { .size = 1 };
  size_t size = (size_t)(pl_tensor_count(ds->samples) / pl_tensor_shape(ds->samples)->size[0]);
  bool plain_pixels = pl_tensor_type(ds->samples) == PL_U8 && ds->mean == NULL && ds->std == NULL;
  float *row = pl_alloc_array(size, sizeof *row, err);
  if (row == NULL) return PL_ERROR_MEMORY;
  *low = INFINITY;
  *high = -INFINITY;
  for (uint32_t i = 0; i < ds->count && !plain_pixels; i++) {
    pl_dataset_gather(ds, &single, &i, 1, row, NULL, NULL);
    for (size_t e = 0; e < size; e++) {
      if (!isfinite(row[e])) continue;
      *low = row[e] < *low ? row[e] : *low;
      *high = row[e] > *high ? row[e] : *high;
    }
  }
  pl_free(row);
  pl_status status = pl_dataset_status(ds, err);
  if (status) return status;
  if (*low > *high) {
    *low = 0;
    *high = 1;
  }
  return PL_OK;
}

void pl_dataset_prefetch(const pl_dataset *ds, uint32_t position) {
  if (ds->stream != NULL) return;
  size_t bytes = (size_t)(pl_tensor_count(ds->samples) / pl_tensor_shape(ds->samples)->size[0])
  * (pl_tensor_type(ds->samples) == PL_U8 ? 1 : sizeof(float));
  const char *at = (const char *)pl_tensor_data(ds->samples) + ds->rows[position] * bytes;
  for (size_t i = 0; i < bytes && i < 4096; i += 64) __builtin_prefetch(at + i);
}
