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

/* The length of the line of a script that a message begins with, "x.lua:12: "; 0: none. */
static size_t line_of(const char *text) {
  for (const char *colon = strchr(text, ':'); colon != NULL; colon = strchr(colon + 1, ':')) {
    size_t digits = strspn(colon + 1, "0123456789");
    if (digits > 0 && strncmp(colon + 1 + digits, ": ", 2) == 0) return (size_t)(colon + 1 + digits + 2 - text);
    if (strncmp(colon, ": ", 2) == 0) return 0;
  }
  return 0;
}

bool pl_error_insert(pl_error *err, const char *name) {
  if (err == NULL) return false;
  char old[sizeof err->text];
  size_t n = line_of(err->text);
  memcpy(old, err->text, sizeof old);
  size_t begin = (size_t)snprintf(err->text, sizeof err->text, "%.*s%.200s: ", (int)(n < 200 ? n : 200), old, name);
  snprintf(err->text + begin, sizeof err->text - begin, "%s", old + n);
  return n > 0;
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
