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
  const pl_layer_class pl_##name##_layer = { .head = { type, __VA_ARGS__ }, .shape = shape, .memory = keeps_##kept, .forward = name##_forward, .backward = name##_backward };

static float option_of(const pl_layer *self) { return self->cls->head.config_size ? (float)*(const double *)self->config : 0; }

static const pl_option none[] = { { 0 } };

ACTIVATION("Tanh", tanh, y, 0, NULL, none)
ACTIVATION("Sigmoid", sigmoid, y, 0, NULL, none)
