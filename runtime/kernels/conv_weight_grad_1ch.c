/* The gradient of a kernel that sees one input channel (see kernels.h): too few rows a kernel row for gemm, so
   all rows of the kernel share a tile. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

#define UNROLL _Pragma("GCC unroll 8")

INLINE void tile(const pl_gemm *x, size_t group, size_t j, const int groups, const int taps, const size_t part) {
  vf acc[5][5];
  const ptrdiff_t a_inner = x->a_inner, b_inner = x->b_inner;
  float *c = x->c + (ptrdiff_t)group * taps * x->c_row + (ptrdiff_t)j;
  UNROLL for (int g = 0; g < groups; g++) {
    UNROLL for (int t = 0; t < taps; t++)
      acc[g][t] = x->accumulate ? vf_read(c + (g * taps + t) * x->c_row, part) : vf_set(0);
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

INLINE void strip(const pl_gemm *x, size_t j, const int taps, const size_t part) {
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

#if defined(PL_ISA_avx512)
#include "kernels/gemm_narrow.h"

/* At most 8 columns: taps in pairs, the last one twice. */
INLINE void pair_tile(const pl_gemm *x, size_t group, const int groups, const int taps) {
  vf acc[5][3];
  const int pairs = (taps + 1) / 2;
  const size_t cols = x->cols;
  const ptrdiff_t a_inner = x->a_inner, b_inner = x->b_inner, c_row = x->c_row;
  float *c = x->c + (ptrdiff_t)group * taps * c_row;
  UNROLL for (int g = 0; g < groups; g++) {
    UNROLL for (int p = 0; p < pairs; p++)
      acc[g][p] = !x->accumulate ? vf_set(0)
                                 : pair_read(c + (g * taps + 2 * p) * c_row, p < pairs - 1 ? c_row : 0, cols);
  }
  const float *a_outer = x->a + (ptrdiff_t)group * x->a_row, *b_outer = x->b;
  for (size_t o = x->outer; o > 0; o--, a_outer += x->a_outer, b_outer += x->b_outer) {
    const float *a[5], *b = b_outer;
    UNROLL for (int g = 0; g < groups; g++) a[g] = a_outer + g * x->a_row;
    for (size_t k = x->inner; k > 0; k--, b += b_inner) {
      vf bv = pair_twice(b, cols);
      UNROLL for (int g = 0; g < groups; g++) {
        UNROLL for (int p = 0; p < pairs; p++) {
          vf av = p < pairs - 1 ? pair_set(a[g] + 2 * p) : vf_set(a[g][taps - 1]);
          acc[g][p] = vf_fma(av, bv, acc[g][p]);
        }
        a[g] += a_inner;
      }
    }
  }
  UNROLL for (int g = 0; g < groups; g++) {
    UNROLL for (int p = 0; p < pairs; p++)
      pair_write(c + (g * taps + 2 * p) * c_row, c_row, acc[g][p], cols, p < pairs - 1);
  }
}

INLINE void pair_strip(const pl_gemm *x, const int taps) {
  for (size_t g = 0; g < x->rows;) {
    size_t left = x->rows - g, groups = left < 5 ? left : 5;
    switch (groups) {
      case 1: pair_tile(x, g, 1, taps); break;
      case 2: pair_tile(x, g, 2, taps); break;
      case 3: pair_tile(x, g, 3, taps); break;
      case 4: pair_tile(x, g, 4, taps); break;
      default: pair_tile(x, g, 5, taps); break;
    }
    g += groups;
  }
}
#endif

void PL_KERNEL(conv_weight_grad_1ch)(const pl_gemm *x, int taps) {
  size_t j = 0;
#if defined(PL_ISA_avx512)
  if (x->cols <= 8) {
    if (taps == 5) pair_strip(x, 5);
    else pair_strip(x, 3);
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
