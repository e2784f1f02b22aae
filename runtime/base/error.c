#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "perilune/error.h"

pl_status pl_error_set(pl_error *err, pl_status status, const char *format, ...) {
  if (err != NULL) {
    va_list args;
    err->status = status;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
  }
  return status;
}

void pl_error_prefix(pl_error *err, const char *format, ...) {
  if (err == NULL) return;
  char old[sizeof err->text];
  memcpy(old, err->text, sizeof old);
  va_list args;
  va_start(args, format);
  int n = vsnprintf(err->text, sizeof err->text, format, args);
  va_end(args);
  int room = (int)sizeof err->text - n - 3;   /* for what was there: without the colon, the space and the end */
  if (n >= 0 && room >= 0) snprintf(err->text + n, (size_t)room + 3, ": %.*s", room, old);
}
