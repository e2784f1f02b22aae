/* The contraction that matrix products and convolutions are made of (see kernels.h).
   A tile of rows x vectors of outputs is held in registers while the whole reduction runs over it. How the
   outputs are tiled never changes a bit: each output is one chain of fused multiply-adds. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

#define INLINE static inline __attribute__((always_inline))

/* One tile: `rows` rows (constant after inlining) x `vectors` vectors of columns; the last vector holds
   `last` columns when `partial`. */
INLINE void tile(const pl_contraction *x, size_t i, size_t j, const int rows, const int vectors, const int partial, size_t last) {
  vf acc[28][8];
  const float *start = x->bias ? x->bias + j : NULL;
  #pragma GCC unroll 28
  for (int r = 0; r < rows; r++) {
    #pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) {
      const float *from = x->accumulate ? x->c + ((ptrdiff_t)i + r) * x->c_row + j : start;
      if (from == NULL) acc[r][v] = vf_set(0);
      else if (partial && v == vectors - 1) acc[r][v] = vf_load_part(from + v * PL_LANES, last);
      else acc[r][v] = vf_load(from + v * PL_LANES);
    }
  }
  const ptrdiff_t a_row = x->a_row, a_inner = x->a_inner, b_inner = x->b_inner;
  for (size_t o = 0; o < x->outer; o++) {
    const float *a = x->a + (ptrdiff_t)i * a_row + (ptrdiff_t)o * x->a_outer;
    const float *b = x->b + (ptrdiff_t)o * x->b_outer + j;
    for (size_t k = x->inner; k > 0; k--, a += a_inner, b += b_inner) {
      vf bv[8];
      #pragma GCC unroll 8
      for (int v = 0; v < vectors; v++) {
        bv[v] = partial && v == vectors - 1 ? vf_load_part(b + v * PL_LANES, last) : vf_load(b + v * PL_LANES);
      }
      #pragma GCC unroll 28
      for (int r = 0; r < rows; r++) {
        vf av = vf_set(a[r * a_row]);
        #pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) acc[r][v] = vf_fma(av, bv[v], acc[r][v]);
      }
    }
  }
  #pragma GCC unroll 28
  for (int r = 0; r < rows; r++) {
    float *c = x->c + ((ptrdiff_t)i + r) * x->c_row + j;
    #pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) {
      if (partial && v == vectors - 1) vf_store_part(c + v * PL_LANES, acc[r][v], last);
      else vf_store(c + v * PL_LANES, acc[r][v]);
    }
  }
}

#if PL_REGISTERS >= 32
enum { MOST_1 = 14, MOST_2 = 14, MOST_4 = 6 };   /* rows of a tile that is 1, 2 or 4 vectors wide */
#else
enum { MOST_1 = 12, MOST_2 = 6, MOST_4 = 3 };
#endif

/* A strip of `vectors` vectors, all rows: full tiles, then the rest in one smaller tile. */
#define ROWS(n) case n: if (n <= most) tile(x, i, j, n <= most ? n : 1, vectors, partial, last); break;
INLINE void strip(const pl_contraction *x, size_t j, const int most, const int vectors, const int partial, size_t last) {
  size_t i = 0;
  for (; i + (size_t)most <= x->rows; i += (size_t)most) tile(x, i, j, most, vectors, partial, last);
  switch (x->rows - i) {
    ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) ROWS(13)
    default: break;
  }
}

static void strip_1(const pl_contraction *x, size_t j) { strip(x, j, MOST_1, 1, 0, 0); }
static void strip_2(const pl_contraction *x, size_t j) { strip(x, j, MOST_2, 2, 0, 0); }
static void strip_4(const pl_contraction *x, size_t j) { strip(x, j, MOST_4, 4, 0, 0); }
static void strip_part_1(const pl_contraction *x, size_t j, size_t last) { strip(x, j, MOST_1, 1, 1, last); }
static void strip_part_2(const pl_contraction *x, size_t j, size_t last) { strip(x, j, MOST_2, 2, 1, last); }

void contract_avx2(const pl_contraction *x);

void PL_KERNEL(contract)(const pl_contraction *x) {
  size_t j = 0;
#if defined(PL_ISA_avx512)
  if (x->cols <= 8) {   /* half a vector would be idle, and half-width vectors may be issued twice as often */
    contract_avx2(x);
    return;
  }
#endif
  if (x->rows <= MOST_4) {   /* few rows: width gives the independent chains that hide the latency */
    for (; j + 4 * PL_LANES <= x->cols; j += 4 * PL_LANES) strip_4(x, j);
  }
  for (; j + 2 * PL_LANES <= x->cols; j += 2 * PL_LANES) strip_2(x, j);
  size_t rest = x->cols - j;
  if (rest > PL_LANES) strip_part_2(x, j, rest - PL_LANES);
  else if (rest == PL_LANES) strip_1(x, j);
  else if (rest > 0) strip_part_1(x, j, rest);
}
