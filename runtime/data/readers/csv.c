/* Taking a CSV file apart, in place: what is written (a field, a zero byte) is never longer than what was read. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>
#include "data/readers/csv.h"

enum { COLUMNS_MOST = 1 << 20 };

static pl_status read_all(const char *path, char **out, size_t *size, pl_error *err) {
  struct stat info;
  if (stat(path, &info)) return pl_error_set(err, PL_ERROR_IO, "cannot open %s: %s", path, strerror(errno));
  if (!S_ISREG(info.st_mode)) return pl_error_set(err, PL_ERROR_IO, "cannot read %s: not a file", path);
  errno = 0;
  gzFile file = gzopen(path, "rb");
  if (file == NULL)
    return pl_error_set(err, PL_ERROR_IO, "cannot open %s: %s", path, errno ? strerror(errno) : "not enough memory");
  size_t capacity = (size_t)info.st_size + 2, n = 0;
  char *text = pl_alloc(capacity, err);
  pl_status status = text ? PL_OK : PL_ERROR_MEMORY;
  while (status == PL_OK) {
    size_t most = capacity - n - 1;   /* room for a line end at the end of the file */
    int got = gzread(file, text + n, most < 1 << 30 ? (unsigned)most : 1u << 30);
    if (got < 0) {
      int code;
      const char *problem = gzerror(file, &code);
      status = pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged (%s)", path, problem);
    }
    if (got <= 0) break;
    n += (size_t)got;
    if (capacity - n > 1) continue;
    char *more = pl_alloc(2 * capacity, err);
    if (more == NULL) status = PL_ERROR_MEMORY;
    else {
      memcpy(more, text, n);
      pl_free(text);
      text = more;
      capacity *= 2;
    }
  }
  if (gzclose_r(file) != Z_OK && status == PL_OK)
    status = pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged or truncated (gzip)", path);
  if (status) {
    pl_free(text);
    return status;
  }
  *out = text;
  *size = n;
  return PL_OK;
}

static pl_status check_text(const char *path, const char *text, size_t n, pl_error *err) {
  if (n >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s is text in UTF-16; save it in UTF-8", path);
  const char *zero = memchr(text, '\0', n);
  size_t line = 1;
  if (zero == NULL) return PL_OK;
  for (const char *p = text; p < zero; p++) line += *p == '\n';
  return pl_error_set(err, PL_ERROR_CORRUPT, "%s has a zero byte in line %zu: it is not a CSV file", path, line);
}

typedef struct scan {
  const char *path;
  char *in, *end, *out;
  char delimiter;
  size_t line;
} scan;

/* In: after the opening quote. Copies up to the closing one. */
static pl_status quoted(scan *s, pl_error *err) {
  size_t from = s->line;
  for (;; s->in++) {
    if (s->in >= s->end)
      return pl_error_set(err, PL_ERROR_CORRUPT, "%s, line %zu: a quote is opened and not closed", s->path, from);
    if (*s->in == '"') {
      if (s->in + 1 >= s->end || s->in[1] != '"') break;
      s->in++;
    }
    if (*s->in == '\n') s->line++;
    *s->out++ = *s->in;
  }
  s->in++;
  if (s->in < s->end && *s->in != s->delimiter && *s->in != '\n' && *s->in != '\r')
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s, line %zu: text after a closing quote; a quote inside quotes is "
                                               "written twice", s->path, s->line);
  return PL_OK;
}

/* One field and its delimiter; *last: it ends its line. */
static pl_status field(scan *s, bool *last, pl_error *err) {
  if (s->in < s->end && *s->in == '"') {
    s->in++;
    pl_status status = quoted(s, err);
    if (status) return status;
  } else {
    while (s->in < s->end && *s->in != s->delimiter && *s->in != '\n' && *s->in != '\r') *s->out++ = *s->in++;
  }
  *last = s->in >= s->end || *s->in != s->delimiter;
  if (s->in < s->end) {
    char c = *s->in++;
    if (c == '\r' && s->in < s->end && *s->in == '\n') s->in++;
    if (c != s->delimiter) s->line++;
  }
  *s->out++ = '\0';   /* a field at the end of the file has the byte that read_all left free */
  return PL_OK;
}

static bool skip_empty_lines(scan *s) {
  while (s->in < s->end && (*s->in == '\n' || *s->in == '\r')) {
    if (*s->in == '\r' && s->in + 1 < s->end && s->in[1] == '\n') s->in++;
    s->in++;
    s->line++;
  }
  return s->in < s->end;
}

/* More room for rows: the arrays are replaced by ones of twice the length. */
static pl_status grow(pl_csv *c, size_t *capacity, pl_error *err) {
  size_t more = *capacity ? 2 * *capacity : 1024;
  size_t *row = pl_alloc_array(more, sizeof *row, err), *line = pl_alloc_array(more, sizeof *line, err);
  if (row == NULL || line == NULL) {
    pl_free(row);
    pl_free(line);
    return PL_ERROR_MEMORY;
  }
  if (c->rows > 0) {
    memcpy(row, c->row, c->rows * sizeof *row);
    memcpy(line, c->line, c->rows * sizeof *line);
  }
  pl_free(c->row);
  pl_free(c->line);
  c->row = row;
  c->line = line;
  *capacity = more;
  return PL_OK;
}

/* A file with another delimiter has lines of one field, and of more where a number or text has this one. */
static pl_status differing_fields(const pl_csv *c, size_t line, size_t fields, pl_error *err) {
  const char *other = c->columns == 1 ? strpbrk(c->text + c->row[0], ";\t|") : NULL;
  char hint[32] = "";
  if (other) snprintf(hint, sizeof hint, "; say delimiter = \"%s\"", *other == ';' ? ";" : *other == '|' ? "|" : "\\t");
  return pl_error_set(err, PL_ERROR_CORRUPT, "%s, line %zu: %zu fields, and the lines before it have %zu%s", c->path,
                      line, fields, c->columns, hint);
}

static pl_status take_apart(pl_csv *c, size_t size, char delimiter, pl_error *err) {
  scan s = { c->path, c->text, c->text + size, c->text, delimiter, 1 };
  size_t capacity = 0;
  pl_status status = PL_OK;
  if (size >= 3 && memcmp(s.in, "\xef\xbb\xbf", 3) == 0) s.in += 3;
  while (skip_empty_lines(&s)) {
    size_t fields = 0, line = s.line;
    bool last = false;
    if (c->rows == capacity && (status = grow(c, &capacity, err))) return status;
    c->row[c->rows] = (size_t)(s.out - c->text);
    c->line[c->rows] = line;
    while (!last) {
      if ((status = field(&s, &last, err))) return status;
      if (++fields > COLUMNS_MOST)
        return pl_error_set(err, PL_ERROR_CORRUPT, "%s, line %zu: more than %d fields", c->path, line, COLUMNS_MOST);
    }
    if (c->rows == 0) c->columns = fields;
    if (fields != c->columns) return differing_fields(c, line, fields, err);
    c->rows++;
  }
  return PL_OK;
}

pl_csv *pl_csv_open(const char *path, char delimiter, bool header, pl_error *err) {
  static const char *const none[] = { "", NULL };
  size_t size = 0;
  if (delimiter == '\0' || strchr("\"\r\n", delimiter) != NULL) {
    pl_error_set(err, PL_ERROR_VALUE, "the delimiter of a CSV file is neither a quote nor the end of a line");
    return NULL;
  }
  pl_csv *c = pl_alloc(sizeof *c + strlen(path) + 1, err);
  if (c == NULL) return NULL;
  strcpy(c->path, path);
  if (read_all(path, &c->text, &size, err) || check_text(path, c->text, size, err) ||
      take_apart(c, size, delimiter, err) || pl_csv_set_missing(c, none, err)) goto fail;
  if (header && c->rows > 0) {
    c->header = c->text + c->row[0];
    c->rows--;
    memmove(c->row, c->row + 1, c->rows * sizeof *c->row);
    memmove(c->line, c->line + 1, c->rows * sizeof *c->line);
  }
  if (c->rows > 0) return c;
  pl_error_set(err, PL_ERROR_CORRUPT, c->header ? "%s has a header and no rows" : "%s is empty", path);
fail:
  pl_csv_free(c);
  return NULL;
}

void pl_csv_free(pl_csv *c) {
  if (c == NULL) return;
  pl_free(c->text);
  pl_free(c->row);
  pl_free(c->line);
  pl_free(c->marks);
  pl_free(c);
}

size_t pl_csv_rows(const pl_csv *c) { return c->rows; }
size_t pl_csv_columns(const pl_csv *c) { return c->columns; }
size_t pl_csv_line(const pl_csv *c, size_t row) { return c->line[row]; }

static const char *walk(const char *at, size_t column) {
  while (column-- > 0) at += strlen(at) + 1;
  return at;
}

const char *pl_csv_field(const pl_csv *c, size_t row, size_t column) { return walk(c->text + c->row[row], column); }

const char *pl_csv_name(const pl_csv *c, size_t column) {
  if (c->header != NULL) return walk(c->header, column);
  char *name = ((pl_csv *)c)->number;
  snprintf(name, sizeof c->number, "%zu", column + 1);
  return name;
}
