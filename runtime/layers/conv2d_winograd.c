/* Conv2d of stride 1 by Winograd's minimal filtering (kernels/winograd.c): outputs in tiles of 4 x 4, from input tiles
   of n x n, n = 4 + kernel - 1 (8 for 5 x 5, 6 for 3 x 3).

     forward            V = B'xB per tile,  U = GwG',  M_f = V_f U_f for each of the n*n frequencies f,  y = A'MA
     backward-data      the same on dy with the kernel flipped and transposed
     backward-weights   D = G dy G' per tile of dy,  S_f = V_f' D_f summed over all tiles,  dw = A'SA   (filter of 4 x
   4,
                        kernel x kernel outputs: the same n and points)

   What a member works on stays in its second-level cache: a group of samples, and up to 64 columns of products at a
   time; backward-weights takes a block of input and output channels through all samples, and transforms x once more
   rather than keeping V. Sums run over channels, or over all tiles in order: groups, blocks and threads do not touch a
   bit. */
#include "kernels/kernels.h"
#include "layers/conv2d.h"

enum {
  TILE = 4,
  VECTOR = 16,
  COLS = 64,            /* at most so many columns of a product at a time */
  CACHE = 360000,       /* floats of a working set: most of 2 MiB */
  ENOUGH_TILES = 64,
  SKEW = 16             /* planes are skewed by a cache line: no 4K aliasing between them */
};

typedef struct {
  size_t n, planes;                   /* input tile, n * n */
  size_t tiles_y, tiles_x, tiles;     /* a sample */
  size_t group;                       /* samples that are worked on at once */
} tiling;

/* `channels`: floats that a tile puts into each plane of the working set. */
static tiling tiling_of(size_t outputs_h, size_t outputs_w, size_t kernel, size_t batch, size_t channels) {
  tiling t = { .n = TILE + kernel - 1, .tiles_y = (outputs_h + TILE - 1) / TILE,
               .tiles_x = (outputs_w + TILE - 1) / TILE, .group = 1 };
  t.planes = t.n * t.n;
  t.tiles = t.tiles_y * t.tiles_x;
  while (2 * t.group <= batch && 2 * t.group * t.tiles <= ENOUGH_TILES &&
         t.planes * 2 * t.group * t.tiles * channels <= CACHE) t.group *= 2;
  return t;
}

static size_t plane_of(const tiling *t, size_t channels) { return t->group * t->tiles * channels + SKEW; }
static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Columns are worked on in strips, as equal as whole vectors allow. */
static size_t strip_of(size_t cols) {
  size_t vectors = (cols + VECTOR - 1) / VECTOR, strips = (cols + COLS - 1) / COLS;
  return (vectors + strips - 1) / strips * VECTOR;
}

/* The transformed kernel: U[strip][f][row][column]. */
static size_t filter_plane(size_t rows, size_t cols) { return rows * strip_of(cols) + SKEW; }
static size_t filter_size(size_t planes, size_t rows, size_t cols) {
  return (cols + strip_of(cols) - 1) / strip_of(cols) * planes * filter_plane(rows, cols);
}

/* Backward-weights in blocks of in x out channels; S[f][in][out] of one block. */
typedef struct { size_t in, out, units; tiling t; } blocks;

static size_t blocks_memory(const blocks *b) {
  return b->t.planes * (plane_of(&b->t, b->in) + plane_of(&b->t, b->out) + b->in * b->out + SKEW);
}

static blocks blocks_of(const conv2d_sizes *s, size_t batch, size_t in, size_t out) {
  blocks b = { .in = smaller(in, s->in), .out = smaller(out, s->out) };
  b.units = (s->in + in - 1) / in * ((s->out + out - 1) / out);
  b.t = tiling_of(s->oh, s->ow, s->kh, batch, b.in + b.out);
  return b;
}

/* For each half of the batch. Small blocks transform the same channels again and again; few blocks leave members idle.
   The choice is that for many samples, whatever the batch: a smaller one never needs more memory than the largest, for
   which there is room. */
static blocks best_blocks(const conv2d_sizes *s, size_t batch, int members) {
  blocks best = { 0 };
  double least = 0;
  for (size_t in = 16; in <= 64; in += 16) {
    for (size_t out = 16; out <= 64; out += 16) {
      blocks b = blocks_of(s, ENOUGH_TILES, in, out);
      double rounds = (double)((2 * b.units + (size_t)members - 1) / (size_t)members);
      double cost = rounds * ((double)(in * out) * 2.3 + (double)(in + out) * 16);   /* cycles: product, transforms */
      if (best.units != 0 && (cost >= least || blocks_memory(&b) > CACHE + CACHE / 4)) continue;
      best = b;
      least = cost;
    }
  }
  return blocks_of(s, (batch + 1) / 2, best.in, best.out);
}

/* The workspace of a pass, in floats from its start; every member has `own` floats to itself, from `members` on. */
typedef struct { size_t filter, flipped, second, columns, members, own, end; } workspace;

static size_t product_memory(const tiling *t, size_t channels, size_t cols) {
  return t->planes * (plane_of(t, channels) + plane_of(t, smaller(cols, strip_of(cols))));
}

static workspace forward_workspace(const conv2d_sizes *s, const tiling *t, int members) {
  workspace p = { .members = filter_size(t->planes, s->in, s->out), .own = product_memory(t, s->in, s->out) };
  p.own = pl_member_floats(p.own);
  p.end = p.members + (size_t)members * p.own;
  return p;
}

static workspace backward_workspace(const conv2d_sizes *s, const tiling *t, const blocks *b, size_t batch,
                                    int members) {
  workspace p = { .flipped = filter_size(t->planes, s->out, s->in), .own = product_memory(t, s->out, s->in) };
  if (p.own < blocks_memory(b)) p.own = blocks_memory(b);
  p.own = pl_member_floats(p.own);
  p.second = p.flipped + conv2d_weights(s);
  p.columns = p.second + conv2d_weights(s);
  p.members = (p.columns + pl_column_sums_scratch(batch * s->oh * s->ow, s->out) + SKEW - 1) / SKEW * SKEW;
  p.end = p.members + (size_t)members * p.own;
  return p;
}

static tiling forward_tiling(const conv2d_sizes *s, size_t batch) {
  return tiling_of(s->oh, s->ow, s->kh, batch, s->in + smaller(s->out, strip_of(s->out)));
}
static tiling backward_tiling(const conv2d_sizes *s, size_t batch) {
  return tiling_of(s->h, s->w, s->kh, batch, s->out + smaller(s->in, strip_of(s->in)));
}

void conv2d_winograd_memory(const conv2d_sizes *s, size_t batch, pl_memory *m) {
  tiling y = forward_tiling(s, batch), x = backward_tiling(s, batch);
  m->needs_x = true;
  m->scratch_forward = sizeof(float) * forward_workspace(s, &y, m->members).end;
  for (int members = 1; members <= m->members; members++) {   /* a smaller team may choose larger blocks */
    blocks b = best_blocks(s, batch, members);
    size_t bytes = sizeof(float) * backward_workspace(s, &x, &b, batch, members).end;
    if (m->scratch_backward < bytes) m->scratch_backward = bytes;
  }
}

/* V (filter = 0) or D (filter = 4) of the tiles of a group, planes[f][tile][channel], from `count` channels from
   `first` on; the first tile begins at (-top, -left), and what is outside of an image is 0. */
static void transform(float *planes, const tiling *t, const float *x, size_t h, size_t w, size_t channels,
                      size_t first, size_t count,
                      size_t samples, size_t top, size_t left, int filter) {
  ptrdiff_t plane = (ptrdiff_t)plane_of(t, count), row = (ptrdiff_t)(w * channels), col = (ptrdiff_t)channels;
  int n = (int)t->n, side = filter ? TILE : n;
  for (size_t i = 0; i < samples * t->tiles; i++) {
    ptrdiff_t y = (ptrdiff_t)(i % t->tiles / t->tiles_x * TILE) - (ptrdiff_t)top,
      z = (ptrdiff_t)(i % t->tiles_x * TILE) - (ptrdiff_t)left;
    ptrdiff_t below = (ptrdiff_t)h - y, right = (ptrdiff_t)w - z;
    pl_inside part = { y < 0 ? (int)-y : 0, below < side ? (int)below : side, z < 0 ? (int)-z : 0, right < side ?
                       (int)right : side };
    const pl_inside *in = part.top > 0 || part.left > 0 || part.bottom < side || part.right < side ? &part : NULL;
    const float *image = x + i / t->tiles * h * w * channels;
    const float *from = image + ((size_t)(y + part.top) * w + (size_t)(z + part.left)) * channels + first;
    if (filter) pl_kernel.winograd_filter(planes + i * count, plane, from, row, col, count, n, filter, in);
    else pl_kernel.winograd_input(planes + i * count, plane, from, row, col, count, n, in);
  }
}

/* U from w[ky][kx][a][b] */
static void transform_filter(const pl_team *team, float *u, const conv2d_sizes *s, size_t planes, const float *w,
                             size_t a, size_t b) {
  size_t from, to, wide = strip_of(b), strips = (b + wide - 1) / wide;
  pl_team_share(team, a * strips, 1, &from, &to);
  for (size_t item = from; item < to; item++) {
    size_t i = item % a, strip = item / a, col = strip * wide;
    pl_kernel.winograd_filter(u + strip * planes * filter_plane(a, b) + i * wide, (ptrdiff_t)filter_plane(a, b),
                              w + i * b + col, (ptrdiff_t)(s->kw * a * b),
                              (ptrdiff_t)(a * b), smaller(b - col, wide), (int)(TILE + s->kh - 1), (int)s->kh, NULL);
  }
}

/* M_f = V_f U_f, then out = A'MA (+ bias), for one group. out: [samples, h, w, cols] */
static void multiply_group(float *out, float *m, const float *v, const float *u, const tiling *t, size_t samples,
                           size_t channels, size_t cols, const float *bias, size_t h, size_t w) {
  size_t wide = strip_of(cols);
  for (size_t col = 0; col < cols; col += wide, u += t->planes * filter_plane(channels, cols)) {
    size_t width = smaller(cols - col, wide);
    ptrdiff_t plane = (ptrdiff_t)plane_of(t, width);
    for (size_t f = 0; f < t->planes; f++) {
      pl_kernel.gemm(&(pl_gemm){
        .c = m + (ptrdiff_t)f * plane, .c_row = (ptrdiff_t)width, .a = v + f * plane_of(t, channels),
        .a_row = (ptrdiff_t)channels, .a_inner = 1,
        .b = u + f * filter_plane(channels, cols), .b_inner = (ptrdiff_t)wide, .rows = samples * t->tiles,
        .cols = width, .outer = 1, .inner = channels });
    }
    for (size_t i = 0; i < samples * t->tiles; i++) {
      size_t sample = i / t->tiles, y = i % t->tiles / t->tiles_x * TILE, x = i % t->tiles_x * TILE;
      pl_kernel.winograd_output(out + ((sample * h + y) * w + x) * cols + col, (ptrdiff_t)(w * cols), (ptrdiff_t)cols,
                                m + i * width, plane,
                                bias ? bias + col : NULL, width, (int)t->n, TILE, (int)smaller(h - y, TILE),
                                (int)smaller(w - x, TILE), false);
    }
  }
}

void conv2d_winograd_forward(pl_layer *self, const pl_pass *pass, const conv2d_sizes *s, const float *x, float *y,
                             pl_layer *activation) {
  tiling t = forward_tiling(s, pass->batch);
  workspace p = forward_workspace(s, &t, pass->team->size);
  float *u = (float *)pass->scratch + p.filter,
    *v = (float *)pass->scratch + p.members + (size_t)pass->team->rank * p.own;
  const float *bias = self->params > 1 ? self->param[1].value : NULL;
  size_t n, to;
  transform_filter(pass->team, u, s, t.planes, self->param[0].value, s->in, s->out);
  pl_team_barrier(pass->team);
  pl_work work = pl_work_begin(pass->team, pass->batch, 1, t.group, PL_FROM_START);
  while (pl_work_take(&work, &n, &to)) {
    size_t samples = to - n;
    transform(v, &t, x + n * s->h * s->w * s->in, s->h, s->w, s->in, 0, s->in, samples, s->top, s->left, 0);
    multiply_group(y + n * s->oh * s->ow * s->out, v + t.planes * plane_of(&t, s->in), v, u, &t, samples, s->in,
                   s->out, bias, s->oh, s->ow);
    pl_activate(activation, y + n * s->oh * s->ow * s->out, samples, s->oh * s->ow * s->out, s->oh * s->ow * s->out);
  }
}

/* dw of one block: S_f = sum over tiles of V_f' D_f, in the order of samples and tiles */
static void block_of_weights(const conv2d_sizes *s, const blocks *b, size_t unit, const float *x, const float *dy,
                             const pl_half *half, float *own) {
  const tiling *t = &b->t;
  size_t across = (s->out + b->out - 1) / b->out, i = unit / across * b->in, o = unit % across * b->out;
  size_t in = smaller(s->in - i, b->in), out = smaller(s->out - o, b->out), plane = in * out + SKEW;
  float *v = own, *d = v + t->planes * plane_of(t, in), *sums = d + t->planes * plane_of(t, out);
  for (size_t n = 0; n < half->samples; n += t->group) {
    size_t samples = smaller(half->samples - n, t->group), first = half->first + n;
    transform(v, t, x + first * s->h * s->w * s->in, s->h, s->w, s->in, i, in, samples, s->top, s->left, 0);
    transform(d, t, dy + first * s->oh * s->ow * s->out, s->oh, s->ow, s->out, o, out, samples, 0, 0, TILE);
    for (size_t f = 0; f < t->planes; f++) {
      pl_kernel.gemm(&(pl_gemm){
        .c = sums + f * plane, .c_row = (ptrdiff_t)out, .a = v + f * plane_of(t, in), .a_row = 1,
        .a_inner = (ptrdiff_t)in,
        .b = d + f * plane_of(t, out), .b_inner = (ptrdiff_t)out, .rows = in, .cols = out, .outer = 1,
        .inner = samples * t->tiles, .accumulate = n > 0 });
    }
  }
  for (size_t k = 0; k < in; k++)
    pl_kernel.winograd_output(half->sum + (i + k) * s->out + o, (ptrdiff_t)(s->kw * s->in * s->out),
                              (ptrdiff_t)(s->in * s->out), sums + k * out, (ptrdiff_t)plane,
                              NULL, out, (int)t->n, (int)s->kh, (int)s->kh, (int)s->kw, half->accumulate);
}

/* Both gradients need not wait for each other: the units of dw for the first half of the batch, then samples of dx,
   then the units of the second half lie in one line, in which a unit is as long as so many samples. Members begin at
   its ends, with the few units, and meet among the samples. */
typedef struct { size_t unit, units, samples, end; } line;

static line line_of(const conv2d_sizes *s, const blocks *b, size_t batch, size_t samples, size_t group) {
  double unit = (double)(b->in * b->out) * 2.3 + (double)(b->in + b->out) * 16,
    sample = (double)(s->in * s->out) * 2.3 + (double)(s->in + s->out) * 16;
  line l = { .unit = (size_t)(unit / sample * (double)((batch + 1) / 2)) / group * group + group, .units = b->units,
             .samples = samples };
  l.end = (batch > 1 ? 2 : 1) * l.units * l.unit + samples;
  return l;
}

static bool has_unit(const line *l, int half, size_t unit, size_t from, size_t to) {
  size_t middle = unit * l->unit + l->unit / 2 + (half ? l->units * l->unit + l->samples : 0);
  return from <= middle && middle < to;
}

static size_t sample_at(const line *l, size_t at) {
  size_t start = l->units * l->unit;
  return at < start ? 0 : smaller(at - start, l->samples);
}

void conv2d_winograd_backward(pl_layer *self, const pl_pass *pass, const conv2d_sizes *s, const float *x,
                              const float *dy, float *dx) {
  const pl_team *team = pass->team;
  tiling t = backward_tiling(s, pass->batch);
  blocks b = best_blocks(s, pass->batch, team->size);
  workspace p = backward_workspace(s, &t, &b, pass->batch, team->size);
  line l = line_of(s, &b, pass->batch, dx != NULL ? pass->batch : 0, t.group);
  float *scratch = pass->scratch, *own = scratch + p.members + (size_t)team->rank * p.own,
    *columns = scratch + p.columns;
  size_t rows = pass->batch * s->oh * s->ow;
  if (self->params > 1) pl_column_sums_parts(team, dy, rows, s->out, columns);
  if (dx != NULL) {
    conv2d_flip(self, team, s, scratch + p.flipped);
    pl_team_barrier(team);
    transform_filter(team, scratch + p.filter, s, t.planes, scratch + p.flipped, s->out, s->in);
    pl_team_barrier(team);
  }
  pl_work work = pl_work_begin(team, l.end, 1, t.group, PL_FROM_ENDS);
  for (size_t from, to; pl_work_take(&work, &from, &to);) {
    for (int h = 0; h < (pass->batch > 1 ? 2 : 1); h++) {
      pl_half half = pl_half_of(pass, h, 0, self->param[0].grad, scratch + p.second);
      for (size_t unit = 0; unit < b.units; unit++) if (has_unit(&l, h, unit, from, to))
        block_of_weights(s, &b, unit, x, dy, &half, own);
    }
    size_t n = sample_at(&l, from), samples = sample_at(&l, to) - n;
    if (samples == 0) continue;
    transform(own, &t, dy + n * s->oh * s->ow * s->out, s->oh, s->ow, s->out, 0, s->out, samples, s->kh - 1 - s->top,
              s->kw - 1 - s->left, 0);
    multiply_group(dx + n * s->h * s->w * s->in, own + t.planes * plane_of(&t, s->out), own, scratch + p.filter, &t,
                   samples, s->out, s->in, NULL, s->h, s->w);
  }
  pl_team_barrier(team);
  pl_add_halves(pass, self->param[0].grad, scratch + p.second, conv2d_weights(s));
  if (self->params > 1) pl_column_sums_total(team, self->param[1].grad, dy, rows, s->out, pass->accumulate, columns);
}
