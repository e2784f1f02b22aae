/* Work that several layers share out to the team in the same way. */
#include <string.h>
#include "kernels/kernels.h"
#include "layers/layer.h"

enum { ROW_BLOCK = 28, COLUMN_BLOCK = 32, SUM_BLOCK = 256 };   /* 32 columns: no two members write one cache line */
enum { SUM_DEPTH = 192, MANY_ROWS = 56 };   /* inner steps that are done at once, where there are so many rows */

/* The part's product; meanwhile, what the next part will copy comes to the cache: from `next` on, COLUMN_BLOCK floats
   an inner step. */
static void contract_and_fetch(const pl_gemm *part, const float *next, ptrdiff_t next_inner) {
  enum { ROWS = 28, LINE = 16 };   /* rows between fetches; floats of a cache line */
  size_t tiles = (part->rows + ROWS - 1) / ROWS;
  for (size_t t = 0; t < tiles; t++) {
    pl_gemm tile = *part;
    for (size_t k = part->inner * t / tiles; k < part->inner * (t + 1) / tiles; k++) {
      const float *row = next + (ptrdiff_t)k * next_inner;
      for (size_t j = 0; j < COLUMN_BLOCK; j += LINE) __builtin_prefetch(row + j);
      __builtin_prefetch(row + COLUMN_BLOCK - 1);   /* a third line, where rows are not aligned */
    }
    tile.rows = part->rows - t * ROWS < ROWS ? part->rows - t * ROWS : ROWS;
    tile.a += (ptrdiff_t)(t * ROWS) * part->a_row;
    tile.c += (ptrdiff_t)(t * ROWS) * part->c_row;
    pl_kernel.gemm(&tile);
  }
}

/* Rows from i to end, COLUMN_BLOCK columns from j, inner steps from k on; `more`: the same of the columns after them
   are next. */
static void contract_part(const pl_gemm *c, size_t i, size_t end, size_t j, size_t k, size_t depth, bool more) {
  float block[SUM_DEPTH * COLUMN_BLOCK];
  pl_gemm part = *c;
  part.rows = end - i;
  part.cols = c->cols - j < COLUMN_BLOCK ? c->cols - j : COLUMN_BLOCK;
  part.inner = c->inner - k < depth ? c->inner - k : depth;
  part.c += (ptrdiff_t)i * c->c_row + (ptrdiff_t)j;
  part.a += (ptrdiff_t)i * c->a_row + (ptrdiff_t)k * c->a_inner;
  part.b += (ptrdiff_t)k * c->b_inner + (ptrdiff_t)j;
  part.accumulate = c->accumulate || k > 0;
  if (c->bias != NULL) part.bias += j;
  if (depth < c->inner) {
    for (size_t row = 0; row < part.inner; row++) {
      const float *from = part.b + (ptrdiff_t)row * c->b_inner;
      /* a size that the compiler knows */
      if (part.cols == COLUMN_BLOCK) memcpy(block + row * COLUMN_BLOCK, from, COLUMN_BLOCK * sizeof *block);
      else memcpy(block + row * COLUMN_BLOCK, from, part.cols * sizeof *block);
    }
    const float *next = part.b + COLUMN_BLOCK;
    part.b = block;
    part.b_inner = COLUMN_BLOCK;
    if (more) {
      contract_and_fetch(&part, next, c->b_inner);
      return;
    }
  }
  pl_kernel.gemm(&part);
}

static const pl_team single_thread = { .size = 1 };

static pl_pass pass_of_elements(size_t n) {
  return (pl_pass){ .team = &single_thread, .batch = 1, .in = PL_SHAPE((int64_t)n), .out = PL_SHAPE((int64_t)n) };
}

void pl_elementwise(pl_layer *layer, float *y, const float *x, size_t n) {
  const pl_pass pass = pass_of_elements(n);
  layer->cls->forward(layer, &pass, x, y);
}

void pl_elementwise_backward(pl_layer *layer, float *dx, const float *y, const float *dy, size_t n) {
  const pl_pass pass = pass_of_elements(n);
  layer->cls->backward(layer, &pass, NULL, y, dy, dx);
}

void pl_activate(pl_layer *activation, float *y, size_t rows, size_t cols, size_t stride) {
  if (activation == NULL) return;
  if (stride == cols) cols *= rows, rows = 1;
  const pl_pass pass = pass_of_elements(cols);
  for (size_t i = 0; i < rows; i++) activation->cls->forward(activation, &pass, y + i * stride, y + i * stride);
}

/* Long sums of many rows go block by block, so that a's block stays in the second-level cache for all columns, and
   b's, copied side by side, in the first: its lines lie far apart, and often in a few sets of the cache. A sum that
   goes on from block to block is the same chain. */
void pl_gemm_team(const pl_team *team, const pl_gemm *c, pl_layer *activation) {
  size_t row_block = ROW_BLOCK, rows = (c->rows + row_block - 1) / row_block,
    cols = (c->cols + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
  size_t depth = c->rows >= MANY_ROWS && c->inner > SUM_DEPTH && c->outer == 1 ? SUM_DEPTH : c->inner, from, to, last;
  while (rows * cols < 2 * (size_t)team->size && row_block > 7) {
    row_block /= 2;
    rows = (c->rows + row_block - 1) / row_block;
  }
  pl_team_share(team, rows * cols, 1, &from, &to);
  size_t k = 0;
  do {
    for (size_t item = from; item < to; item = last) {
      size_t i = item % rows * row_block, j = item / rows * COLUMN_BLOCK, end, width = c->cols - j < COLUMN_BLOCK ?
          c->cols - j : COLUMN_BLOCK;
      last = (item / rows + 1) * rows < to ? (item / rows + 1) * rows : to;
      end = i + (last - item) * row_block < c->rows ? i + (last - item) * row_block : c->rows;
      contract_part(c, i, end, j, k, depth, last < to);
      if (k + depth >= c->inner)
        pl_activate(activation, c->c + i * (size_t)c->c_row + j, end - i, width, (size_t)c->c_row);
    }
    k += depth;
  } while (k < c->inner);
}

pl_half pl_half_of(const pl_pass *pass, int half, size_t items, float *grad, float *second) {
  size_t from, to, before = (pass->batch + 1) / 2, start = half ? items : 0;
  pl_half h = { .first = half ? before : 0, .samples = half ? pass->batch - before : before, .sum = half ?
                second : grad, .accumulate = !half && pass->accumulate };
  pl_team_share(pass->team, pass->batch > 1 ? 2 * items : items, 1, &from, &to);
  h.from = from > start ? from - start : 0;
  h.to = to > start ? to - start : 0;
  if (h.to > items) h.to = items;
  if (h.from > h.to) h.from = h.to;
  return h;
}

void pl_add_halves(const pl_pass *pass, float *grad, const float *second, size_t n) {
  size_t from, to;
  if (pass->batch == 1) return;
  pl_team_share(pass->team, n, 16, &from, &to);
  pl_kernel.add(grad + from, grad + from, second + from, to - from);
}

size_t pl_column_sums_scratch(size_t rows, size_t cols) {
  return rows > SUM_BLOCK ? (rows + SUM_BLOCK - 1) / SUM_BLOCK * cols : 0;
}

static size_t blocks_of(size_t rows) { return (rows + SUM_BLOCK - 1) / SUM_BLOCK; }
static size_t block_rows(size_t rows, size_t block) {
  return rows - block * SUM_BLOCK < SUM_BLOCK ? rows - block * SUM_BLOCK : SUM_BLOCK;
}

void pl_column_sums_parts(const pl_team *team, const float *a, size_t rows, size_t cols, float *scratch) {
  size_t from, to, blocks = blocks_of(rows);
  pl_team_share(team, blocks > 1 ? blocks : 0, 1, &from, &to);
  for (size_t b = from; b < to; b++)
    pl_kernel.column_sums(scratch + b * cols, a + b * SUM_BLOCK * cols, block_rows(rows, b), cols, cols, false);
}

void pl_column_sums_total(const pl_team *team, float *out, const float *a, size_t rows, size_t cols, bool accumulate,
                          const float *scratch) {
  size_t from, to, blocks = blocks_of(rows);
  pl_team_share(team, cols, 16, &from, &to);
  if (from == to) return;
  if (blocks > 1) pl_kernel.column_sums(out + from, scratch + from, blocks, to - from, cols, accumulate);
  else pl_kernel.column_sums(out + from, a + from, rows, to - from, cols, accumulate);
}

void pl_column_sums(const pl_team *team, float *out, const float *a, size_t rows, size_t cols, bool accumulate,
                    float *scratch) {
  pl_column_sums_parts(team, a, rows, cols, scratch);
  if (blocks_of(rows) > 1) pl_team_barrier(team);
  pl_column_sums_total(team, out, a, rows, cols, accumulate, scratch);
}

size_t pl_row_sums_scratch(size_t rows, size_t cols) {
  return rows > PL_ROW_BLOCK ? (rows + PL_ROW_BLOCK - 1) / PL_ROW_BLOCK * cols : 0;
}

void pl_row_sums(const pl_team *team, float *out, const float *a, size_t rows, size_t cols, bool accumulate,
                 float *scratch) {
  size_t from, to, blocks = rows > PL_ROW_BLOCK ? (rows + PL_ROW_BLOCK - 1) / PL_ROW_BLOCK : 0;
  pl_team_share(team, blocks, 1, &from, &to);
  for (size_t b = from, first; b < to; b++) {
    first = b * PL_ROW_BLOCK;
    pl_kernel.column_sums(scratch + b * cols, a + first * cols, rows - first < PL_ROW_BLOCK ? rows - first :
                          PL_ROW_BLOCK, cols, cols, false);
  }
  if (blocks > 0) pl_team_barrier(team);
  pl_team_share(team, cols, 16, &from, &to);
  if (from == to) return;
  pl_kernel.column_sums(out + from, (blocks > 0 ? scratch : a) + from, blocks > 0 ? blocks : rows, to - from, cols,
                        accumulate);
}

void pl_column_moments(const pl_team *team, float *mean, float *squares, const float *x, size_t rows, size_t cols,
                       float *scratch) {
  size_t from, to, first, last, blocks = blocks_of(rows);
  float *means = scratch, *parts = scratch + blocks * cols;
  pl_team_share(team, cols, 16, &first, &last);
  if (blocks == 1) {
    if (first == last) return;
    pl_kernel.column_sums(mean + first, x + first, rows, last - first, cols, false);
    for (size_t j = first; j < last; j++) mean[j] /= (float)rows;
    pl_kernel.column_products(squares + first, x + first, mean + first, x + first, mean + first, rows, last - first,
                              cols);
    return;
  }
  pl_team_share(team, blocks, 1, &from, &to);
  for (size_t b = to; b-- > from;) {   /* a block is read once from memory, and once from the cache */
    const float *block = x + b * SUM_BLOCK * cols;
    float *m = means + b * cols, n = (float)block_rows(rows, b);
    pl_kernel.column_sums(m, block, (size_t)n, cols, cols, false);
    for (size_t j = 0; j < cols; j++) m[j] /= n;
    pl_kernel.column_products(parts + b * cols, block, m, block, m, (size_t)n, cols, cols);
  }
  pl_team_barrier(team);
  for (size_t j = first; j < last; j++) {
    double sum = 0, square = 0;
    for (size_t b = 0; b < blocks; b++) sum += (double)block_rows(rows, b) * (double)means[b * cols + j];
    sum /= (double)rows;
    for (size_t b = 0; b < blocks; b++) {
      double d = (double)means[b * cols + j] - sum;
      square += (double)parts[b * cols + j] + (double)block_rows(rows, b) * (d * d);
    }
    mean[j] = (float)sum;
    squares[j] = (float)square;
  }
}

/* Both sums over `rows` rows of `cols` columns from `col` on. */
static void two_sums(float *sums, float *products, const pl_two_sums *s, size_t row, size_t rows, size_t col,
                     size_t cols) {
  size_t at = row * s->cols + col;
  if (s->relu) {
    pl_kernel.relu_grad_sums(sums, products, s->dy + at, s->x + at, s->mean + col, s->scale + col, s->shift ?
                           s->shift + col : NULL, rows, cols, s->cols);
    return;
  }
  pl_kernel.column_sums(sums, s->dy + at, rows, cols, s->cols, false);
  pl_kernel.column_products(products, s->dy + at, NULL, s->x + at, s->mean + col, rows, cols, s->cols);
}

void pl_column_two_sums(const pl_team *team, float *sums, float *products, const pl_two_sums *s, size_t rows,
                        float *scratch) {
  size_t from, to, first, last, blocks = blocks_of(rows), cols = s->cols;
  float *block_products = scratch + blocks * cols;
  pl_team_share(team, cols, 16, &first, &last);
  if (blocks == 1) {
    if (first < last) two_sums(sums + first, products + first, s, 0, rows, first, last - first);
    return;
  }
  pl_team_share(team, blocks, 1, &from, &to);
  for (size_t b = from; b < to; b++)
    two_sums(scratch + b * cols, block_products + b * cols, s, b * SUM_BLOCK, block_rows(rows, b), 0, cols);
  pl_team_barrier(team);
  if (first == last) return;
  pl_kernel.column_sums(sums + first, scratch + first, blocks, last - first, cols, false);
  pl_kernel.column_sums(products + first, block_products + first, blocks, last - first, cols, false);
}
