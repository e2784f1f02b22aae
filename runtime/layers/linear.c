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

static linear linear_of(const pl_layer *self) {
  const config *c = self->config;
  return (linear){ .weight = &self->param[0], .bias = c->bias ? &self->param[1] : NULL, .in = (size_t)c->in,
                   .out = (size_t)c->out };
}

static size_t rows_of(const linear *l, const pl_shape *in, size_t batch) {
  return batch * ((size_t)pl_shape_count(in) / l->in);
}

static void memory(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch, pl_memory *m) {
  const linear l = linear_of(self);
  (void)out;
  m->needs_x = true;
  m->scratch_param_grads = sizeof(float) * pl_column_sums_scratch(rows_of(&l, in, batch), l.out);
}

/* While training, the weights of a large layer lie in panels of 32 columns, [in][32] each, the last one as wide as is
   left: so the members of a team, who own columns, do not even fetch each other's cache lines (processors fetch
   neighbours ahead). */
enum { PANEL = 32, WEIGHT_ROWS = 56 };

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Where weight (i, o) lies, and how far it is to (i + 1, o). */
static size_t weight_index(const linear *l, size_t i, size_t o, size_t *stride) {
  size_t first = o / PANEL * PANEL;
  *stride = l->weight->packed ? least(PANEL, l->out - first) : l->out;
  return l->weight->packed ? first * l->in + i * *stride + o - first : i * l->out + o;
}

bool linear_pack(const pl_param *weight, float *to, const float *from, bool back) {
  size_t in = (size_t)weight->shape.size[0], out = (size_t)weight->shape.size[1];
  if (out <= PANEL || in * out < 16384) return false;
  for (size_t o = 0; to != NULL && o < out; o += PANEL) {
    size_t width = least(PANEL, out - o);
    for (size_t i = 0; i < in; i++) {
      if (back) memcpy(to + i * out + o, from + o * in + i * width, width * sizeof *to);
      else memcpy(to + o * in + i * width, from + i * out + o, width * sizeof *to);
    }
  }
  return true;
}

static bool pack(const pl_layer *self, int param, float *to, const float *from, bool back) {
  return param == 0 && linear_pack(&self->param[0], to, from, back);
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

static bool may_list(const linear *l, const pl_pass *pass, size_t rows) {
  enum { MANY = 32 };   /* samples that are worth a look at all weights */
  if (!pass->many_zeros || rows < 2 || l->in > LISTED) return false;
  if (l->weight->zero_or_normal) return true;
  return !pass->training && rows >= MANY && pl_kernel.max_abs(l->weight->value, l->in * l->out) < INFINITY;
}

/* What is done with a tile of sums, rows i.. and columns o.. of y, while it is in the cache. */
static void finish(const linear *l, pl_layer *activation, float *y, size_t rows, size_t cols, size_t o) {
  if (l->bias_last && l->bias != NULL)
    pl_kernel.add_to_rows(y, l->bias->value + o, rows, cols, l->out);
  pl_activate(activation, y, rows, cols, l->out);
}

/* Where sums begin. */
static const float *first_bias(const linear *l, size_t o) {
  return l->bias != NULL && !l->bias_last ? l->bias->value + o : NULL;
}

static void forward_listed(const linear *l, const pl_pass *pass, size_t rows, const float *x, float *y,
                           pl_layer *activation) {
  const bool packed = l->weight->packed;
  size_t in = l->in, out = l->out, width = packed ? PANEL : out, few = sharing(width), groups = (rows + few - 1) / few;
  size_t first = 0, last = groups, from = 0, to = (out + width - 1) / width;
  uint32_t list[LISTED + 16];
  if (packed) pl_team_share(pass->team, to, 1, &from, &to);
  else pl_team_share(pass->team, groups, 1, &first, &last);
  for (size_t g = first; g < last && from < to; g++) {
    size_t i = rows * g / groups, n = rows * (g + 1) / groups - i;
    size_t count = pl_kernel.nonzero(list, x + i * in, n, in, in);
    for (size_t p = from; p < to; p++) {
      size_t o = p * width, stride, at = weight_index(l, 0, o, &stride);
      pl_gemm product = {
        .c = y + i * out + o, .c_row = (ptrdiff_t)out, .a = x + i * in, .a_row = (ptrdiff_t)in, .a_inner = 1,
        .b = l->weight->value + at, .b_inner = (ptrdiff_t)stride,
        .rows = n, .cols = least(width, out - o), .outer = 1, .inner = in, .bias = first_bias(l, o) };
      if (count > in / 8 * 7 || pl_kernel.gemm_sparse_rows(&product, list, count)) pl_kernel.gemm(&product);
      finish(l, activation, product.c, n, product.cols, o);
    }
  }
}

void linear_forward(const linear *l, const pl_pass *pass, const float *x, float *y, pl_layer *activation) {
  enum { HEIGHT = 56 };
  const float *weight = l->weight->value;
  size_t rows = rows_of(l, &pass->in, pass->batch), from, to;
  if (may_list(l, pass, rows)) {
    forward_listed(l, pass, rows, x, y, activation);
    return;
  }
  if (rows == 1 && pass->training && l->weight->zero_or_normal && !l->weight->packed) {
    pl_team_share(pass->team, l->out, PANEL, &from, &to);
    if (from == to) return;
    pl_kernel.gemv_sparse(y + from, x, weight + from, first_bias(l, from), l->in, to - from, l->out);
    finish(l, activation, y + from, 1, to - from, from);
    return;
  }
  if (!l->weight->packed && !l->bias_last) {
    pl_gemm_team(pass->team, &(pl_gemm){
      .c = y, .c_row = (ptrdiff_t)l->out, .a = x, .a_row = (ptrdiff_t)l->in, .a_inner = 1, .b = weight,
      .b_inner = (ptrdiff_t)l->out, .rows = rows, .cols = l->out, .outer = 1, .inner = l->in,
      .bias = first_bias(l, 0) }, activation);
    return;
  }
  tiles all = share_tiles(pass->team, rows, l->out, HEIGHT);
  for (size_t item = all.from; item < all.to; item++) {
    tile p = tile_at(&all, item);
    size_t stride, at = weight_index(l, 0, p.o, &stride);
    float *out = y + p.i * l->out + p.o;
    pl_kernel.gemm(&(pl_gemm){
      .c = out, .c_row = (ptrdiff_t)l->out, .a = x + p.i * l->in, .a_row = (ptrdiff_t)l->in, .a_inner = 1,
      .b = weight + at, .b_inner = (ptrdiff_t)stride,
      .rows = p.height, .cols = p.width, .outer = 1, .inner = l->in, .bias = first_bias(l, p.o) });
    finish(l, activation, out, p.height, p.width, p.o);
  }
}

/* y[n][o] = bias[o] + sum_i x[n][i] w[i][o]  gives  dx[n][i] = sum_o dy[n][o] w[i][o], with w transposed tile by
   tile so that lanes run over i. */
void linear_backward(const linear *l, const pl_pass *pass, const float *dy, float *dx) {
  enum { WIDTH = 32, DEPTH = 4 * PANEL };
  size_t in = l->in, out = l->out, rows = rows_of(l, &pass->in, pass->batch), from, to;
  float transposed[DEPTH * WIDTH];
  pl_team_share(pass->team, in, WIDTH, &from, &to);
  for (size_t i = from; i < to; i += WIDTH) {
    size_t width = least(WIDTH, to - i);
    for (size_t o = 0; o < out; o += DEPTH) {
      size_t depth = least(DEPTH, out - o);
      for (size_t k = 0; k < depth; k += PANEL) {
        size_t stride, at = weight_index(l, i, o + k, &stride);
        pl_kernel.transpose(transposed + k * WIDTH, l->weight->value + at, width, least(PANEL, depth - k), WIDTH,
                            stride);
      }
      pl_kernel.gemm(&(pl_gemm){
        .c = dx + i, .c_row = (ptrdiff_t)in, .a = dy + o, .a_row = (ptrdiff_t)out, .a_inner = 1, .b = transposed,
        .b_inner = WIDTH, .rows = rows, .cols = width, .outer = 1, .inner = depth, .accumulate = o > 0 });
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
static void weight_gradient(const linear *l, const pl_pass *pass, size_t rows, const float *x, const float *dy) {
  float cached[WEIGHT_ROWS * PANEL];
  tiles all = share_tiles(pass->team, l->in, l->out, WEIGHT_ROWS);
  for (size_t item = all.from; item < all.to; item++) {
    tile p = tile_at(&all, item);
    size_t stride, at = weight_index(l, p.i, p.o, &stride);
    pl_gemm sum = { .c = cached, .c_row = (ptrdiff_t)p.width, .a = x + p.i, .a_row = 1, .a_inner = (ptrdiff_t)l->in,
                    .b = dy + p.o, .b_inner = (ptrdiff_t)l->out,
                    .rows = p.height, .cols = p.width, .outer = 1, .inner = rows, .accumulate = pass->accumulate };
    bool added = l->bias_last && pass->accumulate && pass->sink == NULL;   /* when the sum is finished */
    if (added) {
      sum.accumulate = false;
    } else if (pass->sink == NULL) {
      sum.c = l->weight->grad + at;
      sum.c_row = (ptrdiff_t)stride;
    }
    if (pass->sink != NULL && pass->many_zeros) contract_runs(&sum, x + p.i, rows, p.height);
    else pl_kernel.gemm(&sum);
    pl_grad_tile part = { .slice = l->weight->slice, .offset = at, .rows = p.height, .cols = p.width,
                          .stride = stride, .grad = cached, .grad_stride = p.width };
    if (stride == p.width) part.rows = 1, part.cols = p.height * p.width;
    if (pass->sink != NULL) take(pass, &part);
    float *grad = l->weight->grad + at;
    for (size_t i = 0; added && i < p.height; i++)
      pl_kernel.add(grad + i * stride, grad + i * stride, cached + i * p.width, p.width);
  }
}

static void step_product(const linear *l, const pl_pass *pass, const float *x, const float *dy) {
  size_t from, to;
  pl_team_share(pass->team, l->in, 16, &from, &to);
  bool finite = take(pass, &(pl_grad_tile){ .slice = l->weight->slice, .offset = from * l->out, .rows = to - from,
                                            .cols = l->out, .stride = l->out, .x = x + from, .dy = dy });
  if (!finite) l->weight->zero_or_normal = false;
}

void linear_param_grads(const linear *l, const pl_pass *pass, const float *x, const float *dy) {
  size_t rows = rows_of(l, &pass->in, pass->batch), from, to;
  if (pass->sink != NULL && rows == 1) step_product(l, pass, x, dy);
  else weight_gradient(l, pass, rows, x, dy);
  if (l->bias == NULL) return;
  if (l->bias_last) pl_row_sums(pass->team, l->bias->grad, dy, rows, l->out, pass->accumulate, pass->scratch);
  else pl_column_sums(pass->team, l->bias->grad, dy, rows, l->out, pass->accumulate, pass->scratch);
  pl_team_share(pass->team, l->out, 16, &from, &to);
  if (pass->sink != NULL && from < to)
    take(pass, &(pl_grad_tile){ .slice = l->bias->slice, .offset = from, .rows = 1, .cols = to - from,
                                .grad = l->bias->grad + from });
}

static void forward(pl_layer *self, const pl_pass *pass, const float *x, float *y) {
  const linear l = linear_of(self);
  linear_forward(&l, pass, x, y, NULL);
}

void linear_layer_forward(pl_layer *self, const pl_pass *pass, const float *x, float *y, pl_layer *activation) {
  const linear l = linear_of(self);
  linear_forward(&l, pass, x, y, activation);
}

static void backward(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx) {
  const linear l = linear_of(self);
  (void)x, (void)y;
  if (dx != NULL) linear_backward(&l, pass, dy, dx);
}

static void param_grads(pl_layer *self, const pl_pass *pass, const float *x, const float *dy) {
  const linear l = linear_of(self);
  linear_param_grads(&l, pass, x, dy);
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
