/* What every public header uses: the mark of exported names (which are C's for C++, too), checked formats, the version.
   How to read all of them, and which threads may call what: perilune.h. */
#ifndef PERILUNE_API_H
#define PERILUNE_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define PL_EXTERN extern "C"
#else
#define PL_EXTERN extern
#endif

#if defined(__GNUC__)
#define PL_API PL_EXTERN __attribute__((visibility("default")))
#define PL_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define PL_API PL_EXTERN
#define PL_PRINTF(text, first)
#endif

#define PL_VERSION "0.1.0"

#endif
