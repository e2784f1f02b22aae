/* What the columns of a CSV file hold, and what is made of them: numbers, categories (one feature each, 0 or 1),
   labels, targets. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "data/readers/csv.h"

static bool is_blank(char ch) { return ch == ' ' || ch == '\t'; }

bool pl_csv_number(const char *field, double *value) {
  while (is_blank(*field)) field++;
  int64_t whole = 0;
  const char *at = field;
  while (*at >= '0' && *at <= '9' && at - field < 15) whole = 10 * whole + (*at++ - '0');
  if (at > field && *at == '\0') {   /* the usual case, exact in a double */
    *value = (double)whole;
    return true;
  }
  size_t n = strlen(field);
  while (n > 0 && is_blank(field[n - 1])) n--;
  bool digit = false;
  for (size_t i = 0; i < n; i++) {
    if (field[i] >= '0' && field[i] <= '9') digit = true;
    else if (strchr("+-.eE", field[i]) == NULL) return false;
  }
  char *end;
  if (!digit) return false;
  *value = strtod(field, &end);
  return end == field + n;
}

bool pl_csv_is_missing(const pl_csv *c, const char *field) {
  const char *mark = c->marks;
  while (is_blank(*field)) field++;
  if (!c->mark_begins[(unsigned char)*field]) return false;
  size_t n = strlen(field);
  while (n > 0 && is_blank(field[n - 1])) n--;
  for (size_t i = 0; i < c->mark_count; i++, mark += strlen(mark) + 1)
    if (strlen(mark) == n && memcmp(mark, field, n) == 0) return true;
  return false;
}

pl_status pl_csv_set_missing(pl_csv *c, const char *const *marks, pl_error *err) {
  size_t bytes = 1, n = 0;
  for (; marks[n] != NULL; n++) bytes += strlen(marks[n]) + 1;
  char *block = pl_alloc(bytes, err), *at = block;
  if (block == NULL) return PL_ERROR_MEMORY;
  memset(c->mark_begins, 0, sizeof c->mark_begins);
  for (size_t i = 0; i < n; i++) {
    at = stpcpy(at, marks[i]) + 1;
    c->mark_begins[(unsigned char)marks[i][0]] = true;
  }
  pl_free(c->marks);
  c->marks = block;
  c->mark_count = n;
  return PL_OK;
}

static void add_number(pl_csv_column *k, double value) {
  double rounding = fabs(value) <= FLT_MAX ? fabs(value - (double)(float)value) : 0;
  if (k->numbers == 0 || value < k->min) k->min = value;
  if (k->numbers == 0 || value > k->max) k->max = value;
  if (rounding > k->rounding) k->rounding = rounding;
  k->numbers++;
  k->mean += value;
}

void pl_csv_scan(const pl_csv *c, pl_csv_column *columns) {
  memset(columns, 0, c->columns * sizeof *columns);
  for (size_t row = 0; row < c->rows; row++) {
    const char *field = c->text + c->row[row];
    for (pl_csv_column *k = columns; k < columns + c->columns; k++, field += strlen(field) + 1) {
      double value;
      if (pl_csv_is_missing(c, field)) {
        if (k->missing++ == 0) k->missing_row = row;
      } else if (pl_csv_number(field, &value)) {
        add_number(k, value);
      } else if (k->texts++ == 0) k->text_row = row;
    }
  }
  for (pl_csv_column *k = columns; k < columns + c->columns; k++)
    if (k->numbers > 0) k->mean /= (double)k->numbers;
}

static int compare(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

pl_status pl_csv_categories(const pl_csv *c, size_t column, const char ***names, size_t *n, pl_error *err) {
  const char **list = pl_alloc_array(c->rows + 1, sizeof *list, err);
  size_t found = 0, kept = 0;
  *names = NULL;
  *n = 0;
  if (list == NULL) return PL_ERROR_MEMORY;
  for (size_t row = 0; row < c->rows; row++) {
    const char *field = pl_csv_field(c, row, column);
    if (!pl_csv_is_missing(c, field)) list[found++] = field;
  }
  qsort(list, found, sizeof *list, compare);
  for (size_t i = 0; i < found; i++)
    if (kept == 0 || strcmp(list[kept - 1], list[i]) != 0) list[kept++] = list[i];
  *names = list;
  *n = kept;
  return PL_OK;
}

bool pl_csv_row_lacks(const pl_csv *c, const pl_csv_use *uses, size_t row) {
  const char *field = c->text + c->row[row];
  for (size_t k = 0; k < c->columns; k++, field += strlen(field) + 1)
    if (uses[k].role != PL_CSV_UNUSED && !uses[k].fills && pl_csv_is_missing(c, field)) return true;
  return false;
}

static pl_status at_field(const pl_csv *c, size_t row, size_t column, const char *what, const char *field,
                          pl_error *err) {
  return pl_error_set(err, PL_ERROR_CORRUPT, "%s, line %zu, column '%.60s': %s%s%.60s%s", c->path, c->line[row],
                      pl_csv_name(c, column), what, field ? " '" : "", field ? field : "", field ? "'" : "");
}

static pl_status take_number(const pl_csv *c, size_t row, size_t column, const char *field, float *out, pl_error *err) {
  double value;
  if (!pl_csv_number(field, &value)) return at_field(c, row, column, "expected a number, got", field, err);
  if (value > FLT_MAX || value < -FLT_MAX)
    return at_field(c, row, column, "a number beyond the range of f32 (3.4e38):", field, err);
  *out = (float)value;
  return PL_OK;
}

static pl_status take_field(const pl_csv *c, const pl_csv_use *use, size_t row, size_t column, const char *field,
                            float *x, int32_t *label, float *targets, pl_error *err) {
  bool missing = pl_csv_is_missing(c, field);
  if (missing && !use->fills && (use->role == PL_CSV_TARGET || use->role == PL_CSV_LABEL))
    return at_field(c, row, column, "a missing target; missing = \"drop\" leaves such rows out", NULL, err);
  if (missing && !use->fills)
    return at_field(c, row, column, "a missing value; say missing = \"drop\", \"mean\" or a number, or leave the "
                                    "column out", NULL, err);
  switch (use->role) {
    case PL_CSV_NUMBER: case PL_CSV_TARGET: {
      float *out = (use->role == PL_CSV_NUMBER ? x : targets) + use->at;
      *out = use->fill;
      return missing ? PL_OK : take_number(c, row, column, field, out, err);
    }
    default: {
      if (missing) return PL_OK;   /* none of the categories */
      const char *const *found = bsearch(&field, use->names, use->n, sizeof *use->names, compare);
      if (found == NULL)
        return at_field(c, row, column, "none of the known categories:", field, err);
      if (use->role == PL_CSV_LABEL) *label = (int32_t)(found - use->names);
      else x[use->at + (size_t)(found - use->names)] = 1;
      return PL_OK;
    }
  }
}

pl_status pl_csv_fill(const pl_csv *c, const pl_csv_use *uses, bool drop, float *x, size_t width, int32_t *labels,
                      float *targets, size_t target_width, size_t *filled, pl_error *err) {
  size_t n = 0;
  for (size_t row = 0; row < c->rows; row++) {
    if (drop && pl_csv_row_lacks(c, uses, row)) continue;
    const char *field = c->text + c->row[row];
    memset(x + n * width, 0, width * sizeof *x);
    for (size_t k = 0; k < c->columns; k++, field += strlen(field) + 1) {
      if (uses[k].role == PL_CSV_UNUSED) continue;
      pl_status status = take_field(c, &uses[k], row, k, field, x + n * width, labels ? labels + n : NULL,
                                    targets ? targets + n * target_width : NULL, err);
      if (status) return status;
    }
    n++;
  }
  *filled = n;
  return PL_OK;
}
