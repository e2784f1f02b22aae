/* Inside the CSV reader: the file in memory, its fields one after the other with a zero byte after each. */
#ifndef READERS_CSV_H
#define READERS_CSV_H

#include "perilune/alloc.h"
#include "perilune/readers.h"

struct pl_csv {
  char *text;
  size_t *row, *line;           /* where each row begins in `text`, and on which line of the file */
  size_t rows, columns;
  char *header;                 /* the fields of the first line, or NULL */
  char *marks;                  /* of missing values, one after the other; an empty one may be among them */
  size_t mark_count;
  bool mark_begins[256];        /* with which byte a mark begins: most fields are none by their first */
  char number[24];              /* the name of a column without one */
  char path[];
};

/* Is it a number (decimal, with an exponent perhaps; no hexadecimal, no infinity)? */
bool pl_csv_number(const char *field, double *value);
bool pl_csv_is_missing(const pl_csv *c, const char *field);

#endif
