/* What layers that act on each element have in common: a class from two kernels. */
#ifndef LAYERS_ACTIVATION_H
#define LAYERS_ACTIVATION_H

#include "kernels/kernels.h"
#include "layers/layer.h"
#include "perilune/threads.h"

static inline pl_status activation_shape(pl_layer *self, const pl_shape *in, pl_shape *out, pl_error *err) {
  (void)self, (void)err;
  *out = *in;
  return PL_OK;
}

typedef void (*activation_fn)(float *y, const float *x, size_t n, float option);
typedef void (*activation_back_fn)(float *dx, const float *kept, const float *dy, size_t n, float option);

static inline void activation_apply(const pl_pass *pass, activation_fn f, const float *x, float *y, float option) {
  size_t from, to;
  pl_team_share(pass->team, pass->batch * (size_t)pl_shape_count(&pass->in), 64, &from, &to);
  f(y + from, x + from, to - from, option);
}

static inline void activation_apply_back(const pl_pass *pass, activation_back_fn f, const float *kept, const float *dy,
                                         float *dx, float option) {
  size_t from, to;
  if (dx == NULL) return;
  pl_team_share(pass->team, pass->batch * (size_t)pl_shape_count(&pass->in), 64, &from, &to);
  f(dx + from, kept + from, dy + from, to - from, option);
}

/* What the derivative is written in. */
static inline void activation_keeps_y(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch,
                                      pl_memory *m) {
  (void)self, (void)in, (void)out, (void)batch;
  m->needs_y = true;
}

static inline void activation_keeps_x(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch,
                                      pl_memory *m) {
  (void)self, (void)in, (void)out, (void)batch;
  m->needs_x = true;
}

static inline float activation_option(const pl_layer *self) {
  return self->cls->head.config_size ? (float)*(const double *)self->config : 0;
}

/* A layer from the kernels `name`_forward and `name`_backward; `kept` is x or y. The one option, if there is any, is
   the head of the configuration. (pl_tanh is a function of base: hence pl_tanh_layer.) */
#define ACTIVATION(type, name, kept, ...) \
  static void name##_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) { \
    activation_apply(pass, pl_kernel.name##_forward, x, y, activation_option(self)); \
  } \
  static void name##_backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, \
                              float *dx) { \
    (void)x, (void)y; \
    activation_apply_back(pass, pl_kernel.name##_backward, kept, dy, dx, activation_option(self)); \
  } \
  const pl_layer_class pl_##name##_layer = { .head = { type, __VA_ARGS__ }, .flags = PL_PER_SAMPLE | PL_ELEMENTWISE, \
    .shape = activation_shape, .memory = activation_keeps_##kept, .forward = name##_forward, \
    .backward = name##_backward, .example = { "[]", { 1, { 70 } } } };

#endif
