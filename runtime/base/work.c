/* Work that moves between members (see perilune/threads.h). What nobody has begun of a member's share is one word,
   (round, first, last) in chunks. Its owner takes from the one end and the others from the other. A word of an earlier
   round stands for the whole share, which all compute alike; one of a later round for nothing, since a member goes on
   only when all chunks are taken. */
#include "base/load_balance.h"
#include "perilune/cpu.h"

enum { INDEX_BITS = 24 };   /* of a chunk */

static uint64_t pack(unsigned round, size_t first, size_t last) {
  return (uint64_t)round << 2 * INDEX_BITS | (uint64_t)first << INDEX_BITS | last;
}
static size_t first_of(uint64_t left) { return (size_t)(left >> INDEX_BITS & ((1u << INDEX_BITS) - 1)); }
static size_t last_of(uint64_t left) { return (size_t)(left & ((1u << INDEX_BITS) - 1)); }

/* By how many rounds a word is ahead of this one; 16 bits of their number are enough. */
static int ahead_of(uint64_t left, unsigned round) { return (int16_t)(uint16_t)((left >> 2 * INDEX_BITS) - round); }

static bool goes_back(const pl_work *w, int rank) {
  return w->order == PL_FROM_END || (w->order == PL_FROM_ENDS && 2 * rank >= w->team->size);
}

pl_work pl_work_begin(const pl_team *team, size_t n, size_t grain, size_t most, pl_order_of_work order) {
  pl_work w = { .team = team, .n = n, .grain = grain, .most = most, .order = order };
  w.chunks = (n + grain - 1) / grain;
  w.moves = team->balance != NULL && w.chunks < 1u << INDEX_BITS;
  if (w.moves) w.round = (uint16_t)++team->balance->member[team->rank].begun;
  else pl_team_share(team, w.chunks, 1, &w.first, &w.last);
  return w;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static bool take_from(pl_work *w, int rank, size_t *first, size_t *last) {
  _Atomic uint64_t *word = &w->team->balance->left[rank].chunks;
  bool own = rank == w->team->rank, from_end = goes_back(w, rank) == own;
  uint64_t seen = atomic_load_explicit(word, memory_order_acquire);
  for (;;) {
    int ahead = ahead_of(seen, w->round);
    *first = first_of(seen);
    *last = last_of(seen);
    if (ahead < 0)
      pl_team_share(&(pl_team){ .rank = rank, .size = w->team->size, .balance = w->team->balance }, w->chunks, 1, first,
                    last);
    if (ahead > 0 || (ahead == 0 && *first == *last)) return false;
    size_t left = *last - *first, count = own && left > w->most ? w->most : least(w->most, (left + 1) / 2);
    uint64_t rest = from_end ? pack(w->round, *first, *last - count) : pack(w->round, *first + count, *last);
    if (atomic_compare_exchange_weak_explicit(word, &seen, rest, memory_order_acq_rel, memory_order_acquire)) {
      if (from_end) *first = *last - count;
      else *last = *first + count;
      return count > 0;   /* an empty share is noted too: no word stays behind so long that it seems ahead */
    }
  }
}

/* Time at the work of others is, for the shares, time waited. */
static bool take_chunks(pl_work *w, size_t *first, size_t *last) {
  const pl_team *team = w->team;
  for (; w->tried < team->size; w->tried++) {
    if (w->tried == 1) w->since = w->since > 0 ? w->since : pl_clock();
    if (take_from(w, (team->rank + w->tried) % team->size, first, last)) return true;
  }
  if (w->since > 0) pl_load_balance_waited(team, pl_clock() - w->since);
  w->since = 0;
  return false;
}

static bool take_own(pl_work *w, size_t *first, size_t *last) {
  size_t count = least(w->most, w->last - w->first);
  bool back = goes_back(w, w->team->rank);
  *first = back ? w->last - count : w->first;
  *last = *first + count;
  if (back) w->last = *first;
  else w->first = *last;
  return count > 0;
}

bool pl_work_take(pl_work *w, size_t *from, size_t *to) {
  size_t first, last;
  if (!(w->moves ? take_chunks(w, &first, &last) : take_own(w, &first, &last))) return false;
  *from = first * w->grain;
  *to = least(last * w->grain, w->n);
  return true;
}
