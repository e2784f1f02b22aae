/* Winograd's minimal filtering in two dimensions (Winograd 1980; Lavin and Gray, "Fast algorithms for convolutional
   neural networks", CVPR 2016): n = m + r - 1 products give m outputs of a filter of r taps,

     y = A' [ (G g) * (B' d) ],   nested for two dimensions: Y = A' [ (G g G') * (B' d B) ] A.

   The matrices come from interpolation at the points 0, +-1, +-2 (n = 6) and +-1/2 (n = 8), and infinity, with
   M(x) = product of (x - a) over the finite points a:
     row a of B':  coefficients of M(x) / (x - a); at infinity: of M(x)     (depends on n only, not on how it splits)
     row a of G:   a^0, a^1, .. over M'(a); at infinity the last tap
     column a of A': a^0, a^1, ..; infinity adds to the last output.
   Rows of +a and -a share their even and odd parts. Lanes run over channels. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

#define UNROLL _Pragma("GCC unroll 8")   /* small arrays indexed by constants stay in registers */
enum { MOST = 8 };

static const float point[3] = { 1, 2, 0.5f };

/* 1 / M'(a) for 0 and for each pair, n = 6 and n = 8 */
static const float weight6[3] = { 1 / 4.0f, -1 / 6.0f, 1 / 24.0f };
static const float weight8[4] = { -1, -1 / 4.5f, 1 / 90.0f, 1 / 1.40625f };

INLINE vf mul(vf a, float b) { return a * vf_set(b); }
INLINE vf fma1(vf a, float b, vf c) { return vf_fma(a, vf_set(b), c); }

/* out = B' d */
INLINE void input_1d(vf out[MOST], const vf d[MOST], const int n) {
  if (n == 8) {
    vf even, odd;
    out[0] = fma1(d[2], 5.25f, d[6] - d[0]) - mul(d[4], 5.25f);
    even = fma1(d[4], -4.25f, d[6] + d[2]);
    odd = fma1(d[3], -4.25f, d[5] + d[1]);
    out[1] = even + odd;
    out[2] = even - odd;
    even = fma1(d[2], 0.25f, fma1(d[4], -1.25f, d[6]));
    odd = fma1(d[1], 0.5f, fma1(d[3], -2.5f, mul(d[5], 2)));
    out[3] = even + odd;
    out[4] = even - odd;
    even = fma1(d[2], 4, fma1(d[4], -5, d[6]));
    odd = fma1(d[1], 2, fma1(d[3], -2.5f, mul(d[5], 0.5f)));
    out[5] = even + odd;
    out[6] = even - odd;
    out[7] = fma1(d[3], 5.25f, d[7] - d[1]) - mul(d[5], 5.25f);
  } else {
    vf even, odd;
    out[0] = fma1(d[0], 4, fma1(d[2], -5, d[4]));
    even = fma1(d[2], -4, d[4]);
    odd = fma1(d[1], -4, d[3]);
    out[1] = even + odd;
    out[2] = even - odd;
    even = d[4] - d[2];
    odd = mul(d[3] - d[1], 2);
    out[3] = even + odd;
    out[4] = even - odd;
    out[5] = fma1(d[1], 4, fma1(d[3], -5, d[5]));
  }
}

/* out = G g; g has `taps` entries. Even powers and odd powers of the point, then over M'. */
INLINE void filter_1d(vf out[MOST], const vf g[MOST], const int n, const int taps) {
  const float *weight = n == 8 ? weight8 : weight6;
  out[0] = mul(g[0], weight[0]);
  UNROLL for (int p = 0; p < (n - 2) / 2; p++) {
    const float a = point[p];
    vf even = fma1(g[2], a * a, g[0]), odd = mul(g[1], a);
    if (taps > 3) odd = fma1(g[3], a * a * a, odd);
    if (taps > 4) even = fma1(g[4], a * a * a * a, even);
    out[1 + 2 * p] = mul(even + odd, weight[1 + p]);
    out[2 + 2 * p] = mul(even - odd, weight[1 + p]);
  }
  out[n - 1] = g[taps - 1];
}

/* out = A' m; `outputs` entries */
INLINE void output_1d(vf out[MOST], const vf m[MOST], const int n, const int outputs) {
  const int pairs = (n - 2) / 2;
  vf sum[3], difference[3];
  UNROLL for (int p = 0; p < pairs; p++) {
    sum[p] = m[1 + 2 * p] + m[2 + 2 * p];
    difference[p] = m[1 + 2 * p] - m[2 + 2 * p];
  }
  UNROLL for (int k = 0; k < outputs; k++) {
    vf y = (k % 2 ? difference : sum)[0];
    UNROLL for (int p = 1; p < pairs; p++) {
      float power = 1;
      for (int i = 0; i < k; i++) power *= point[p];
      y = fma1((k % 2 ? difference : sum)[p], power, y);
    }
    if (k == 0) y = y + m[0];
    if (k == outputs - 1) y = y + m[n - 1];
    out[k] = y;
  }
}

INLINE vf load(const float *p, size_t part) { return part == PL_LANES ? vf_load(p) : vf_load_part(p, part); }
INLINE void store(float *p, vf x, size_t part) {
  if (part == PL_LANES) vf_store(p, x);
  else vf_store_part(p, x, part);
}

/* Pixel (i, j) of a tile of which x is the first that lies inside; those outside are 0. NULL: all lie inside. */
INLINE vf pixel(const float *x, ptrdiff_t x_row, ptrdiff_t x_col, int i, int j, const pl_inside *in, size_t part) {
  if (in == NULL) return load(x + i * x_row + j * x_col, part);
  if (j < in->left || j >= in->right || i < in->top || i >= in->bottom) return vf_set(0);
  return load(x + (i - in->top) * x_row + (j - in->left) * x_col, part);
}

INLINE void input_tile(float *v, ptrdiff_t plane, const float *x, ptrdiff_t x_row, ptrdiff_t x_col,
                       const pl_inside *inside, const int n, size_t part) {
  vf half[MOST][MOST], in[MOST], out[MOST];
  UNROLL for (int j = 0; j < n; j++) {      /* columns first: half = B' d */
    UNROLL for (int i = 0; i < n; i++) in[i] = pixel(x, x_row, x_col, i, j, inside, part);
    input_1d(out, in, n);
    UNROLL for (int i = 0; i < n; i++) half[i][j] = out[i];
  }
  UNROLL for (int i = 0; i < n; i++) {
    input_1d(out, half[i], n);
    UNROLL for (int j = 0; j < n; j++) store(v + (i * n + j) * plane, out[j], part);
  }
}

INLINE void filter_tile(float *u, ptrdiff_t plane, const float *w, ptrdiff_t w_row, ptrdiff_t w_col,
                        const pl_inside *inside, const int n, const int taps, size_t part) {
  vf half[MOST][MOST], in[MOST], out[MOST];
  UNROLL for (int j = 0; j < taps; j++) {
    UNROLL for (int i = 0; i < taps; i++) in[i] = pixel(w, w_row, w_col, i, j, inside, part);
    filter_1d(out, in, n, taps);
    UNROLL for (int i = 0; i < n; i++) half[i][j] = out[i];
  }
  UNROLL for (int i = 0; i < n; i++) {
    filter_1d(out, half[i], n, taps);
    UNROLL for (int j = 0; j < n; j++) store(u + (i * n + j) * plane, out[j], part);
  }
}

INLINE void output_tile(float *y, ptrdiff_t y_row, ptrdiff_t y_col, const float *m, ptrdiff_t plane, const float *bias,
                        const int n, const int outputs, int rows, int cols, bool accumulate, size_t part) {
  vf half[MOST][MOST], in[MOST], out[MOST];
  UNROLL for (int j = 0; j < n; j++) {
    UNROLL for (int i = 0; i < n; i++) in[i] = load(m + (i * n + j) * plane, part);
    output_1d(out, in, n, outputs);
    UNROLL for (int i = 0; i < outputs; i++) half[i][j] = out[i];
  }
  vf start = bias != NULL ? load(bias, part) : vf_set(0);
  for (int i = 0; i < rows; i++) {
    output_1d(out, half[i], n, outputs);
    UNROLL for (int j = 0; j < outputs; j++) {
      float *p = y + i * y_row + j * y_col;
      if (j >= cols) break;
      vf r = out[j] + start;
      if (accumulate) r = load(p, part) + r;
      store(p, r, part);
    }
  }
}

/* V = B' d B of one n x n tile: plane f of v receives the channels at v + f*plane. */
void PL_KERNEL(winograd_input)(float *v, ptrdiff_t plane, const float *x, ptrdiff_t x_row, ptrdiff_t x_col,
                               size_t channels, int n, const pl_inside *in) {
  for (size_t c = 0; c < channels; c += PL_LANES) {
    size_t part = channels - c < PL_LANES ? channels - c : PL_LANES;
    if (n == 8 && in == NULL && part == PL_LANES) input_tile(v + c, plane, x + c, x_row, x_col, NULL, 8, PL_LANES);
    else if (n == 8 && in == NULL) input_tile(v + c, plane, x + c, x_row, x_col, NULL, 8, part);
    else if (n == 8) input_tile(v + c, plane, x + c, x_row, x_col, in, 8, part);
    else if (in == NULL && part == PL_LANES) input_tile(v + c, plane, x + c, x_row, x_col, NULL, 6, PL_LANES);
    else if (in == NULL) input_tile(v + c, plane, x + c, x_row, x_col, NULL, 6, part);
    else input_tile(v + c, plane, x + c, x_row, x_col, in, 6, part);
  }
}

/* U = G w G' of a taps x taps filter; (n, taps) is (8, 5), (8, 4), (6, 3) or (6, 4). `in`: only for 4 taps, which are
   pixels. */
void PL_KERNEL(winograd_filter)(float *u, ptrdiff_t plane, const float *w, ptrdiff_t w_row, ptrdiff_t w_col,
                                size_t channels, int n, int taps, const pl_inside *in) {
  for (size_t c = 0; c < channels; c += PL_LANES) {
    size_t part = channels - c < PL_LANES ? channels - c : PL_LANES;
    if (n == 8 && taps == 5) filter_tile(u + c, plane, w + c, w_row, w_col, NULL, 8, 5, part);
    else if (n == 8 && in == NULL) filter_tile(u + c, plane, w + c, w_row, w_col, NULL, 8, 4, part);
    else if (n == 8) filter_tile(u + c, plane, w + c, w_row, w_col, in, 8, 4, part);
    else if (taps == 3) filter_tile(u + c, plane, w + c, w_row, w_col, NULL, 6, 3, part);
    else if (in == NULL) filter_tile(u + c, plane, w + c, w_row, w_col, NULL, 6, 4, part);
    else filter_tile(u + c, plane, w + c, w_row, w_col, in, 6, 4, part);
  }
}

/* Y (+)= A' m A + bias, of which rows x cols are stored; (n, outputs) is (8, 4), (8, 5), (6, 4) or (6, 3). */
void PL_KERNEL(winograd_output)(float *y, ptrdiff_t y_row, ptrdiff_t y_col, const float *m, ptrdiff_t plane,
                                const float *bias, size_t channels, int n, int outputs, int rows, int cols,
                                bool accumulate) {
  for (size_t c = 0; c < channels; c += PL_LANES) {
    size_t part = channels - c < PL_LANES ? channels - c : PL_LANES;
    const float *b = bias != NULL ? bias + c : NULL;
    if (n == 8 && outputs == 4) output_tile(y + c, y_row, y_col, m + c, plane, b, 8, 4, rows, cols, accumulate, part);
    else if (n == 8) output_tile(y + c, y_row, y_col, m + c, plane, b, 8, 5, rows, cols, accumulate, part);
    else if (outputs == 4) output_tile(y + c, y_row, y_col, m + c, plane, b, 6, 4, rows, cols, accumulate, part);
    else output_tile(y + c, y_row, y_col, m + c, plane, b, 6, 3, rows, cols, accumulate, part);
  }
}
