/* Parallel regions: one function runs on every member of a team. Members divide outputs among themselves, never a sum.
   Denormals are flushed to zero inside, and the setting is restored after. Regions of several host threads take turns;
   a region inside a region runs on one thread. Nothing here fails.
   pl_threads_...: any thread of the host. pl_team_..., pl_work_... and pl_stage_...: each member of a team, inside its
   region, with its own team, work or stages. */
#ifndef PERILUNE_THREADS_H
#define PERILUNE_THREADS_H

#include "perilune/api.h"

typedef struct pl_load_balance pl_load_balance;   /* runtime/base/load_balance.h */

typedef struct pl_team {
  int rank, size;             /* rank from 0; rank 0 is the leader, the thread that began the region */
  struct pl_barrier *barrier; /* of the region; NULL is right for a team of one, { .size = 1 } */
  pl_load_balance *balance;   /* of shares; NULL: equal ones */
} pl_team;

typedef void (*pl_team_fn)(const pl_team *team, void *arg);

/* ---- how many: of the whole process ---- */

/* For regions from now on. 0: as many as OMP_NUM_THREADS says, or as there are cores (default). No result depends on
   it; execs and trainers take memory for the number that holds when they are made or reserved. */
PL_API void pl_threads_set(int n);
PL_API int pl_threads_get(void);
/* Cores that this process may use. */
PL_API int pl_threads_cores(void);
/* Whether the number was set, here or by OMP_NUM_THREADS; else it is only the most there may be. */
PL_API bool pl_threads_chosen(void);
/* Threads that pay off for `steps` steps of about a nanosecond each, or multiply-adds of a pass: small work stays on
   one. */
PL_API int pl_threads_for(double steps);
/* How often the system has taken a processor from a thread of this process so far (involuntary context switches). */
PL_API long pl_threads_involuntary_switches(void);

/* ---- regions ---- */

/* Calls fn(team, arg) on each member of a team of n; returns when all are done. 1, and whatever is less, costs
   nothing. There may be fewer, where the system starts no more or in a child made by fork: team->size says how many
   there are. The team is gone when fn returns. */
PL_API void pl_threads_run_on(int n, pl_team_fn fn, void *arg);
/* All members wait for each other; what one wrote before, the others see after. */
PL_API void pl_team_barrier(const pl_team *team);
/* Whether the leader waits at the next barrier already. */
PL_API bool pl_team_leader_at_barrier(const pl_team *team);
/* This member's share [*from, *to) of n items, cut at multiples of `grain` (1 or more); may be empty. */
PL_API void pl_team_share(const pl_team *team, size_t n, size_t grain, size_t *from, size_t *to);

/* ---- work: shares with dynamic load balancing ----
   [0, n) in chunks of `grain` items, of which a member takes up to `most` at a time: those of its own share first, in
   order, and then, if the team has a balance and there are fewer than 2^24 chunks, it steals from other members' shares
   what they have not begun, from the other end. Chance decides who does a chunk: neither its result nor its address may
   depend on it. Each member:

     pl_work w = pl_work_begin(team, n, grain, most, order);
     while (pl_work_take(&w, &from, &to)) compute [from, to);  */
typedef enum pl_order_of_work {
  PL_FROM_START,
  PL_FROM_END,
  PL_FROM_ENDS                /* the first half of the members ascending, the others descending */
} pl_order_of_work;

typedef struct pl_work {      /* filled by pl_work_begin; one for each member */
  const pl_team *team;
  size_t n, grain, most, chunks, first, last;
  pl_order_of_work order;
  int tried;                  /* members, from this one on, of whose shares nothing is left */
  bool moves;                 /* else a member has [first, last) chunks, its share, to itself */
  unsigned round;
  double since;               /* pl_clock when this one's share was empty */
} pl_work;

/* n items, grain and most 1 or more: the same for all members, as is the order of calls. The team is borrowed. */
PL_API pl_work pl_work_begin(const pl_team *team, size_t n, size_t grain, size_t most, pl_order_of_work order);
/* [out] the next items for this member; false: there are none left, and nothing is set. */
PL_API bool pl_work_take(pl_work *w, size_t *from, size_t *to);

/* ---- stages ----
   Each is done by the whole team, or by the leader alone; the others then go ahead to the next stage of all and wait
   there. Each member:

     const pl_team *t = pl_stage_begin(s, leader_only);
     if (t) work, shared by t;
     pl_stage_end(s);  */
typedef struct pl_stages {    /* one for each member; { .team = team } begins */
  const pl_team *team;
  void (*idle_fn)(const pl_team *team, void *context);   /* run by those who would wait for the leader; may be NULL */
  void *context;
  bool leader_only;           /* the current stage is the leader's */
  bool pending;               /* the others have not waited yet for what the leader did alone */
} pl_stages;

/* The team that shares the stage's work: all, or for a stage of the leader alone a team of one; NULL: nothing to do. */
PL_API const pl_team *pl_stage_begin(pl_stages *s, bool leader_only);
PL_API void pl_stage_end(pl_stages *s);
/* After it all stages so far are complete, for all members. */
PL_API void pl_stage_barrier_wait(pl_stages *s);

#endif
