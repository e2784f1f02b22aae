/* A tensor as text: a header with shape and type, then its matrices, each under the Lua indices that lead to it. What
   does not fit into a few short lines is shown by its ends; all values shown have one format and width. Rows of up to
   20 values, such as the probabilities of classes, are whole: with fewer decimals, or on several lines, where they are
   too wide. */
#include <math.h>
#include "tensor/internal.h"

enum { WIDTH = 80, WHOLE_ROW = 20, MOST_COLUMNS = 38, MOST_ROWS = 12, MOST_MATRICES = 3, GAP = -1, GAP_WIDTH = 5 };

/* The items of an axis that are shown, in order; GAP stands for those left out. */
typedef struct shown {
  int n;
  int64_t item[MOST_COLUMNS + 1];
} shown;

static shown choose(int64_t n, int64_t most, int edge) {
  shown s = { 0 };
  for (int64_t i = 0; i < n; i++) {
    if (n > most && i == edge) {
      s.item[s.n++] = GAP;
      i = n - edge;
    }
    s.item[s.n++] = i;
  }
  return s;
}

typedef struct page {
  const pl_tensor *t;
  FILE *out;
  shown axis[PL_MAX_AXES];
  bool whole;          /* all values shown are whole */
  double most;         /* of their absolute values, without infinities */
  enum { WHOLE, DECIMALS, EXPONENT } format;
  int width, decimals;
} page;

static double element(const pl_tensor *t, const int64_t *index) {
  pl_tensor one = *t;
  for (int a = 0; a < t->shape.axes; a++) one.base += index[a] * t->stride[a] * (int64_t)pl_dtype_size(t->type);
  one.shape.axes = 0;
  return pl_tensor_get(&one, 0);
}

static int number_text(char text[32], const page *p, double x) {
  if (isnan(x)) return snprintf(text, 32, "nan");
  if (isinf(x)) return snprintf(text, 32, x > 0 ? "inf" : "-inf");
  if (p->format == WHOLE) return snprintf(text, 32, "%.0f", x + 0.0);   /* no -0 */
  return snprintf(text, 32, p->format == DECIMALS ? "%.*f" : "%.*e", p->decimals, x);
}

/* Calls see(page, x) for every element shown. */
static void visit(page *p, int axis, int64_t *index, void (*see)(page *p, double x)) {
  if (axis == p->t->shape.axes) {
    see(p, element(p->t, index));
    return;
  }
  for (int i = 0; i < p->axis[axis].n; i++) {
    index[axis] = p->axis[axis].item[i];
    if (index[axis] != GAP) visit(p, axis + 1, index, see);
  }
}

static void see_range(page *p, double x) {
  double size = fabs(x);
  if (!isfinite(x)) return;
  if (x != floor(x)) p->whole = false;
  if (size > p->most) p->most = size;
}

static void see_width(page *p, double x) {
  char text[32];
  int n = number_text(text, p, x);
  if (n > p->width) p->width = n;
}

/* Whole numbers as they are, others with four decimals, very large and very small ones with exponents. */
static void find_format(page *p) {
  int64_t index[PL_MAX_AXES] = { 0 };
  p->whole = true;
  p->most = p->width = 0;
  visit(p, 0, index, see_range);
  if (p->whole && p->most < 1e10) p->format = WHOLE;
  else if (p->most < 1e5 && p->most >= 1e-3) p->format = DECIMALS;
  else p->format = EXPONENT;
  visit(p, 0, index, see_width);
}

static void write_row(page *p, int64_t *index) {
  int last = p->t->shape.axes - 1;
  char text[32];
  int column = 0;
  for (int i = 0; i < p->axis[last].n; i++) {
    index[last] = p->axis[last].item[i];
    int cells = index[last] == GAP ? GAP_WIDTH : p->width + 2;
    if (column + cells > WIDTH && p->width + 4 < WIDTH) {
      fputs("\n  ", p->out);
      column = 2;
    }
    column += cells;
    if (index[last] == GAP) {
      fputs("  ...", p->out);
      continue;
    }
    number_text(text, p, element(p->t, index));
    fprintf(p->out, "  %*s", p->width, text);
  }
}

static void write_matrix(page *p, int64_t *index) {
  int axis = p->t->shape.axes - 2;
  for (int i = 0; i < p->axis[axis].n; i++) {
    index[axis] = p->axis[axis].item[i];
    fputc('\n', p->out);
    if (index[axis] == GAP) fputs("  ...", p->out);
    else write_row(p, index);
  }
}

static void write_matrices(page *p, int axis, int64_t *index) {
  if (axis >= p->t->shape.axes - 2 || axis >= PL_MAX_AXES - 2) {
    if (axis > 0) fputc('\n', p->out);
    for (int a = 0; a < axis; a++) fprintf(p->out, "[%lld]", (long long)index[a] + 1);
    write_matrix(p, index);
    return;
  }
  for (int i = 0; i < p->axis[axis].n; i++) {
    index[axis] = p->axis[axis].item[i];
    if (index[axis] == GAP) fputs("\n...", p->out);
    else write_matrices(p, axis + 1, index);
  }
}

void pl_tensor_write_text(const pl_tensor *t, FILE *out) {
  char text[PL_SHAPE_TEXT];
  pl_tensor shown_part = *t;
  int64_t index[PL_MAX_AXES] = { 0 };
  page p = { .t = &shown_part, .out = out, .decimals = 4 };
  fprintf(out, "tensor %s %s", pl_shape_text(text, &t->shape, false), pl_dtype_name(t->type));
  if (pl_tensor_count(t) == 0) return;
  t = &shown_part;
  /* the one channel of an image is no column */
  while (t->shape.axes > 2 && t->shape.size[t->shape.axes - 1] == 1) shown_part.shape.axes--;
  int axes = t->shape.axes;
  for (int a = 0; a < axes; a++) {
    if (a == axes - 1) p.axis[a] = choose(t->shape.size[a], MOST_COLUMNS, 3);
    else if (a == axes - 2) p.axis[a] = choose(t->shape.size[a], MOST_ROWS, 3);
    else p.axis[a] = choose(t->shape.size[a], MOST_MATRICES, 1);
  }
  find_format(&p);
  bool whole_row = axes > 0 && t->shape.size[axes - 1] <= WHOLE_ROW;
  while (whole_row && p.axis[axes - 1].n * (p.width + 2) > WIDTH && p.format != WHOLE && p.decimals > 2) {
    p.decimals--;
    find_format(&p);
  }
  if (axes > 0 && !whole_row && p.axis[axes - 1].n * (p.width + 2) > WIDTH) {
    p.axis[axes - 1] = choose(t->shape.size[axes - 1], 6, 3);
    find_format(&p);
  }
  if (axes >= 2) {
    write_matrices(&p, 0, index);
    return;
  }
  fputc('\n', out);
  if (axes == 1) {
    write_row(&p, index);
    return;
  }
  number_text(text, &p, element(t, index));
  fprintf(out, "  %s", text);
}
