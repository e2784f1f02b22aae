/* Linear: y[.., o] = bias[o] + sum over i of x[.., i] weight[i][o], on the last axis of any input.
   weight [in, out], bias [out]. Leading axes and the batch are rows of one matrix product. */
#include <math.h>
#include <string.h>
#include "kernels/kernels.h"
#include "layers/linear.h"

typedef struct { int64_t in, out; bool bias; pl_init init, bias_init; } config;

static const config defaults = { .bias = true, .init = { PL_INIT_HE, 0, 0 }, .bias_init = { PL_INIT_ZEROS, 0, 0 } };
static const pl_option options[] = {
  { .name = "in", .kind = PL_OPTION_SIZE, .offset = offsetof(config, in), .position = 1, .required = true, .low = 1,
    .high = 1 << 24 },
  { .name = "out", .kind = PL_OPTION_SIZE, .offset = offsetof(config, out), .position = 2, .required = true, .low = 1,
    .high = 1 << 24 },
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
    return pl_error_set(err, PL_ERROR_SHAPE, "expects %lld features in the last axis, got %s%s", (long long)c->in,
                        pl_shape_text(text, in, true), remedy);
  }
  *out = *in;
  out->size[in->axes - 1] = c->out;
  return PL_OK;
}

static size_t rows_of(const config *c, const pl_shape *in, size_t batch) {
  return batch * (size_t)(pl_shape_count(in) / c->in);
}

static void memory(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch, pl_memory *m) {
  const config *c = self->config;
  (void)out;
  m->needs_x = true;
  m->scratch_backward = m->scratch_param_grads = sizeof(float) * pl_column_sums_scratch(rows_of(c, in, batch),
      (size_t)c->out);
}

/* While training, the weights of a large layer lie in panels of 32 columns, [in][32] each, the last one as wide as is
   left: so the members of a team, who own columns, do not even fetch each other's cache lines (processors fetch
   neighbours ahead). */
enum { PANEL = 32, WEIGHT_ROWS = 56 };

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Where weight (i, o) lies, and how far it is to (i + 1, o). */
static size_t weight_index(const pl_layer *self, size_t i, size_t o, size_t *stride) {
  const config *c = self->config;
  size_t in = (size_t)c->in, out = (size_t)c->out, first = o / PANEL * PANEL;
  *stride = self->param[0].packed ? least(PANEL, out - first) : out;
  return self->param[0].packed ? first * in + i * *stride + o - first : i * out + o;
}

static bool pack(const pl_layer *self, int param, float *to, const float *from, bool back) {
  const config *c = self->config;
  size_t in = (size_t)c->in, out = (size_t)c->out;
  if (param != 0 || out <= PANEL || in * out < 16384) return false;
  for (size_t o = 0; to != NULL && o < out; o += PANEL) {
    size_t width = least(PANEL, out - o);
    for (size_t i = 0; i < in; i++) {
      if (back) memcpy(to + i * out + o, from + o * in + i * width, width * sizeof *to);
      else memcpy(to + o * in + i * width, from + i * out + o, width * sizeof *to);
    }
  }
  return true;
}

/* Tiles of `height` rows x PANEL columns of a matrix, panel by panel, shared out: a member's columns are always the
   same ones. */
typedef struct { size_t rows, cols, height, from, to; } tiles;
typedef struct { size_t i, o, height, width; } tile;

static tiles share_tiles(const pl_team *team, size_t rows, size_t cols, size_t height) {
  tiles p = { rows, cols, height, 0, 0 };
  pl_team_share(team, (rows + height - 1) / height * ((cols + PANEL - 1) / PANEL), 1, &p.from, &p.to);
  return p;
}

static tile tile_at(const tiles *p, size_t item) {
  size_t high = (p->rows + p->height - 1) / p->height, i = item % high * p->height, o = item / high * PANEL;
  return (tile){ i, o, least(p->height, p->rows - i), least(PANEL, p->cols - o) };
}

/* Most pixels of a digit are zero, and often the same ones: a few samples need only the weights of the inputs that are
   not zero in all of them. With finite weights the bits are those of the product with all terms; a sum that might be
   zero of the wrong sign is computed again. */
enum { LISTED = 4096 };   /* inputs */

/* Samples that share a list: fewer have shorter ones, and enough work with each input if there are many outputs. */
static size_t sharing(size_t outputs) { return outputs > PANEL ? 6 : 12; }

static bool may_list(const pl_layer *self, const pl_pass *pass, size_t rows) {
  enum { MANY = 32 };   /* samples that are worth a look at all weights */
  const config *c = self->config;
  if (!pass->many_zeros || rows < 2 || c->in > LISTED) return false;
  if (self->param[0].zero_or_normal) return true;
  return !pass->training && rows >= MANY && pl_kernel.max_abs(self->param[0].value,
                                                              (size_t)(c->in * c->out)) < INFINITY;
}

static void forward_listed(const pl_layer *self, const pl_pass *pass, size_t rows, const float *x, float *y,
                           pl_layer *activation) {
  const config *c = self->config;
  const bool packed = self->param[0].packed;
  size_t in = (size_t)c->in, out = (size_t)c->out, width = packed ? PANEL : out, few = sharing(width),
    groups = (rows + few - 1) / few;
  size_t first = 0, last = groups, from = 0, to = (out + width - 1) / width;
  uint32_t list[LISTED + 16];
  if (packed) pl_team_share(pass->team, to, 1, &from, &to);
  else pl_team_share(pass->team, groups, 1, &first, &last);
  for (size_t g = first; g < last && from < to; g++) {
    size_t i = rows * g / groups, n = rows * (g + 1) / groups - i, count = pl_kernel.nonzero(list, x + i * in, n, in,
        in);
    for (size_t p = from; p < to; p++) {
      size_t o = p * width, stride, at = weight_index(self, 0, o, &stride);
      pl_gemm product = {
        .c = y + i * out + o, .c_row = c->out, .a = x + i * in, .a_row = c->in, .a_inner = 1,
        .b = self->param[0].value + at, .b_inner = (ptrdiff_t)stride,
        .rows = n, .cols = least(width, out - o), .outer = 1, .inner = in, .bias = c->bias ? self->param[1].value + o :
            NULL };
      if (count > in / 8 * 7 || pl_kernel.gemm_sparse_rows(&product, list, count)) pl_kernel.gemm(&product);
      pl_activate(activation, product.c, n, product.cols, out);
    }
  }
}

void linear_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y, pl_layer *activation) {
  enum { HEIGHT = 56 };
  const config *c = self->config;
  const float *weight = self->param[0].value, *bias = c->bias ? self->param[1].value : NULL;
  size_t rows = rows_of(c, &pass->in, pass->batch), from, to;
  if (may_list(self, pass, rows)) {
    forward_listed(self, pass, rows, x, y, activation);
    return;
  }
  if (rows == 1 && pass->training && self->param[0].zero_or_normal && !self->param[0].packed) {
    pl_team_share(pass->team, (size_t)c->out, PANEL, &from, &to);
    if (from == to) return;
    pl_kernel.gemv_sparse(y + from, x, weight + from, bias ? bias + from : NULL, (size_t)c->in, to - from,
                          (size_t)c->out);
    pl_activate(activation, y + from, 1, to - from, (size_t)c->out);
    return;
  }
  if (!self->param[0].packed) {
    pl_gemm_team(pass->team, &(pl_gemm){
      .c = y, .c_row = c->out, .a = x, .a_row = c->in, .a_inner = 1, .b = weight, .b_inner = c->out,
      .rows = rows, .cols = (size_t)c->out, .outer = 1, .inner = (size_t)c->in, .bias = bias }, activation);
    return;
  }
  tiles all = share_tiles(pass->team, rows, (size_t)c->out, HEIGHT);
  for (size_t item = all.from; item < all.to; item++) {
    tile p = tile_at(&all, item);
    size_t stride, at = weight_index(self, 0, p.o, &stride);
    pl_kernel.gemm(&(pl_gemm){
      .c = y + p.i * (size_t)c->out + p.o, .c_row = c->out, .a = x + p.i * (size_t)c->in, .a_row = c->in, .a_inner = 1,
      .b = weight + at, .b_inner = (ptrdiff_t)stride,
      .rows = p.height, .cols = p.width, .outer = 1, .inner = (size_t)c->in, .bias = bias ? bias + p.o : NULL });
    pl_activate(activation, y + p.i * (size_t)c->out + p.o, p.height, p.width, (size_t)c->out);
  }
}

static void forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  linear_forward(self, pass, x, y, NULL);
}

/* y[n][o] = bias[o] + sum_i x[n][i] w[i][o]  gives  dx[n][i] = sum_o dy[n][o] w[i][o], with w transposed tile by
   tile so that lanes run over i. */
static void backward_data(pl_layer *self, const pl_pass *pass, size_t rows, const float *dy, float *dx) {
  enum { WIDTH = 32, DEPTH = 4 * PANEL };
  const config *c = self->config;
  size_t in = (size_t)c->in, out = (size_t)c->out, from, to;
  float transposed[DEPTH * WIDTH];
  pl_team_share(pass->team, in, WIDTH, &from, &to);
  for (size_t i = from; i < to; i += WIDTH) {
    size_t width = least(WIDTH, to - i);
    for (size_t o = 0; o < out; o += DEPTH) {
      size_t depth = least(DEPTH, out - o);
      for (size_t k = 0; k < depth; k += PANEL) {
        size_t stride, at = weight_index(self, i, o + k, &stride);
        pl_kernel.transpose(transposed + k * WIDTH, self->param[0].value + at, width, least(PANEL, depth - k), WIDTH,
                            stride);
      }
      pl_kernel.gemm(&(pl_gemm){
        .c = dx + i, .c_row = c->in, .a = dy + o, .a_row = c->out, .a_inner = 1, .b = transposed, .b_inner = WIDTH,
        .rows = rows, .cols = width, .outer = 1, .inner = depth, .accumulate = o > 0 });
    }
  }
}

static bool take(const pl_pass *pass, const pl_grad_tile *tile) { return pass->sink->take(pass->sink->context, tile); }

/* The rows of a gradient whose input is zero in all samples are zero (dy is finite where there is a sink): only the
   others, neighbours together, are summed up. */
static void contract_runs(const pl_gemm *sum, const float *x, size_t samples, size_t height) {
  uint32_t list[WEIGHT_ROWS + 16];
  size_t count = pl_kernel.nonzero(list, x, samples, (size_t)sum->a_inner, height), next = 0;
  for (size_t t = 0; t < count;) {
    size_t from = list[t], to = from;
    for (; t < count && list[t] == to; t++) to++;
    pl_gemm run = *sum;
    memset(sum->c + next * sum->cols, 0, (from - next) * sum->cols * sizeof *sum->c);
    run.c += from * sum->cols;
    run.a += from;
    run.rows = to - from;
    pl_kernel.gemm(&run);
    next = to;
  }
  memset(sum->c + next * sum->cols, 0, (height - next) * sum->cols * sizeof *sum->c);
}

/* ... and dw[i][o] = sum_n x[n][i] dy[n][o]: to memory, or to the sink out of the first cache. */
static void weight_gradient(pl_layer *self, const pl_pass *pass, size_t rows, const float *x, const float *dy) {
  const config *c = self->config;
  float cached[WEIGHT_ROWS * PANEL];
  tiles all = share_tiles(pass->team, (size_t)c->in, (size_t)c->out, WEIGHT_ROWS);
  for (size_t item = all.from; item < all.to; item++) {
    tile p = tile_at(&all, item);
    size_t stride, at = weight_index(self, p.i, p.o, &stride);
    pl_gemm sum = { .c = cached, .c_row = (ptrdiff_t)p.width, .a = x + p.i, .a_row = 1, .a_inner = c->in,
                           .b = dy + p.o, .b_inner = c->out,
                           .rows = p.height, .cols = p.width, .outer = 1, .inner = rows,
                           .accumulate = pass->accumulate };
    if (pass->sink == NULL) {
      sum.c = self->param[0].grad + at;
      sum.c_row = (ptrdiff_t)stride;
    }
    if (pass->sink != NULL && pass->many_zeros) contract_runs(&sum, x + p.i, rows, p.height);
    else pl_kernel.gemm(&sum);
    pl_grad_tile part = { .slice = self->param[0].slice, .offset = at, .rows = p.height, .cols = p.width,
                          .stride = stride, .grad = cached, .grad_stride = p.width };
    if (stride == p.width) part.rows = 1, part.cols = p.height * p.width;
    if (pass->sink != NULL) take(pass, &part);
  }
}

static void step_product(pl_layer *self, const pl_pass *pass, const float *x, const float *dy) {
  const config *c = self->config;
  size_t from, to;
  pl_team_share(pass->team, (size_t)c->in, 16, &from, &to);
  bool finite = take(pass, &(pl_grad_tile){ .slice = self->param[0].slice, .offset = from * (size_t)c->out,
                                            .rows = to - from, .cols = (size_t)c->out,
                                       .stride = (size_t)c->out, .x = x + from, .dy = dy });
  if (!finite) self->param[0].zero_or_normal = false;
}

static void param_grads(pl_layer *self, const pl_pass *pass, const float *x, const float *dy) {
  const config *c = self->config;
  size_t rows = rows_of(c, &pass->in, pass->batch), out = (size_t)c->out, from, to;
  if (pass->sink != NULL && rows == 1) step_product(self, pass, x, dy);
  else weight_gradient(self, pass, rows, x, dy);
  if (!c->bias) return;
  pl_column_sums(pass->team, self->param[1].grad, dy, rows, out, pass->accumulate, pass->scratch);
  pl_team_share(pass->team, out, 16, &from, &to);
  if (pass->sink != NULL && from < to)
    take(pass, &(pl_grad_tile){ .slice = self->param[1].slice, .offset = from, .rows = 1, .cols = to - from,
                                .grad = self->param[1].grad + from });
}

static void backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  (void)x, (void)y;
  if (dx != NULL) backward_data(self, pass, rows_of(self->config, &pass->in, pass->batch), dy, dx);
}

static double work(const pl_layer *self, const pl_shape *in, const pl_shape *out) {
  const config *c = self->config;
  (void)out;
  return (double)pl_shape_count(in) * (double)c->out;
}

const pl_layer_class pl_linear = {
  .head = { "Linear", sizeof(config), &defaults, options }, .flags = PL_PER_SAMPLE,
  .setup = setup, .shape = shape, .memory = memory, .forward = forward, .backward = backward,
  .param_grads = param_grads, .pack = pack, .work = work,
  .example = { "[6, 5]", { 1, { 6 } } },
};
