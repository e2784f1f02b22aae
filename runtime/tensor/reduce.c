/* Reductions: each output is one number made of a row of elements. Adding one = one function and one line in
   the list.
   Sums are made in double, in a fixed tree: each chunk of 256 elements is folded in halves, the chunks are added
   in pairs, pairs of pairs, and so on. Nothing depends on the number of threads or the layout in memory. */
#include <math.h>
#include <string.h>
#include "perilune/threads.h"
#include "tensor/internal.h"

/* x[0..n-1] in halves: x[i] += x[i + width] for width = 128, 64, ..., 1; what is missing counts as 0. */
static double fold(double *x, size_t n) {
  size_t width = 1;
  while (width < n) width *= 2;
  for (size_t i = n; i < width; i++) x[i] = 0;
  for (width /= 2; width > 0; width /= 2) {
    for (size_t i = 0; i < width; i++) x[i] += x[i + width];
  }
  return n > 0 ? x[0] : 0;
}

/* Adds values in pairs, as the digits of a binary counter carry: the tree depends on their number only. */
typedef struct pairs {
  double sum[64];
  int depth;
  uint64_t count;
} pairs;

static void pairs_add(pairs *p, double value) {
  for (uint64_t carry = p->count++; carry & 1; carry >>= 1) value = p->sum[--p->depth] + value;
  p->sum[p->depth++] = value;
}

static double pairs_total(const pairs *p) {
  double total = 0;
  for (int i = p->depth - 1; i >= 0; i--) total = p->sum[i] + total;
  return total;
}

/* Sum over the next n elements of a formula of x, which is the element, and p. */
#define SUM_OF(name, formula) \
  static double name(pl_cursor *c, int64_t n, double p) { \
    double chunk[PL_CHUNK]; \
    pairs total = { .depth = 0 }; \
    (void)p; \
    for (int64_t done = 0; done < n; done += PL_CHUNK) { \
      size_t m = pl_chunk_size(done, n); \
      pl_cursor_read(c, chunk, m); \
      for (size_t i = 0; i < m; i++) { \
        double x = chunk[i]; \
        chunk[i] = formula; \
      } \
      pairs_add(&total, fold(chunk, m)); \
    } \
    return pairs_total(&total); \
  }
SUM_OF(row_sum, x)
SUM_OF(sum_of_squares, x * x)
SUM_OF(sum_of_squared_differences, (x - p) * (x - p))

static double row_mean(pl_cursor *c, int64_t n, double p) { return row_sum(c, n, p) / (double)n; }

/* Two passes: the mean, then the squares of the distances from it. `p` is the correction of the divisor. */
static double row_var(pl_cursor *c, int64_t n, double p) {
  pl_cursor first = *c;
  double mean = row_mean(&first, n, 0);
  return sum_of_squared_differences(c, n, mean) / ((double)n - p);
}

static double row_std(pl_cursor *c, int64_t n, double p) { return sqrt(row_var(c, n, p)); }
static double row_norm(pl_cursor *c, int64_t n, double p) { return sqrt(sum_of_squares(c, n, p)); }

/* Folds the next n elements, x, into `value`, one after the other; `i` is the index of x. */
#define FOLD_OF(name, start, result, step) \
  static double name(pl_cursor *c, int64_t n, double p) { \
    double chunk[PL_CHUNK], value = start; \
    int64_t index = 0; \
    (void)p; \
    for (int64_t done = 0; done < n; done += PL_CHUNK) { \
      size_t m = pl_chunk_size(done, n); \
      pl_cursor_read(c, chunk, m); \
      for (size_t k = 0; k < m; k++) { \
        double x = chunk[k]; \
        int64_t i = done + (int64_t)k; \
        (void)i; \
        step; \
      } \
    } \
    (void)index; \
    return result; \
  }
/* NaN wins: once `value` is NaN no comparison replaces it. */
FOLD_OF(row_max, -INFINITY, value, if (x > value || x != x) value = x)
FOLD_OF(row_min, INFINITY, value, if (x < value || x != x) value = x)
FOLD_OF(row_argmax, NAN, (double)index, if (i == 0 || x > value || (x != x && value == value)) { value = x;
    index = i; })
FOLD_OF(row_argmin, NAN, (double)index, if (i == 0 || x < value || (x != x && value == value)) { value = x;
    index = i; })
FOLD_OF(row_prod, 1, value, value *= x)
FOLD_OF(row_all, 1, value, if (x == 0) value = 0)
FOLD_OF(row_any, 0, value, if (x != 0) value = 1)

const pl_reduction_op pl_reduction_ops[] = {
  { "sum", row_sum, PL_REDUCES_TO_NUMBER, true, false }, { "prod", row_prod, PL_REDUCES_TO_NUMBER, true, false },
  { "mean", row_mean, PL_REDUCES_TO_FRACTION, false, false },
  { "var", row_var, PL_REDUCES_TO_FRACTION, false, true }, { "std", row_std, PL_REDUCES_TO_FRACTION, false, true },
  { "norm", row_norm, PL_REDUCES_TO_FRACTION, true, false },
  { "max", row_max, PL_REDUCES_TO_ELEMENT, false, false }, { "min", row_min, PL_REDUCES_TO_ELEMENT, false, false },
  { "argmax", row_argmax, PL_REDUCES_TO_INDEX, false, false },
  { "argmin", row_argmin, PL_REDUCES_TO_INDEX, false, false },
  { "all", row_all, PL_REDUCES_TO_MASK, true, false }, { "any", row_any, PL_REDUCES_TO_MASK, true, false },
  { NULL, NULL, PL_REDUCES_TO_NUMBER, false, false },
};

const pl_reduction_op *pl_reduction_find(const char *name) {
  const pl_reduction_op *op = pl_reduction_ops;
  while (op->name != NULL && strcmp(op->name, name)) op++;
  return op->name == NULL ? NULL : op;
}

static pl_dtype type_of_result(const pl_reduction_op *op, pl_dtype type) {
  switch (op->to) {
    case PL_REDUCES_TO_NUMBER: return type == PL_F32 ? PL_F32 : PL_I32;
    case PL_REDUCES_TO_FRACTION: return PL_F32;
    case PL_REDUCES_TO_INDEX: return PL_I32;
    case PL_REDUCES_TO_MASK: return PL_U8;
    default: return type;
  }
}

static pl_status check(const pl_reduction_op *op, const pl_tensor *t, int64_t length, double parameter, pl_error *err) {
  char text[PL_SHAPE_TEXT];
  if (length == 0 && !op->has_identity)
    return pl_error_set(err, PL_ERROR_SHAPE, "%s: a tensor of shape %s has no elements to take it of", op->name,
                        pl_shape_text(text, &t->shape, false));
  if (op->corrected && !(parameter >= 0 && parameter < (double)length))
    return pl_error_set(err, PL_ERROR_VALUE, "%s: the correction must be from 0 to less than the %lld elements, got %g",
                        op->name, (long long)length, parameter);
  return PL_OK;
}

typedef struct whole {
  const pl_reduction_op *op;
  const pl_tensor *t;
  int64_t count;
  double parameter, result;
} whole;

static void reduce_whole(const pl_team *team, void *arg) {
  whole *w = arg;
  (void)team;
  pl_cursor c = pl_cursor_open(w->t, &w->t->shape, 0);
  w->result = w->op->row(&c, w->count, w->parameter);
}

/* In a region, where denormals count as 0, as they do in reductions along an axis. */
pl_status pl_tensor_reduce_all(double *out, const pl_reduction_op *op, const pl_tensor *t, double parameter,
                               pl_error *err) {
  int64_t count = pl_tensor_count(t);
  pl_status status = check(op, t, count, parameter, err);
  if (status) return status;
  whole w = { .op = op, .t = t, .count = count, .parameter = parameter };
  pl_threads_run_on(1, reduce_whole, &w);
  *out = w.result;
  return PL_OK;
}

typedef struct job {
  const pl_reduction_op *op;
  const pl_tensor *in;    /* kept axes first, then the reduced ones */
  pl_tensor *out;         /* contiguous */
  int64_t length;
  double parameter;
} job;

static pl_out_of_range run(int64_t from, int64_t to, void *arg) {
  const job *j = arg;
  pl_cursor in = pl_cursor_open(j->in, &j->in->shape, from * j->length),
    out = pl_cursor_open(j->out, &j->out->shape, from);
  for (int64_t i = from; i < to; i++) {
    double value = j->op->row(&in, j->length, j->parameter);
    if (pl_cursor_write(&out, &value, 1) < 1) return (pl_out_of_range){ true, value };
  }
  return (pl_out_of_range){ false, 0 };
}

pl_tensor *pl_tensor_reduce(const pl_reduction_op *op, const pl_tensor *t, const bool reduced[PL_MAX_AXES], bool keep,
                            double parameter, pl_error *err) {
  int order[PL_MAX_AXES], kept = 0, axes = t->shape.axes, last = axes;
  int64_t length = 1;
  pl_shape shape = { 0 };
  for (int a = axes - 1; a >= 0; a--) if (reduced[a]) order[--last] = a;
  for (int a = 0; a < axes; a++) {
    if (!reduced[a]) order[kept++] = a;
    else length *= t->shape.size[a];
    if (!reduced[a] || keep) shape.size[shape.axes++] = reduced[a] ? 1 : t->shape.size[a];
  }
  if (check(op, t, length, parameter, err)) return NULL;
  pl_tensor *in = pl_tensor_permute(t, order, axes, err);
  pl_tensor *out = in == NULL ? NULL : pl_tensor_new(type_of_result(op, t->type), &shape, err);
  job j = { op, in, out, length, parameter };
  if (out != NULL && pl_range_run(out, length * PL_READ, op->name, run, &j, err)) {
    pl_tensor_free(out);
    out = NULL;
  }
  pl_tensor_free(in);
  return out;
}
