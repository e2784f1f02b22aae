/* Handwritten-looking digits from a seed: 28 x 28 bytes an image. For each image
     a digit and one way of writing it; control points moved a little; curves through them (Catmull-Rom);
     waves that bend the plane, slant, rotation, width, size and place; a pen whose width changes along the stroke;
     ink by the distance of a pixel's centre to the stroke, softened over a pixel.
   Image i is a function of (seed, stream, i) alone, in arithmetic that every compiler does alike. */
#include <math.h>
#include <string.h>
#include "data/dataset.h"
#include "data/digits.h"
#include "perilune/math.h"

enum { SIDE = 28, POINTS_MOST = 512, WAVES = 5, STEPS = 6 };   /* steps of a curve between two control points */

/* How much one hand differs from another. Ranges are {low, high}; the others multiply a number of std 1. */
#define WOBBLE 0.010, 0.048        /* of a control point, in heights of a digit */
#define BEND 0.033
#define SLANT 0.12, 0.23           /* mean, std: columns to the right for a row up */
#define TURN 0.11                  /* radians */
#define WIDTH 0.52, 0.98           /* of the box, in heights */
#define HEIGHT 14.5, 20.0          /* pixels */
#define OFFSET 1.05                 /* pixels from the middle */
#define PEN_RADIUS 0.50, 1.50      /* pixels */
#define INK 0.8, 1

typedef struct pen_point {
  double x, y, radius;    /* pixels, once placed */
  bool starts;            /* of a stroke: no line leads here */
} pen_point;

typedef struct drawing {
  pen_point point[POINTS_MOST];
  int count;
} drawing;

/* ---- random numbers of one image, one after the other ---- */

typedef struct chance {
  pl_rng rng;
  uint64_t next;
} chance;

static double between(chance *c, double low, double high) {
  return low + (high - low) * pl_rng_uniform(c->rng, c->next++);
}

/* Mean 0, std 1, within +-3: the sum of three uniform numbers. */
static double around(chance *c) { return 2 * (between(c, -0.5, 0.5) + between(c, -0.5, 0.5) + between(c, -0.5, 0.5)); }

static double normal(chance *c, double mean, double std) { return mean + std * around(c); }

/* ---- from skeleton to curve ---- */

static const pl_glyph *choose_glyph(chance *c, int digit) {
  const pl_glyph *g = pl_glyphs[digit];
  int total = 0;
  for (const pl_glyph *each = g; each->weight; each++) total += each->weight;
  int pick = (int)between(c, 0, total);
  while (pick >= g->weight) pick -= (g++)->weight;
  return g;
}

/* The curve from q to r, coming from p and going on to s, at t in [0, 1]. */
static double catmull_rom(double p, double q, double r, double s, double t) {
  return q + 0.5 * t * (r - p + t * (2 * p - 5 * q + 4 * r - s + t * (3 * (q - r) + s - p)));
}

/* A control point of a stroke, and the pen's pressure there. */
typedef struct control {
  double x, y, press;
} control;

/* Adds the curve through n control points. */
static void add_stroke(drawing *d, const control *at, int n) {
  for (int i = 0; i + 1 < n; i++) {
    const control *p = &at[i > 0 ? i - 1 : 0], *q = &at[i], *r = &at[i + 1], *s = &at[i + 2 < n ? i + 2 : n - 1];
    for (int k = i > 0 ? 1 : 0; k <= STEPS && d->count < POINTS_MOST; k++) {
      double t = (double)k / STEPS;
      d->point[d->count++] = (pen_point){ catmull_rom(p->x, q->x, r->x, s->x, t),
                                          catmull_rom(p->y, q->y, r->y, s->y, t),
                                          q->press + t * (r->press - q->press), i == 0 && k == 0 };
    }
  }
}

/* Slow waves that bend the plane and change the pressure. */
typedef struct waves {
  double fx[WAVES], fy[WAVES], phase[WAVES], size[WAVES];
} waves;

static double wave(const waves *w, int k, double x, double y) {
  return w->size[k] * pl_sin(w->fx[k] * x + w->fy[k] * y + w->phase[k]);
}

/* The strokes of a glyph in a box of side 1 about the origin: every control point moved a little by itself, then with
   the waves (0 and 1 to the side, 2 and 3 up and down, 4 the pressure). */
static void trace(drawing *d, const pl_glyph *g, chance *c) {
  enum { MOST = 32 };
  control at[MOST];
  waves w;
  double wobble = between(c, WOBBLE), turn = 6.283185307179586;
  for (int k = 0; k < WAVES; k++) {
    w.fx[k] = between(c, -turn, turn);
    w.fy[k] = between(c, -turn, turn);
    w.phase[k] = between(c, 0, turn);
    w.size[k] = k < 4 ? BEND * around(c) : between(c, 0, 0.22);
  }
  int n = 0;
  d->count = 0;
  for (int i = 0; i <= g->count; i++) {
    if (i < g->count && g->points[i].x >= 0) {
      double x = (g->points[i].x - 50) / 100.0 + wobble * around(c),
      y = (g->points[i].y - 50) / 100.0 + wobble * around(c);
      at[n++] = (control){ x + wave(&w, 0, x, y) + wave(&w, 1, x, y), y + wave(&w, 2, x, y) + wave(&w, 3, x, y),
                           1 + wave(&w, 4, x, y) };
    } else {
      add_stroke(d, at, n);
      n = 0;
    }
  }
}

/* ---- placing ---- */

/* Slant, turn, proportions; then the middle of the drawing at the middle of the image, and about 20 pixels high. */
static void place(drawing *d, chance *c) {
  double radius = between(c, PEN_RADIUS);
  double slant = normal(c, SLANT), angle = TURN * around(c), width = between(c, WIDTH);
  double sine = pl_sin(angle), cosine = pl_cos(angle), low[2] = { 1e9, 1e9 }, high[2] = { -1e9, -1e9 };
  for (int i = 0; i < d->count; i++) {
    pen_point *p = &d->point[i];
    double x = width * p->x - slant * p->y, y = p->y;
    p->x = cosine * x - sine * y;
    p->y = sine * x + cosine * y;
    low[0] = fmin(low[0], p->x);
    high[0] = fmax(high[0], p->x);
    low[1] = fmin(low[1], p->y);
    high[1] = fmax(high[1], p->y);
  }
  double scale = between(c, HEIGHT) / fmax(high[1] - low[1], 0.9 * (high[0] - low[0]));
  double right = 0.5 * (SIDE - 1) + OFFSET * around(c), down = 0.5 * (SIDE - 1) + OFFSET * around(c);
  for (int i = 0; i < d->count; i++) {
    d->point[i].x = right + scale * (d->point[i].x - 0.5 * (low[0] + high[0]));
    d->point[i].y = down + scale * (d->point[i].y - 0.5 * (low[1] + high[1]));
    d->point[i].radius *= radius;
  }
}

/* ---- ink ---- */

static int within(double v) { return v < 0 ? 0 : v > SIDE - 1 ? SIDE - 1 : (int)v; }

/* ink[y][x] becomes at least the cover of the line from a to b: 1 inside, 0 outside, a ramp of 1.2 pixels between. */
static void draw_line(float ink[SIDE][SIDE], const pen_point *a, const pen_point *b) {
  double dx = b->x - a->x, dy = b->y - a->y, length2 = dx * dx + dy * dy;
  double reach = fmax(a->radius, b->radius) + 1;
  int top = within(fmin(a->y, b->y) - reach), bottom = within(fmax(a->y, b->y) + reach + 1);
  int left = within(fmin(a->x, b->x) - reach), right = within(fmax(a->x, b->x) + reach + 1);
  for (int y = top; y <= bottom; y++) {
    for (int x = left; x <= right; x++) {
      double px = x - a->x, py = y - a->y, t = length2 > 0 ? (px * dx + py * dy) / length2 : 0;
      t = t < 0 ? 0 : t > 1 ? 1 : t;
      double ex = px - t * dx, ey = py - t * dy;
      double cover = (a->radius + t * (b->radius - a->radius) - sqrt(ex * ex + ey * ey)) / 1.2 + 0.5;
      if (cover > ink[y][x]) ink[y][x] = (float)cover;
    }
  }
}

static void draw(uint8_t *image, const drawing *d, double strength) {
  float ink[SIDE][SIDE] = { { 0 } };
  for (int i = 1; i < d->count; i++) {
    if (!d->point[i].starts) draw_line(ink, &d->point[i - 1], &d->point[i]);
  }
  for (int i = 0; i < SIDE * SIDE; i++) {
    double v = strength * fmin(ink[i / SIDE][i % SIDE], 1.0);
    image[i] = (uint8_t)floor(255 * v + 0.5);
  }
}

typedef struct digits {
  uint8_t *image;
  int32_t *label;
  size_t count;
  pl_rng rng;
} digits;

static void write_digits(const pl_team *team, void *arg) {
  enum { DRAWS_OF_AN_IMAGE = 1 << 12 };
  const digits *g = arg;
  size_t from, to;
  pl_team_share(team, g->count, 64, &from, &to);
  for (size_t i = from; i < to; i++) {
    chance c = { g->rng, (uint64_t)i * DRAWS_OF_AN_IMAGE };
    drawing d;
    g->label[i] = (int32_t)between(&c, 0, 10);
    trace(&d, choose_glyph(&c, g->label[i]), &c);
    place(&d, &c);
    draw(g->image + i * SIDE * SIDE, &d, between(&c, INK));
  }
}

pl_dataset *pl_dataset_digits(size_t count, uint64_t seed, uint64_t stream, pl_error *err) {
  static const char *const names[] = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" };
  if (count < 1 || count > UINT32_MAX) {
    pl_error_set(err, PL_ERROR_VALUE, "digits: a number of images from 1 to 2^32 - 1 is expected, got %zu", count);
    return NULL;
  }
  pl_dataset *ds = NULL;
  pl_tensor *images = pl_tensor_new(PL_U8, &(pl_shape){ 4, { (int64_t)count, SIDE, SIDE, 1 } }, err);
  pl_tensor *labels = images ? pl_tensor_new(PL_I32, &(pl_shape){ 1, { (int64_t)count } }, err) : NULL;
  if (images != NULL && labels != NULL) {
    digits work = { pl_tensor_data(images), pl_tensor_data(labels), count, pl_rng_make(seed, PL_FOR_DATA, stream, 0) };
    pl_threads_run_on(pl_threads_for(50000.0 * (double)count), write_digits, &work);
    ds = pl_dataset_new(images, labels, 10, err);
  }
  pl_tensor_free(images);
  pl_tensor_free(labels);
  if (ds != NULL && pl_dataset_set_label_names(ds, names, 10, err)) {
    pl_dataset_free(ds);
    ds = NULL;
  }
  if (ds != NULL) pl_dataset_set_name(ds, "digits");
  return ds;
}
