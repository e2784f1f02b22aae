/* Conv2d of stride 1 by Winograd's minimal filtering (kernels/winograd.c): outputs in tiles of 4 x 4, from input tiles of
   n x n, n = 4 + kernel - 1 (8 for 5 x 5, 6 for 3 x 3).

     forward            V = B'xB per tile,  U = GwG',  M_f = V_f U_f for each of the n*n frequencies f,  y = A'MA
     backward-data      the same on dy with the kernel flipped and transposed
     backward-weights   D = G dy G' per tile of dy,  S_f = V_f' D_f summed over all tiles,  dw = A'SA   (filter of 4 x 4,
                        kernel x kernel outputs: the same n and points, so the same V, which forward has saved)

   A group of samples (about 48 tiles) is taken through all its stages by one member, while it is in the cache. Sums run
   over channels, or over all tiles in order: grouping and threads do not touch a bit. */
#include "kernels/kernels.h"
#include "layers/conv2d.h"

enum { TILE = 4, ENOUGH_TILES = 48, SKEW = 16 };   /* planes are skewed by a cache line: no 4K aliasing between them */

/* One direction's tiling: of the outputs in forward, of the inputs in backward-data. */
typedef struct {
  size_t n, planes;                   /* input tile, n * n */
  size_t tiles_y, tiles_x, tiles;     /* a sample */
  size_t fh, fw;                      /* a sample's frame: the input with border, up to whole tiles */
  size_t group, groups;               /* samples a group */
} tiling;

static tiling tiling_of(size_t outputs_h, size_t outputs_w, size_t kernel, size_t batch) {
  tiling t = { .n = TILE + kernel - 1, .tiles_y = (outputs_h + TILE - 1) / TILE, .tiles_x = (outputs_w + TILE - 1) / TILE };
  t.planes = t.n * t.n;
  t.tiles = t.tiles_y * t.tiles_x;
  t.fh = t.tiles_y * TILE + kernel - 1;
  t.fw = t.tiles_x * TILE + kernel - 1;
  t.group = t.tiles < ENOUGH_TILES ? ENOUGH_TILES / t.tiles : 1;
  t.groups = (batch + t.group - 1) / t.group;
  return t;
}

static size_t plane_of(const tiling *t, size_t channels) { return t->group * t->tiles * channels + SKEW; }
static size_t group_of(const tiling *t, size_t channels) { return t->planes * plane_of(t, channels); }
static size_t filter_plane(const conv2d_sizes *s) { return s->in * s->out + SKEW; }
static size_t frame_of(const tiling *t, size_t channels) { return t->group * t->fh * t->fw * channels; }

/* dy's frame serves both passes: large enough for the tiles of dx and for those of dy itself. */
static tiling backward_tiling(const conv2d_sizes *s, size_t batch) {
  tiling t = tiling_of(s->h, s->w, s->kh, batch);
  size_t own_h = (s->oh + TILE - 1) / TILE * TILE + s->kh - 1 - s->top, own_w = (s->ow + TILE - 1) / TILE * TILE + s->kw - 1 - s->left;
  if (t.fh < own_h) t.fh = own_h;
  if (t.fw < own_w) t.fw = own_w;
  return t;
}

/* The workspace of a pass, in floats from its start. A member works in the slot of its first group. */
typedef struct { size_t filter, frame, input, product, own, sums, columns, flipped, end; } places;

static places forward_places(const conv2d_sizes *s, const tiling *t) {
  places p = { .filter = 0 };
  p.frame = p.filter + t->planes * filter_plane(s);
  p.product = p.frame + t->groups * frame_of(t, s->in);
  p.end = p.product + t->groups * group_of(t, s->out);
  return p;
}

static places backward_places(const conv2d_sizes *s, const tiling *t, const tiling *y, size_t batch) {
  places p = { .filter = 0 };
  p.frame = p.filter + t->planes * filter_plane(s);
  p.input = p.frame + y->groups * y->group * t->fh * t->fw * s->out;
  p.product = p.input + t->groups * group_of(t, s->out);
  p.own = p.product + t->groups * group_of(t, s->in);
  p.sums = p.own + y->groups * group_of(y, s->out);
  p.flipped = p.sums + t->planes * filter_plane(s);
  p.columns = p.flipped + s->kh * s->kw * s->in * s->out;
  p.end = p.columns + pl_column_sums_scratch(batch * s->oh * s->ow, s->out);
  return p;
}

void conv2d_winograd_memory(const conv2d_sizes *s, size_t batch, pl_memory *m) {
  tiling y = tiling_of(s->oh, s->ow, s->kh, batch), x = backward_tiling(s, batch);
  m->saved = sizeof(float) * y.groups * group_of(&y, s->in);
  m->scratch_forward = sizeof(float) * forward_places(s, &y).end;
  m->scratch_backward = sizeof(float) * backward_places(s, &x, &y, batch).end;
}

/* U[f][a][b] from w[ky][kx][a][b] */
static void transform_filter(const pl_team *team, float *u, const conv2d_sizes *s, const float *w, size_t a, size_t b) {
  size_t from, to;
  pl_team_share(team, a, 1, &from, &to);
  for (size_t i = from; i < to; i++)
    pl_kernel.winograd_filter(u + i * b, (ptrdiff_t)filter_plane(s), w + i * b, (ptrdiff_t)(s->kw * a * b), (ptrdiff_t)(a * b), b, (int)(TILE + s->kh - 1), (int)s->kh);
}

static void transform_input(float *v, const tiling *t, const float *frame, size_t samples, size_t channels) {
  for (size_t i = 0; i < samples * t->tiles; i++) {
    size_t sample = i / t->tiles, ty = i % t->tiles / t->tiles_x, tx = i % t->tiles_x;
    pl_kernel.winograd_input(v + i * channels, (ptrdiff_t)plane_of(t, channels), frame + ((sample * t->fh + ty * TILE) * t->fw + tx * TILE) * channels,
                             (ptrdiff_t)(t->fw * channels), (ptrdiff_t)channels, channels, (int)t->n);
  }
}

/* M_f = V_f U_f, then out = A'MA (+ bias), for one group. out: [samples, h, w, cols] */
static void multiply_group(float *out, float *m, const float *v, const float *u, const conv2d_sizes *s, const tiling *t, size_t samples,
                           size_t channels, size_t cols, const float *bias, size_t h, size_t w) {
  for (size_t f = 0; f < t->planes; f++) {
    pl_kernel.contract(&(pl_contraction){
      .c = m + f * plane_of(t, cols), .c_row = (ptrdiff_t)cols, .a = v + f * plane_of(t, channels), .a_row = (ptrdiff_t)channels, .a_inner = 1,
      .b = u + f * filter_plane(s), .b_inner = (ptrdiff_t)cols, .rows = samples * t->tiles, .cols = cols, .outer = 1, .inner = channels });
  }
  for (size_t i = 0; i < samples * t->tiles; i++) {
    size_t sample = i / t->tiles, y = i % t->tiles / t->tiles_x * TILE, x = i % t->tiles_x * TILE;
    pl_kernel.winograd_output(out + ((sample * h + y) * w + x) * cols, (ptrdiff_t)(w * cols), (ptrdiff_t)cols, m + i * cols, (ptrdiff_t)plane_of(t, cols),
                              bias, cols, (int)t->n, TILE, (int)(h - y < TILE ? h - y : TILE), (int)(w - x < TILE ? w - x : TILE), false);
  }
}

static size_t samples_of(const tiling *t, size_t group, size_t batch) { return batch - group * t->group < t->group ? batch - group * t->group : t->group; }

static const pl_team alone = { 0, 1, NULL };

void conv2d_winograd_forward(pl_layer *self, const pl_pass *pass, const conv2d_sizes *s, const float *x, float *y) {
  tiling t = tiling_of(s->oh, s->ow, s->kh, pass->batch);
  places p = forward_places(s, &t);
  float *scratch = pass->scratch, *saved = pass->saved;
  const float *bias = self->params > 1 ? self->param[1].value : NULL;
  size_t from, to;
  transform_filter(pass->team, scratch + p.filter, s, self->param[0].value, s->in, s->out);
  pl_team_barrier(pass->team);
  pl_team_share(pass->team, t.groups, 1, &from, &to);
  for (size_t g = from; g < to; g++) {
    size_t samples = samples_of(&t, g, pass->batch);
    float *frame = scratch + p.frame + from * frame_of(&t, s->in), *v = saved + g * group_of(&t, s->in);
    conv2d_frame(&alone, frame, t.fh, t.fw, x + g * t.group * s->h * s->w * s->in, samples, s->h, s->w, s->in, s->top, s->left, 1, 1);
    transform_input(v, &t, frame, samples, s->in);
    multiply_group(y + g * t.group * s->oh * s->ow * s->out, scratch + p.product + from * group_of(&t, s->out), v, scratch + p.filter, s, &t,
                   samples, s->in, s->out, bias, s->oh, s->ow);
  }
}

/* S_f = sum over tiles of V_f' D_f, in the order of samples and tiles */
static void sum_products(float *sums, const float *v, const float *d, const conv2d_sizes *s, const tiling *t, size_t f, size_t batch) {
  size_t last = samples_of(t, t->groups - 1, batch), full = last == t->group ? t->groups : t->groups - 1;
  pl_contraction c = {
    .c = sums + f * filter_plane(s), .c_row = (ptrdiff_t)s->out,
    .a = v + f * plane_of(t, s->in), .a_row = 1, .a_outer = (ptrdiff_t)group_of(t, s->in), .a_inner = (ptrdiff_t)s->in,
    .b = d + f * plane_of(t, s->out), .b_outer = (ptrdiff_t)group_of(t, s->out), .b_inner = (ptrdiff_t)s->out,
    .rows = s->in, .cols = s->out, .outer = full, .inner = t->group * t->tiles };
  if (full > 0) pl_kernel.contract(&c);
  if (full == t->groups) return;
  c.a += (ptrdiff_t)full * c.a_outer;
  c.b += (ptrdiff_t)full * c.b_outer;
  c.outer = 1;
  c.inner = last * t->tiles;
  c.accumulate = full > 0;
  pl_kernel.contract(&c);
}

void conv2d_winograd_backward(pl_layer *self, const pl_pass *pass, const conv2d_sizes *s, const float *dy, float *dx) {
  const pl_team *team = pass->team;
  size_t batch = pass->batch, from, to, border_y = s->kh - 1 - s->top, border_x = s->kw - 1 - s->left;
  tiling y = tiling_of(s->oh, s->ow, s->kh, batch), t = backward_tiling(s, batch);
  places p = backward_places(s, &t, &y, batch);
  float *scratch = pass->scratch, *d = scratch + p.own, *sums = scratch + p.sums;
  size_t frame_size = t.fh * t.fw * s->out;

  /* dy with its border, and D = G dy G' of its tiles */
  pl_team_share(team, y.groups, 1, &from, &to);
  for (size_t g = from; g < to; g++) {
    size_t samples = samples_of(&y, g, batch);
    float *frame = scratch + p.frame + g * y.group * frame_size, *own = d + g * group_of(&y, s->out);
    conv2d_frame(&alone, frame, t.fh, t.fw, dy + g * y.group * s->oh * s->ow * s->out, samples, s->oh, s->ow, s->out, border_y, border_x, 1, 1);
    for (size_t i = 0; i < samples * y.tiles; i++) {
      size_t row = i % y.tiles / y.tiles_x * TILE + border_y, col = i % y.tiles_x * TILE + border_x;
      pl_kernel.winograd_filter(own + i * s->out, (ptrdiff_t)plane_of(&y, s->out), frame + i / y.tiles * frame_size + (row * t.fw + col) * s->out,
                                (ptrdiff_t)(t.fw * s->out), (ptrdiff_t)s->out, s->out, (int)y.n, TILE);
    }
  }
  if (self->params > 1) pl_column_sums(team, self->param[1].grad, dy, batch * s->oh * s->ow, s->out, pass->accumulate, scratch + p.columns);
  if (dx != NULL) conv2d_flip(self, team, s, scratch + p.flipped);
  pl_team_barrier(team);

  pl_team_share(team, y.planes, 1, &from, &to);
  for (size_t f = from; f < to; f++) sum_products(sums, pass->saved, d, s, &y, f, batch);
  if (dx != NULL) transform_filter(team, scratch + p.filter, s, scratch + p.flipped, s->out, s->in);
  pl_team_barrier(team);

  pl_team_share(team, s->in, 1, &from, &to);
  for (size_t i = from; i < to; i++)
    pl_kernel.winograd_output(self->param[0].grad + i * s->out, (ptrdiff_t)(s->kw * s->in * s->out), (ptrdiff_t)(s->in * s->out), sums + i * s->out,
                              (ptrdiff_t)filter_plane(s), NULL, s->out, (int)y.n, (int)s->kh, (int)s->kh, (int)s->kw, pass->accumulate);
  if (dx == NULL) return;
  pl_team_share(team, t.groups, 1, &from, &to);
  for (size_t g = from; g < to; g++) {
    size_t samples = samples_of(&t, g, batch);
    float *v = scratch + p.input + from * group_of(&t, s->out);
    transform_input(v, &t, scratch + p.frame + g * t.group * frame_size, samples, s->out);
    multiply_group(dx + g * t.group * s->h * s->w * s->in, scratch + p.product + from * group_of(&t, s->in), v, scratch + p.filter, s, &t,
                   samples, s->out, s->in, NULL, s->h, s->w);
  }
}
