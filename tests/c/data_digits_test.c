/* The generator of digits: the same bits everywhere, every image by its index alone, neither trivial nor
   unlearnable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "perilune/alloc.h"
#include "perilune/cpu.h"
#include "perilune/math.h"
#include "perilune/data.h"

enum { PIXELS = 28 * 28 };

static pl_dataset *generate(size_t count, uint64_t seed, uint64_t stream) {
  pl_error err;
  pl_dataset *ds = pl_dataset_digits(count, seed, stream, &err);
  assert_non_null(ds);
  return ds;
}

static void bits_do_not_depend_on_threads_or_compiler(void **state) {
  (void)state;
  char sum[PL_SHA256_TEXT];
  for (int threads = 1; threads <= 4; threads++) {
    pl_threads_set(threads);
    pl_dataset *ds = generate(1000, 1, 0);
    pl_dataset_digest(sum, ds);
    assert_string_equal(sum, "3db6e24bb0c2e896203c963c77f9b8333969c1670a57bcec4d876e04ea7cd206");
    pl_dataset_free(ds);
  }
  pl_threads_set(0);
}

typedef struct job {
  const pl_dataset *ds;
  const uint32_t *positions;
  size_t n;
  float *x;
  int32_t *y;
} job;

static void gather(const pl_team *team, void *arg) {
  job *j = arg;
  pl_dataset_gather(j->ds, team, j->positions, j->n, j->x, j->y, NULL);
}

static float *values(const pl_dataset *ds, int32_t *y) {
  size_t n = pl_dataset_count(ds);
  uint32_t *positions = malloc(n * sizeof *positions);
  float *x = malloc(n * PIXELS * sizeof *x);
  pl_epoch_order(positions, n, 0, 0, false);
  pl_threads_run_on(2, gather, &(job){ ds, positions, n, x, y });
  free(positions);
  return x;
}

static void an_image_depends_on_seed_stream_and_index_alone(void **state) {
  (void)state;
  int32_t ya[200], yb[200];
  pl_dataset *few = generate(50, 7, 0), *many = generate(200, 7, 0), *other = generate(200, 8, 0),
    *test = generate(200, 7, 1);
  float *a = values(few, ya), *b = values(many, yb), *c = values(other, NULL), *d = values(test, NULL);
  assert_memory_equal(a, b, 50 * PIXELS * sizeof *a);
  assert_memory_equal(ya, yb, 50 * sizeof *ya);
  for (int i = 0; i < 200; i++) {
    for (int j = 0; j < 200; j++) {
      assert_memory_not_equal(b + i * PIXELS, c + j * PIXELS, PIXELS * sizeof *b);
      assert_memory_not_equal(b + i * PIXELS, d + j * PIXELS, PIXELS * sizeof *b);
      if (i != j) assert_memory_not_equal(b + i * PIXELS, b + j * PIXELS, PIXELS * sizeof *b);
    }
  }
  free(a);
  free(b);
  free(c);
  free(d);
  pl_dataset_free(few);
  pl_dataset_free(many);
  pl_dataset_free(other);
  pl_dataset_free(test);
}

static void classes_are_even_and_ink_is_inside(void **state) {
  (void)state;
  enum { N = 5000 };
  static int32_t y[N];
  int count[10] = { 0 };
  pl_dataset *ds = generate(N, 3, 0);
  float *x = values(ds, y);
  assert_string_equal(pl_dataset_label_name(ds, 7), "7");
  assert_int_equal(pl_dataset_classes(ds), 10);
  for (int i = 0; i < N; i++) {
    double ink = 0, border = 0;
    for (int p = 0; p < PIXELS; p++) {
      ink += x[i * PIXELS + p];
      if (p / 28 == 0 || p / 28 == 27 || p % 28 == 0 || p % 28 == 27) border += x[i * PIXELS + p];
    }
    assert_true(ink > 10 && ink < 300);
    assert_true(border < 0.2 * ink);
    count[y[i]]++;
  }
  for (int k = 0; k < 10; k++) assert_true(abs(count[k] - N / 10) < 107);   /* five standard deviations */
  free(x);
  pl_dataset_free(ds);
}

/* Multinomial logistic regression by plain gradient descent on single samples. */
static double linear_accuracy(const float *x, const int32_t *y, int n, const float *tx, const int32_t *ty, int tn,
                              int epochs) {
  static float w[10][PIXELS + 1];
  memset(w, 0, sizeof w);
  for (int step = 0; step < epochs * n; step++) {
    const float *in = x + step % n * PIXELS;
    double z[10], most = -1e9, sum = 0;
    for (int k = 0; k < 10; k++) {
      float s = w[k][PIXELS];
      for (int p = 0; p < PIXELS; p++) s += w[k][p] * in[p];
      z[k] = s;
      most = z[k] > most ? z[k] : most;
    }
    for (int k = 0; k < 10; k++) sum += z[k] = pl_exp(z[k] - most);
    for (int k = 0; k < 10; k++) {
      float g = (float)(0.01 * (z[k] / sum - (k == y[step % n])));
      for (int p = 0; p < PIXELS; p++) w[k][p] -= g * in[p];
      w[k][PIXELS] -= g;
    }
  }
  int right = 0;
  for (int i = 0; i < tn; i++) {
    int best = 0;
    double high = -1e9;
    for (int k = 0; k < 10; k++) {
      float s = w[k][PIXELS];
      for (int p = 0; p < PIXELS; p++) s += w[k][p] * tx[i * PIXELS + p];
      if (s > high) {
        high = s;
        best = k;
      }
    }
    right += best == ty[i];
  }
  return (double)right / tn;
}

static void a_linear_model_learns_something_but_not_all(void **state) {
  (void)state;
  enum { N = 8000, TESTS = 1000 };
  static int32_t y[N], ty[TESTS];
  pl_dataset *train = generate(N, 1, 0), *test = generate(TESTS, 1, 1);
  float *x = values(train, y), *tx = values(test, ty);
  double accuracy = linear_accuracy(x, y, N, tx, ty, TESTS, 5);
  print_message("# linear model: %.3f\n", accuracy);
  assert_true(accuracy > 0.75 && accuracy < 0.95);
  free(x);
  free(tx);
  pl_dataset_free(train);
  pl_dataset_free(test);
}

static void refuses_no_images(void **state) {
  (void)state;
  pl_error err;
  assert_null(pl_dataset_digits(0, 1, 0, &err));
  assert_string_equal(err.text, "digits: a number of images from 1 to 2^32 - 1 is expected, got 0");
  pl_alloc_fail_at(2);
  assert_null(pl_dataset_digits(10, 1, 0, &err));
  assert_int_equal(err.status, PL_ERROR_MEMORY);
  pl_alloc_fail_at(0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(bits_do_not_depend_on_threads_or_compiler),
    cmocka_unit_test(an_image_depends_on_seed_stream_and_index_alone),
    cmocka_unit_test(classes_are_even_and_ink_is_inside), cmocka_unit_test(a_linear_model_learns_something_but_not_all),
    cmocka_unit_test(refuses_no_images),
  };
  return pl_cpu_select(NULL, NULL) ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
