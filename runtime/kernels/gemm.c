/* The matrix product that linear layers and convolutions are made of (see kernels.h).
   A tile of rows x vectors of outputs is held in registers while the whole reduction runs over it. How the
   outputs are tiled never changes a bit: each output is one chain of fused multiply-adds. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

#define UNROLL _Pragma("GCC unroll 14")   /* small arrays indexed by constants stay in registers */

/* Where the factors of a tile lie. Neighbours are reached by constant distances, which need no register and no
   addition. */
enum { SOME_STEPS, UNIT_INNER, UNIT_ROW };   /* neither step is 1; a_inner is; a_row is */

/* Columns of vector v of a tile: all of its lanes, or `last` in the last vector of a partial one. */
INLINE size_t lanes(const int v, const int vectors, const int partial, size_t last) {
  return partial && v == vectors - 1 ? last : PL_LANES;
}

/* Rows are reached from every third one, so that addresses need few registers: base, base + a_row, base + 2 a_row. */
enum { BASES = 5 };

/* One step of the reduction: row r's factor is at[r / 3][r % 3 * a_row], or at[0][r] where rows are neighbours. */
INLINE void step(vf acc[14][4], const float *const at[BASES], ptrdiff_t a_row, ptrdiff_t k, const float *b,
                 const int rows, const int vectors, const int layout, const int partial, size_t last) {
  vf bv[4];
  UNROLL for (int v = 0; v < vectors; v++) bv[v] = vf_read(b + v * PL_LANES, lanes(v, vectors, partial, last));
  UNROLL for (int r = 0; r < rows; r++) {
    vf av = vf_set(layout == UNIT_ROW ? at[0][k + r] : at[r / 3][r % 3 * a_row + k]);
    UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = vf_fma(av, bv[v], acc[r][v]);
  }
}

/* One tile: `rows` rows (constant after inlining) x `vectors` vectors of columns; the last vector holds
   `last` columns when `partial`. */
INLINE void tile(const pl_gemm *x, size_t i, size_t j, const int rows, const int vectors, const int layout,
                 const int partial, size_t last) {
  vf acc[14][4];
  const ptrdiff_t a_row = x->a_row, a_inner = layout == UNIT_INNER ? 1 : x->a_inner;
  const ptrdiff_t b_inner = x->b_inner, c_row = x->c_row;
  const int bases = layout == UNIT_ROW ? 1 : (rows + 2) / 3;
  float *c = x->c + (ptrdiff_t)i * c_row + (ptrdiff_t)j;
  if (x->accumulate) {
    UNROLL for (int r = 0; r < rows; r++) {
      UNROLL for (int v = 0; v < vectors; v++)
        acc[r][v] = vf_read(c + r * c_row + v * PL_LANES, lanes(v, vectors, partial, last));
    }
  } else {
    UNROLL for (int v = 0; v < vectors; v++) {
      vf start = x->bias ? vf_read(x->bias + j + v * PL_LANES, lanes(v, vectors, partial, last)) : vf_set(0);
      UNROLL for (int r = 0; r < rows; r++) acc[r][v] = start;
    }
  }
  const float *a_outer = x->a + (ptrdiff_t)i * a_row, *b_outer = x->b + j;
  for (size_t o = x->outer; o > 0; o--, a_outer += x->a_outer, b_outer += x->b_outer) {
    const float *b = b_outer, *a[BASES];
    UNROLL for (int q = 0; q < bases; q++) a[q] = a_outer + 3 * q * a_row;
    for (size_t k = x->inner / 2; k > 0; k--, b += 2 * b_inner) {
      step(acc, a, a_row, 0, b, rows, vectors, layout, partial, last);
      step(acc, a, a_row, a_inner, b + b_inner, rows, vectors, layout, partial, last);
      UNROLL for (int q = 0; q < bases; q++) a[q] += 2 * a_inner;
    }
    if (x->inner % 2) step(acc, a, a_row, 0, b, rows, vectors, layout, partial, last);
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++)
      vf_write(c + r * c_row + v * PL_LANES, acc[r][v], lanes(v, vectors, partial, last));
  }
}

/* Rows of a tile that is so many vectors wide: as many sums as leave registers for the factors. Wide tiles load least:
   6 x 4 takes 10 loads for 24 multiply-adds, 14 x 2 takes 16 for 28. */
#if PL_REGISTERS >= 32
enum { MOST_1 = 14, MOST_2 = 14, MOST_3 = 8, MOST_4 = 6 };
#else
enum { MOST_1 = 12, MOST_2 = 6, MOST_3 = 4, MOST_4 = 3 };
#endif

/* A strip of `vectors` vectors: all rows, in tiles that are as large and as equal as can be. */
#define ROWS(n) case n: if (n <= most) tile(x, i, j, n <= most ? n : 1, vectors, layout, partial, last); break;
INLINE void strip(const pl_gemm *x, size_t j, const size_t most, const int vectors, const int layout, const int partial,
                  size_t last) {
  size_t tiles = (x->rows + most - 1) / most, height = tiles ? x->rows / tiles : 0;
  size_t higher = x->rows - tiles * height, i = 0;
  for (size_t t = 0; t < tiles; t++) {
    size_t rows = height + (t < higher);
    switch (rows) {
      ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7)
      ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) ROWS(13) ROWS(14)
      default: break;
    }
    i += rows;
  }
}

#define STRIPS(layout) \
  static void strip_1_##layout(const pl_gemm *x, size_t j) { strip(x, j, MOST_1, 1, layout, 0, 0); } \
  static void strip_2_##layout(const pl_gemm *x, size_t j) { strip(x, j, MOST_2, 2, layout, 0, 0); } \
  static void strip_3_##layout(const pl_gemm *x, size_t j) { strip(x, j, MOST_3, 3, layout, 0, 0); } \
  static void strip_4_##layout(const pl_gemm *x, size_t j) { strip(x, j, MOST_4, 4, layout, 0, 0); } \
  static void (*const strips_##layout[])(const pl_gemm *, size_t) = { \
    NULL, strip_1_##layout, strip_2_##layout, strip_3_##layout, strip_4_##layout };
STRIPS(UNIT_INNER)
STRIPS(UNIT_ROW)
/* Any layout; the last vector may be part of one. */
static void part_1(const pl_gemm *x, size_t j, size_t last) { strip(x, j, MOST_1, 1, SOME_STEPS, 1, last); }
static void part_2(const pl_gemm *x, size_t j, size_t last) { strip(x, j, MOST_2, 2, SOME_STEPS, 1, last); }
static void part_3(const pl_gemm *x, size_t j, size_t last) { strip(x, j, MOST_3, 3, SOME_STEPS, 1, last); }
static void part_4(const pl_gemm *x, size_t j, size_t last) { strip(x, j, MOST_4, 4, SOME_STEPS, 1, last); }
static void (*const parts[])(const pl_gemm *, size_t, size_t) = { NULL, part_1, part_2, part_3, part_4 };

#if defined(PL_ISA_avx512)
#include "kernels/gemm_narrow.h"

void gemm_avx2(const pl_gemm *x);

/* 2 x `pairs` rows of all columns, at most 8, where the factors of neighbouring rows lie side by side. */
INLINE void pair_tile(const pl_gemm *x, size_t i, const int pairs) {
  vf acc[MOST_1];
  const size_t cols = x->cols;
  const ptrdiff_t a_inner = x->a_inner, b_inner = x->b_inner, c_row = x->c_row;
  float *c = x->c + (ptrdiff_t)i * c_row;
  UNROLL for (int p = 0; p < pairs; p++)
    acc[p] = x->accumulate ? pair_read(c + 2 * p * c_row, c_row, cols)
           : x->bias ? pair_twice(x->bias, cols) : vf_set(0);
  const float *a_outer = x->a + i, *b_outer = x->b;
  for (size_t o = x->outer; o > 0; o--, a_outer += x->a_outer, b_outer += x->b_outer) {
    const float *a = a_outer, *b = b_outer;
    for (size_t k = x->inner; k > 0; k--, a += a_inner, b += b_inner) {
      vf bv = pair_twice(b, cols);
      UNROLL for (int p = 0; p < pairs; p++) acc[p] = vf_fma(pair_set(a + 2 * p), bv, acc[p]);
    }
  }
  UNROLL for (int p = 0; p < pairs; p++) pair_write(c + 2 * p * c_row, c_row, acc[p], cols, 1);
}

#define PAIRS(n) case n: pair_tile(x, i, n); break;
static void pair_strip(const pl_gemm *x) {
  size_t pairs = x->rows / 2, tiles = (pairs + MOST_1 - 1) / MOST_1, i = 0;
  for (size_t t = 0; t < tiles; t++) {
    size_t height = pairs * (t + 1) / tiles - pairs * t / tiles;
    switch (height) {
      PAIRS(1) PAIRS(2) PAIRS(3) PAIRS(4) PAIRS(5) PAIRS(6) PAIRS(7)
      PAIRS(8) PAIRS(9) PAIRS(10) PAIRS(11) PAIRS(12) PAIRS(13) PAIRS(14)
      default: break;
    }
    i += 2 * height;
  }
}

/* Half a vector would be idle: pairs of rows fill it, or half-width vectors do as well. */
static void gemm_narrow(const pl_gemm *x) {
  pl_gemm rest = *x;
  if (x->a_row == 1) {
    pair_strip(x);
    rest.rows = x->rows % 2;
    rest.a += x->rows - rest.rows;
    rest.c += (ptrdiff_t)(x->rows - rest.rows) * x->c_row;
  }
  if (rest.rows > 0) gemm_avx2(&rest);
}
#endif

void PL_KERNEL(gemm)(const pl_gemm *x) {
#if defined(PL_ISA_avx512)
  if (x->cols <= 8) {
    gemm_narrow(x);
    return;
  }
#endif
  void (*const *strips)(const pl_gemm *, size_t) = NULL;
  if (x->a_inner == 1) strips = strips_UNIT_INNER;
  else if (x->a_row == 1) strips = strips_UNIT_ROW;
  size_t vectors = (x->cols + PL_LANES - 1) / PL_LANES, wide;
  for (size_t j = 0; vectors > 0; vectors -= wide, j += wide * PL_LANES) {
    wide = vectors == 5 || vectors == 6 ? 3 : vectors > 4 ? 4 : vectors;   /* of five, 4 + 1 would leave one alone */
    size_t last = vectors > wide ? PL_LANES : x->cols - j - (wide - 1) * PL_LANES;
    if (strips != NULL && last == PL_LANES) strips[wide](x, j);
    else parts[wide](x, j, last);
  }
}
