/* Runs a chain: strips of whole rows where those are short, else of PL_STRIP columns of one row. What was broadcast
   gets sums: a row in the order of pl_row_sums; a column from each row, in stretches of PL_STRIP; a single number from
   each strip, the strips of a block of rows in order, then the blocks. */
#include <string.h>
#include "kernels/kernels.h"
#include "kernels/operations.h"
#include "layers/chain.h"

enum { CHAINS = 4 };   /* of a sum of rows, as in column_sums */

static size_t least(size_t a, size_t b) { return a < b ? a : b; }
static size_t blocks_of(size_t rows) { return (rows + PL_ROW_BLOCK - 1) / PL_ROW_BLOCK; }

static bool is_sum(const pl_chain_outer *o) {
  return o->summed && (o->lane == PL_LANE_ROW || o->lane == PL_LANE_SCALAR);
}
static size_t width_of(const pl_chain_outer *o, size_t cols) { return o->lane == PL_LANE_ROW ? cols : 1; }

/* Of a member: registers, a strip for each outer that is broadcast, CHAINS strips for each sum over rows. */
static size_t own_floats(const pl_chain_code *code) {
  size_t strips = (size_t)code->registers;
  for (int i = 0; i < code->outers; i++) {
    if (code->outer[i].lane == PL_LANE_DENSE) continue;
    strips += code->outer[i].summed ? CHAINS : 1;
  }
  return pl_member_floats(strips * PL_STRIP);
}

size_t pl_chain_scratch(const pl_chain_code *code, size_t rows, size_t cols, int members) {
  size_t floats = own_floats(code) * (size_t)members;
  for (int i = 0; i < code->outers; i++)
    if (is_sum(&code->outer[i])) floats += blocks_of(rows) * width_of(&code->outer[i], cols);
  return floats * sizeof(float);
}

typedef struct {
  const pl_chain_code *code;
  float *const *place;
  size_t rows, cols, high;             /* high: rows of a strip */
  float *reg, *own[PL_CHAIN_OUTERS];   /* own: a broadcast outer's strip, or the chains of its sum */
  float *parts[PL_CHAIN_OUTERS];       /* of a sum: [blocks, width] */
  float *at[PL_CHAIN_OUTERS];          /* in the present strip */
} frame;

static frame frame_of(const pl_chain_code *code, const pl_team *team, float *const *place, size_t rows, size_t cols,
                      float *scratch) {
  frame f = { .code = code, .place = place, .rows = rows, .cols = cols, .high = PL_ROW_BLOCK };
  float *shared = scratch + own_floats(code) * (size_t)team->size;
  f.reg = scratch + own_floats(code) * (size_t)team->rank;
  float *next = f.reg + (size_t)code->registers * PL_STRIP;
  while (f.high > 1 && f.high * cols > PL_STRIP) f.high /= 2;
  for (int i = 0; i < code->outers; i++) {
    const pl_chain_outer *o = &code->outer[i];
    if (o->lane == PL_LANE_DENSE) continue;
    f.own[i] = next;
    next += (o->summed ? CHAINS : 1) * PL_STRIP;
    if (!is_sum(o)) continue;
    f.parts[i] = shared;
    shared += blocks_of(rows) * width_of(o, cols);
  }
  return f;
}

static float *strip(const frame *f, short ref) {
  return ref == PL_CHAIN_NONE ? NULL : ref >= 0 ? f->reg + (size_t)ref * PL_STRIP : f->at[-1 - ref];
}

/* Rows [row, row + high) of a block that begins at `block`, `width` columns from `col` on. */
typedef struct { size_t block, row, high, col, width; } window;

/* Chain i of a sum has rows i, i + 4, ... of the block. */
static void sum_rows(float *chain, const float *g, const window *w) {
  size_t first = (w->row - w->block) % CHAINS;
  for (size_t i = 0, n; i < w->high; i += n, first = 0) {
    n = least(CHAINS - first, w->high - i);
    pl_kernel.add(chain + first * w->width, chain + first * w->width, g + i * w->width, n * w->width);
  }
}

static void sum(const frame *f, int outer, const float *g, const window *w) {
  const pl_chain_outer *o = &f->code->outer[outer];
  float *to = f->place[outer];
  if (o->lane == PL_LANE_ROW) sum_rows(f->own[outer], g, w);
  else if (o->lane == PL_LANE_SCALAR) f->own[outer][0] += (float)pl_kernel.sum_tree(g, w->high * w->width, 1, false, 0);
  else for (size_t i = 0; i < w->high; i++) {
    float part = (float)pl_kernel.sum_tree(g + i * w->width, w->width, 1, false, 0);
    to[w->row + i] = (w->col == 0 ? 0 : to[w->row + i]) + part;
  }
}

static void run_steps(const frame *f, const window *w, size_t n) {
  const pl_chain_code *code = f->code;
  for (int i = 0; i < code->steps; i++) {
    const pl_chain_step *s = &code->step[i];
    if (s->to < 0 && f->place[-1 - s->to] == NULL) continue;
    float *to = s->kind == PL_CHAIN_SUM ? NULL : strip(f, s->to);
    const float *a = strip(f, s->from[0]), *b = strip(f, s->from[1]), *c = strip(f, s->from[2]);
    switch (s->kind) {
      case PL_CHAIN_VALUE: pl_kernel.elementwise(s->code, to, a, b, c, n); break;
      case PL_CHAIN_SLOPE:
        pl_kernel.elementwise_grad(s->code, s->k, to, strip(f, s->from[3]), a, b, strip(f, s->from[4]), n);
        break;
      case PL_CHAIN_ADD: pl_kernel.add(to, a, b, n); break;
      default: sum(f, -1 - s->to, a, w); break;
    }
  }
}

static void fill(float *out, float value, size_t n) { for (size_t i = 0; i < n; i++) out[i] = value; }

/* Strips of what is broadcast, as long as the columns stay the same. */
static void begin_columns(frame *f, size_t col, size_t width) {
  for (int i = 0; i < f->code->outers; i++) {
    const pl_chain_outer *o = &f->code->outer[i];
    if (o->summed) {
      if (is_sum(o)) memset(f->own[i], 0, CHAINS * PL_STRIP * sizeof(float));
      continue;
    }
    if (o->lane == PL_LANE_SCALAR) fill(f->own[i], f->place[i][0], PL_STRIP);
    if (o->lane == PL_LANE_ROW)
      for (size_t r = 0; r < f->high; r++) memcpy(f->own[i] + r * width, f->place[i] + col, width * sizeof(float));
    f->at[i] = f->own[i];
  }
}

static void end_columns(const frame *f, size_t block, size_t col, size_t width) {
  for (int i = 0; i < f->code->outers; i++) {
    const pl_chain_outer *o = &f->code->outer[i];
    float *chain = f->own[i];
    if (!is_sum(o) || f->place[i] == NULL) continue;
    if (o->lane == PL_LANE_SCALAR) {
      f->parts[i][block] = (col == 0 ? 0 : f->parts[i][block]) + chain[0];
      continue;
    }
    pl_kernel.add(chain, chain, chain + width, width);
    pl_kernel.add(chain + 2 * width, chain + 2 * width, chain + 3 * width, width);
    pl_kernel.add(f->parts[i] + block * f->cols + col, chain, chain + 2 * width, width);
  }
}

static void run_window(frame *f, const window *w) {
  for (int i = 0; i < f->code->outers; i++) {
    const pl_chain_outer *o = &f->code->outer[i];
    if (o->lane == PL_LANE_DENSE) f->at[i] = f->place[i] + w->row * f->cols + w->col;
    else if (o->lane == PL_LANE_COLUMN && !o->summed)
      for (size_t r = 0; r < w->high; r++) fill(f->own[i] + r * w->width, f->place[i][w->row + r], w->width);
  }
  run_steps(f, w, w->high * w->width);
}

static void run_block(frame *f, size_t block, size_t col) {
  size_t from = block * PL_ROW_BLOCK, to = least(from + PL_ROW_BLOCK, f->rows), width = least(f->cols - col, PL_STRIP);
  begin_columns(f, col, width);
  for (size_t row = from; row < to; row += f->high)
    run_window(f, &(window){ from, row, least(f->high, to - row), col, width });
  end_columns(f, block, col, width);
}

static void run_flat(frame *f, const pl_team *team) {
  size_t from, to;
  pl_team_share(team, f->rows * f->cols, 64, &from, &to);
  begin_columns(f, 0, 0);
  for (size_t i = from, n; i < to; i += n) {
    n = least(to - i, PL_STRIP);
    for (int k = 0; k < f->code->outers; k++)
      if (f->code->outer[k].lane == PL_LANE_DENSE) f->at[k] = f->place[k] + i;
    run_steps(f, NULL, n);
  }
}

static void total(const frame *f, const pl_team *team) {
  for (int i = 0; i < f->code->outers; i++) {
    const pl_chain_outer *o = &f->code->outer[i];
    size_t from, to, width = width_of(o, f->cols);
    if (!is_sum(o) || f->place[i] == NULL) continue;
    pl_team_share(team, width, 16, &from, &to);
    if (from < to) pl_kernel.column_sums(f->place[i] + from, f->parts[i] + from, blocks_of(f->rows), to - from, width,
                                         false);
  }
}

void pl_chain_run(const pl_chain_code *code, const pl_team *team, float *const *place, size_t rows, size_t cols,
                  float *scratch) {
  frame f = frame_of(code, team, place, rows, cols, scratch);
  bool sums = false, in_order = false;
  size_t from, to, chunks = (cols + PL_STRIP - 1) / PL_STRIP;
  for (int i = 0; i < code->outers; i++) {
    sums = sums || is_sum(&code->outer[i]);
    in_order = in_order || (code->outer[i].summed && code->outer[i].lane != PL_LANE_ROW);
  }
  if (code->flat) {
    run_flat(&f, team);
    return;
  }
  size_t together = in_order ? chunks : 1;   /* chunks of a row that one member takes in order */
  pl_team_share(team, blocks_of(rows) * (chunks / together), 1, &from, &to);
  for (size_t item = from; item < to; item++)
    for (size_t p = 0; p < together; p++) {
      size_t chunk = together > 1 ? p : item % chunks;
      run_block(&f, together > 1 ? item : item / chunks, chunk * PL_STRIP);
    }
  if (!sums) return;
  pl_team_barrier(team);
  total(&f, team);
}
