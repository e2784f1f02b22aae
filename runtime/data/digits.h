/* Inside the generator of digits: the skeletons. */
#ifndef DATA_DIGITS_H
#define DATA_DIGITS_H

/* A control point in a box of 100 x 100, x to the right, y down. */
typedef struct pl_point {
  signed char x, y;
} pl_point;

#define PL_PEN_UP { -1, -1 }    /* between two strokes */

/* One way of writing a digit: curves through its points. */
typedef struct pl_glyph {
  int weight;                   /* how often, in proportion to the other ways of writing the digit */
  const pl_point *points;
  int count;
} pl_glyph;

/* The ways of writing a digit; the last has weight 0. */
extern const pl_glyph *const pl_glyphs[10];

#endif
