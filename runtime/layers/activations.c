/* Activations that act on each element: y = f(x), dx = f'(x) dy. The formulas are in kernels/activations.c. */
#include "layers/activation.h"

static const pl_option none[] = { { 0 } };

ACTIVATION("Tanh", tanh, y, 0, NULL, none)
ACTIVATION("Sigmoid", sigmoid, y, 0, NULL, none)

/* y = x where x > 0, else slope x */
typedef struct { double slope; } leaky_relu_config;
static const leaky_relu_config leaky_relu_defaults = { 0.01 };
static const pl_option leaky_relu_options[] = {
  { .name = "slope", .kind = PL_OPTION_NUMBER, .offset = offsetof(leaky_relu_config, slope), .position = 1, .low = 0,
    .high = 1e15 }, { 0 }
};
ACTIVATION("LeakyReLU", leaky_relu, y, sizeof(leaky_relu_config), &leaky_relu_defaults, leaky_relu_options)

/* y = x where x > 0, else alpha (e^x - 1).  Clevert, Unterthiner, Hochreiter, ICLR 2016 */
typedef struct { double alpha; } elu_config;
static const elu_config elu_defaults = { 1 };
static const pl_option elu_options[] = {
  { .name = "alpha", .kind = PL_OPTION_NUMBER, .offset = offsetof(elu_config, alpha), .position = 1, .low = 0,
    .high = 1e15 }, { 0 }
};
ACTIVATION("ELU", elu, x, sizeof(elu_config), &elu_defaults, elu_options)

/* y = x / (1 + e^-x).  Elfwing, Uchibe, Doya, Neural Networks 107, 2018 */
ACTIVATION("SiLU", silu, x, 0, NULL, none)

/* y = x P(x), P the normal distribution; approximate = "tanh" is the formula with tanh.  Hendrycks, Gimpel, 2016 */
typedef struct { int approximate; } gelu_config;
static const char *const gelu_choices[] = { "none", "tanh", NULL };
static const gelu_config gelu_defaults;
static const pl_option gelu_options[] = {
  { .name = "approximate", .kind = PL_OPTION_CHOICE, .offset = offsetof(gelu_config, approximate),
    .choices = gelu_choices }, { 0 }
};

static bool gelu_by_tanh(const pl_layer *self) { return ((const gelu_config *)self->config)->approximate == 1; }

static void gelu_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  activation_apply(pass, gelu_by_tanh(self) ? pl_kernel.gelu_tanh_forward : pl_kernel.gelu_forward, x, y, 0);
}

static void gelu_backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy,
                          float *dx) {
  (void)y;
  activation_apply_back(pass, gelu_by_tanh(self) ? pl_kernel.gelu_tanh_backward : pl_kernel.gelu_backward, x, dy, dx,
                        0);
}

const pl_layer_class pl_gelu_layer = {
  .head = { "GELU", sizeof(gelu_config), &gelu_defaults, gelu_options },
  .flags = PL_PER_SAMPLE | PL_ELEMENTWISE, .shape = activation_shape, .memory = activation_keeps_x,
  .forward = gelu_forward, .backward = gelu_backward,
  .example = { "[{\"approximate\": \"tanh\"}]", { 1, { 70 } } },
};
