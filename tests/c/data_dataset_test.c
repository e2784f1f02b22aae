/* Data sets: gathering, rows, splits, statistics, resizing, against naive loops. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "perilune/alloc.h"
#include "perilune/cpu.h"
#include "perilune/data.h"

enum { N = 60, H = 5, W = 4, C = 3, SIZE = H * W * C };

static pl_tensor *pixels(void) {
  pl_error err;
  pl_tensor *t = pl_tensor_new(PL_U8, &(pl_shape){ 4, { N, H, W, C } }, &err);
  uint8_t *p = pl_tensor_data(t);
  for (int i = 0; i < N * SIZE; i++) p[i] = (uint8_t)(pl_rng_word((pl_rng){ 1, 2 }, (uint64_t)i) >> 24);
  return t;
}

/* Labels 0, 1, 2, 0, 1, 2, ... except that the last third has class 3 too. */
static int label_of(int i) { return i >= 40 && i % 2 ? 3 : i % 3; }

static pl_tensor *labels(void) {
  pl_error err;
  pl_tensor *t = pl_tensor_new(PL_I32, &(pl_shape){ 1, { N } }, &err);
  for (int i = 0; i < N; i++) ((int32_t *)pl_tensor_data(t))[i] = label_of(i);
  return t;
}

static pl_dataset *sample_set(void) {
  pl_error err;
  pl_tensor *x = pixels(), *y = labels();
  pl_dataset *ds = pl_dataset_new(x, y, 0, &err);
  assert_non_null(ds);
  pl_tensor_free(x);   /* the data set keeps the storage */
  pl_tensor_free(y);
  return ds;
}

typedef struct job {
  const pl_dataset *ds;
  const uint32_t *positions;
  size_t n;
  float *x;
  int32_t *labels;
} job;

static void gather(const pl_team *team, void *arg) {
  job *j = arg;
  pl_dataset_gather(j->ds, team, j->positions, j->n, j->x, j->labels, NULL);
}

/* All values of a data set, [count, size]; the caller frees. */
static float *values(const pl_dataset *ds, int32_t *y) {
  size_t n = pl_dataset_count(ds);
  pl_shape shape = pl_dataset_shape(ds);
  uint32_t *positions = malloc(n * sizeof *positions);
  float *x = malloc(n * (size_t)pl_shape_count(&shape) * sizeof *x);
  pl_epoch_order(positions, n, 0, 0, false);
  pl_threads_run_on(1, gather, &(job){ ds, positions, n, x, y });
  free(positions);
  return x;
}

static void gathers_values_and_labels(void **state) {
  (void)state;
  pl_dataset *ds = sample_set();
  pl_tensor *p = pixels();
  const uint8_t *pixel = pl_tensor_data(p);
  uint32_t order[7] = { 5, 59, 0, 5, 33, 1, 58 };
  float x[7 * SIZE], again[7 * SIZE];
  int32_t y[7];
  assert_int_equal(pl_dataset_classes(ds), 4);
  for (int threads = 1; threads <= 4; threads++) {
    memset(x, 0, sizeof x);
    pl_threads_run_on(threads, gather, &(job){ ds, order, 7, x, y });
    for (int i = 0; i < 7; i++) {
      assert_int_equal(y[i], label_of((int)order[i]));
      for (int e = 0; e < SIZE; e++)
        assert_float_equal(x[i * SIZE + e], pixel[order[i] * SIZE + (uint32_t)e] / 255.0, 1e-7);
    }
    if (threads == 1) memcpy(again, x, sizeof x);
    assert_memory_equal(x, again, sizeof x);
  }
  pl_tensor_free(p);
  pl_dataset_free(ds);
}

static void white_is_exactly_one(void **state) {
  (void)state;
  pl_error err;
  pl_tensor *t = pl_tensor_new(PL_U8, &(pl_shape){ 2, { 1, 2 } }, &err);
  ((uint8_t *)pl_tensor_data(t))[0] = 255;
  pl_dataset *ds = pl_dataset_new(t, NULL, 0, &err);
  float *x = values(ds, NULL);
  assert_true(x[0] == 1.0f && x[1] == 0.0f);
  free(x);
  pl_tensor_free(t);
  pl_dataset_free(ds);
}

static void orders_are_permutations_of_seed_and_epoch(void **state) {
  (void)state;
  uint32_t a[100], b[100], seen[100] = { 0 };
  pl_epoch_order(a, 100, 7, 1, true);
  pl_epoch_order(b, 100, 7, 1, true);
  assert_memory_equal(a, b, sizeof a);
  pl_epoch_order(b, 100, 7, 2, true);
  assert_memory_not_equal(a, b, sizeof a);
  pl_epoch_order(b, 100, 8, 1, true);
  assert_memory_not_equal(a, b, sizeof a);
  for (int i = 0; i < 100; i++) seen[a[i]]++;
  for (int i = 0; i < 100; i++) assert_int_equal(seen[i], 1);
  assert_int_equal(pl_batch_count(100, 32, false), 4);
  assert_int_equal(pl_batch_count(100, 32, true), 3);
  assert_int_equal(pl_batch_count(96, 32, false), 3);
  assert_int_equal(pl_batch_length(100, 32, 2), 32);
  assert_int_equal(pl_batch_length(100, 32, 3), 4);
}

static void takes_the_first_of_each_class(void **state) {
  (void)state;
  pl_error err;
  pl_dataset *ds = sample_set();
  pl_dataset *sub = pl_dataset_first_per_class(ds, 5, &err);
  assert_non_null(sub);
  assert_int_equal(pl_dataset_count(sub), 20);
  int32_t y[20];
  float *x = values(sub, y), *all = values(ds, NULL);
  int at = 0, taken[4] = { 0 };
  for (int i = 0; i < N; i++) {
    if (taken[label_of(i)]++ >= 5) continue;
    assert_int_equal(y[at], label_of(i));
    assert_memory_equal(x + at * SIZE, all + i * SIZE, SIZE * sizeof *x);
    at++;
  }
  assert_int_equal(at, 20);
  assert_null(pl_dataset_first_per_class(ds, 11, &err));
  assert_string_equal(err.text, "class 3 has 10 samples, 11 of each are wanted");
  free(x);
  free(all);
  pl_dataset_free(sub);
  pl_dataset_free(ds);
}

static void splits_without_overlap(void **state) {
  (void)state;
  for (int how = 0; how < 4; how++) {
    pl_error err;
    pl_dataset *ds = sample_set(), *kept, *held;
    pl_split_options options = { .fraction = 0.25, .stratified = how & 1, .shuffled = how & 2, .seed = 3 };
    assert_int_equal(pl_dataset_split(&kept, &held, ds, &options, &err), PL_OK);
    assert_int_equal(pl_dataset_count(held), 15);
    assert_int_equal(pl_dataset_count(kept), 45);
    int32_t y[N];
    float *a = values(kept, y), *b = values(held, y + 45), *all = values(ds, NULL);
    int found = 0, in_held[4] = { 0 };
    for (int i = 0; i < N; i++) {   /* samples are distinct, so each is found exactly once */
      for (int k = 0; k < 45; k++) found += memcmp(all + i * SIZE, a + k * SIZE, SIZE * sizeof *a) == 0;
      for (int k = 0; k < 15; k++) found += memcmp(all + i * SIZE, b + k * SIZE, SIZE * sizeof *b) == 0;
    }
    assert_int_equal(found, N);
    for (int k = 45; k < N; k++) in_held[y[k]]++;
    int size[4] = { 0 };
    for (int i = 0; i < N; i++) size[label_of(i)]++;
    if (how & 1) for (int c = 0; c < 4; c++) assert_true(fabs(in_held[c] - 0.25 * size[c]) <= 1);
    if (how == 0) assert_memory_equal(b, all + 45 * SIZE, 15 * SIZE * sizeof *b);
    free(a);
    free(b);
    free(all);
    pl_dataset_free(kept);
    pl_dataset_free(held);
    pl_dataset_free(ds);
  }
}

static void statistics_match_naive_sums(void **state) {
  (void)state;
  pl_error err;
  pl_dataset *ds = sample_set();
  float *x = values(ds, NULL);
  for (int per = PL_PER_ALL; per <= PL_PER_ELEMENT; per++) {
    int groups = per == PL_PER_ALL ? 1 : per == PL_PER_CHANNEL ? C : SIZE;
    pl_tensor *mean, *std;
    assert_int_equal(pl_dataset_statistics(&mean, &std, ds, (pl_per)per, &err), PL_OK);
    for (int e = 0; e < (per == PL_PER_ALL ? 1 : SIZE); e++) {
      double sum = 0, square = 0;
      int n = 0;
      for (int i = 0; i < N * SIZE; i++) {
        if (i % SIZE % groups != e % groups) continue;
        sum += x[i];
        square += (double)x[i] * x[i];
        n++;
      }
      double m = sum / n, d = sqrt(square / n - m * m);
      assert_float_equal(((float *)pl_tensor_data(mean))[e], m, 1e-6);
      assert_float_equal(((float *)pl_tensor_data(std))[e], d, 1e-6);
    }
    pl_dataset *standard = pl_dataset_standardize(ds, mean, std, &err);
    assert_non_null(standard);
    float *z = values(standard, NULL);
    for (int i = 0; i < N * SIZE; i++) {
      int e = per == PL_PER_ALL ? 0 : i % SIZE;
      assert_float_equal(z[i], (x[i] - ((float *)pl_tensor_data(mean))[e]) / ((float *)pl_tensor_data(std))[e],
                         1e-6);
    }
    assert_null(pl_dataset_standardize(standard, mean, NULL, &err));
    assert_string_equal(err.text, "this data set is already standardized");
    free(z);
    pl_dataset_free(standard);
    pl_tensor_free(mean);
    pl_tensor_free(std);
  }
  free(x);
  pl_dataset_free(ds);
}

static void a_constant_pixel_has_std_one(void **state) {
  (void)state;
  pl_error err;
  pl_tensor *t = pl_tensor_new(PL_F32, &(pl_shape){ 2, { 3, 1 } }, &err), *mean, *std;
  pl_tensor_fill(t, 0.1, &err);
  pl_dataset *ds = pl_dataset_new(t, NULL, 0, &err);
  assert_int_equal(pl_dataset_statistics(&mean, &std, ds, PL_PER_ELEMENT, &err), PL_OK);
  assert_float_equal(*(float *)pl_tensor_data(mean), 0.1f, 1e-7);
  assert_float_equal(*(float *)pl_tensor_data(std), 1, 0);
  pl_tensor_free(mean);
  pl_tensor_free(std);
  pl_tensor_free(t);
  pl_dataset_free(ds);
}

static double naive_bilinear(const float *image, int c, double y, double x) {
  y = fmin(fmax(y, 0), H - 1);
  x = fmin(fmax(x, 0), W - 1);
  double sum = 0;
  for (int i = 0; i < H; i++)
    for (int j = 0; j < W; j++) sum += fmax(0, 1 - fabs(y - i)) * fmax(0, 1 - fabs(x - j)) * image[(i * W + j) * C + c];
  return sum;
}

static void resizes_bilinearly(void **state) {
  (void)state;
  static const int sizes[][2] = { { 5, 4 }, { 7, 9 }, { 10, 8 }, { 3, 2 }, { 1, 1 } };
  pl_error err;
  for (int s = 0; s < 5; s++) {
    int h = sizes[s][0], w = sizes[s][1];
    uint32_t pick[3] = { 9, 3, 50 };
    pl_dataset *all = sample_set(), *ds = pl_dataset_select(all, pick, 3, &err),
      *bytes = pl_dataset_resize(ds, h, w, &err);
    int32_t y[3];
    float *x = values(ds, NULL), *b = values(bytes, y);
    pl_tensor *t = pl_tensor_new(PL_F32, &(pl_shape){ 4, { 3, H, W, C } }, &err);
    memcpy(pl_tensor_data(t), x, 3 * SIZE * sizeof *x);
    pl_dataset *floats = pl_dataset_new(t, NULL, 0, &err), *smooth = pl_dataset_resize(floats, h, w, &err);
    float *f = values(smooth, NULL);
    for (int i = 0; i < 3 * h * w * C; i++) {
      int c = i % C, u = i / C % w, v = i / C / w % h;
      double want = naive_bilinear(x + i / (h * w * C) * SIZE, c, (v + 0.5) * H / h - 0.5, (u + 0.5) * W / w - 0.5);
      assert_float_equal(f[i], want, 1e-6);
      assert_float_equal(b[i], want, 0.5 / 255 + 1e-6);
    }
    for (int i = 0; i < 3; i++) assert_int_equal(y[i], label_of((int)pick[i]));
    if (s == 0) assert_memory_equal(x, b, 3 * SIZE * sizeof *x);
    free(x);
    free(b);
    free(f);
    pl_tensor_free(t);
    pl_dataset_free(smooth);
    pl_dataset_free(floats);
    pl_dataset_free(bytes);
    pl_dataset_free(ds);
    pl_dataset_free(all);
  }
}

static void refuses_what_is_no_data_set(void **state) {
  (void)state;
  pl_error err;
  pl_tensor *x = pixels(), *y = labels();
  pl_tensor *empty = pl_tensor_new(PL_U8, &(pl_shape){ 4, { 0, H, W, C } }, &err);
  assert_null(pl_dataset_new(empty, NULL, 0, &err));
  assert_string_equal(err.text, "the data set is empty: its samples are [0, 5, 4, 3]");
  assert_null(pl_dataset_new(x, y, 3, &err));
  assert_string_equal(err.text, "label 3 of sample 42 is out of range: 3 classes have labels 0 to 2");
  ((int32_t *)pl_tensor_data(y))[4] = -1;
  assert_null(pl_dataset_new(x, y, 0, &err));
  assert_string_equal(err.text, "label -1 of sample 5 is negative; labels count from 0");
  pl_tensor *few = pl_tensor_slice(y, 0, 10, 20, &err);
  assert_null(pl_dataset_new(x, few, 0, &err));
  assert_string_equal(err.text, "samples [60, 5, 4, 3] and targets [10] differ in number");
  assert_null(pl_dataset_new(y, NULL, 0, &err));
  assert_string_equal(err.text, "the samples of a data set are u8 (pixels) or f32, got i32");
  pl_tensor_free(few);
  pl_tensor_free(empty);
  pl_tensor_free(x);
  pl_tensor_free(y);
}

static void survives_every_refused_allocation(void **state) {
  (void)state;
  pl_error err;
  pl_tensor *x = pixels(), *y = labels();
  size_t before = pl_alloc_live();
  bool complete = false;
  for (long n = 1; !complete; n++) {
    assert_true(n < 1000);
    pl_dataset *kept = NULL, *held = NULL, *big = NULL, *sub = NULL;
    pl_tensor *mean = NULL, *std = NULL;
    pl_alloc_fail_at(n);
    pl_dataset *ds = pl_dataset_new(x, y, 0, &err);
    pl_split_options options = { .fraction = 0.5, .stratified = true, .shuffled = true };
    complete = ds != NULL && (sub = pl_dataset_first_per_class(ds, 2, &err)) != NULL &&
      pl_dataset_split(&kept, &held, ds, &options, &err) == PL_OK &&
               pl_dataset_statistics(&mean, &std, ds, PL_PER_ELEMENT, &err) == PL_OK &&
               (big = pl_dataset_resize(ds, 9, 9, &err)) != NULL;
    if (!complete) assert_int_equal(err.status, PL_ERROR_MEMORY);
    pl_tensor_free(mean);
    pl_tensor_free(std);
    pl_dataset_free(sub);
    pl_dataset_free(kept);
    pl_dataset_free(held);
    pl_dataset_free(big);
    pl_dataset_free(ds);
    assert_int_equal(pl_alloc_live(), before);
  }
  pl_alloc_fail_at(0);
  pl_tensor_free(x);
  pl_tensor_free(y);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(gathers_values_and_labels), cmocka_unit_test(white_is_exactly_one),
    cmocka_unit_test(orders_are_permutations_of_seed_and_epoch), cmocka_unit_test(takes_the_first_of_each_class),
    cmocka_unit_test(splits_without_overlap), cmocka_unit_test(statistics_match_naive_sums),
    cmocka_unit_test(a_constant_pixel_has_std_one), cmocka_unit_test(resizes_bilinearly),
    cmocka_unit_test(refuses_what_is_no_data_set), cmocka_unit_test(survives_every_refused_allocation),
  };
  return pl_cpu_select(NULL, NULL) ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
