/* Matrix products c[i][j] = sum over k of a[i][k] b[k][j], in f32, one chain of fused multiply-adds an output with
   k ascending (kernels.h). Threads divide rows or columns of c, never k. Blocks of k only interrupt the chain: what
   c holds so far is where the next block goes on, so that the bits are those of one long pass. */
#include <stdio.h>
#include "kernels/kernels.h"
#include "tensor/internal.h"
#include "perilune/threads.h"

enum { BLOCK = 256 };   /* k of a block: its part of b stays in the cache */

typedef struct job {
  const pl_tensor *a, *b;   /* [..., rows, inner], [..., inner, cols], leading axes expanded to those of c; b's rows
                               have no gaps */
  pl_tensor *c;             /* [..., rows, cols], contiguous */
  int64_t rows, cols, inner;
} job;

/* The first element of matrix number `i` of a stack of matrices, counted over the leading axes. */
static float *matrix(const pl_tensor *t, int64_t i) {
  float *at = (float *)(void *)t->base;
  for (int axis = t->shape.axes - 3; axis >= 0; axis--) {
    at += i % t->shape.size[axis] * t->stride[axis];
    i /= t->shape.size[axis];
  }
  return at;
}

static void multiply(const pl_team *team, void *arg) {
  const job *j = arg;
  int axes = j->c->shape.axes;
  int64_t matrices = 1;
  for (int axis = 0; axis < axes - 2; axis++) matrices *= j->c->shape.size[axis];
  size_t from, to, left = 0, right = (size_t)j->cols, rows = (size_t)(matrices * j->rows);
  bool by_rows = rows >= (size_t)j->cols;
  if (by_rows) pl_team_share(team, rows, 1, &from, &to);
  else {
    from = 0;
    to = rows;
    pl_team_share(team, (size_t)j->cols, 64, &left, &right);
  }
  if (left == right) return;
  while (from < to) {
    size_t number = from / (size_t)j->rows, row = from % (size_t)j->rows;
    size_t n = (size_t)j->rows - row < to - from ? (size_t)j->rows - row : to - from;
    const int64_t *a = j->a->stride + axes - 2, *b = j->b->stride + axes - 2;
    for (int64_t k = 0; k < j->inner; k += BLOCK) {
      pl_kernel.gemm(&(pl_gemm){
        .c = matrix(j->c, (int64_t)number) + (int64_t)row * j->cols + (int64_t)left, .c_row = j->cols,
        .a = matrix(j->a, (int64_t)number) + (int64_t)row * a[0] + k * a[1], .a_row = a[0], .a_inner = a[1],
        .b = matrix(j->b, (int64_t)number) + k * b[0] + left, .b_inner = b[0],
        .rows = n, .cols = right - left, .outer = 1, .inner = (size_t)(j->inner - k < BLOCK ? j->inner - k : BLOCK),
        .accumulate = k > 0,
      });
    }
    from += n;
  }
}

static pl_status do_not_fit(const pl_tensor *a, const pl_tensor *b, const char *why, pl_error *err) {
  char first[PL_SHAPE_TEXT], second[PL_SHAPE_TEXT];
  return pl_error_set(err, PL_ERROR_SHAPE, "matmul: shapes %s and %s: %s", pl_shape_text(first, &a->shape, false),
                      pl_shape_text(second, &b->shape, false), why);
}

static pl_status check(const pl_tensor *a, const pl_tensor *b, pl_error *err) {
  if (a->type != PL_F32 || b->type != PL_F32)
    return pl_error_set(err, PL_ERROR_TYPE, "matmul: expects f32 tensors, got %s and %s; convert with :to(\"f32\")",
                        pl_dtype_name(a->type), pl_dtype_name(b->type));
  if (a->shape.axes == 0 || b->shape.axes == 0)
    return do_not_fit(a, b, "both need at least one axis; multiply by a number with *", err);
  int64_t inner = a->shape.size[a->shape.axes - 1], other = b->shape.size[b->shape.axes > 1 ? b->shape.axes - 2 : 0];
  if (inner == other) return PL_OK;
  char why[160];
  bool transposed = b->shape.axes > 1 && inner == b->shape.size[b->shape.axes - 1];
  snprintf(why, sizeof why, "the last axis of the first (%lld) must equal the %s of the second (%lld)%s",
           (long long)inner,
           b->shape.axes > 1 ? "last but one" : "axis", (long long)other,
           transposed ? "; transpose the second, with transpose(-2, -1)" : "");
  return do_not_fit(a, b, why, err);
}

/* The same matrices with the leading axes `lead` (expanded) in front. Frees `t`. */
static pl_tensor *expand_lead(pl_tensor *t, const pl_shape *lead, pl_error *err) {
  if (t == NULL) return NULL;
  pl_shape shape = *lead;
  for (int a = t->shape.axes - 2; a < t->shape.axes; a++) shape.size[shape.axes++] = t->shape.size[a];
  pl_tensor *expanded = pl_tensor_expand(t, &shape, err);
  pl_tensor_free(t);
  return expanded;
}

static pl_status common_lead(pl_shape *lead, const pl_tensor *a, const pl_tensor *b, pl_error *err) {
  pl_shape first = a->shape, second = b->shape;
  first.axes -= 2;
  second.axes -= 2;
  return pl_shape_broadcast(lead, &first, &second, "matmul (leading axes)", err);
}

/* a and b with at least two axes; b's rows without gaps. Frees both. */
static pl_tensor *product(pl_tensor *a, pl_tensor *b, pl_error *err) {
  pl_shape lead, shape;
  pl_tensor *c = NULL;
  if (a == NULL || b == NULL || common_lead(&lead, a, b, err)) {
    pl_tensor_free(a);
    pl_tensor_free(b);
    return NULL;
  }
  a = expand_lead(a, &lead, err);
  b = expand_lead(b, &lead, err);
  if (a != NULL && b != NULL) {
    int axes = a->shape.axes;
    shape = a->shape;
    shape.size[axes - 1] = b->shape.size[axes - 1];
    c = pl_tensor_new(PL_F32, &shape, err);
    if (c != NULL && pl_tensor_count(c) > 0) {
      job j = { a, b, c, shape.size[axes - 2], shape.size[axes - 1], a->shape.size[axes - 1] };
      double work = (double)pl_tensor_count(c) * (double)j.inner;
      pl_threads_run_on(pl_threads_for(work), multiply, &j);
    }
  }
  pl_tensor_free(a);
  pl_tensor_free(b);
  return c;
}

/* The kernel wants the columns of b next to each other. */
static pl_tensor *with_dense_rows(const pl_tensor *t, pl_error *err) {
  int last = t->shape.axes - 1;
  return t->shape.size[last] <= 1 || t->stride[last] == 1 ? pl_tensor_view(t, err) : pl_tensor_clone(t, err);
}

static pl_tensor *drop_axis(pl_tensor *t, int axis, pl_error *err) {
  if (t == NULL) return NULL;
  pl_tensor *view = pl_tensor_squeeze(t, axis, err);
  pl_tensor_free(t);
  return view;
}

pl_tensor *pl_tensor_matmul(const pl_tensor *a, const pl_tensor *b, pl_error *err) {
  if (check(a, b, err)) return NULL;
  bool row = a->shape.axes == 1, column = b->shape.axes == 1;   /* a vector is a matrix of one row, or of one column */
  pl_tensor *left = row ? pl_tensor_unsqueeze(a, 0, err) : pl_tensor_view(a, err);
  pl_tensor *right = column ? pl_tensor_unsqueeze(b, 1, err) : with_dense_rows(b, err);
  pl_tensor *c = product(left, right, err);
  if (column) c = drop_axis(c, -1, err);
  if (row) c = drop_axis(c, column ? -1 : -2, err);
  return c;
}
