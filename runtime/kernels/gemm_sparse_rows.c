/* A matrix product over listed indices of the inner axis:  c[i][j] = bias[j] (or 0) + sum over t < count of
   a[i*a_row + list[t]*a_inner] b[list[t]*b_inner + j],  list ascending; otherwise as `gemm` with outer = 1 and no
   accumulation.
   Where a is zero at every other index and b is finite, the terms left out are zeros, and these are the bits of `gemm`,
   except that a sum which is -0 here may be +0 with all its terms (never the other way round: +0 stays +0 when zeros of
   any sign are added). Returns whether there is such a sum, so that the caller may compute it with all terms. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

#define UNROLL _Pragma("GCC unroll 12")   /* small arrays indexed by constants stay in registers */

#if PL_REGISTERS >= 32
enum { MOST = 12, WIDEST = 4 };   /* rows of a tile; vectors of a strip of columns */
#else
enum { MOST = 6, WIDEST = 2 };
#endif

/* A tile of `rows` x `vectors` (constants after inlining); the last vector holds `last` columns. */
INLINE bool tile(const pl_gemm *x, const uint32_t *list, size_t count, size_t i, size_t j, const int rows,
                 const int vectors, const size_t last) {
  enum { BASES = 4 };   /* rows are reached from every third one, so that addresses need few registers */
  vf acc[MOST][WIDEST];
  const ptrdiff_t a_row = x->a_row, a_inner = x->a_inner, b_inner = x->b_inner, c_row = x->c_row;
  float *c = x->c + (ptrdiff_t)i * c_row + (ptrdiff_t)j;
  const float *b = x->b + j, *a[BASES];
  bool zero = false;
  UNROLL for (int v = 0; v < vectors; v++) {
    const vf start = x->bias ? vf_read(x->bias + j + v * PL_LANES, v == vectors - 1 ? last : PL_LANES) : vf_set(0);
    UNROLL for (int r = 0; r < rows; r++) acc[r][v] = start;
  }
  UNROLL for (int k = 0; k < BASES; k++) a[k] = x->a + ((ptrdiff_t)i + 3 * k) * a_row;
  for (size_t t = 0; t < count; t++) {
    const ptrdiff_t k = list[t], at = k * a_inner;
    const float *bk = b + k * b_inner;
    vf bv[WIDEST];
    UNROLL for (int v = 0; v < vectors; v++) bv[v] = vf_read(bk + v * PL_LANES, v == vectors - 1 ? last : PL_LANES);
    UNROLL for (int r = 0; r < rows; r++) {
      const vf av = vf_set(a[r / 3][r % 3 * a_row + at]);
      UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = vf_fma(av, bv[v], acc[r][v]);
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) {
      vf_write(c + r * c_row + v * PL_LANES, acc[r][v], v == vectors - 1 ? last : PL_LANES);
      zero |= vf_has_negative_zero(acc[r][v]);
    }
  }
  return zero;
}

/* Tiles have as many rows as registers allow. */
#define ROWS(n) case n: zero |= tile(x, list, count, i, j, n <= most ? n : 1, vectors, last); break;
INLINE bool strip(const pl_gemm *x, const uint32_t *list, size_t count, size_t j, const int vectors,
                  const size_t last) {
  const int most = vectors > 2 ? 2 * MOST / vectors : MOST;
  size_t tiles = (x->rows + (size_t)most - 1) / (size_t)most;
  bool zero = false;
  for (size_t t = 0, i = 0; t < tiles; t++) {
    size_t rows = x->rows / tiles + (t < x->rows % tiles);
    switch (rows) {
      ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12)
      default: break;
    }
    i += rows;
  }
  return zero;
}

typedef bool strip_fn(const pl_gemm *x, const uint32_t *list, size_t count, size_t j, size_t last);

#define STRIP(n) \
  static bool strip_##n(const pl_gemm *x, const uint32_t *list, size_t count, size_t j, size_t last) { \
    (void)last; \
    return strip(x, list, count, j, n <= WIDEST ? n : 1, PL_LANES); \
  } \
  static bool part_##n(const pl_gemm *x, const uint32_t *list, size_t count, size_t j, size_t last) { \
    return strip(x, list, count, j, n <= WIDEST ? n : 1, last); \
  }
STRIP(1) STRIP(2) STRIP(3) STRIP(4)

/* Columns in strips as equal as whole vectors allow. */
bool PL_KERNEL(gemm_sparse_rows)(const pl_gemm *x, const uint32_t *list, size_t count) {
  static strip_fn *const whole[] = { strip_1, strip_2, strip_3, strip_4 };
  static strip_fn *const partial[] = { part_1, part_2, part_3, part_4 };
  size_t vectors = (x->cols + PL_LANES - 1) / PL_LANES, strips = (vectors + WIDEST - 1) / WIDEST, j = 0;
  bool zero = false;
  for (size_t s = 0; s < strips; s++) {
    size_t width = vectors / strips + (s < vectors % strips), last = x->cols - j - (width - 1) * PL_LANES;
    strip_fn *const columns = last < PL_LANES ? partial[width - 1] : whole[width - 1];
    zero |= columns(x, list, count, j, last);
    j += width * PL_LANES;
  }
  return zero;
}
