/* Mean and standard deviation over a data set, and the data set normalised by them.
   Sums are kept for each element of a sample, in double, over the samples in order; a thread owns elements, never a
   part of a sum. Two passes: sum of v, then sum of (v - mean)^2. */
#include <float.h>
#include <math.h>
#include "data/dataset.h"
#include "perilune/alloc.h"

/* Samples gathered at a time: few where they are large, for those of a stream may not fit in memory. */
enum { CHUNK = 256, CHUNK_VALUES = 1 << 22 };

static size_t chunk_of(size_t size) {
  size_t fit = CHUNK_VALUES / size;
  return fit > CHUNK ? CHUNK : fit > 0 ? fit : 1;
}

typedef struct summing {
  const pl_dataset *ds;
  const uint32_t *positions;   /* 0..count-1 */
  size_t size;                 /* elements of a sample */
  float *x;                    /* [chunk, size] */
  const double *center;        /* [size] */
  bool squared;
  double *sum;                 /* [size] */
} summing;

static void add_up(const pl_team *team, void *arg) {
  const summing *s = arg;
  size_t count = pl_dataset_count(s->ds), chunk = chunk_of(s->size), from, to;
  pl_team_share(team, s->size, 16, &from, &to);
  for (size_t first = 0; first < count; first += chunk) {
    size_t n = pl_batch_length(count, chunk, first / chunk);
    pl_dataset_gather(s->ds, team, s->positions + first, n, s->x, NULL, NULL);
    pl_team_barrier(team);
    for (size_t i = 0; i < n; i++) {
      for (size_t e = from; e < to; e++) {
        double d = s->x[i * s->size + e] - s->center[e];
        s->sum[e] += s->squared ? d * d : d;
      }
    }
    pl_team_barrier(team);
  }
}

/* Turns sums of each element into means over what `per` puts together. */
static void fold(double *sum, size_t size, size_t count, pl_per per, size_t channels) {
  size_t groups = per == PL_PER_ALL ? 1 : per == PL_PER_CHANNEL ? channels : size;
  for (size_t e = groups; e < size; e++) sum[e % groups] += sum[e];
  for (size_t g = 0; g < groups; g++) sum[g] /= (double)count * (double)(size / groups);
  for (size_t e = size; e-- > groups;) sum[e] = sum[e % groups];
}

static pl_tensor *to_tensor(const double *value, const pl_shape *shape, pl_per per, bool root, pl_error *err) {
  pl_tensor *t = pl_tensor_new(PL_F32, per == PL_PER_ALL ? &(pl_shape){ 1, { 1 } } : shape, err);
  if (t == NULL) return NULL;
  float *out = pl_tensor_data(t);
  for (int64_t e = 0; e < pl_tensor_count(t); e++) {
    double v = root ? sqrt(value[e]) : value[e];
    out[e] = root && v < FLT_MIN ? 1 : (float)v;      /* smaller ones count as 0 */
  }
  return t;
}

pl_status pl_dataset_statistics(pl_tensor **mean, pl_tensor **std, const pl_dataset *ds, pl_per per,
                                pl_error *err) {
  pl_shape shape = pl_dataset_shape(ds);
  size_t size = (size_t)pl_shape_count(&shape), channels = (size_t)shape.size[shape.axes - 1], count = ds->count;
  pl_status status = PL_ERROR_MEMORY;
  uint32_t *positions = pl_alloc_array(count, sizeof *positions, err);
  float *x = pl_alloc_array(chunk_of(size) * size, sizeof *x, err);
  double *center = pl_alloc_array(size, sizeof *center, err), *sum = pl_alloc_array(size, sizeof *sum, err);
  *mean = NULL;
  if (std != NULL) *std = NULL;
  if (positions == NULL || x == NULL || center == NULL || sum == NULL) goto done;
  pl_epoch_order(positions, count, 0, 0, false);
  int threads = pl_threads_for((double)count * (double)size);
  pl_threads_run_on(threads, add_up, &(summing){ ds, positions, size, x, center, false, sum });
  if ((status = pl_dataset_status(ds, err))) goto done;
  status = PL_ERROR_MEMORY;
  fold(sum, size, count, per, channels);
  if ((*mean = to_tensor(sum, &shape, per, false, err)) == NULL) goto done;
  if (std != NULL) {
    for (size_t e = 0; e < size; e++) {
      center[e] = sum[e];
      sum[e] = 0;
    }
    pl_threads_run_on(threads, add_up, &(summing){ ds, positions, size, x, center, true, sum });
    if ((status = pl_dataset_status(ds, err))) goto done;
    status = PL_ERROR_MEMORY;
    fold(sum, size, count, per, channels);
    if ((*std = to_tensor(sum, &shape, per, true, err)) == NULL) goto done;
  }
  status = PL_OK;
done:
  if (status) {
    pl_tensor_free(*mean);
    *mean = NULL;
  }
  pl_free(positions);
  pl_free(x);
  pl_free(center);
  pl_free(sum);
  return status;
}

static pl_status check(const pl_dataset *ds, const pl_tensor *t, const char *what, pl_error *err) {
  pl_shape shape = pl_dataset_shape(ds);
  char text[PL_SHAPE_TEXT], other[PL_SHAPE_TEXT];
  if (t == NULL) return PL_OK;
  if (pl_tensor_type(t) != PL_F32)
    return pl_error_set(err, PL_ERROR_TYPE, "the %s is f32, got %s", what, pl_dtype_name(pl_tensor_type(t)));
  if (pl_tensor_count(t) != 1 && !pl_shape_equal(pl_tensor_shape(t), &shape))
    return pl_error_set(err, PL_ERROR_SHAPE, "the %s is %s; one number or the shape of a sample, %s, is expected", what,
                        pl_shape_text(text, pl_tensor_shape(t), false), pl_shape_text(other, &shape, false));
  return PL_OK;
}

pl_dataset *pl_dataset_standardize(const pl_dataset *ds, const pl_tensor *mean, const pl_tensor *std,
                                   pl_error *err) {
  if (check(ds, mean, "mean", err) || check(ds, std, "std", err)) return NULL;
  if (ds->mean != NULL || ds->std != NULL) {
    pl_error_set(err, PL_ERROR_STATE, "this data set is already standardized");
    return NULL;
  }
  pl_dataset *out = pl_dataset_like(ds, ds->count, err);
  if (out == NULL) return NULL;
  for (size_t i = 0; i < ds->count; i++) out->rows[i] = ds->rows[i];
  if ((mean != NULL && (out->mean = pl_tensor_clone(mean, err)) == NULL) ||
      (std != NULL && (out->std = pl_tensor_clone(std, err)) == NULL)) {
    pl_dataset_free(out);
    return NULL;
  }
  return out;
}
