/* Shares that follow the speeds of a team's members. Processors have cores of two kinds, and other programs slow one
   core and not the next; members with equal shares then wait for the slowest at every barrier. Who computes what
   changes no bit. But where the system takes cores away from the threads themselves, for some milliseconds each time,
   waiting times say who had bad luck and not who is slow: shares stay equal.

   A caller that runs many steps with one team keeps a pl_load_balance, gives each member a copy of its team with
   `balance` set to it, and lets one member call pl_load_balance_adjust now and then, in a stage of its own that all
   wait for. */
#ifndef BASE_LOAD_BALANCE_H
#define BASE_LOAD_BALANCE_H

#include <stdatomic.h>
#include "perilune/threads.h"

enum { PL_MOST_BALANCED = 64, PL_WHOLE = 1 << 16 };   /* larger teams keep equal shares */

struct pl_load_balance {
  int size;                                /* members that it is for; 0: not yet begun */
  double since, looked;                    /* when it was last adjusted; when displacements were last looked at */
  long switches;                          /* by then */
  bool disturbed;                          /* there had been many */
  unsigned cut[PL_MOST_BALANCED + 1];      /* of PL_WHOLE: member r's share of any work is from cut[r] to cut[r + 1] */
  double share[PL_MOST_BALANCED];          /* that the speeds ask for */
  double seen[PL_MOST_BALANCED];           /* of `waited`, when last adjusted */
  /* seconds at barriers, and rounds of work, so far; written by the member alone */
  struct { _Alignas(64) _Atomic double waited; unsigned begun; } member[PL_MOST_BALANCED];
  /* of each one's share of the work: see work.c */
  struct { _Alignas(64) _Atomic uint64_t chunks; } left[PL_MOST_BALANCED];
};

/* For a run of steps by a team of `size`, which begins now (seconds). Shares are equal at first, and those of the run
   before where that was by such a team. NULL: the team is too large, or has one member. */
pl_load_balance *pl_load_balance_begin(pl_load_balance *b, int size, double now);
/* More seconds that this member has waited. */
void pl_load_balance_waited(const pl_team *team, double seconds);
/* After a step: whether the last adjustment is long enough ago. */
bool pl_load_balance_is_due(const pl_load_balance *b, double now);
/* Cuts by the speeds since the last time, share / (time - time waited). `switches`: pl_threads_involuntary_switches().
   */
void pl_load_balance_adjust(pl_load_balance *b, double now, long switches);

#endif
