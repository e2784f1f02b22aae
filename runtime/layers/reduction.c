/* Reductions of formulas over axes of a sample: sums are made in double, in the fixed tree of tensor/reduce.c.
   Arguments: keepdim (0 or 1), the correction of var and std, then the axes, from 0, ascending.
   y = sum x: dx = dy.  mean: dy / n.  norm: dy x / y.  var: dy 2 (x - mean) / (n - c).
   std: dy (x - mean) / ((n - c) y).
   max, min: dy where x is the first that equals y. */
#include <math.h>
#include <string.h>
#include "kernels/kernels.h"
#include "layers/layer.h"

enum { SUM, MEAN, NORM, VAR, STD, MAX, MIN };

/* The elements of a row: element i of the reduced axes, of output j, lies at
   offset_of(j, kept) + offset_of(i, reduced). */
typedef struct pl_rows {
  int kept, reduced;
  size_t kept_size[PL_MAX_AXES], kept_stride[PL_MAX_AXES], size[PL_MAX_AXES], stride[PL_MAX_AXES];
  size_t n, rows;   /* of a row; of a sample */
} pl_rows;

static bool is_reduced(const pl_operation *o, int axis) {
  for (int i = 2; i < o->args.n; i++) if (o->args.v[i] == axis) return true;
  return false;
}

static pl_status infer(pl_operation *o, pl_error *err) {
  const pl_shape *in = &o->in[0];
  bool keep = o->args.v[0] != 0, needs_elements = o->cls->code != SUM && o->cls->code != NORM;
  int64_t n = 1;
  o->out = (pl_shape){ 0 };
  o->out_fixed = o->fixed[0];
  if (o->inputs != 1 || o->args.n < 2) return pl_operation_refuse(o, err, "takes one input and axes");
  for (int i = 2; i < o->args.n; i++)
    if (o->args.v[i] < 0 || o->args.v[i] >= in->axes || (i > 2 && o->args.v[i] <= o->args.v[i - 1]))
      return pl_operation_refuse(o, err, "there is no axis %d to take it over", (int)o->args.v[i] + 1 + !o->fixed[0]);
  for (int a = 0; a < in->axes; a++) {
    if (is_reduced(o, a)) n *= in->size[a];
    if (!is_reduced(o, a) || keep) o->out.size[o->out.axes++] = is_reduced(o, a) ? 1 : in->size[a];
  }
  if (n == 0 && needs_elements) return pl_operation_refuse(o, err, "there are no elements to take it of");
  if ((o->cls->code == VAR || o->cls->code == STD) && !(o->args.v[1] >= 0 && o->args.v[1] < n))
    return pl_operation_refuse(o, err, "the correction must be from 0 to less than the %lld elements", (long long)n);
  return PL_OK;
}

/* Neighbouring axes of one kind that lie side by side are one. */
static int add_axis(size_t *size, size_t *stride, int count, size_t n, size_t step) {
  if (n == 1) return count;
  if (count > 0 && stride[count - 1] == n * step) {
    size[count - 1] *= n;
    stride[count - 1] = step;
    return count;
  }
  size[count] = n;
  stride[count] = step;
  return count + 1;
}

static pl_rows rows_of(const pl_operation *o) {
  pl_rows r = { .n = 1, .rows = 1 };
  size_t stride[PL_MAX_AXES], next = 1;
  for (int a = o->in[0].axes - 1; a >= 0; a--) stride[a] = next, next *= (size_t)o->in[0].size[a];
  for (int a = 0; a < o->in[0].axes; a++) {
    size_t size = (size_t)o->in[0].size[a];
    if (is_reduced(o, a)) {
      r.reduced = add_axis(r.size, r.stride, r.reduced, size, stride[a]);
      r.n *= size;
    } else {
      r.kept = add_axis(r.kept_size, r.kept_stride, r.kept, size, stride[a]);
      r.rows *= size;
    }
  }
  return r;
}

static size_t offset_of(size_t i, int axes, const size_t *size, const size_t *stride) {
  size_t at = 0;
  for (int a = axes - 1; a >= 0; a--) {
    at += i % size[a] * stride[a];
    i /= size[a];
  }
  return at;
}

static void need(const pl_operation *o, size_t batch, pl_memory *m) {
  pl_rows r = rows_of(o);
  (void)batch;
  m->needs_x = o->cls->code >= NORM;
  m->needs_y = o->cls->code == NORM || o->cls->code >= STD;
  if (r.reduced > 1) m->scratch_forward = m->scratch_backward =
      (size_t)m->members * pl_member_floats(r.n) * sizeof(float);
}

/* The row from x on, and how far its elements are apart; copied to `copy` where they are not evenly spaced. */
static const float *gather(const pl_rows *r, const float *x, float *copy, size_t *stride) {
  *stride = r->reduced == 1 ? r->stride[0] : 1;
  if (r->reduced <= 1) return x;
  for (size_t i = 0; i < r->n; i++) copy[i] = x[offset_of(i, r->reduced, r->size, r->stride)];
  return copy;
}

static float extreme(const float *x, size_t n, size_t stride, bool largest) {
  float value = x[0];
  for (size_t i = 1; i < n; i++) {
    float next = x[i * stride];
    if ((largest ? next > value : next < value) || next != next) value = next;
  }
  return value;
}

static double variance(const float *x, size_t n, size_t stride, double correction) {
  double mean = pl_kernel.sum_tree(x, n, stride, false, 0) / (double)n;
  return pl_kernel.sum_tree(x, n, stride, true, mean) / ((double)n - correction);
}

static float reduce(int code, const float *x, size_t n, size_t stride, double correction) {
  switch (code) {
    case SUM: return (float)pl_kernel.sum_tree(x, n, stride, false, 0);
    case MEAN: return (float)(pl_kernel.sum_tree(x, n, stride, false, 0) / (double)n);
    case NORM: return (float)sqrt(pl_kernel.sum_tree(x, n, stride, true, 0));
    case VAR: return (float)variance(x, n, stride, correction);
    case STD: return (float)sqrt(variance(x, n, stride, correction));
    default: return extreme(x, n, stride, code == MAX);
  }
}

static float *own_copy(const pl_pass *pass, const pl_rows *r) {
  return (float *)pass->scratch + (size_t)pass->team->rank * pl_member_floats(r->n);
}

static void forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  const pl_operation *o = pass->op;
  pl_rows r = rows_of(o);
  size_t from, to, each = (size_t)pl_shape_count(&o->in[0]), stride;
  (void)self;
  pl_team_share(pass->team, pass->batch * r.rows, 8, &from, &to);
  for (size_t i = from; i < to; i++) {
    const float *row = x + i / r.rows * each + offset_of(i % r.rows, r.kept, r.kept_size, r.kept_stride);
    row = gather(&r, row, own_copy(pass, &r), &stride);
    y[i] = reduce(o->cls->code, row, r.n, stride, (double)o->args.v[1]);
  }
}

/* dx of element i of a row is dy (a x + b). */
static void backward_row(const pl_pass *pass, const pl_rows *r, const float *x, float y, float dy, float *dx) {
  const pl_operation *o = pass->op;
  double a = 0, b = 1;
  size_t stride = 0, first = 0;
  int code = o->cls->code;
  const float *row = code >= NORM ? gather(r, x, own_copy(pass, r), &stride) : NULL;
  if (code == MEAN) b = 1 / (double)r->n;
  if (code == NORM) a = y == 0 ? 0 : 1 / (double)y, b = 0;
  if (code == VAR || code == STD) {
    a = (code == VAR ? 2 : y == 0 ? 0 : 1 / (double)y) / ((double)r->n - (double)o->args.v[1]);
    b = -a * pl_kernel.sum_tree(row, r->n, stride, false, 0) / (double)r->n;
  }
  if (code >= MAX) while (first + 1 < r->n && row[first * stride] != y && row[first * stride] == row[first * stride])
    first++;
  const float slope = (float)((double)dy * b);
  if (r->reduced == 1 && r->stride[0] == 1) {   /* elements side by side */
    if (code < NORM) for (size_t i = 0; i < r->n; i++) dx[i] = slope;
    else if (code < MAX) pl_kernel.scale_and_shift(dx, row, r->n, a, b, (double)dy);
    else memset(dx, 0, r->n * sizeof *dx), dx[first] = dy;
    return;
  }
  for (size_t i = 0; i < r->n; i++) {
    float *out = dx + offset_of(i, r->reduced, r->size, r->stride);
    if (code < NORM) *out = slope;
    else if (code >= MAX) *out = i == first ? dy : 0;
    else *out = (float)((double)dy * (a * (double)row[i * stride] + b));
  }
}

static void backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  const pl_operation *o = pass->op;
  pl_rows r = rows_of(o);
  size_t from, to, each = (size_t)pl_shape_count(&o->in[0]);
  (void)self;
  if (dx == NULL) return;
  pl_team_share(pass->team, pass->batch * r.rows, 8, &from, &to);
  for (size_t i = from; i < to; i++) {
    size_t at = i / r.rows * each + offset_of(i % r.rows, r.kept, r.kept_size, r.kept_stride);
    backward_row(pass, &r, x ? x + at : NULL, y ? y[i] : 0, dy[i], dx + at);
  }
}

static double work(const pl_operation *o) { return 4 * (double)pl_shape_count(&o->in[0]); }

static const pl_option none[] = { { 0 } };

#define REDUCTION(name, number) \
  const pl_layer_class pl_op_##name = { \
    .head = { #name, 0, NULL, none }, .code = number, .flags = PL_PER_SAMPLE, \
    .infer = infer, .need = need, .forward = forward, .backward = backward, .operation_work = work };
REDUCTION(sum, SUM)
REDUCTION(mean, MEAN)
REDUCTION(norm, NORM)
REDUCTION(var, VAR)
REDUCTION(std, STD)
REDUCTION(max, MAX)
REDUCTION(min, MIN)
