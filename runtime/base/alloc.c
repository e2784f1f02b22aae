/* Each block is preceded by one cache line that holds its size, so that what is live can be counted. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "perilune/alloc.h"

enum { LINE = 64, HUGE_PAGE = 1 << 21 };

static atomic_size_t live, peak, limit;
static atomic_long fail_countdown;
static atomic_bool asked_to_fail;

static bool must_fail(void) {
  if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) <= 0) return false;
  return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

/* Winograd's transforms write to 64 addresses, 64 pages apart: more than a TLB holds, unless the pages are large. */
static void *take(size_t bytes) {
#ifdef MADV_HUGEPAGE
  if (bytes >= HUGE_PAGE / 2) {
    void *block = aligned_alloc(HUGE_PAGE, (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1));
    if (block != NULL) madvise(block, bytes, MADV_HUGEPAGE);   /* a hint: nothing depends on it */
    return block;
  }
#endif
  return aligned_alloc(LINE, bytes);
}

/* Counts the bytes as live, unless that would be more than the limit: one atomic step, whoever else allocates. */
static bool reserve(size_t bytes, size_t *held, size_t *most) {
  *most = atomic_load_explicit(&limit, memory_order_relaxed);
  *held = atomic_load(&live);
  do {
    if (*most != 0 && bytes > *most - (*held < *most ? *held : *most)) return false;
  } while (!atomic_compare_exchange_weak(&live, held, *held + bytes));
  return true;
}

void *pl_alloc(size_t bytes, pl_error *err) {
  size_t rounded = (bytes + LINE - 1) & ~(size_t)(LINE - 1), held, most;
  if (rounded < bytes || rounded > SIZE_MAX / 2) {
    pl_error_set(err, PL_ERROR_MEMORY, "cannot allocate %zu bytes: more than the address space holds", bytes);
    return NULL;
  }
  if (!reserve(rounded, &held, &most)) {
    pl_error_set(err, PL_ERROR_MEMORY, "the memory limit of %.1f MiB is reached: %.1f MiB are held and %.1f MiB "
                                       "more are needed; allow more with --memory or PERILUNE_MEMORY",
                 (double)most / 1048576, (double)held / 1048576, (double)bytes / 1048576);
    return NULL;
  }
  char *block = must_fail() ? NULL : take(rounded + LINE);
  if (block == NULL) {
    atomic_fetch_sub(&live, rounded);
    pl_error_set(err, PL_ERROR_MEMORY, "out of memory: %.1f MiB could not be allocated", (double)bytes / 1048576);
    return NULL;
  }
  memset(block, 0, rounded + LINE);
  *(size_t *)(void *)block = rounded;
  size_t now = held + rounded, old = atomic_load(&peak);
  while (old < now && !atomic_compare_exchange_weak(&peak, &old, now)) {}
  return block + LINE;
}

void *pl_alloc_array(size_t count, size_t size, pl_error *err) {
  if (size != 0 && count > SIZE_MAX / size) {
    pl_error_set(err, PL_ERROR_MEMORY, "cannot allocate %zu items of %zu bytes: more than the address space holds",
                 count, size);
    return NULL;
  }
  return pl_alloc(count * size, err);
}

void pl_free(void *block) {
  if (block == NULL) return;
  char *start = (char *)block - LINE;
  atomic_fetch_sub(&live, *(size_t *)(void *)start);
  free(start);
}

size_t pl_alloc_live(void) { return atomic_load(&live); }
size_t pl_alloc_peak(void) { return atomic_load(&peak); }
void pl_alloc_reset_peak(void) { atomic_store(&peak, atomic_load(&live)); }
void pl_alloc_set_limit(size_t bytes) { atomic_store(&limit, bytes); }
void pl_alloc_fail_at(long n) {
  atomic_store(&asked_to_fail, n > 0);
  atomic_store(&fail_countdown, n);
}
bool pl_alloc_failed(void) { return atomic_load(&asked_to_fail) && atomic_load(&fail_countdown) <= 0; }
