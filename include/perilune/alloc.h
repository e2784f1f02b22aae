/* Memory: aligned to 64 bytes, zeroed, counted. Any thread may allocate and free; sizes are in bytes. */
#ifndef PERILUNE_ALLOC_H
#define PERILUNE_ALLOC_H

#include "perilune/error.h"

/* A block that pl_free ends. NULL and PL_ERROR_MEMORY: the limit is reached, or the system has no more. 0 bytes are a
   block too. */
PL_API void *pl_alloc(size_t bytes, pl_error *err);
/* The same for count * size bytes; a product that overflows is an error. */
PL_API void *pl_alloc_array(size_t count, size_t size, pl_error *err);
PL_API void pl_free(void *block);              /* NULL is allowed */

/* Of the whole process. */
PL_API size_t pl_alloc_live(void);             /* bytes held now */
PL_API size_t pl_alloc_peak(void);             /* the most since the start or the last reset */
PL_API void pl_alloc_reset_peak(void);
PL_API void pl_alloc_set_limit(size_t bytes);  /* 0: none (default) */

/* For tests. */
PL_API void pl_alloc_fail_at(long n);          /* the n-th allocation from now fails, once; 0: none does */
PL_API bool pl_alloc_failed(void);             /* whether it has been reached */

#endif
