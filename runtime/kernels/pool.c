/* Maximum and average over windows (see pl_windows), one row of outputs (forward) or of pixels (backward) a call.
   Lanes are channels. Backward gathers: a pixel adds up what the windows that cover it send back, in ascending order
   of the windows, so that rows are independent. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

/* The taps [from, to) of window `o` that lie inside, and where tap 0 lies. */
typedef struct { ptrdiff_t start; size_t from, to; } span;

INLINE span span_of(size_t o, size_t stride, size_t before, size_t kernel, size_t size) {
  span s = { (ptrdiff_t)(o * stride) - (ptrdiff_t)before, 0, kernel };
  if (s.start < 0) s.from = (size_t)-s.start;
  if (s.start + (ptrdiff_t)kernel > (ptrdiff_t)size) s.to = (size_t)((ptrdiff_t)size - s.start);
  return s;
}

/* The windows [from, to) that cover a pixel. */
typedef struct { size_t from, to; } covering;

/* From the windows of an earlier pixel (at first none) to those of pixel `i`; `to` first, as some pixels are in no
   window. */
INLINE covering advance(covering c, size_t i, size_t stride, size_t before, size_t kernel, size_t outputs) {
  while (c.to < outputs && c.to * stride <= i + before) c.to++;
  while (c.from < c.to && c.from * stride + kernel <= i + before) c.from++;
  return c;
}

/* Calls body(.., c, part) for the channels in vectors, the last one partly filled. */
#define EACH_VECTOR(channels, body, ...) do { \
  size_t c_ = 0; \
  for (; c_ + PL_LANES <= (channels); c_ += PL_LANES) body(__VA_ARGS__, c_, PL_LANES); \
  if (c_ < (channels)) body(__VA_ARGS__, c_, (channels) - c_); \
} while (0)

/* Row ky of a window, from its first column on, which may lie outside. */
INLINE const float *window_row(const float *image, const pl_windows *w, span v, span u, size_t ky) {
  ptrdiff_t channels = (ptrdiff_t)w->channels;
  return image + (v.start + (ptrdiff_t)ky) * (ptrdiff_t)w->w * channels + u.start * channels;
}

/* The first of equal values wins; NaN wins over every number. */
INLINE void max_of(float *y, float *tap, const float *image, const pl_windows *w, span v, span u, size_t c,
                   const size_t part) {
  vf best = vf_set(-__builtin_inff()), at = vf_set((float)(v.from * w->kw + u.from));
  for (size_t ky = v.from; ky < v.to; ky++) {
    const float *row = window_row(image, w, v, u, ky) + c;
    for (size_t kx = u.from; kx < u.to; kx++) {
      vf x = vf_read(row + kx * w->channels, part), t = vf_set((float)(ky * w->kw + kx));
      at = vf_equal(x, x, vf_greater(x, best, t, at), t);
      best = vf_equal(x, x, vf_greater(x, best, x, best), x);
    }
  }
  vf_write(y + c, best, part);
  vf_write(tap + c, at, part);
}

/* No window reaches over a border of the image, or into another window. */
INLINE bool side_by_side(const pl_windows *w) {
  return w->top + w->left == 0 && w->oh * w->kh <= w->h && w->ow * w->kw <= w->w && w->sy == w->kh && w->sx == w->kw;
}

/* The largest of four, in the order of their taps. */
INLINE void max_of_four(float *y, float *tap, vf x0, vf x1, vf x2, vf x3, const size_t part) {
  vf best = x0, at = vf_set(0);
#define NEXT(x, t) \
  at = vf_equal(x, x, vf_greater(x, best, vf_set(t), at), vf_set(t)), \
  best = vf_equal(x, x, vf_greater(x, best, x, best), x)
  NEXT(x1, 1);
  NEXT(x2, 2);
  NEXT(x3, 3);
#undef NEXT
  vf_write(y, best, part);
  vf_write(tap, at, part);
}

INLINE void max_of_square(float *y, float *tap, const float *above, const float *below, size_t channels, size_t c,
                          const size_t part) {
  max_of_four(y + c, tap + c, vf_read(above + c, part), vf_read(above + channels + c, part),
              vf_read(below + c, part), vf_read(below + channels + c, part), part);
}

/* Windows of 2 x 2 side by side. */
static void max_of_squares(float *y, float *tap, const float *above, const pl_windows *w) {
  const float *below = above + w->w * w->channels;
  size_t ox = 0, step = w->channels;
#if defined(PL_ISA_avx512)
  /* two windows a vector */
  for (; step == 8 && ox + 2 <= w->ow; ox += 2, y += 16, tap += 16, above += 32, below += 32) {
    vf a0 = vf_load(above), a1 = vf_load(above + 16), b0 = vf_load(below), b1 = vf_load(below + 16);
    max_of_four(y, tap, _mm512_shuffle_f32x4(a0, a1, 0x44), _mm512_shuffle_f32x4(a0, a1, 0xee),
                _mm512_shuffle_f32x4(b0, b1, 0x44), _mm512_shuffle_f32x4(b0, b1, 0xee), PL_LANES);
  }
#endif
  for (; ox < w->ow; ox++, y += step, tap += step, above += 2 * step, below += 2 * step)
    EACH_VECTOR(step, max_of_square, y, tap, above, below, step);
}

void PL_KERNEL(maxpool_forward)(float *y, float *tap, const float *image, const pl_windows *w, size_t oy) {
  if (w->kh == 2 && w->kw == 2 && side_by_side(w)) {
    max_of_squares(y, tap, image + 2 * oy * w->w * w->channels, w);
    return;
  }
  span v = span_of(oy, w->sy, w->top, w->kh, w->h);
  for (size_t ox = 0; ox < w->ow; ox++, y += w->channels, tap += w->channels) {
    span u = span_of(ox, w->sx, w->left, w->kw, w->w);
    EACH_VECTOR(w->channels, max_of, y, tap, image, w, v, u);
  }
}

/* y = x[tap]  gives  dx[t] = sum of dy over the windows whose tap is t */
INLINE void max_back(float *dx, const float *dy, const float *tap, const pl_windows *w, size_t iy, size_t ix,
                     covering v, covering u, size_t c, const size_t part) {
  vf sum = vf_set(0);
  for (size_t oy = v.from; oy < v.to; oy++) {
    size_t ky = iy + w->top - oy * w->sy;
    for (size_t ox = u.from; ox < u.to; ox++) {
      size_t at = (oy * w->ow + ox) * w->channels + c, kx = ix + w->left - ox * w->sx;
      sum += vf_equal(vf_read(tap + at, part), vf_set((float)(ky * w->kw + kx)), vf_read(dy + at, part), vf_set(0));
    }
  }
  vf_write(dx + c, sum, part);
}

/* One window of a row, where windows lie side by side: each of its pixels is in no other. */
INLINE void max_back_window(float *dx, const float *dy, const float *tap, const pl_windows *w, size_t ky, size_t kw,
                            size_t c, const size_t part) {
  vf t = vf_read(tap + c, part), d = vf_read(dy + c, part);
  for (size_t kx = 0; kx < kw; kx++)
    vf_write(dx + kx * w->channels + c, vf_set(0) + vf_equal(t, vf_set((float)(ky * w->kw + kx)), d, vf_set(0)), part);
}

static void max_back_side_by_side(float *dx, const float *dy, const float *tap, const pl_windows *w, size_t iy) {
  size_t oy = iy / w->kh, ky = iy % w->kh, covered = oy < w->oh ? w->ow : 0, at = oy * w->ow * w->channels, ox = 0;
#if defined(PL_ISA_avx512)
  for (; w->channels == 8 && w->kw == 2 && ox + 2 <= covered; ox += 2, at += 16) {   /* two windows a vector */
    vf t = vf_load(tap + at), d = vf_load(dy + at) + vf_set(0), none = vf_set(0);
    vf left = vf_equal(t, vf_set((float)(2 * ky)), d, none), right = vf_equal(t, vf_set((float)(2 * ky + 1)), d, none);
    vf_store(dx + ox * 16, _mm512_shuffle_f32x4(left, right, 0x44));
    vf_store(dx + ox * 16 + 16, _mm512_shuffle_f32x4(left, right, 0xee));
  }
  if (w->channels < 8 && w->kw == 2) {   /* both pixels of a window a vector */
    size_t c = w->channels, twice = 2 * c;
    __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i count = _mm512_set1_epi32((int)c);
    __mmask16 right = _mm512_cmpge_epi32_mask(lane, count);
    __m512i channel = _mm512_mask_sub_epi32(lane, right, lane, count);
    vf taps = _mm512_mask_blend_ps(right, vf_set((float)(2 * ky)), vf_set((float)(2 * ky + 1)));
    for (; ox < covered; ox++, at += c) {
      vf t = _mm512_permutexvar_ps(channel, vf_load_part(tap + at, c));
      vf d = _mm512_permutexvar_ps(channel, vf_load_part(dy + at, c));
      vf_store_part(dx + ox * twice, vf_equal(t, taps, d + vf_set(0), vf_set(0)), twice);
    }
  }
#endif
  for (; ox < covered; ox++, at += w->channels) {
    if (w->kw == 2) EACH_VECTOR(w->channels, max_back_window, dx + ox * 2 * w->channels, dy + at, tap + at, w, ky, 2);
    else EACH_VECTOR(w->channels, max_back_window, dx + ox * w->kw * w->channels, dy + at, tap + at, w, ky, w->kw);
  }
  size_t reached = covered * w->kw;
  if (reached < w->w) memset(dx + reached * w->channels, 0, (w->w - reached) * w->channels * sizeof *dx);
}

void PL_KERNEL(maxpool_backward)(float *dx, const float *dy, const float *tap, const pl_windows *w, size_t iy) {
  if (side_by_side(w)) {
    max_back_side_by_side(dx, dy, tap, w, iy);
    return;
  }
  covering v = advance((covering){ 0, 0 }, iy, w->sy, w->top, w->kh, w->oh), u = { 0, 0 };
  for (size_t ix = 0; ix < w->w; ix++, dx += w->channels) {
    u = advance(u, ix, w->sx, w->left, w->kw, w->ow);
    EACH_VECTOR(w->channels, max_back, dx, dy, tap, w, iy, ix, v, u);
  }
}

INLINE float count_of(const pl_windows *w, span v, span u) {
  return w->count_padding ? (float)(w->kh * w->kw) : (float)((v.to - v.from) * (u.to - u.from));
}

INLINE void mean_of(float *y, const float *image, const pl_windows *w, span v, span u, size_t c, const size_t part) {
  vf sum = vf_set(0);
  for (size_t ky = v.from; ky < v.to; ky++) {
    const float *row = window_row(image, w, v, u, ky) + c;
    for (size_t kx = u.from; kx < u.to; kx++) sum += vf_read(row + kx * w->channels, part);
  }
  vf_write(y + c, sum / vf_set(count_of(w, v, u)), part);
}

void PL_KERNEL(avgpool_forward)(float *y, const float *image, const pl_windows *w, size_t oy) {
  span v = span_of(oy, w->sy, w->top, w->kh, w->h);
  for (size_t ox = 0; ox < w->ow; ox++, y += w->channels) {
    span u = span_of(ox, w->sx, w->left, w->kw, w->w);
    EACH_VECTOR(w->channels, mean_of, y, image, w, v, u);
  }
}

/* y = (sum of x over the window) / count  gives  dx = sum of dy / count over the windows that cover the pixel */
INLINE void mean_back(float *dx, const float *dy, const pl_windows *w, covering v, covering u, size_t c,
                      const size_t part) {
  vf sum = vf_set(0);
  for (size_t oy = v.from; oy < v.to; oy++) {
    span rows = span_of(oy, w->sy, w->top, w->kh, w->h);
    for (size_t ox = u.from; ox < u.to; ox++) {
      float count = count_of(w, rows, span_of(ox, w->sx, w->left, w->kw, w->w));
      sum += vf_read(dy + (oy * w->ow + ox) * w->channels + c, part) / vf_set(count);
    }
  }
  vf_write(dx + c, sum, part);
}

void PL_KERNEL(avgpool_backward)(float *dx, const float *dy, const pl_windows *w, size_t iy) {
  covering v = advance((covering){ 0, 0 }, iy, w->sy, w->top, w->kh, w->oh), u = { 0, 0 };
  for (size_t ix = 0; ix < w->w; ix++, dx += w->channels) {
    u = advance(u, ix, w->sx, w->left, w->kw, w->ow);
    EACH_VECTOR(w->channels, mean_back, dx, dy, w, v, u);
  }
}
