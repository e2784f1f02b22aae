/* Libraries that are loaded when they are first needed. */
#ifndef BASE_LIBRARY_H
#define BASE_LIBRARY_H

#include "perilune/error.h"

/* A library by one of the names it has, and functions of it, unless they are there already; names and functions end
   with NULL. what: "PNG pictures need libpng", for the message. From any thread. */
pl_status pl_load_library(const char *what, const char *const *names, const char *package,
                          const char *const *functions, void **const *at, pl_error *err);

#endif
