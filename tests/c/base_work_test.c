/* Work in chunks that move between members: each item is done once, whatever the team, the order and the speeds; a
   member that is held up loses its chunks to the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/load_balance.h"
#include "perilune/cpu.h"

enum { ITEMS = 1000, ROUNDS = 60 };

typedef struct {
  pl_load_balance balance;
  bool balanced, barriers;
  int slow;                       /* this member waits in its first piece of each round until the others are through;
                                     -1: none */
  size_t n, grain, most;
  pl_order_of_work order;
  atomic_int done[ROUNDS][ITEMS], mine[ROUNDS][8], away[ROUNDS];
  atomic_bool misplaced;
} job;

static void work(const pl_team *team, void *arg) {
  job *j = arg;
  pl_team own = *team;
  if (team->rank == 0) pl_load_balance_begin(&j->balance, team->size, 0);
  pl_team_barrier(team);
  if (j->balanced && team->size > 1) own.balance = &j->balance;
  for (int round = 0; round < ROUNDS; round++) {
    size_t from, to, before = (size_t)-1;
    pl_work w = pl_work_begin(&own, j->n, j->grain, j->most, j->order);
    while (pl_work_take(&w, &from, &to)) {
      if (from % j->grain || (to % j->grain && to != j->n) || from >= to || to - from > j->most * j->grain)
        atomic_store(&j->misplaced, true);
      for (size_t i = from; i < to; i++) atomic_fetch_add(&j->done[round][i], 1);
      atomic_fetch_add(&j->mine[round][team->rank], (int)(to - from));
      if (before == (size_t)-1 && team->rank == j->slow)
        while (atomic_load(&j->away[round]) < team->size - 1) pl_clock();
      before = from;
    }
    atomic_fetch_add(&j->away[round], 1);
    if (j->barriers) pl_team_barrier(&own);
  }
}

static void run(job *j, int threads) {
  memset((void *)j->done, 0, sizeof j->done);
  memset((void *)j->mine, 0, sizeof j->mine);
  memset((void *)j->away, 0, sizeof j->away);
  pl_threads_run_on(threads, work, j);
  assert_false(atomic_load(&j->misplaced));
  for (int round = 0; round < ROUNDS; round++) {
    for (size_t i = 0; i < ITEMS; i++) assert_int_equal(j->done[round][i], i < j->n);
  }
}

static void each_item_once(void **state) {
  job *j = calloc(1, sizeof *j);
  (void)state;
  j->slow = -1;
  for (int threads = 1; threads <= 5; threads++)
  for (int order = PL_FROM_START; order <= PL_FROM_ENDS; order++) for (int kind = 0; kind < 3; kind++) {
    static const size_t sizes[][3] = { { 0, 1, 1 }, { 1, 1, 1 }, { 7, 3, 2 }, { 100, 1, 1 }, { 97, 10, 4 },
                                       { ITEMS, 1, 7 }, { 3, 5, 9 } };
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      j->n = sizes[s][0], j->grain = sizes[s][1], j->most = sizes[s][2];
      j->order = (pl_order_of_work)order;
      j->balanced = kind > 0;
      j->barriers = kind > 1;
      run(j, threads);
    }
  }
  free(j);
}

/* Of a share of 25 or more chunks the first is done by its owner, and the rest by whoever has time. */
static void others_take_over(void **state) {
  job *j = calloc(1, sizeof *j);
  (void)state;
  j->n = 100, j->grain = j->most = 1;
  j->balanced = j->barriers = true;
  for (int threads = 2; threads <= 4; threads++)
  for (int order = PL_FROM_START; order <= PL_FROM_ENDS; order++) for (j->slow = 0; j->slow < threads; j->slow++) {
    j->order = (pl_order_of_work)order;
    run(j, threads);
    for (int round = 0; round < ROUNDS; round++) assert_int_equal(j->mine[round][j->slow], j->mine[round][j->slow] > 0);
  }
  free(j);
}

/* A member may have had no share of its own for more rounds than a word can tell apart. */
static void long_idle(const pl_team *team, void *arg) {
  job *j = arg;
  pl_team own = *team;
  if (team->rank == 0) pl_load_balance_begin(&j->balance, team->size, 0);
  pl_team_barrier(team);
  own.balance = &j->balance;
  for (int round = 0; round <= 40000; round++) {
    size_t from, to;
    pl_work w = pl_work_begin(&own, round < 40000 ? 1 : 100, 1, 1, PL_FROM_START);
    while (pl_work_take(&w, &from, &to)) atomic_fetch_add(&j->done[round == 40000][from], 1);
    pl_team_barrier(&own);
  }
}

static void long_without_a_share(void **state) {
  job *j = calloc(1, sizeof *j);
  (void)state;
  pl_threads_run_on(2, long_idle, j);
  assert_int_equal(j->done[0][0], 40000);
  for (int i = 0; i < 100; i++) assert_int_equal(j->done[1][i], 1);
  free(j);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(each_item_once), cmocka_unit_test(others_take_over),
                                      cmocka_unit_test(long_without_a_share) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
