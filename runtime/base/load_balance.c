#include "base/load_balance.h"

static const double window = 0.003;     /* seconds: some steps, and less than a core keeps its speed */
static const double trust = 0.3;        /* in what a window shows */
static const double least = 0.25;       /* a member's share, in equal ones */
static const double clear = 0.06;       /* a difference from equal shares that is acted upon */
static const double look = 0.1;         /* seconds over which displacements are counted */
static const double undisturbed = 100;  /* of them a second; an idle machine shows some 40 */

static double waited_since(pl_load_balance *b, int r) {
  double before = b->seen[r];
  b->seen[r] = atomic_load_explicit(&b->member[r].waited, memory_order_relaxed);
  return b->seen[r] - before;
}

static void share_equally(pl_load_balance *b) {
  for (int r = 0; r < b->size; r++) {
    b->share[r] = 1.0 / b->size;
    b->cut[r + 1] = (unsigned)(PL_WHOLE * (int64_t)(r + 1) / b->size);
  }
}

pl_load_balance *pl_load_balance_begin(pl_load_balance *b, int size, double now) {
  if (size > PL_MOST_BALANCED || size < 2) return NULL;
  if (b->size != size) {
    b->size = size;
    share_equally(b);
  }
  for (int r = 0; r < size; r++) {
    waited_since(b, r);
    b->member[r].begun = 0;
    atomic_store_explicit(&b->left[r].chunks, 0, memory_order_relaxed);
  }
  b->since = now;
  return b;
}

void pl_load_balance_waited(const pl_team *team, double seconds) {
  _Atomic double *waited = &team->balance->member[team->rank].waited;
  atomic_store_explicit(waited, atomic_load_explicit(waited, memory_order_relaxed) + seconds, memory_order_relaxed);
}

bool pl_load_balance_is_due(const pl_load_balance *b, double now) { return now - b->since >= window; }

static bool is_disturbed(pl_load_balance *b, double now, long switches) {
  if (now - b->looked < look) return b->disturbed;
  b->disturbed = b->looked > 0 && (double)(switches - b->switches) > undisturbed * (now - b->looked);
  b->looked = now;
  b->switches = switches;
  return b->disturbed;
}

void pl_load_balance_adjust(pl_load_balance *b, double now, long switches) {
  double seconds = now - b->since, speed[PL_MOST_BALANCED], speeds = 0, shares = 0, end = 0;
  bool equal = true;
  b->since = now;
  for (int r = 0; r < b->size; r++) {
    double busy = seconds - waited_since(b, r);
    speed[r] = (double)(b->cut[r + 1] - b->cut[r]) / (busy > seconds / 8 ? busy : seconds / 8);
    speeds += speed[r];
  }
  if (is_disturbed(b, now, switches)) {
    share_equally(b);
    return;
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
