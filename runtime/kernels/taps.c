/* The gradient of a kernel that sees one input channel (see kernels.h): too few rows a kernel row for the contraction, so
   all rows of the kernel share a tile. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 8")

INLINE void tile(const pl_contraction *x, size_t group, size_t j, const int groups, const int taps, const size_t part) {
  vf acc[5][5];
  const ptrdiff_t a_inner = x->a_inner, b_inner = x->b_inner;
  float *c = x->c + (ptrdiff_t)group * taps * x->c_row + (ptrdiff_t)j;
  UNROLL for (int g = 0; g < groups; g++) {
    UNROLL for (int t = 0; t < taps; t++) acc[g][t] = x->accumulate ? vf_read(c + (g * taps + t) * x->c_row, part) : vf_set(0);
  }
  const float *a_outer = x->a + (ptrdiff_t)group * x->a_row, *b_outer = x->b + j;
  for (size_t o = x->outer; o > 0; o--, a_outer += x->a_outer, b_outer += x->b_outer) {
    const float *a[5], *b = b_outer;
    UNROLL for (int g = 0; g < groups; g++) a[g] = a_outer + g * x->a_row;
    for (size_t k = x->inner; k > 0; k--, b += b_inner) {
      vf bv = vf_read(b, part);
      UNROLL for (int g = 0; g < groups; g++) {
        UNROLL for (int t = 0; t < taps; t++) acc[g][t] = vf_fma(vf_set(a[g][t]), bv, acc[g][t]);
        a[g] += a_inner;
      }
    }
  }
  UNROLL for (int g = 0; g < groups; g++) {
    UNROLL for (int t = 0; t < taps; t++) vf_write(c + (g * taps + t) * x->c_row, acc[g][t], part);
  }
}

#if PL_REGISTERS >= 32
enum { MOST = 5 };   /* kernel rows a tile */
#else
enum { MOST = 2 };
#endif

INLINE void strip(const pl_contraction *x, size_t j, const int taps, const size_t part) {
  for (size_t g = 0; g < x->rows;) {
    size_t left = x->rows - g, groups = left < MOST ? left : MOST;
    switch (groups) {
      case 1: tile(x, g, j, 1, taps, part); break;
      case 2: tile(x, g, j, 2, taps, part); break;
      case 3: tile(x, g, j, MOST < 3 ? 1 : 3, taps, part); break;
      case 4: tile(x, g, j, MOST < 4 ? 1 : 4, taps, part); break;
      default: tile(x, g, j, MOST < 5 ? 1 : 5, taps, part); break;
    }
    g += groups;
  }
}

void taps_avx2(const pl_contraction *x, int taps);

void PL_KERNEL(taps)(const pl_contraction *x, int taps) {
  size_t j = 0;
#if defined(PL_ISA_avx512)
  if (x->cols <= 8) {
    taps_avx2(x, taps);
    return;
  }
#endif
  for (; j + PL_LANES <= x->cols; j += PL_LANES) {
    if (taps == 5) strip(x, j, 5, PL_LANES);
    else strip(x, j, 3, PL_LANES);
  }
  if (j == x->cols) return;
  if (taps == 5) strip(x, j, 5, x->cols - j);
  else strip(x, j, 3, x->cols - j);
}
