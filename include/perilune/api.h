/* What every public header uses: the mark of exported functions, checked formats, the version. How to read all of them,
   and which threads may call what: perilune.h. */
#ifndef PERILUNE_API_H
#define PERILUNE_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PL_API __attribute__((visibility("default")))
#define PL_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define PL_API
#define PL_PRINTF(text, first)
#endif

#define PL_VERSION "0.1.0"

#endif
