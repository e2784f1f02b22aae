/* Conv2d, each way of computing it: on 1 to 4 threads, and for a batch smaller than the one that there is room for, the
   outputs and gradients are to the bit those of one thread with nothing before. (That they are right:
   layers_gradient_test.c.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "support_model.h"
#include "perilune/cpu.h"
#include "perilune/threads.h"

typedef struct { float *y, *dx, *grads; size_t outputs, inputs, weights; } results;

static float *normal(size_t count, uint64_t stream) {
  float *x = malloc(count * sizeof *x);
  pl_rng_fill_normal(x, count, (pl_rng){ 3, stream }, 0, 1);
  return x;
}

/* Forward and backward of n samples, after such of `before` samples (0: none). */
static results run(const char *text, const pl_shape *in, size_t before, size_t n, int threads) {
  pl_model *model = model_from_text(text, in);
  pl_error err = { 0 };
  size_t sample = (size_t)pl_shape_count(in), out = (size_t)pl_shape_count(pl_model_output(model)),
    most = before > n ? before : n;
  results r = { .outputs = n * out, .inputs = n * sample, .weights = pl_model_size(model) };
  float *x = normal(most * sample, 1), *dy = normal(most * out, 2), *dx = malloc(most * sample * sizeof *dx);
  const float *y = NULL;
  pl_threads_set(threads);
  for (int last = before == 0; last < 2; last++) {
    pl_model_zero_grads(model);
    if (model_forward(model, x, last ? n : before, PL_TRAIN, &y, &err)) fail_msg("%s: %s", text, err.text);
    if (last) r.y = memcpy(malloc(r.outputs * sizeof *y), y, r.outputs * sizeof *y);
    if (model_backward(model, dy, dx, &err)) fail_msg("%s: %s", text, err.text);
  }
  pl_threads_set(0);
  r.dx = dx;
  r.grads = memcpy(malloc(r.weights * sizeof *dx), pl_model_grads(model), r.weights * sizeof *dx);
  free(x), free(dy);
  drop_model(model);
  return r;
}

static void drop(results *r) { free(r->y), free(r->dx), free(r->grads); }

static void same(const char *text, pl_shape in, size_t before, size_t n) {
  results expected = run(text, &in, 0, n, 1);
  for (int threads = 1; threads <= 4; threads++) {
    results found = run(text, &in, before, n, threads);
    const char *wrong = memcmp(found.y, expected.y, found.outputs * sizeof *found.y) ? "outputs"
      : memcmp(found.dx, expected.dx, found.inputs * sizeof *found.dx) ? "dx" :
                        memcmp(found.grads, expected.grads, found.weights * sizeof *found.grads) ? "gradients" : NULL;
    if (wrong != NULL)
      fail_msg("%s: other %s for %zu samples after %zu, on %d threads", text, wrong, n, before, threads);
    drop(&found);
  }
  drop(&expected);
}

/* Between two other layers, so that what is written out of place is seen. */
#define CONV2D(arguments) SEQUENTIAL(LAYER("ReLU", "") NEXT LAYER("Conv2d", arguments) NEXT LAYER("Tanh", ""))

static void every_way(void **state) {
  static const struct { const char *text; pl_shape in; } ways[] = {
    /* one input channel, pairs of rows */
    { CONV2D("1,8,5,{'padding':'same'}"), { 3, { 12, 12, 1 } } },
    { CONV2D("1,20,3"), { 3, { 9, 11, 1 } } },
    { CONV2D("8,16,5,{'padding':'same'}"), { 3, { 10, 9, 8 } } },                        /* data gradient by planes */
    { CONV2D("6,16,5"), { 3, { 12, 12, 6 } } },                                          /* data gradient by patches */
    { CONV2D("12,40,[3,2],{'stride':2,'padding':1}"), { 3, { 17, 18, 12 } } },           /* rows */
    { CONV2D("40,70,1,{'bias':false}"), { 3, { 5, 4, 40 } } },                           /* one tap */
    { CONV2D("16,20,3"), { 3, { 5, 5, 16 } } },                                          /* patches */
    { CONV2D("11,33,[2,3],{'padding':'same','bias':'per-position'}"), { 3, { 4, 6, 11 } } },
    { CONV2D("16,48,5,{'padding':'same'}"), { 3, { 9, 14, 16 } } },                      /* Winograd */
    { CONV2D("33,17,3,{'padding':'same'}"), { 3, { 12, 7, 33 } } },
    { CONV2D("70,83,3,{'padding':'same'}"), { 3, { 8, 8, 70 } } },
  };
  (void)state;
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    static const size_t counts[][2] = { { 0, 16 }, { 16, 1 }, { 16, 2 }, { 16, 3 }, { 9, 8 }, { 2, 33 } };
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
      same(ways[i].text, ways[i].in, counts[k][0], counts[k][1]);
  }
}

/* Shapes for which a smaller batch could choose larger blocks. */
static void room_for_smaller_batches(void **state) {
  (void)state;
  same(CONV2D("43,112,5,{'padding':'same'}"), SHAPE(17, 17, 43), 3, 1);
  same(CONV2D("50,160,5,{'padding':'same'}"), SHAPE(11, 11, 50), 7, 3);
  same(CONV2D("50,160,5,{'padding':'same'}"), SHAPE(11, 11, 50), 7, 5);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(every_way), cmocka_unit_test(room_for_smaller_batches) };
  return pl_cpu_select(NULL, NULL) ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
