/* Linear: y[.., o] = bias[o] + sum over i of x[.., i] weight[i][o], on the last axis of any input.
   weight [in, out], bias [out]. Leading axes and the batch are rows of one matrix product. */
#include "kernels/kernels.h"
#include "layers/layer.h"

typedef struct { int64_t in, out; bool bias; pl_init init, bias_init; } config;

static const config defaults = { .bias = true, .init = { PL_INIT_HE, 0, 0 }, .bias_init = { PL_INIT_ZEROS, 0, 0 } };
static const pl_option options[] = {
  { .name = "in", .kind = PL_OPTION_SIZE, .offset = offsetof(config, in), .place = 1, .required = true, .low = 1, .high = 1 << 24 },
  { .name = "out", .kind = PL_OPTION_SIZE, .offset = offsetof(config, out), .place = 2, .required = true, .low = 1, .high = 1 << 24 },
  { .name = "bias", .kind = PL_OPTION_BOOL, .offset = offsetof(config, bias) },
  { .name = "init", .kind = PL_OPTION_INIT, .offset = offsetof(config, init) },
  { .name = "bias_init", .kind = PL_OPTION_INIT, .offset = offsetof(config, bias_init) },
  { 0 }
};

static pl_status setup(pl_layer *self, pl_error *err) {
  const config *c = self->config;
  (void)err;
  pl_layer_declare(self, "weight", PL_SHAPE(c->in, c->out), c->init, (double)c->in, (double)c->out, true);
  if (c->bias) pl_layer_declare(self, "bias", PL_SHAPE(c->out), c->bias_init, (double)c->in, (double)c->out, true);
  return PL_OK;
}

static pl_status shape(pl_layer *self, const pl_shape *in, pl_shape *out, pl_error *err) {
  const config *c = self->config;
  if (in->axes < 1 || in->size[in->axes - 1] != c->in) {
    char text[PL_SHAPE_TEXT];
    const char *remedy = in->axes > 1 && pl_shape_count(in) == c->in ? "; put nn.Flatten() before it" : "";
    return pl_error_set(err, PL_ERROR_SHAPE, "expects %lld features in the last axis, got %s%s", (long long)c->in, pl_shape_text(text, in, true), remedy);
  }
  *out = *in;
  out->size[in->axes - 1] = c->out;
  return PL_OK;
}

static size_t rows_of(const config *c, const pl_shape *in, size_t batch) { return batch * (size_t)(pl_shape_count(in) / c->in); }

static void memory(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch, pl_memory *m) {
  const config *c = self->config;
  (void)out;
  m->needs_x = true;
  m->scratch_backward = sizeof(float) * ((size_t)(c->in * c->out) + pl_column_sums_scratch(rows_of(c, in, batch), (size_t)c->out));
}

static void forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  const config *c = self->config;
  pl_contract_shared(pass->team, &(pl_contraction){
    .c = y, .c_row = c->out, .a = x, .a_row = c->in, .a_inner = 1, .b = self->param[0].value, .b_inner = c->out,
    .rows = rows_of(c, &pass->in, pass->batch), .cols = (size_t)c->out, .outer = 1, .inner = (size_t)c->in,
    .bias = c->bias ? self->param[1].value : NULL });
}

static void backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  const config *c = self->config;
  size_t rows = rows_of(c, &pass->in, pass->batch), in = (size_t)c->in, out = (size_t)c->out, from, to;
  float *transposed = pass->scratch;
  (void)y;
  /* y[n][o] = bias[o] + sum_i x[n][i] w[i][o]  gives  dw[i][o] = sum_n x[n][i] dy[n][o] */
  pl_contract_shared(pass->team, &(pl_contraction){
    .c = self->param[0].grad, .c_row = c->out, .a = x, .a_row = 1, .a_inner = c->in, .b = dy, .b_inner = c->out,
    .rows = in, .cols = out, .outer = 1, .inner = rows, .accumulate = pass->accumulate });
  if (c->bias) pl_column_sums(pass->team, self->param[1].grad, dy, rows, out, pass->accumulate, transposed + in * out);
  if (dx == NULL) return;
  /* ... and dx[n][i] = sum_o dy[n][o] w[i][o], with w transposed so that lanes run over i */
  pl_team_share(pass->team, in, 16, &from, &to);
  pl_kernel.transpose(transposed + from, self->param[0].value + from * out, to - from, out, in, out);
  pl_team_barrier(pass->team);
  pl_contract_shared(pass->team, &(pl_contraction){
    .c = dx, .c_row = c->in, .a = dy, .a_row = c->out, .a_inner = 1, .b = transposed, .b_inner = c->in,
    .rows = rows, .cols = in, .outer = 1, .inner = out });
}

static double work(const pl_layer *self, const pl_shape *in, const pl_shape *out) {
  const config *c = self->config;
  (void)out;
  return (double)pl_shape_count(in) * (double)c->out;
}

const pl_layer_class pl_linear = {
  .head = { "Linear", sizeof(config), &defaults, options },
  .setup = setup, .shape = shape, .memory = memory, .forward = forward, .backward = backward, .work = work,
};
