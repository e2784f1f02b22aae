/* Every layer, alone and in nets, against naive code in double precision: outputs, and gradients for the parameters and
   the input against central differences of that code, over many random shapes, kernels, strides and paddings. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "perilune/settings.h"
#include "support_model.h"
#include "support_reference.h"
#include "support_isa.h"

typedef struct {
  const char *text;          /* the model, for messages */
  pl_model *model;
  size_t n, inputs, outputs;
  float *x, *dy, *dx;
  double *params, *input;    /* in double, for the reference */
} net;

static pl_rng random_stream = { 20240, 0 };
static uint64_t drawn;
static int pick(int low, int high) { return low + (int)(pl_rng_uniform(random_stream, drawn++) * (high - low + 1)); }

static float *normal(size_t n, double mean, double std) {
  float *out = malloc(n * sizeof *out);   /* exact sizes, so that address checkers see what runs over */
  random_stream.stream++;
  pl_rng_fill_normal(out, n, random_stream, mean, std);
  return out;
}

static double *in_double(const float *from, size_t n) {
  double *out = malloc((n + 1) * sizeof *out);
  for (size_t i = 0; i < n; i++) out[i] = (double)from[i];
  return out;
}

static double slack = 1;   /* Winograd's convolution is less exact */

static void must(pl_status status, const pl_error *err, const char *text) {
  if (status) fail_msg("%s: %s", text, err->text);
}

static net make(const char *text, size_t n, pl_shape in) {
  net t = { .text = text, .n = n };
  t.model = model_from_text(text, &in);
  t.inputs = n * (size_t)pl_shape_count(&in);
  t.outputs = n * (size_t)pl_shape_count(pl_model_output(t.model));
  t.x = normal(t.inputs, 0, 1);
  t.dy = normal(t.outputs, 0, 1);
  t.dx = malloc(t.inputs * sizeof *t.dx);
  const pl_slice *slice;
  size_t slices = pl_model_slices(t.model, &slice);
  for (size_t i = 0; i < slices; i++) {   /* biases and scales are constant by default: no test at all */
    float *noise = normal(slice[i].count, 0, 0.3), *value = pl_model_values(t.model) + slice[i].offset;
    for (size_t k = 0; k < slice[i].count; k++) value[k] += noise[k];
    free(noise);
  }
  t.params = in_double(pl_model_values(t.model), pl_model_size(t.model));
  t.input = in_double(t.x, t.inputs);
  return t;
}

static void drop(net *t) {
  drop_model(t->model);
  free(t->x);
  free(t->dy);
  free(t->dx);
  free(t->params);
  free(t->input);
}

/* sum of dy * reference output */
static double reference_loss(const net *t) {
  reference r = { pl_model_values(t->model), t->params, true };
  pl_shape out;
  double *y = reference_forward(&r, pl_model_root(t->model), t->n, pl_model_input(t->model), t->input, &out), sum = 0;
  for (size_t i = 0; i < t->outputs; i++) sum += y[i] * (double)t->dy[i];
  free(y);
  return sum;
}

static double difference(const net *t, double *place) {
  const double h = 1e-6, value = *place;
  *place = value + h;
  double above = reference_loss(t);
  *place = value - h;
  double below = reference_loss(t);
  *place = value;
  return (above - below) / (2 * h);
}

static double largest(const double *a, size_t n) {
  double most = 0.05;
  for (size_t i = 0; i < n; i++) most = fmax(most, fabs(a[i]));
  return most;
}

static void compare(const net *t, const char *what, const float *found, const double *expected, size_t n,
                    double tolerance) {
  for (size_t i = 0; i < n; i++) {
    if (!(fabs((double)found[i] - expected[i]) <= tolerance))
      fail_msg("%s: %s[%zu] is %.9g, expected %.9g, give or take %g", t->text, what, i, (double)found[i], expected[i],
               tolerance);
  }
}

static void check_output(const net *t, pl_mode mode) {
  reference r = { pl_model_values(t->model), t->params, mode == PL_TRAIN };
  const float *y;
  pl_error err = { 0 };
  pl_shape out;
  double *expected = reference_forward(&r, pl_model_root(t->model), t->n, pl_model_input(t->model), t->input, &out);
  must(model_forward(t->model, t->x, t->n, mode, &y, &err), &err, t->text);
  if (!pl_shape_equal(&out, pl_model_output(t->model))) fail_msg("%s: wrong output shape", t->text);
  compare(t, mode == PL_TRAIN ? "output" : "inference", y, expected, t->outputs,
          3e-6 * slack * largest(expected, t->outputs));
  free(expected);
}

static void check_gradients(const net *t) {
  size_t size = pl_model_size(t->model);
  double *expected = malloc((size + t->inputs) * sizeof *expected), *dx = expected + size;
  const pl_slice *slice;
  size_t slices = pl_model_slices(t->model, &slice);
  pl_error err = { 0 };
  for (size_t i = 0; i < size; i++) expected[i] = difference(t, &t->params[i]);
  for (size_t i = 0; i < t->inputs; i++) dx[i] = difference(t, &t->input[i]);
  /* a gradient may be a sum that cancels: its error then goes with the size of the others */
  double tolerance = 2e-5 * slack * largest(expected, size + t->inputs);
  for (int times = 1; times <= 2; times++) {   /* the second backward adds */
    const float *y;
    must(model_forward(t->model, t->x, t->n, PL_TRAIN, &y, &err), &err, t->text);
    for (size_t i = 0; i < t->inputs; i++) t->dx[i] = NAN;
    must(model_backward(t->model, t->dy, t->dx, &err), &err, t->text);
    compare(t, "dx", t->dx, dx, t->inputs, tolerance);
    for (size_t i = 0; i < slices; i++) {
      if (times == 2) for (size_t k = 0; k < slice[i].count; k++) expected[slice[i].offset + k] *= 2;
      compare(t, slice[i].name, pl_model_grads(t->model) + slice[i].offset, expected + slice[i].offset, slice[i].count,
              tolerance);
    }
  }
  /* the same bits, replaced instead of added, without a gradient for the input */
  float *first = malloc((size + 1) * sizeof *first);
  pl_model_zero_grads(t->model);
  for (int times = 1; times <= 2; times++) {
    const float *y;
    must(model_forward(t->model, t->x, t->n, PL_TRAIN, &y, &err), &err, t->text);
    must(model_backward(t->model, t->dy, times == 1 ? t->dx : NULL, &err), &err, t->text);
    if (times == 1) memcpy(first, pl_model_grads(t->model), size * sizeof *first);
    else assert_memory_equal(first, pl_model_grads(t->model), size * sizeof *first);
    pl_model_replace_grads(t->model);
  }
  free(first);
  free(expected);
}

static void check(const char *text, size_t n, pl_shape in) {
  net t = make(text, n, in);
  check_output(&t, PL_TRAIN);
  check_gradients(&t);
  check_output(&t, PL_INFER);
  check_output(&t, PL_CAPTURE);
  drop(&t);
}

/* One layer of `type` with options written as printf does. */
static void check_layer(size_t n, pl_shape in, const char *type, const char *options, ...) PL_PRINTF(4, 5);
static void check_layer(size_t n, pl_shape in, const char *type, const char *options, ...) {
  char config[400], text[500];
  va_list args;
  va_start(args, options);
  vsnprintf(config, sizeof config, options, args);
  va_end(args);
  snprintf(text, sizeof text, "{'type':'%s','config':{%s}}", type, config);
  check(text, n, in);
}

/* "same", or a number of pixels below `most` */
static const char *padding_text(char text[32], int most) {
  if (pick(0, 2) == 0) snprintf(text, 32, "'same'");
  else snprintf(text, 32, "[%d,%d]", pick(0, most), pick(0, most));
  return text;
}

static void linear(void **state) {
  (void)state;
  for (int i = 0; i < 40; i++) {
    int in = pick(1, 40), out = pick(1, 40);
    pl_shape shape = i % 3 == 0 ? SHAPE(in) : i % 3 == 1 ? SHAPE(pick(1, 3), in) : SHAPE(2, pick(1, 3), in);
    check_layer((size_t)pick(1, 6), shape, "Linear", "'in':%d,'out':%d,'bias':%s", in, out, i % 4 ? "true" : "false");
  }
  check_layer(300, SHAPE(2), "Linear", "'in':2,'out':3");   /* more rows than one block of a sum */
}

static void conv2d(void **state) {
  static const char *const biases[] = { "true", "false", "'per-position'" };
  char padding[32];
  (void)state;
  for (int i = 0; i < 80; i++) {
    int kh = pick(1, 5), kw = pick(1, 5), h = kh + pick(0, 4), w = kw + pick(0, 4), in = pick(1, 4),
    out = i % 8 == 7 ? pick(15, 34) : pick(1, 5);
    check_layer((size_t)pick(1, 3), SHAPE(h, w, in), "Conv2d",
                "'in':%d,'out':%d,'kernel':[%d,%d],'stride':[%d,%d],'padding':%s,'bias':%s",
                in, out, kh, kw, pick(1, 3), pick(1, 3), padding_text(padding, 3), biases[i % 3]);
  }
  for (int i = 0; i < 20; i++) {   /* half a vector of input channels, or of outputs */
    int kh = pick(1, 5), kw = pick(1, 5), h = kh + pick(0, 9), w = kw + pick(0, 9), in = pick(4, 9), out = pick(1, 9);
    check_layer((size_t)pick(1, 3), SHAPE(h, w, in), "Conv2d", "'in':%d,'out':%d,'kernel':[%d,%d],'padding':%s", in,
                out, kh, kw, padding_text(padding, 5));
  }
}

/* One tap: more pixels than a piece of the products has, in each half of the batch. */
static void conv2d_pointwise(void **state) {
  (void)state;
  check_layer(3, SHAPE(9, 7, 3), "Conv2d", "'in':3,'out':17,'kernel':1");
  check_layer(2, SHAPE(7, 8, 17), "Conv2d", "'in':17,'out':2,'kernel':1,'bias':false");
  check_layer(3, SHAPE(5, 6, 2), "Conv2d", "'in':2,'out':3,'kernel':1,'padding':'same','bias':'per-position'");
}

/* Few columns of outputs: by patches, of more samples than one product takes. */
static void conv2d_patches(void **state) {
  static const char *const biases[] = { "true", "false", "'per-position'" };
  char padding[32];
  (void)state;
  for (int i = 0; i < 12; i++) {
    int kh = pick(1, 3), kw = pick(2, 4), in = 31 / kw + pick(1, 2), out = i % 6 == 5 ? pick(31, 33) : pick(1, 3);
    check_layer((size_t)pick(1, 3), SHAPE(kh + pick(0, 2), kw + pick(0, 2), in), "Conv2d",
                "'in':%d,'out':%d,'kernel':[%d,%d],'stride':[%d,%d],'padding':%s,'bias':%s",
                in, out, kh, kw, pick(1, 2), pick(1, 2), padding_text(padding, 2), biases[i % 3]);
  }
  check_layer(9, SHAPE(3, 7, 8), "Conv2d", "'in':8,'out':2,'kernel':[2,4]");
}

static void conv2d_winograd(void **state) {
  char padding[32];
  (void)state;
  pl_settings settings = pl_settings_get();
  pl_settings_set((pl_settings){ .fuse = settings.fuse, .conv = PL_CONV_WINOGRAD });
  slack = 10;
  for (int i = 0; i < 40; i++) {
    int k = i % 2 ? 3 : 5, h = k + pick(0, 6), w = k + pick(0, 6), in = pick(1, 3),
    out = i % 8 == 7 ? pick(15, 20) : pick(1, 3);
    check_layer((size_t)pick(1, 3), SHAPE(h, w, in), "Conv2d", "'in':%d,'out':%d,'kernel':%d,'padding':%s,'bias':%s",
                in, out, k, padding_text(padding, k - 1), i % 3 ? "true" : "false");
  }
  /* more than one group of samples, the last one partly filled */
  check_layer(50, SHAPE(3, 3, 1), "Conv2d", "'in':1,'out':2,'kernel':3,'padding':'same'");
  check_layer(7, SHAPE(11, 9, 1), "Conv2d", "'in':1,'out':1,'kernel':5,'padding':'same'");
  /* more columns than one product takes, the last strip narrower: forwards, and backwards */
  check_layer(2, SHAPE(3, 5, 1), "Conv2d", "'in':1,'out':71,'kernel':3,'padding':'same'");
  check_layer(2, SHAPE(3, 5, 82), "Conv2d", "'in':82,'out':1,'kernel':3,'padding':'same'");
  slack = 1;
  pl_settings_set(settings);
}

static void pools(void **state) {
  char padding[32];
  (void)state;
  for (int i = 0; i < 120; i++) {
    int kh = pick(1, 4), kw = pick(1, 4), h = kh + pick(0, 5), w = kw + pick(0, 5),
    channels = i % 6 == 5 ? pick(15, 34) : pick(1, 5);
    padding_text(padding, (kh < kw ? kh : kw) - 1);
    check_layer((size_t)pick(1, 3), SHAPE(h, w, channels), "MaxPool2d",
                "'kernel':[%d,%d],'stride':[%d,%d],'padding':%s",
                kh, kw, pick(1, 5), pick(1, 5), padding);
    check_layer((size_t)pick(1, 3), SHAPE(h, w, channels), "AvgPool2d",
                "'kernel':[%d,%d],'stride':[%d,%d],'padding':%s,'count_include_pad':%s",
                kh, kw, pick(1, 5), pick(1, 5), padding, i % 2 ? "true" : "false");
  }
  check_layer(2, SHAPE(6, 7, 3), "MaxPool2d", "'kernel':2");
  check_layer(2, SHAPE(7, 7, 3), "AvgPool2d", "'kernel':3");
  for (int i = 0; i < 10; i++)
    check_layer((size_t)pick(1, 4), SHAPE(pick(1, 6), pick(1, 6), pick(1, 34)), "GlobalAvgPool2d", "%s", "");
}

static void batch_norm(void **state) {
  (void)state;
  for (int i = 0; i < 30; i++) {
    int features = i % 5 == 4 ? pick(15, 34) : pick(1, 6);
    check_layer((size_t)pick(3, 9), i % 2 ? SHAPE(features) : SHAPE(pick(1, 4), pick(2, 4), features), "BatchNorm",
                "'features':%d,'eps':%g,'affine':%s", features, i % 3 ? 1e-3 : 0.1, i % 4 ? "true" : "false");
  }
  check_layer(20, SHAPE(5, 6, 1), "BatchNorm", "'features':1");   /* more rows than one block of a sum */
}

static void activations(void **state) {
  static const struct { const char *type, *options; } each[] = {
    { "ReLU", "" }, { "Tanh", "" }, { "Sigmoid", "" }, { "SiLU", "" }, { "LeakyReLU", "" },
    { "LeakyReLU", "'slope':0.3" },
    { "ELU", "" }, { "ELU", "'alpha':0.7" }, { "GELU", "" }, { "GELU", "'approximate':'tanh'" }, { "Softmax", "" },
    { "LogSoftmax", "" },
  };
  (void)state;
  for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
    for (int k = 0; k < 6; k++)
      check_layer((size_t)pick(1, 4), k % 2 ? SHAPE(pick(1, 40)) : SHAPE(pick(1, 3), pick(1, 3), pick(1, 20)),
                  each[i].type, "%s", each[i].options);
  }
}

static void nets(void **state) {
  (void)state;
  check(SEQUENTIAL(LAYER("Linear", "4,6") NEXT LAYER("Tanh", "") NEXT LAYER("Linear", "6,3")), 5, SHAPE(2, 4));
  check(SEQUENTIAL(LAYER("Conv2d", "1,3,3,{'padding':'same'}") NEXT LAYER("ReLU", "") NEXT LAYER("MaxPool2d", "2") NEXT
                   LAYER("Conv2d", "3,4,2") NEXT LAYER("BatchNorm", "4") NEXT LAYER("Sigmoid", "") NEXT
                   LAYER("Flatten", "") NEXT LAYER("Linear", "16,5") NEXT LAYER("LogSoftmax", "")), 3, SHAPE(6, 6, 1));
  check(SEQUENTIAL(LAYER("Linear", "6,12") NEXT LAYER("Reshape", "[3,2,2]") NEXT LAYER("Conv2d",
      "2,3,2,{'bias':'per-position'}") NEXT
                   LAYER("GELU", "") NEXT LAYER("AvgPool2d", "[2,1]") NEXT LAYER("GlobalAvgPool2d",
                       "") NEXT LAYER("Softmax", "")), 4, SHAPE(6));
  check(RESIDUAL(SEQUENTIAL(LAYER("Linear", "5,4") NEXT LAYER("Tanh", "") NEXT LAYER("Linear", "4,5"))), 4, SHAPE(5));
  check(SEQUENTIAL(LAYER("Conv2d", "2,2,3,{'padding':1}") NEXT
                   RESIDUAL(SEQUENTIAL(LAYER("BatchNorm", "2") NEXT LAYER("SiLU", "") NEXT LAYER("Conv2d",
                       "2,4,3,{'padding':1,'stride':2}")) NEXT
                            LAYER("Conv2d", "2,4,1,{'stride':2,'bias':false}")) NEXT
                   LAYER("ELU", "") NEXT LAYER("GlobalAvgPool2d", "") NEXT LAYER("Linear", "4,2")), 3, SHAPE(5, 5, 2));
  check(RESIDUAL(RESIDUAL(LAYER("Linear", "3,3")) NEXT RESIDUAL(LAYER("Tanh", "") NEXT LAYER("Linear", "3,3"))), 4,
        SHAPE(3));
  check(SEQUENTIAL(SEQUENTIAL(SEQUENTIAL(LAYER("Linear", "3,4")) NEXT LAYER("Identity",
      "")) NEXT SEQUENTIAL(LAYER("Linear", "4,2"))), 2, SHAPE(3));
}

/* Nets that move no numbers, or hardly any: their output may be the input's memory. */
static void nets_of_views(void **state) {
  (void)state;
  check(LAYER("Flatten", ""), 2, SHAPE(2, 3));
  check(SEQUENTIAL(LAYER("Identity", "") NEXT LAYER("Reshape", "[3,2]")), 2, SHAPE(6));
  check(RESIDUAL(LAYER("Identity", "")), 2, SHAPE(3));
  check(RESIDUAL(LAYER("Flatten", "") NEXT SEQUENTIAL(LAYER("Flatten", "") NEXT LAYER("Tanh", ""))), 2, SHAPE(3, 2));
  check(SEQUENTIAL(LAYER("Flatten", "") NEXT RESIDUAL(LAYER("Identity", "") NEXT LAYER("Identity",
      "")) NEXT LAYER("Reshape", "[2,3]")), 2, SHAPE(3, 2));
  check(SEQUENTIAL(LAYER("Flatten", "") NEXT LAYER("Linear", "6,2") NEXT LAYER("Reshape", "[2,1]")), 3, SHAPE(3, 2));
  check(SEQUENTIAL(LAYER("Dropout", "0") NEXT LAYER("Linear", "3,2") NEXT LAYER("Dropout", "0") NEXT LAYER("ReLU", "")),
        3, SHAPE(3));
}

/* Appends a random piece that keeps a sample of WIDTH numbers. */
enum { WIDTH = 5 };

static void random_piece(char *text, size_t size, int depth) {
  size_t at = strlen(text);
  int kind = pick(0, depth > 0 ? 8 : 5);
  switch (kind) {
    case 0: case 1: snprintf(text + at, size - at, LAYER("Linear", "%d,%d"), WIDTH, WIDTH); return;
    case 2: snprintf(text + at, size - at, LAYER("Tanh", "")); return;
    case 3: snprintf(text + at, size - at, LAYER("GELU", "")); return;
    case 4: snprintf(text + at, size - at, LAYER("Identity", "")); return;
    case 5: snprintf(text + at, size - at, LAYER("BatchNorm", "%d,{'eps':0.5}"), WIDTH); return;
    default: break;
  }
  int children = kind == 6 ? pick(1, 4) : pick(1, 2);
  snprintf(text + at, size - at, "{'type':'%s','layers':[", kind == 6 ? "Sequential" : "Residual");
  for (int i = 0; i < children; i++) {
    if (i) strncat(text, ",", size - strlen(text) - 1);
    random_piece(text, size, depth - 1);
  }
  strncat(text, "]}", size - strlen(text) - 1);
}

static void random_nets(void **state) {
  (void)state;
  for (int i = 0; i < 60; i++) {
    char text[8000] = "{'type':'Sequential','layers':[";
    for (int k = 0; k < 4; k++) {
      random_piece(text, sizeof text, 3);
      strcat(text, ",");
    }
    strcat(text, LAYER("Linear", "5,2") "]}");
    check(text, (size_t)pick(3, 6), SHAPE(WIDTH));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(linear), cmocka_unit_test(conv2d), cmocka_unit_test(conv2d_pointwise),
    cmocka_unit_test(conv2d_patches), cmocka_unit_test(conv2d_winograd),
    cmocka_unit_test(pools), cmocka_unit_test(batch_norm), cmocka_unit_test(activations),
    cmocka_unit_test(nets), cmocka_unit_test(nets_of_views), cmocka_unit_test(random_nets),
  };
  static const char *const isas[] = { "baseline", "avx2", "avx512", "neon" };
  int failed = 0;
  for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
    if (has_isa(isas[i])) failed += cmocka_run_group_tests_name(isas[i], tests, NULL, NULL);
  }
  return failed;
}
