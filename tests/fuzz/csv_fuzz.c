/* CSV files: byte 0 of the input chooses the delimiter and whether there is a header, the rest is the file. What
   was read is written again, every field in quotes, and read back: the same fields. Every column is then made a
   feature. */
#include <stdlib.h>
#include <string.h>
#include "perilune/alloc.h"
#include "perilune/readers.h"
#include "fuzz.h"

static uint8_t *written;
static size_t length, room;

static void put(char c) {
  if (length == room) {
    room = 2 * room + 1024;
    written = realloc(written, room);
    fuzz_assert(written != NULL, "no memory");
  }
  written[length++] = (uint8_t)c;
}

static void put_row(const pl_csv *c, size_t row, char delimiter) {
  for (size_t k = 0; k < pl_csv_columns(c); k++) {
    const char *field = pl_csv_field(c, row, k);
    if (k > 0) put(delimiter);
    put('"');
    for (; *field; field++) {
      if (*field == '"') put('"');
      put(*field);
    }
    put('"');
  }
  put('\n');
}

static void read_back(const pl_csv *c, char delimiter) {
  pl_error err = { 0 };
  length = 0;
  for (size_t row = 0; row < pl_csv_rows(c); row++) put_row(c, row, delimiter);
  pl_csv *again = pl_csv_open(fuzz_file(1, written, length), delimiter, false, &err);
  fuzz_assert(again != NULL, err.text);
  fuzz_assert(pl_csv_rows(again) == pl_csv_rows(c) && pl_csv_columns(again) == pl_csv_columns(c), "another table");
  for (size_t row = 0; row < pl_csv_rows(c); row++)
    for (size_t k = 0; k < pl_csv_columns(c); k++)
      fuzz_assert(strcmp(pl_csv_field(c, row, k), pl_csv_field(again, row, k)) == 0, "another field");
  pl_csv_free(again);
}

static void use_columns(const pl_csv *c) {
  pl_error err = { 0 };
  size_t n = pl_csv_columns(c), width = 0, filled;
  pl_csv_column *columns = calloc(n, sizeof *columns);
  pl_csv_use *uses = calloc(n, sizeof *uses);
  const char ***lists = calloc(n, sizeof *lists);
  fuzz_assert(columns && uses && lists, "no memory");
  pl_csv_scan(c, columns);
  for (size_t k = 0; k < n; k++) {
    fuzz_assert(columns[k].numbers + columns[k].texts + columns[k].missing == pl_csv_rows(c), "fields are lost");
    uses[k].at = width;
    uses[k].fills = true;
    if (columns[k].texts == 0) uses[k].role = PL_CSV_NUMBER, width++;
    else {
      uses[k].role = PL_CSV_ONE_HOT;
      fuzz_assert(pl_csv_categories(c, k, &lists[k], &uses[k].n, &err) == PL_OK, err.text);
      uses[k].names = lists[k];
      width += uses[k].n;
    }
  }
  if (width * pl_csv_rows(c) < 1 << 20) {
    float *x = calloc(width * pl_csv_rows(c) + 1, sizeof *x);
    fuzz_assert(x != NULL, "no memory");
    pl_status status = pl_csv_fill(c, uses, false, x, width, NULL, NULL, 0, &filled, &err);
    fuzz_assert(status == PL_OK ? filled == pl_csv_rows(c) : strstr(err.text, "beyond the range") != NULL, err.text);
    free(x);
  }
  for (size_t k = 0; k < n; k++) pl_free(lists[k]);
  free(lists);
  free(columns);
  free(uses);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2 || size > 1 << 14) return 0;
  size_t live = pl_alloc_live();
  pl_error err = { 0 };
  char delimiter = data[0] & 1 ? ';' : ',';
  pl_csv *c = pl_csv_open(fuzz_file(0, data + 1, size - 1), delimiter, data[0] & 2, &err);
  fuzz_assert(c != NULL || err.text[0] != '\0', "refused without a message");
  if (c != NULL) {
    read_back(c, delimiter);
    use_columns(c);
  }
  pl_csv_free(c);
  fuzz_assert(pl_alloc_live() == live, "memory is lost");
  return 0;
}
