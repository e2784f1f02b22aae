/* Work that several layers share out to the team in the same way. */
#include "kernels/kernels.h"
#include "layers/layer.h"

enum { ROW_BLOCK = 28, COLUMN_BLOCK = 32, SUM_BLOCK = 256 };   /* 32 columns: no two members write one cache line */

void pl_contract_shared(const pl_team *team, const pl_contraction *c) {
  size_t row_block = ROW_BLOCK, rows = (c->rows + row_block - 1) / row_block, cols = (c->cols + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
  while (rows * cols < 2 * (size_t)team->size && row_block > 7) {
    row_block /= 2;
    rows = (c->rows + row_block - 1) / row_block;
  }
  size_t from, to;
  pl_team_share(team, rows * cols, 1, &from, &to);
  for (size_t item = from; item < to; item++) {
    size_t i = item % rows * row_block, j = item / rows * COLUMN_BLOCK;
    pl_contraction part = *c;
    part.rows = c->rows - i < row_block ? c->rows - i : row_block;
    part.cols = c->cols - j < COLUMN_BLOCK ? c->cols - j : COLUMN_BLOCK;
    part.c += (ptrdiff_t)i * c->c_row + (ptrdiff_t)j;
    part.a += (ptrdiff_t)i * c->a_row;
    part.b += j;
    if (c->bias != NULL) part.bias += j;
    pl_kernel.contract(&part);
  }
}

size_t pl_column_sums_scratch(size_t rows, size_t cols) { return rows > SUM_BLOCK ? (rows + SUM_BLOCK - 1) / SUM_BLOCK * cols : 0; }

/* One sum over rows: of a, or of (a - a_mean)(b - b_mean) when there is a b. */
typedef struct { const float *a, *a_mean, *b, *b_mean; size_t cols; } summand;

static void sum_rows(float *out, const summand *s, size_t row, size_t rows, size_t col, size_t cols, bool accumulate) {
  size_t at = row * s->cols + col;
  if (s->b == NULL) pl_kernel.column_sums(out, s->a + at, rows, cols, s->cols, accumulate);
  else pl_kernel.column_products(out, s->a + at, s->a_mean ? s->a_mean + col : NULL, s->b + at, s->b_mean + col, rows, cols, s->cols);
}

static void shared_sums(const pl_team *team, float *out, summand s, size_t rows, bool accumulate, float *scratch) {
  size_t from, to, cols = s.cols, blocks = (rows + SUM_BLOCK - 1) / SUM_BLOCK;
  if (blocks > 1) {
    pl_team_share(team, blocks, 1, &from, &to);
    for (size_t b = from; b < to; b++)
      sum_rows(scratch + b * cols, &s, b * SUM_BLOCK, rows - b * SUM_BLOCK < SUM_BLOCK ? rows - b * SUM_BLOCK : SUM_BLOCK, 0, cols, false);
    pl_team_barrier(team);
    s = (summand){ .a = scratch, .cols = cols };
    rows = blocks;
  }
  pl_team_share(team, cols, 16, &from, &to);
  if (from < to) sum_rows(out + from, &s, 0, rows, from, to - from, accumulate);
}

void pl_column_sums(const pl_team *team, float *out, const float *a, size_t rows, size_t cols, bool accumulate, float *scratch) {
  shared_sums(team, out, (summand){ .a = a, .cols = cols }, rows, accumulate, scratch);
}

void pl_column_products(const pl_team *team, float *out, const float *a, const float *a_mean, const float *b, const float *b_mean,
                        size_t rows, size_t cols, float *scratch) {
  shared_sums(team, out, (summand){ a, a_mean, b, b_mean, cols }, rows, false, scratch);
}
