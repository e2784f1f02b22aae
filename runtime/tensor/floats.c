/* The elements of f32 tensors as a stream of floats in row order, for kernels: read where they lie if a chunk is
   contiguous, else gathered first. */
#include "tensor/internal.h"

static float *at(const pl_cursor *c) { return (float *)(void *)c->at; }

/* Is the next chunk a run without gaps? */
static bool is_dense(const pl_cursor *c, size_t n) {
  int last = c->axes - 1;
  return (c->step[last] == 1 || n == 1) && (size_t)(c->size[last] - c->index[last]) >= n;
}

void pl_floats_open(pl_floats *s, const pl_operand *x, const pl_shape *shape, int64_t start) {
  s->constant = x->tensor == NULL;
  if (s->constant) for (size_t i = 0; i < PL_FLOATS; i++) s->chunk[i] = (float)x->number;
  else s->cursor = pl_cursor_open(x->tensor, shape, start);
}

const float *pl_floats_read(pl_floats *s, size_t n) {
  if (s->constant) return s->chunk;
  pl_cursor *c = &s->cursor;
  if (is_dense(c, n)) {
    const float *here = at(c);
    pl_cursor_advance(c, n);
    return here;
  }
  for (size_t done = 0; done < n;) {
    size_t run = pl_cursor_run(c, n - done);
    const float *from = at(c);
    int64_t step = c->step[c->axes - 1];
    for (size_t i = 0; i < run; i++) s->chunk[done + i] = from[(int64_t)i * step];
    pl_cursor_advance(c, run);
    done += run;
  }
  return s->chunk;
}

float *pl_floats_target(pl_floats *s, size_t n) { return is_dense(&s->cursor, n) ? at(&s->cursor) : s->chunk; }

void pl_floats_write(pl_floats *s, const float *chunk, size_t n) {
  pl_cursor *c = &s->cursor;
  if (chunk != s->chunk) {
    pl_cursor_advance(c, n);
    return;
  }
  for (size_t done = 0; done < n;) {
    size_t run = pl_cursor_run(c, n - done);
    float *to = at(c);
    int64_t step = c->step[c->axes - 1];
    for (size_t i = 0; i < run; i++) to[(int64_t)i * step] = chunk[done + i];
    pl_cursor_advance(c, run);
    done += run;
  }
}
