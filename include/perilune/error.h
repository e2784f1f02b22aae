/* Errors. No function of the library exits, prints or jumps: what can fail returns a status and fills a pl_error, which
   the caller owns. A function that returns something else says how it fails (usually NULL) and fills the error too.
   The error may always be NULL. It holds nothing to be read unless the call has failed. */
#ifndef PERILUNE_ERROR_H
#define PERILUNE_ERROR_H

#include "perilune/api.h"

typedef enum pl_status {
  PL_OK = 0,
  PL_ERROR_SHAPE,   /* two shapes do not fit, or there is no such axis */
  PL_ERROR_TYPE,    /* wrong element type or kind of object */
  PL_ERROR_VALUE,   /* a number or name out of its range */
  PL_ERROR_STATE,   /* called at the wrong time */
  PL_ERROR_MEMORY,  /* allocation failed or the limit was reached: of whatever takes memory, and not said again there */
  PL_ERROR_IO,      /* the operating system refused, or a library that is loaded by name is missing */
  PL_ERROR_CORRUPT  /* a file is not what it claims to be */
} pl_status;

typedef struct pl_error {
  pl_status status;
  char text[512];   /* one line: what was expected, what was found, what to do */
} pl_error;

/* Fills `err` and returns `status`, so that `return pl_error_set(...)` reads well. Longer text is cut. No argument may
   point into err->text. */
PL_API pl_status pl_error_set(pl_error *err, pl_status status, const char *format, ...) PL_PRINTF(3, 4);
/* Puts "<prefix>: " before the text, whose end is cut if need be; the status stays what it was. */
PL_API void pl_error_prefix(pl_error *err, const char *format, ...) PL_PRINTF(2, 3);
/* Puts "<name>: " before the text, after the line of a script that it may begin with ("x.lua:12: "); a name is cut at
   200 bytes. Returns whether there is such a line. */
PL_API bool pl_error_insert(pl_error *err, const char *name);

#endif
