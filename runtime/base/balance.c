#include "base/balance.h"

static const double window = 0.003;     /* seconds: some steps, and less than a core keeps its speed */
static const double trust = 0.3;        /* in what a window shows */
static const double least = 0.25;       /* a member's share, in equal ones */
static const double clear = 0.06;       /* a difference from equal shares that is acted upon */

static double waited_since(pl_balance *b, int r) {
  double before = b->seen[r];
  b->seen[r] = atomic_load_explicit(&b->waited[r].seconds, memory_order_relaxed);
  return b->seen[r] - before;
}

pl_balance *pl_balance_begin(pl_balance *b, int size, double now) {
  if (size > PL_MOST_BALANCED || size < 2) return NULL;
  for (int r = 0; r < size; r++) {
    waited_since(b, r);
    if (b->size == size) continue;
    b->share[r] = 1.0 / size;
    b->cut[r + 1] = (unsigned)(PL_WHOLE * (int64_t)(r + 1) / size);
  }
  b->size = size;
  b->since = now;
  return b;
}

void pl_balance_adjust(pl_balance *b, double now) {
  double seconds = now - b->since, speed[PL_MOST_BALANCED], speeds = 0, shares = 0, end = 0;
  bool equal = true;
  if (seconds < window) return;
  b->since = now;
  for (int r = 0; r < b->size; r++) {
    double busy = seconds - waited_since(b, r);
    speed[r] = (double)(b->cut[r + 1] - b->cut[r]) / (busy > seconds / 8 ? busy : seconds / 8);
    speeds += speed[r];
  }
  for (int r = 0; r < b->size; r++) {
    b->share[r] += trust * (speed[r] / speeds - b->share[r]);
    if (b->share[r] * b->size < least) b->share[r] = least / b->size;
    shares += b->share[r];
  }
  for (int r = 0; r < b->size; r++) {
    double unequal = b->share[r] / shares * b->size - 1;
    equal = equal && unequal < clear && unequal > -clear;
  }
  for (int r = 0; r < b->size; r++) {
    end += equal ? 1.0 / b->size : b->share[r] / shares;
    b->cut[r + 1] = (unsigned)(end * PL_WHOLE + 0.5);
  }
}
