/* Pooling kernels, one row a call, against loops over the definition: every window, uneven borders, few and many
   channels, equal values, NaN. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../c/support_kernels.h"
#include "kernels/kernels.h"

typedef struct {
  pl_windows w;
  size_t in, out;
  float *x, *dy, *y, *dx, *tap;
} problem;

static problem make(size_t h, size_t w, size_t channels, size_t kh, size_t kw, size_t sy, size_t sx, size_t top,
                    size_t left, size_t bottom, size_t right) {
  problem p = { .w = { .h = h, .w = w, .channels = channels, .kh = kh, .kw = kw, .sy = sy, .sx = sx, .top = top,
                       .left = left } };
  p.w.oh = (h + top + bottom - kh) / sy + 1;
  p.w.ow = (w + left + right - kw) / sx + 1;
  p.in = h * w * channels;
  p.out = p.w.oh * p.w.ow * channels;
  p.x = random_floats(p.in);
  p.dy = random_floats(p.out);
  p.y = random_floats(p.out);
  p.dx = random_floats(p.in);
  p.tap = random_floats(p.out);
  return p;
}

static void drop(problem *p) {
  free(p->x);
  free(p->dy);
  free(p->y);
  free(p->dx);
  free(p->tap);
}

static void run_max(problem *p) {
  const pl_windows *w = &p->w;
  for (size_t oy = 0; oy < w->oh; oy++)
    pl_kernel.maxpool_forward(p->y + oy * w->ow * w->channels, p->tap + oy * w->ow * w->channels, p->x, w, oy);
  for (size_t iy = 0; iy < w->h; iy++)
    pl_kernel.maxpool_backward(p->dx + iy * w->w * w->channels, p->dy, p->tap, w, iy);
}

static void run_average(problem *p) {
  const pl_windows *w = &p->w;
  for (size_t oy = 0; oy < w->oh; oy++) pl_kernel.avgpool_forward(p->y + oy * w->ow * w->channels, p->x, w, oy);
  for (size_t iy = 0; iy < w->h; iy++) pl_kernel.avgpool_backward(p->dx + iy * w->w * w->channels, p->dy, w, iy);
}

/* Where tap t of window (oy, ox) lies in the input; -1: outside. */
static ptrdiff_t place(const pl_windows *w, size_t oy, size_t ox, size_t c, size_t t) {
  ptrdiff_t y = (ptrdiff_t)(oy * w->sy + t / w->kw) - (ptrdiff_t)w->top,
  x = (ptrdiff_t)(ox * w->sx + t % w->kw) - (ptrdiff_t)w->left;
  if (y < 0 || x < 0 || y >= (ptrdiff_t)w->h || x >= (ptrdiff_t)w->w) return -1;
  return (y * (ptrdiff_t)w->w + x) * (ptrdiff_t)w->channels + (ptrdiff_t)c;
}

static void check_max(const problem *p) {
  const pl_windows *w = &p->w;
  double *dx = calloc(p->in, sizeof *dx);
  for (size_t o = 0; o < p->out; o++) {
    size_t c = o % w->channels, ox = o / w->channels % w->ow, oy = o / w->channels / w->ow;
    ptrdiff_t best = -1;
    for (size_t t = 0; t < w->kh * w->kw; t++) {
      ptrdiff_t at = place(w, oy, ox, c, t);
      if (at >= 0 && (best < 0 || p->x[at] > p->x[best] || isnan(p->x[at]))) best = at;
    }
    assert_true(best >= 0);
    assert_memory_equal(&p->y[o], &p->x[best], sizeof(float));
    if (place(w, oy, ox, c, (size_t)p->tap[o]) != best)
      fail_msg("output %zu: tap %g is not the first of the largest", o, (double)p->tap[o]);
    dx[best] += (double)p->dy[o];
  }
  for (size_t i = 0; i < p->in; i++) assert_true(fabs((double)p->dx[i] - dx[i]) < 1e-5);
  free(dx);
}

static void check_average(const problem *p) {
  const pl_windows *w = &p->w;
  double *dx = calloc(p->in, sizeof *dx);
  for (size_t o = 0; o < p->out; o++) {
    size_t c = o % w->channels, ox = o / w->channels % w->ow, oy = o / w->channels / w->ow;
    double sum = 0, count = 0;
    for (size_t t = 0; t < w->kh * w->kw; t++) {
      ptrdiff_t at = place(w, oy, ox, c, t);
      if (at >= 0) sum += (double)p->x[at], count++;
    }
    if (w->count_padding) count = (double)(w->kh * w->kw);
    assert_true(fabs((double)p->y[o] - sum / count) < 1e-5);
    for (size_t t = 0; t < w->kh * w->kw; t++) {
      ptrdiff_t at = place(w, oy, ox, c, t);
      if (at >= 0) dx[at] += (double)p->dy[o] / count;
    }
  }
  for (size_t i = 0; i < p->in; i++) assert_true(fabs((double)p->dx[i] - dx[i]) < 1e-5);
  free(dx);
}

static void check(problem p) {
  float *bits[4] = { NULL, NULL, NULL, NULL };
  for (int i = 0; next_isa(&i); i++) {
    run_max(&p);
    check_max(&p);
    same_bits(&bits[0], p.y, p.out, "maxpool_forward");
    same_bits(&bits[1], p.dx, p.in, "maxpool_backward");
    for (int padding = 0; padding < 2; padding++) {
      p.w.count_padding = padding;
      run_average(&p);
      check_average(&p);
    }
    same_bits(&bits[2], p.y, p.out, "avgpool_forward");
    same_bits(&bits[3], p.dx, p.in, "avgpool_backward");
  }
  for (int k = 0; k < 4; k++) free(bits[k]);
  drop(&p);
}

static size_t some(int low, int high) { return (size_t)random_int(low, high); }

static void windows(void **state) {
  static const size_t channels[] = { 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 48, 50 };
  (void)state;
  for (size_t c = 0; c < sizeof channels / sizeof *channels; c++) {
    check(make(6, 8, channels[c], 2, 2, 2, 2, 0, 0, 0, 0));
    for (int times = 0; times < 25; times++) {
      size_t kh = some(1, 5), kw = some(1, 5), top = some(0, (int)kh - 1), left = some(0, (int)kw - 1);
      check(make(kh + some(0, 6), kw + some(0, 6), channels[c], kh, kw, some(1, 6), some(1, 6), top, left,
                 some(0, (int)kh - 1), some(0, (int)kw - 1)));
    }
  }
  check(make(20, 30, 3, 20, 30, 1, 1, 0, 0, 0, 0));   /* more taps than a byte counts */
}

static void check_equal_values(problem p) {
  for (size_t i = 0; i < p.in; i++) p.x[i] = (float)random_int(0, 2);
  for (int i = 0; next_isa(&i); i++) {
    run_max(&p);
    check_max(&p);
  }
  for (size_t i = 0; i < p.in; i++) p.x[i] = -INFINITY;
  for (int i = 0; next_isa(&i); i++) {
    run_max(&p);
    check_max(&p);
  }
  drop(&p);
}

static void equal_values(void **state) {
  (void)state;
  check_equal_values(make(7, 9, 19, 3, 3, 2, 2, 1, 1, 1, 1));
  check_equal_values(make(8, 11, 19, 2, 2, 2, 2, 0, 0, 0, 0));
  check_equal_values(make(8, 11, 8, 2, 2, 2, 2, 0, 0, 0, 0));
}

static void check_nan(problem p) {
  const pl_windows *w = &p.w;
  size_t channels = w->channels;
  for (size_t i = 0; i < p.in; i += 5) p.x[i] = NAN;
  for (int i = 0; next_isa(&i); i++) {
    run_max(&p);
    check_max(&p);
    run_average(&p);
    for (size_t o = 0; o < p.out; o++) {
      size_t c = o % channels, ox = o / channels % w->ow, oy = o / channels / w->ow;
      bool any = false;
      for (size_t t = 0; t < w->kh * w->kw; t++) any = any || isnan(p.x[place(&p.w, oy, ox, c, t)]);
      assert_int_equal(isnan(p.y[o]) != 0, any);
    }
  }
  drop(&p);
}

static void nan_is_passed_on(void **state) {
  (void)state;
  check_nan(make(9, 9, 21, 3, 3, 3, 3, 0, 0, 0, 0));
  check_nan(make(8, 10, 21, 2, 2, 2, 2, 0, 0, 0, 0));
  check_nan(make(8, 10, 8, 2, 2, 2, 2, 0, 0, 0, 0));
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(windows), cmocka_unit_test(equal_values),
                                      cmocka_unit_test(nan_is_passed_on) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
