#include <stdlib.h>
#include "graph/plan.h"

static int larger_first(const void *a, const void *b) {
  const pl_buffer *p = a, *q = b;
  if (p->bytes != q->bytes) return p->bytes > q->bytes ? -1 : 1;
  return p->birth - q->birth;
}

/* Greedy: the largest first, each at the lowest offset that is free during its whole interval. */
size_t pl_arena_arrange(pl_buffer *list, int count) {
  size_t total = 0;
  qsort(list, (size_t)count, sizeof *list, larger_first);
  for (int i = 0; i < count; i++) {
    pl_buffer *x = &list[i];
    size_t at = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (int k = 0; k < i; k++) {
        const pl_buffer *y = &list[k];
        bool together = x->birth <= y->death && y->birth <= x->death;
        if (together && at < *y->offset + y->bytes && *y->offset < at + x->bytes) {
          at = *y->offset + y->bytes;
          moved = true;
        }
      }
    }
    *x->offset = at;
    if (at + x->bytes > total) total = at + x->bytes;
  }
  return total;
}
