/* Activations that act on each element: y = f(x), dx = f'(x) dy. The formulas are in kernels/activations.c. */
#include "kernels/kernels.h"
#include "layers/layer.h"

static pl_status shape(pl_layer *self, const pl_shape *in, pl_shape *out, pl_error *err) {
  (void)self, (void)err;
  *out = *in;
  return PL_OK;
}

typedef void (*forward_fn)(float *y, const float *x, size_t n, float option);
typedef void (*backward_fn)(float *dx, const float *kept, const float *dy, size_t n, float option);

static void apply(const pl_pass *pass, forward_fn f, const float *x, float *y, float option) {
  size_t from, to;
  pl_team_share(pass->team, pass->batch * (size_t)pl_shape_count(&pass->in), 64, &from, &to);
  f(y + from, x + from, to - from, option);
}

static void apply_back(const pl_pass *pass, backward_fn f, const float *kept, const float *dy, float *dx, float option) {
  size_t from, to;
  if (dx == NULL) return;
  pl_team_share(pass->team, pass->batch * (size_t)pl_shape_count(&pass->in), 64, &from, &to);
  f(dx + from, kept + from, dy + from, to - from, option);
}

/* What the derivative is written in. */
static void keeps_y(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch, pl_memory *m) {
  (void)self, (void)in, (void)out, (void)batch;
  m->needs_y = true;
}

static void keeps_x(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch, pl_memory *m) {
  (void)self, (void)in, (void)out, (void)batch;
  m->needs_x = true;
}

/* A layer from the kernels `name`_forward and `name`_backward; `kept` is x or y. The one option, if there is any, is
   the head of the configuration. (pl_tanh is a function of base: hence pl_tanh_layer.) */
#define ACTIVATION(type, name, kept, ...) \
  static void name##_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) { \
    apply(pass, pl_kernel.name##_forward, x, y, option_of(self)); \
  } \
  static void name##_backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) { \
    (void)x, (void)y; \
    apply_back(pass, pl_kernel.name##_backward, kept, dy, dx, option_of(self)); \
  } \
  const pl_layer_class pl_##name##_layer = { .head = { type, __VA_ARGS__ }, .flags = PL_PER_SAMPLE | PL_ELEMENTWISE, .shape = shape, \
    .memory = keeps_##kept, .forward = name##_forward, .backward = name##_backward, .example = { "[]", { 1, { 70 } } } };

static float option_of(const pl_layer *self) { return self->cls->head.config_size ? (float)*(const double *)self->config : 0; }

static const pl_option none[] = { { 0 } };

ACTIVATION("Tanh", tanh, y, 0, NULL, none)
ACTIVATION("Sigmoid", sigmoid, y, 0, NULL, none)

/* y = x where x > 0, else slope x */
typedef struct { double slope; } leaky_relu_config;
static const leaky_relu_config leaky_relu_defaults = { 0.01 };
static const pl_option leaky_relu_options[] = {
  { .name = "slope", .kind = PL_OPTION_NUMBER, .offset = offsetof(leaky_relu_config, slope), .place = 1, .low = 0, .high = 1e15 }, { 0 }
};
ACTIVATION("LeakyReLU", leaky_relu, y, sizeof(leaky_relu_config), &leaky_relu_defaults, leaky_relu_options)

/* y = x where x > 0, else alpha (e^x - 1).  Clevert, Unterthiner, Hochreiter, ICLR 2016 */
typedef struct { double alpha; } elu_config;
static const elu_config elu_defaults = { 1 };
static const pl_option elu_options[] = {
  { .name = "alpha", .kind = PL_OPTION_NUMBER, .offset = offsetof(elu_config, alpha), .place = 1, .low = 0, .high = 1e15 }, { 0 }
};
ACTIVATION("ELU", elu, x, sizeof(elu_config), &elu_defaults, elu_options)

/* y = x / (1 + e^-x).  Elfwing, Uchibe, Doya, Neural Networks 107, 2018 */
ACTIVATION("SiLU", silu, x, 0, NULL, none)

/* y = x P(x), P the normal distribution; approximate = "tanh" is the formula with tanh.  Hendrycks, Gimpel, 2016 */
typedef struct { int approximate; } gelu_config;
static const char *const gelu_choices[] = { "none", "tanh", NULL };
static const gelu_config gelu_defaults;
static const pl_option gelu_options[] = {
  { .name = "approximate", .kind = PL_OPTION_CHOICE, .offset = offsetof(gelu_config, approximate), .choices = gelu_choices }, { 0 }
};

static bool gelu_by_tanh(const pl_layer *self) { return ((const gelu_config *)self->config)->approximate == 1; }

static void gelu_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  apply(pass, gelu_by_tanh(self) ? pl_kernel.gelu_tanh_forward : pl_kernel.gelu_forward, x, y, 0);
}

static void gelu_backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  (void)y;
  apply_back(pass, gelu_by_tanh(self) ? pl_kernel.gelu_tanh_backward : pl_kernel.gelu_backward, x, dy, dx, 0);
}

const pl_layer_class pl_gelu_layer = {
  .head = { "GELU", sizeof(gelu_config), &gelu_defaults, gelu_options },
  .flags = PL_PER_SAMPLE | PL_ELEMENTWISE, .shape = shape, .memory = keeps_x, .forward = gelu_forward, .backward = gelu_backward,
  .example = { "[{\"approximate\": \"tanh\"}]", { 1, { 70 } } },
};
