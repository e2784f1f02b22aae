/* Augmentations against naive double-precision references; the same bits for any number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "perilune/cpu.h"
#include "perilune/data.h"

static pl_augment *make(const char *type, const char *json) {
  pl_error err;
  cJSON *args = cJSON_Parse(json);
  assert_non_null(args);
  pl_augment *a = pl_augment_new(type, args, &err);
  cJSON_Delete(args);
  if (a == NULL) print_message("%s\n", err.text);
  assert_non_null(a);
  return a;
}

typedef struct job {
  const pl_augment *a;
  float *images, *scratch;
  size_t n;
  int64_t h, w, c;
  pl_rng rng;
} job;

static void work(const pl_team *team, void *arg) {
  job *j = arg;
  pl_augment_apply(j->a, team, j->images, j->n, j->h, j->w, j->c, j->rng, j->scratch);
}

static void apply(const pl_augment *a, float *images, size_t n, int64_t h, int64_t w, int64_t c, pl_rng rng,
                  int threads) {
  float *scratch = malloc((pl_augment_scratch(a, h, w, c, threads) + 1) * sizeof *scratch);
  pl_threads_run_on(threads, work, &(job){ a, images, scratch, n, h, w, c, rng });
  free(scratch);
}

static float *noise_images(size_t n) {
  float *x = malloc(n * sizeof *x);
  pl_rng_fill_uniform(x, n, (pl_rng){ 11, 22 }, -1, 1);
  return x;
}

/* Bilinear with `value` outside, or the nearest edge: a sum of tents over a generous neighbourhood. */
static double look_up(const float *image, int64_t h, int64_t w, int64_t channels, int64_t c, double y, double x,
                      bool edge, double value) {
  double sum = 0;
  for (int64_t i = (int64_t)floor(y); i <= (int64_t)floor(y) + 1; i++) {
    for (int64_t j = (int64_t)floor(x); j <= (int64_t)floor(x) + 1; j++) {
      double weight = fmax(0, 1 - fabs(y - (double)i)) * fmax(0, 1 - fabs(x - (double)j));
      bool outside = i < 0 || i >= h || j < 0 || j >= w;
      int64_t ii = i < 0 ? 0 : i >= h ? h - 1 : i, jj = j < 0 ? 0 : j >= w ? w - 1 : j;
      sum += weight * (outside && !edge ? value : image[(ii * w + jj) * channels + c]);
    }
  }
  return sum;
}

/* Ranges {v, v} leave nothing to chance, so the transform is known: out = c + M (in - c) + shift, M inverted here as a
   general 2x2 matrix. */
static void affine_matches_the_definition(void **state) {
  (void)state;
  static const struct { double zoom, angle, shear, shift; const char *fill; } cases[] = {
    { 0, 25, 0, 0, "zero" }, { 0.2, 0, 0, 0, "zero" }, { -0.2, -25, 0, 0.1, "edge" }, { 0.1, 10, 0.3, -0.2, "value" },
    { 0.5, 170, -0.4, 0.35, "edge" }, { -0.6, 45, 0, 0.9, "zero" },
  };
  enum { Y = 9, X = 7, C = 2, N = 3 };
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
    char json[400];
    double outside = cases[k].fill[0] == 'v' ? 0.5 : 0;
    snprintf(json, sizeof json,
             "{\"zoom\":[%g,%g],\"rotate\":[%g,%g],\"shear\":[%g,%g],\"shift\":[%g,%g],\"fill\":\"%s\",\"value\":%g}",
             cases[k].zoom, cases[k].zoom, cases[k].angle, cases[k].angle, cases[k].shear, cases[k].shear,
             cases[k].shift, cases[k].shift, cases[k].fill, outside);
    pl_augment *a = make("affine", json);
    float *in = noise_images(N * Y * X * C), *out = malloc(N * Y * X * C * sizeof *out);
    memcpy(out, in, N * Y * X * C * sizeof *out);
    apply(a, out, N, Y, X, C, pl_augment_rng(1, 1, 0, 0), 2);
    double z = 1 + cases[k].zoom, t = cases[k].angle * acos(-1) / 180, s = cases[k].shear;
    /* rows: y down, x right. counter-clockwise: (y, x) -> (y cos t - x sin t, y sin t + x cos t); after x += s y, after
       zoom */
    double m[2][2] = { { z * (cos(t) - s * sin(t)), -z * sin(t) }, { z * (sin(t) + s * cos(t)), z * cos(t) } };
    double det = m[0][0] * m[1][1] - m[0][1] * m[1][0];
    double inverse[2][2] = { { m[1][1] / det, -m[0][1] / det }, { -m[1][0] / det, m[0][0] / det } };
    for (int n = 0; n < N; n++) for (int y = 0; y < Y; y++) for (int x = 0; x < X; x++) for (int c = 0; c < C; c++) {
      double v = y - (Y - 1) / 2.0 - cases[k].shift * Y, h = x - (X - 1) / 2.0 - cases[k].shift * X;
      double sy = (Y - 1) / 2.0 + inverse[0][0] * v + inverse[0][1] * h,
        sx = (X - 1) / 2.0 + inverse[1][0] * v + inverse[1][1] * h;
      double want = look_up(in + n * Y * X * C, Y, X, C, c, sy, sx, cases[k].fill[0] == 'e', outside);
      assert_float_equal(out[((n * Y + y) * X + x) * C + c], want, 2e-5);
    }
    free(in);
    free(out);
    pl_augment_free(a);
  }
}

static void nothing_asked_changes_no_bit(void **state) {
  (void)state;
  static const char *const jsons[] = { "{}", "{\"sample\":\"nearest\"}", "{\"fill\":\"edge\"}" };
  for (int k = 0; k < 3; k++) {
    pl_augment *a = make("affine", jsons[k]);
    float *in = noise_images(4 * 64), *out = noise_images(4 * 64);
    apply(a, out, 4, 8, 8, 1, pl_augment_rng(1, 1, 0, 0), 1);
    assert_memory_equal(in, out, 4 * 64 * sizeof *in);
    free(in);
    free(out);
    pl_augment_free(a);
  }
}

/* Document 003's shifts: whole pixels up to a fifth of the side, each as often as any other. */
static void whole_shifts_are_whole_and_even(void **state) {
  (void)state;
  enum { SIDE = 28, N = 4000 };
  pl_augment *a = make("affine", "{\"shift\":0.2,\"unit\":\"whole\"}");
  float *x = calloc(N * SIDE * SIDE, sizeof *x);
  int seen[2][11] = { 0 };
  for (int i = 0; i < N; i++) x[i * SIDE * SIDE + 14 * SIDE + 14] = 1;
  apply(a, x, N, SIDE, SIDE, 1, pl_augment_rng(5, 1, 0, 0), 2);
  for (int i = 0; i < N; i++) {
    int found = 0;
    for (int p = 0; p < SIDE * SIDE; p++) {
      if (x[i * SIDE * SIDE + p] == 0) continue;
      assert_true(x[i * SIDE * SIDE + p] == 1.0f);
      int down = p / SIDE - 14, right = p % SIDE - 14;
      assert_true(abs(down) <= 5 && abs(right) <= 5);
      seen[0][down + 5]++;
      seen[1][right + 5]++;
      found++;
    }
    assert_int_equal(found, 1);
  }
  for (int axis = 0; axis < 2; axis++)
    for (int s = 0; s < 11; s++) assert_true(abs(seen[axis][s] - N / 11) < 5 * sqrt(N / 11.0));
  free(x);
  pl_augment_free(a);
}

/* How many of n images differ from what they were. */
static int altered(const pl_augment *a, int n, uint64_t batch) {
  float *in = noise_images((size_t)n * 36), *out = noise_images((size_t)n * 36);
  int count = 0;
  apply(a, out, (size_t)n, 6, 6, 1, pl_augment_rng(3, 1, batch, 0), 2);
  for (int i = 0; i < n; i++) count += memcmp(in + i * 36, out + i * 36, 36 * sizeof *in) != 0;
  free(in);
  free(out);
  return count;
}

static void chance_is_per_batch_or_per_image(void **state) {
  (void)state;
  pl_augment *batch = make("affine", "{\"chance\":0.25,\"per\":\"batch\",\"rotate\":25}");
  pl_augment *image = make("affine", "{\"chance\":0.25,\"per\":\"image\",\"rotate\":25}");
  int batches = 0, images = 0;
  for (uint64_t b = 0; b < 400; b++) {
    int n = altered(batch, 8, b);
    assert_true(n == 0 || n == 8);
    batches += n == 8;
    images += altered(image, 8, b);
  }
  assert_true(abs(batches - 100) < 45);        /* five standard deviations */
  assert_true(abs(images - 800) < 125);
  pl_augment_free(batch);
  pl_augment_free(image);
}

static void bits_do_not_depend_on_threads(void **state) {
  (void)state;
  enum { N = 13, SIZE = 28 * 28 };
  int tried = 0;
  const char *const *type = pl_augment_types(), *json;
  for (int k = 0; *type != NULL; k++) {
    if ((json = pl_augment_example(*type, k)) == NULL) {
      assert_true(k > 0);   /* every augmentation has one */
      type++;
      k = -1;
      continue;
    }
    tried++;
    pl_augment *a = make(*type, json);
    float *one = noise_images(N * SIZE), *many = noise_images(N * SIZE), *before = noise_images(N * SIZE);
    apply(a, one, N, 28, 28, 1, pl_augment_rng(9, 4, 2, 0), 1);
    assert_memory_not_equal(one, before, N * SIZE * sizeof *one);
    for (int threads = 2; threads <= 4; threads++) {
      memcpy(many, before, N * SIZE * sizeof *many);
      apply(a, many, N, 28, 28, 1, pl_augment_rng(9, 4, 2, 0), threads);
      assert_memory_equal(one, many, N * SIZE * sizeof *one);
    }
    pl_rng others[4] = { pl_augment_rng(8, 4, 2, 0), pl_augment_rng(9, 5, 2, 0), pl_augment_rng(9, 4, 3, 0),
                         pl_augment_rng(9, 4, 2, 1) };
    for (int o = 0; o < 4; o++) {
      memcpy(many, before, N * SIZE * sizeof *many);
      apply(a, many, N, 28, 28, 1, others[o], 2);
      assert_memory_not_equal(one, many, N * SIZE * sizeof *one);
    }
    free(one);
    free(many);
    free(before);
    pl_augment_free(a);
  }
  assert_true(tried >= 5);
}

/* The definition with the same uniform numbers: draws 68, 69, ... of the image's stretch of 2^24. */
static void elastic_matches_the_definition(void **state) {
  (void)state;
  enum { Y = 11, X = 13, C = 2, N = 2 };
  double alpha = 12, sigma = 1.7;
  pl_augment *a = make("elastic", "{\"alpha\":12,\"sigma\":1.7}");
  pl_rng rng = pl_augment_rng(2, 3, 4, 5);
  float *in = noise_images(N * Y * X * C), *out = noise_images(N * Y * X * C);
  apply(a, out, N, Y, X, C, rng, 2);
  int radius = (int)ceil(3 * sigma);
  double total = 0, moved = 0;
  for (int k = -radius; k <= radius; k++) total += exp(-k * k / (2 * sigma * sigma));
  for (int n = 0; n < N; n++) for (int y = 0; y < Y; y++) for (int x = 0; x < X; x++) {
    double d[2] = { 0, 0 };
    for (int axis = 0; axis < 2; axis++) for (int i = 0; i < Y; i++) for (int j = 0; j < X; j++) {
      if (abs(i - y) > radius || abs(j - x) > radius) continue;
      double weight = exp(-((i - y) * (i - y) + (j - x) * (j - x)) / (2 * sigma * sigma)) / (total * total);
      uint64_t draw = (uint64_t)(n + 1) * (1 << 24) + 68 + (uint64_t)(axis * Y * X + i * X + j);
      d[axis] += weight * (2 * pl_rng_uniform(rng, draw) - 1);
    }
    moved += fabs(alpha * d[0]);
    for (int c = 0; c < C; c++) {
      double want = look_up(in + n * Y * X * C, Y, X, C, c, y + alpha * d[0], x + alpha * d[1], false, 0);
      assert_float_equal(out[((n * Y + y) * X + x) * C + c], want, 2e-5);
    }
  }
  assert_true(moved / (N * Y * X) > 0.5);
  free(in);
  free(out);
  pl_augment_free(a);
}

static void noise_has_its_std(void **state) {
  (void)state;
  enum { N = 40000 };
  pl_augment *a = make("noise", "[0.3]");
  float *x = calloc(N, sizeof *x);
  apply(a, x, 4, 100, 100, 1, pl_augment_rng(1, 1, 1, 0), 2);
  double sum = 0, square = 0, neighbour = 0;
  for (int i = 0; i < N; i++) {
    sum += x[i];
    square += (double)x[i] * x[i];
    neighbour += i ? (double)x[i] * x[i - 1] : 0;
  }
  assert_float_equal(sum / N, 0, 0.01);
  assert_float_equal(sqrt(square / N), 0.3, 0.006);
  assert_float_equal(neighbour / N, 0, 0.003);
  free(x);
  pl_augment_free(a);
}

static void cutout_cuts_a_square(void **state) {
  (void)state;
  enum { N = 500, SIDE = 12 };
  pl_augment *a = make("cutout", "{\"size\":5,\"value\":-7}");
  float *x = calloc(N * SIDE * SIDE, sizeof *x);
  int whole = 0, corner = 0;
  apply(a, x, N, SIDE, SIDE, 1, pl_augment_rng(1, 1, 1, 0), 2);
  for (int i = 0; i < N; i++) {
    int top = SIDE, bottom = -1, left = SIDE, right = -1, count = 0;
    for (int p = 0; p < SIDE * SIDE; p++) {
      if (x[i * SIDE * SIDE + p] == 0) continue;
      assert_true(x[i * SIDE * SIDE + p] == -7.0f);
      int r = p / SIDE, c = p % SIDE;
      top = r < top ? r : top;
      bottom = r > bottom ? r : bottom;
      left = c < left ? c : left;
      right = c > right ? c : right;
      count++;
    }
    assert_true(count >= 9 && count == (bottom - top + 1) * (right - left + 1));
    assert_true(bottom - top < 5 && right - left < 5);
    whole += count == 25;
    corner += count == 9;
  }
  assert_true(whole > N / 4 && corner > 0);
  free(x);
  pl_augment_free(a);
}

static void flip_mirrors(void **state) {
  (void)state;
  enum { N = 400, H = 5, W = 4, C = 3, ALL = N * H * W * C };
  static const struct { const char *json; bool vertical; double share; } cases[] = {
    { "{\"chance\":1}", false, 1 }, { "{\"direction\":\"vertical\",\"chance\":1}", true, 1 }, { "{}", false, 0.5 },
  };
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
    pl_augment *a = make("flip", cases[k].json);
    float *x = noise_images(ALL), *y = noise_images(ALL);
    apply(a, y, N, H, W, C, pl_augment_rng(1, 1, 1, 0), 2);
    int mirrored = 0;
    for (int i = 0; i < N; i++) {
      bool as_it_was = memcmp(x + i * H * W * C, y + i * H * W * C, H * W * C * sizeof *x) == 0;
      mirrored += !as_it_was;
      for (int r = 0; r < H; r++)
        for (int q = 0; q < W; q++)
          for (int c = 0; c < C; c++) {
            int from_r = cases[k].vertical && !as_it_was ? H - 1 - r : r;
            int from_q = cases[k].vertical || as_it_was ? q : W - 1 - q;
            assert_true(y[((i * H + r) * W + q) * C + c] == x[((i * H + from_r) * W + from_q) * C + c]);
          }
    }
    assert_float_equal((double)mirrored / N, cases[k].share, 0.07);
    free(x);
    free(y);
    pl_augment_free(a);
  }
}

static void a_configuration_makes_the_same_again(void **state) {
  (void)state;
  pl_error err;
  pl_augment *a = make("affine", "{\"chance\":0.25,\"per\":\"batch\",\"zoom\":0.2,"
                       "\"rotate\":25,\"unit\":\"whole\",\"shift\":[0,0.2]}");
  cJSON *config = pl_augment_config(a);
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(config, "type")), "affine");
  cJSON_DeleteItemFromObject(config, "type");
  pl_augment *b = pl_augment_new("affine", config, &err);
  assert_non_null(b);
  cJSON *again = pl_augment_config(b);
  cJSON_DeleteItemFromObject(again, "type");
  assert_true(cJSON_Compare(config, again, true));
  cJSON_Delete(config);
  cJSON_Delete(again);
  pl_augment_free(a);
  pl_augment_free(b);
}

static void refuses_with_a_reason(void **state) {
  (void)state;
  static const struct { const char *type, *json, *text; } cases[] = {
    { "afine", "{}", "there is no augmentation 'afine'; did you mean 'affine'?" },
    { "affine", "{\"rotation\":3}", "affine has no option 'rotation'; did you mean 'rotate'?" },
    { "affine", "{\"zoom\":[0.2,-0.2]}", "affine: option 'zoom' is a range {low, high}, got {0.2, -0.2}" },
    { "affine", "{\"chance\":1.5}", "affine: option 'chance' must be between 0 and 1, got 1.5" },
    { "affine", "{\"per\":\"epoch\"}", "affine: option 'per' is one of \"batch\", \"image\", got \"epoch\"" },
    { "noise", "{}", "noise: option 'std' is missing; write noise(std)" },
    { "elastic", "{\"sigma\":0}", "elastic: option 'sigma' must be between 0.5 and 20, got 0" },
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    pl_error err;
    cJSON *args = cJSON_Parse(cases[i].json);
    assert_null(pl_augment_new(cases[i].type, args, &err));
    assert_string_equal(err.text, cases[i].text);
    cJSON_Delete(args);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(affine_matches_the_definition), cmocka_unit_test(nothing_asked_changes_no_bit),
    cmocka_unit_test(whole_shifts_are_whole_and_even), cmocka_unit_test(chance_is_per_batch_or_per_image),
    cmocka_unit_test(bits_do_not_depend_on_threads), cmocka_unit_test(elastic_matches_the_definition),
    cmocka_unit_test(noise_has_its_std), cmocka_unit_test(cutout_cuts_a_square),
    cmocka_unit_test(flip_mirrors),
    cmocka_unit_test(a_configuration_makes_the_same_again), cmocka_unit_test(refuses_with_a_reason),
  };
  return pl_cpu_select(NULL, NULL) ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
