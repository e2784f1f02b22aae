/* What is measured of each kernel: how it is called, and with which shapes of the documented networks. A new kernel has
   a line among the calls and one among the shapes. */
#include "kernels/operations.h"
#include "kernels.h"

#define A buffer[0]
#define B buffer[1]
#define C buffer[2]
#define D buffer[3]
#define E buffer[4]
#define F buffer[5]

/* ---- calls ---- */

#define RUN(name, ...) static void run_##name(const job *j) { (void)j; pl_kernel.name(__VA_ARGS__); }
#define SINK(name, ...) static void run_##name(const job *j) { sink += pl_kernel.name(__VA_ARGS__); }

static pl_update update_of(size_t n) {
  return (pl_update){ .w = A, .g = B, .slot = { C, D, E }, .rows = 1, .count = n, .scale = 1, .limit = 1e30f, .l2 = 0,
                      .beta1 = 0.9f, .one_minus_beta1 = 0.1f, .beta2 = 0.999f, .one_minus_beta2 = 0.001f, .root = 1,
                      .eps_out = 1e-8f, .rate_m = 1e-9f, .rate_g = 1e-9f, .weight_decay_factor = 1, .rate = 1e-9f };
}
#define UPDATE(name) static void run_##name(const job *j) { pl_update u = update_of(j->n); pl_kernel.name(&u); }

RUN(gemm, &j->gemm)
RUN(column_sums, A, B, j->rows, j->cols, j->cols, false)
RUN(add_to_rows, A, B, j->rows, j->cols, j->cols)
RUN(column_products, A, B, C, D, E, j->rows, j->cols, j->cols)
RUN(transpose, A, B, j->rows, j->cols, j->rows, j->cols)
RUN(from_bytes, A, (const uint8_t *)B, j->n, 1 / 255.0f)
RUN(bilinear, A, B, (int32_t)j->cols, (float)j->rows, (float)j->cols, 3.3f, 2.1f, 0.05f, 0.9f, j->n)
#define BINARY(name) RUN(name, A, B, C, j->n)
#define UNARY(name) RUN(name, A, B, j->n)
BINARY(add) BINARY(add_relu)
UNARY(exponential) RUN(clamp, A, B, j->n, -1, 1)
RUN(elementwise, (int)j->rows, A, B, C, D, j->n)
RUN(elementwise_grad, PL_EL_mul, 0, A, B, C, D, E, j->n)
RUN(scale_and_shift, A, B, j->n, 0.5, 0.25, 1.5)
SINK(sum_tree, A, j->n, 1, false, 0)
RUN(relu_forward, A, B, j->n)
RUN(relu_backward, A, B, C, j->n)
RUN(add_relu_backward, A, B, C, D, j->n)
RUN(dropout, A, B, j->n, 1, 2, 0, 858993459u, 1.25f, (uint64_t *)(void *)C, false)
RUN(dropout_backward, A, B, (uint64_t *)(void *)C, j->n, 1.25f)
RUN(conv_weight_grad_1ch, &j->gemm, (int)j->n)
RUN(scatter_patches, A, (ptrdiff_t)j->n, B, &j->patches)
SINK(sum_squares, A, j->n)
SINK(max_abs, A, j->n)
SINK(all_zero_or_normal, A, j->n)
SINK(gemm_sparse_rows, &j->gemm, (uint32_t *)(void *)E, j->n)
SINK(nonzero, (uint32_t *)(void *)E, A, j->rows, j->cols, j->cols)
RUN(gemv_sparse, A, B, C, D, j->rows, j->cols, j->cols)
UPDATE(sgd)
UPDATE(adam)
UPDATE(rmsprop)
UPDATE(adagrad)
UPDATE(adadelta)
UPDATE(adamax)
UPDATE(adabelief)
UPDATE(lion)
UPDATE(lamb_direction)
RUN(descend, A, B, 1e-9f, j->n)
/* rows: n of the tile, cols: channels, n: floats between planes */
RUN(winograd_input, A, (ptrdiff_t)j->n, B, (ptrdiff_t)(28 * j->cols), (ptrdiff_t)j->cols, j->cols, (int)j->rows, NULL)
RUN(winograd_filter, A, (ptrdiff_t)j->n, B, (ptrdiff_t)((j->rows - 3) * j->cols), (ptrdiff_t)j->cols, j->cols,
    (int)j->rows, (int)j->rows - 3, NULL)
RUN(winograd_output, A, (ptrdiff_t)(28 * j->cols), (ptrdiff_t)j->cols, B, (ptrdiff_t)j->n, C, j->cols, (int)j->rows, 4,
    4, 4, false)
RUN(normalize, A, B, C, D, E, NULL, j->rows, j->cols, true)
RUN(normalize_backward, A, B, C, D, E, E, F, E, j->rows, j->cols, true)
RUN(relu_grad_sums, A, B, C, D, E, E, F, j->rows, j->cols, j->cols)
RUN(maxpool_forward, A, C, B, &j->windows, 0)
RUN(maxpool_backward, A, B, C, &j->windows, 0)
RUN(avgpool_forward, A, B, &j->windows, 0)
RUN(avgpool_backward, A, B, &j->windows, 0)
#define ACTIVATION(name) RUN(name##_forward, A, B, j->n, 0.01f) RUN(name##_backward, A, B, C, j->n, 0.01f)
ACTIVATION(tanh)
ACTIVATION(sigmoid)
ACTIVATION(leaky_relu)
ACTIVATION(elu)
ACTIVATION(silu)
ACTIVATION(mish)
ACTIVATION(gelu)
ACTIVATION(gelu_tanh)
RUN(softmax_forward, A, B, j->rows, j->cols)
RUN(softmax_backward, A, B, C, j->rows, j->cols)
RUN(log_softmax_forward, A, B, j->rows, j->cols)
RUN(log_softmax_backward, A, B, C, j->rows, j->cols)
RUN(peak_fma, A, j->n)

#define NAMED(name, text, ...) (job){ .kernel = #name, .shape = text, .run = run_##name, __VA_ARGS__ }
#define NUMBER(x) ((double)(x) * sizeof(float))

/* ---- the shapes ---- */

static pl_gemm product(size_t rows, size_t cols, size_t inner) {
  return (pl_gemm){ .c = A, .a = B, .b = C, .bias = D, .c_row = (ptrdiff_t)cols, .a_row = (ptrdiff_t)inner,
                    .a_inner = 1,
    .b_inner = (ptrdiff_t)cols, .rows = rows, .cols = cols, .outer = 1, .inner = inner };
}

/* A transposed: gradients of weights, summed over a batch */
static pl_gemm transposed(size_t rows, size_t cols, size_t inner) {
  pl_gemm x = product(rows, cols, inner);
  x.a_row = 1;
  x.a_inner = (ptrdiff_t)rows;
  x.bias = NULL;
  return x;
}

/* One row of outputs of a direct convolution. */
static pl_gemm convolution(size_t width, size_t in, size_t out, size_t kernel) {
  pl_gemm x = product(width, out, kernel * in);
  x.a_row = (ptrdiff_t)in;
  x.a_outer = (ptrdiff_t)((width + kernel - 1) * in);
  x.b_outer = (ptrdiff_t)(kernel * in * out);
  x.outer = kernel;
  return x;
}

/* One row of dx from planes [row][channel][pixel]: see Conv2d. */
static pl_gemm planes(size_t width, size_t in, size_t out, size_t kernel) {
  pl_gemm x = product(width, out, kernel * in);
  x.a_row = x.a_outer = 1;
  x.a_inner = (ptrdiff_t)(width + kernel - 1);
  x.b_outer = (ptrdiff_t)(kernel * in * out);
  x.outer = kernel;
  return x;
}

/* A tile of its weights' gradients: 14 taps x up to 32 outputs over an image. */
static pl_gemm tap_gradients(size_t side, size_t in, size_t out, size_t kernel) {
  pl_gemm x = transposed(14, out < 32 ? out : 32, side);
  x.outer = side;
  x.a_inner = (ptrdiff_t)in;
  x.a_outer = (ptrdiff_t)((side + kernel - 1) * in);
  x.b_inner = (ptrdiff_t)out;
  x.b_outer = (ptrdiff_t)(side * out);
  return x;
}

static void matrix_products(void) {
  const struct { const char *shape; pl_gemm x; } cases[] = {
    { "P01 [1, 784] x [784, 100]", product(1, 100, 784) },
    { "P04 [32, 784] x [784, 128]", product(32, 128, 784) },
    { "P08 [16, 784] x [784, 128]", product(16, 128, 784) },
    { "P08 weights [784, 16] x [16, 128]", transposed(784, 128, 16) },
    { "P08 [16, 128] x [128, 50]", product(16, 50, 128) },
    { "P08 [16, 50] x [50, 10]", product(16, 10, 50) },
    { "A05 [1, 43264] x [43264, 128]", product(1, 128, 43264) },
    { "P09 5x5, 28 pixels, 1 to 8", convolution(28, 1, 8, 5) },
    { "P09 5x5, 14 pixels, 8 to 16", convolution(14, 8, 16, 5) },
    { "P12 5x5, 28 pixels, 1 to 16", convolution(28, 1, 16, 5) },
    { "P12 5x5, 28 pixels, 16 to 32", convolution(28, 16, 32, 5) },
    { "P12 5x5, 14 pixels, 32 to 48", convolution(14, 32, 48, 5) },
    { "P12 5x5, 14 pixels, 48 to 64", convolution(14, 48, 64, 5) },
    { "P12 weights 5x5, 28x28, 16 to 32", tap_gradients(28, 16, 32, 5) },
    { "P12 weights 5x5, 14x14, 48 to 64", tap_gradients(14, 48, 64, 5) },
    { "P12 Winograd [49, 16] x [16, 32]", product(49, 32, 16) },
    { "P12 Winograd [64, 48] x [48, 32]", product(64, 32, 48) },
    { "P13 Winograd [64, 96] x [96, 32]", product(64, 32, 96) },
    { "P09 5x5, 14 pixels, 16 to 8, planes", planes(14, 16, 8, 5) },
    { "LeNet 5x5, 24 pixels, 1 to 6", convolution(24, 1, 6, 5) },
    { "LeNet 5x5, 8 pixels, 6 to 16", convolution(8, 6, 16, 5) },
    { "U02 3x3, 26 pixels, 1 to 32", convolution(26, 1, 32, 3) },
    { "U02 3x3, 11 pixels, 32 to 64", convolution(11, 32, 64, 3) },
    { "C03 1x1, 12 pixels, 64 to 256", convolution(12, 64, 256, 1) },
    { "C03 3x3, 12 pixels, 64 to 64", convolution(12, 64, 64, 3) },
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const pl_gemm *x = &cases[i].x;
    double numbers = (double)(x->rows * x->cols + x->outer * x->inner * x->cols) +
      (double)(x->a_row == 1 ? x->inner * x->outer : x->rows) * (double)x->inner;
    measure(NAMED(gemm, cases[i].shape, .gemm = *x, .bytes = NUMBER(numbers),
                  .flops = 2.0 * (double)(x->rows * x->cols) * (double)(x->outer * x->inner)));
  }
}

/* Gradients of kernels with one input channel, over an image; patches of [side, side] with `in` channels added up. */
static void narrow(void) {
  const struct { const char *shape; size_t side, out, kernel; } cases[] = {
    { "P09 weights 5x5, 28x28, 1 to 8", 28, 8, 5 }, { "P12 weights 5x5, 28x28, 1 to 16", 28, 16, 5 },
    { "U02 weights 3x3, 26x26, 1 to 32", 26, 32, 3 },
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    size_t k = cases[i].kernel;
    pl_gemm x = tap_gradients(cases[i].side, 1, cases[i].out, k);
    x.rows = k;
    x.a_row = (ptrdiff_t)(cases[i].side + k - 1);
    measure(NAMED(conv_weight_grad_1ch, cases[i].shape, .n = k, .gemm = x,
                  .flops = 2.0 * (double)(k * k * x.cols) * (double)(x.outer * x.inner)));
  }
  measure(NAMED(scatter_patches, "P09 5x5, 14x14, 8 channels", .n = 18 * 8, .bytes = NUMBER(3 * 14 * 14 * 25 * 8),
                .patches = { 14, 14, 5, 40, 18 * 8, 8 }));
  measure(NAMED(scatter_patches, "LeNet 5x5, 8x8, 6 channels", .n = 12 * 6, .bytes = NUMBER(3 * 8 * 8 * 25 * 6),
                .patches = { 8, 8, 5, 30, 12 * 6, 6 }));
}

/* The middle half of the columns of an image: about what six to twelve digits have as their own. */
static void listed(void) {
  const struct { const char *shape; size_t rows, cols; } cases[] = {
    { "P08 8 digits, 392 of 784, a panel of 32", 8, 32 }, { "P08 6 digits, 392 of 784, 128 wide", 6, 128 },
    { "P01 6 digits, 392 of 784, 100 wide", 6, 100 },
  };
  const size_t count = 28 * 14;
  for (size_t t = 0; t < count; t++) ((uint32_t *)(void *)E)[t] = (uint32_t)(t / 14 * 28 + 7 + t % 14);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    pl_gemm x = product(cases[i].rows, cases[i].cols, 784);
    measure(NAMED(gemm_sparse_rows, cases[i].shape, .gemm = x, .n = count,
                  .flops = 2.0 * (double)(count * x.rows * x.cols)));
  }
  measure(NAMED(nonzero, "12 images of 784 pixels", .rows = 12, .cols = 784, .bytes = NUMBER(12 * 784)));
}

/* Kernels over n numbers: of P08's first hidden layer, and of P12's first feature maps. `arrays`: read and written. */
#define OVER(name, arrays, count, text) measure(NAMED(name, text, .n = (count), \
  .bytes = NUMBER((arrays) * (double)(count))))
#define ELEMENTWISE(name, arrays) \
  OVER(name, arrays, 16 * 128, "P08 [16, 128]"); OVER(name, arrays, 16 * 28 * 28 * 16, "P12 [16, 28, 28, 16]")
#define OPTIMIZER(name, arrays) \
  OVER(name, arrays, 4096, "4,096 weights"); OVER(name, arrays, 151776, "P12, 151,776 weights"); \
  OVER(name, arrays, 5543936, "A05, 5,543,936 weights")
#define BOTH(name) ELEMENTWISE(name##_forward, 2); ELEMENTWISE(name##_backward, 3)

static void elementwise(void) {
  const struct { const char *shape; int op, arrays; } operations[] = {
    { "P12 [16, 28, 28, 16], neg", PL_EL_neg, 2 }, { "P12 [16, 28, 28, 16], log", PL_EL_log, 2 },
    { "P12 [16, 28, 28, 16], sqrt", PL_EL_sqrt, 2 }, { "P12 [16, 28, 28, 16], mul", PL_EL_mul, 3 },
    { "P12 [16, 28, 28, 16], div", PL_EL_div, 3 }, { "P12 [16, 28, 28, 16], maximum", PL_EL_maximum, 3 },
    { "P12 [16, 28, 28, 16], pow", PL_EL_pow, 3 },
  };
  const size_t n = 16 * 28 * 28 * 16;
  for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
    measure(NAMED(elementwise, operations[i].shape, .n = n, .rows = (size_t)operations[i].op,
                  .bytes = NUMBER(operations[i].arrays * (double)n)));
  ELEMENTWISE(exponential, 2); ELEMENTWISE(clamp, 2); ELEMENTWISE(elementwise_grad, 3); ELEMENTWISE(sum_tree, 1);
  ELEMENTWISE(scale_and_shift, 2);
  BOTH(relu); BOTH(tanh); BOTH(sigmoid);
  BOTH(leaky_relu);
  BOTH(elu);
  BOTH(silu); BOTH(mish); BOTH(gelu); BOTH(gelu_tanh);
  ELEMENTWISE(dropout, 2);
  ELEMENTWISE(dropout_backward, 2);
  ELEMENTWISE(add, 3);
  ELEMENTWISE(add_relu, 3);
  ELEMENTWISE(add_relu_backward, 4);
  ELEMENTWISE(sum_squares, 1);
  ELEMENTWISE(max_abs, 1);
  ELEMENTWISE(all_zero_or_normal, 1);
  measure(NAMED(from_bytes, "an image of 784 bytes", .n = 784, .bytes = 784 + NUMBER(784)));
  measure(NAMED(bilinear, "a row of 28 pixels", .n = 28, .rows = 28, .cols = 28, .bytes = NUMBER(5 * 28)));
}

static void optimizers(void) {
  OPTIMIZER(sgd, 3);
  OPTIMIZER(adam, 7);
  OPTIMIZER(rmsprop, 5);
  OPTIMIZER(adagrad, 5);
  OPTIMIZER(adadelta, 7);
  OPTIMIZER(adamax, 7);
  OPTIMIZER(adabelief, 7);
  OPTIMIZER(lion, 5);
  OPTIMIZER(lamb_direction, 7);
  OPTIMIZER(descend, 3);
}

#define MATRIX(name, arrays, r, c, text) measure(NAMED(name, text, .rows = (r), .cols = (c), \
  .bytes = NUMBER((arrays) * (double)(r) * (c))))

static void matrices(void) {
  MATRIX(column_sums, 1, 256, 128, "256 rows of 128");
  MATRIX(column_sums, 1, 256, 16, "256 rows of 16");
  MATRIX(add_to_rows, 2, 56, 32, "56 rows of 32");
  MATRIX(column_products, 2, 256, 64, "256 rows of 64");
  MATRIX(gemv_sparse, 1, 784, 100, "P01 [1, 784] x [784, 100]");
  MATRIX(transpose, 2, 784, 128, "[784, 128]");
  MATRIX(transpose, 2, 32, 16, "[32, 16]");
  MATRIX(normalize, 2, 676, 64, "C03 676 rows of 64");
  MATRIX(normalize, 2, 144, 256, "C03 144 rows of 256");
  MATRIX(normalize_backward, 3, 676, 64, "C03 676 rows of 64");
  MATRIX(normalize_backward, 3, 144, 256, "C03 144 rows of 256");
  MATRIX(relu_grad_sums, 2, 256, 64, "C03 256 rows of 64");
  MATRIX(relu_grad_sums, 2, 256, 256, "C03 256 rows of 256");
  MATRIX(softmax_forward, 2, 64, 10, "64 rows of 10");
  MATRIX(softmax_backward, 3, 64, 10, "64 rows of 10");
  MATRIX(log_softmax_forward, 2, 64, 10, "64 rows of 10");
  MATRIX(log_softmax_backward, 3, 64, 10, "64 rows of 10");
}

#define WINOGRAD(name, n_, taps, channels, in, out, text) \
  measure(NAMED(name, text, .rows = (n_), .cols = (channels), .n = 64 * (channels) + 16, \
                .bytes = NUMBER((channels) * (double)((in) + (out)))))

static void winograd(void) {
  WINOGRAD(winograd_input, 8, 5, 16, 64, 64, "P12 8x8 tile, 16 channels");
  WINOGRAD(winograd_input, 8, 5, 48, 64, 64, "P12 8x8 tile, 48 channels");
  WINOGRAD(winograd_input, 6, 3, 64, 36, 36, "C03 6x6 tile, 64 channels");
  WINOGRAD(winograd_filter, 8, 5, 32, 25, 64, "P12 5x5, 32 channels");
  WINOGRAD(winograd_filter, 6, 3, 64, 9, 36, "C03 3x3, 64 channels");
  WINOGRAD(winograd_output, 8, 5, 32, 64, 16, "P12 8x8 tile, 32 channels");
  WINOGRAD(winograd_output, 6, 3, 32, 36, 16, "C03 6x6 tile, 32 channels");
}

/* One row of outputs, or of pixels, of 2x2 windows. */
#define POOL(name, side, channels_, numbers, text) measure(NAMED(name, text, \
  .bytes = NUMBER((numbers) * (double)(side) * (channels_)), \
  .windows = { .h = (side), .w = (side), .channels = (channels_), .oh = (side) / 2, .ow = (side) / 2, .kh = 2, \
               .kw = 2, .sy = 2, .sx = 2 }))

static void pools(void) {
  POOL(maxpool_forward, 28, 32, 3, "P12 a row of 14, 32 channels");
  POOL(maxpool_backward, 28, 32, 2, "P12 a row of 28, 32 channels");
  POOL(maxpool_forward, 28, 8, 3, "P09 a row of 14, 8 channels");
  POOL(maxpool_backward, 28, 8, 2, "P09 a row of 28, 8 channels");
  POOL(avgpool_forward, 28, 32, 2.5, "a row of 14, 32 channels");
  POOL(avgpool_backward, 28, 32, 1.5, "a row of 28, 32 channels");
}

void measure_all(void) {
  measure(NAMED(peak_fma, "1,000 rounds", .n = 1000, .flops = pl_kernel.peak_fma(A, 1000)));
  matrix_products();
  narrow();
  winograd();
  elementwise();
  matrices();
  listed();
  pools();
  optimizers();
}
