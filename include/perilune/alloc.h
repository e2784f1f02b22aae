/* Memory: aligned to 64 bytes, zeroed, counted. Any thread may call any of these; sizes are in bytes, rounded up to
   multiples of 64 where they are counted. */
#ifndef PERILUNE_ALLOC_H
#define PERILUNE_ALLOC_H

#include "perilune/error.h"

/* A block that pl_free ends, on any thread. NULL and PL_ERROR_MEMORY: the limit is reached, or the system has no more.
   0 bytes are a block too. */
PL_API void *pl_alloc(size_t bytes, pl_error *err);
/* The same for count * size bytes; a product that overflows is PL_ERROR_MEMORY too. */
PL_API void *pl_alloc_array(size_t count, size_t size, pl_error *err);
/* Of a block of these two only. NULL is allowed. */
PL_API void pl_free(void *block);

/* ---- of the whole process ---- */

/* Bytes held now. */
PL_API size_t pl_alloc_live(void);
/* The most bytes held since the start or the last reset. */
PL_API size_t pl_alloc_peak(void);
/* The peak becomes what is held now. */
PL_API void pl_alloc_reset_peak(void);
/* The most bytes that may be held; what is held already stays. 0: no limit (default). */
PL_API void pl_alloc_set_limit(size_t bytes);

/* ---- for tests ---- */

/* The n-th allocation from now fails, once, whichever thread makes it; 0: none does. */
PL_API void pl_alloc_fail_at(long n);
/* Whether that allocation has been reached. */
PL_API bool pl_alloc_failed(void);

#endif
