/* A training on a machine that is made up: how fast each size of team is, and whether the system takes processors
   away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "train/thread_tuner.h"

typedef struct { pl_thread_tuner tuner; double now, rate[9]; long switches; int largest_share; } machine;

/* So many runs of 0.1 s with at most so many threads; the size that most of them had. */
static int runs(machine *m, int count, int most) {
  int had[9] = { 0 }, best = 1;
  for (int i = 0; i < count; i++) {
    int size = pl_thread_tuner_size(&m->tuner, most);
    assert_in_range(size, 1, most);
    had[size]++;
    m->now += 0.1;
    pl_thread_tuner_tell(&m->tuner, m->now, 0.1, 0.1 * m->rate[size], m->switches);
  }
  for (int size = 2; size <= most; size++) best = had[size] > had[best] ? size : best;
  m->largest_share = had[best];
  return best;
}

/* An idle machine shows nothing that calls for a trial, whatever the speeds are. */
static void undisturbed(void **state) {
  (void)state;
  machine m = { .rate = { 0, 1000, 10 }, .switches = 4 };
  assert_int_equal(runs(&m, 200, 2), 2);
  assert_int_equal(m.largest_share, 200);
}

static void beside_a_busy_program_and_after_it(void **state) {
  (void)state;
  machine m = { .rate = { 0, 1000, 1600 } };
  assert_int_equal(runs(&m, 20, 2), 2);
  m.rate[2] = 600, m.switches = 30;
  assert_int_equal(runs(&m, 300, 2), 1);
  assert_in_range(m.largest_share, 290, 299);   /* a second trial is rarer than the first, but there are some */
  m.rate[2] = 1600, m.switches = 0;
  runs(&m, 170, 2);                             /* at most 16 s until the next one */
  assert_int_equal(runs(&m, 100, 2), 2);
  assert_int_equal(m.largest_share, 100);
}

/* Processors are taken away, but fewer threads are no faster: trials become rare. */
static void fewer_are_no_faster(void **state) {
  (void)state;
  machine m = { .rate = { 0, 1000, 1050 }, .switches = 30 };
  assert_int_equal(runs(&m, 1000, 2), 2);
  assert_in_range(m.largest_share, 985, 999);
}

static void many_cores(void **state) {
  (void)state;
  machine one_busy = { .rate = { 0, 1000, 2000, 3000, 4000, 5000, 6000, 6900, 3000 }, .switches = 30 };
  runs(&one_busy, 200, 8);
  assert_int_equal(runs(&one_busy, 200, 8), 7);
  machine four_busy = { .rate = { 0, 1000, 2000, 3000, 3900, 2000, 2200, 2400, 2600 }, .switches = 30 };
  runs(&four_busy, 400, 8);
  assert_int_equal(runs(&four_busy, 200, 8), 4);
  machine hardly_any = { .rate = { 0, 1000, 900, 800, 700, 600, 500, 400, 300 }, .switches = 30 };
  runs(&hardly_any, 800, 8);
  assert_int_equal(runs(&hardly_any, 200, 8), 1);
  machine three = { .rate = { 0, 1000, 1900, 1500 }, .switches = 30 };
  runs(&three, 200, 3);
  assert_int_equal(runs(&three, 200, 3), 2);
}

/* Nothing can be told from short runs; another number of threads starts anew. */
static void what_starts_anew(void **state) {
  (void)state;
  machine m = { .rate = { 0, 1000, 500, 400 }, .switches = 30 };
  for (int i = 0; i < 100; i++) {
    assert_int_equal(pl_thread_tuner_size(&m.tuner, 2), 2);
    pl_thread_tuner_tell(&m.tuner, i, 0.001, 1, 30);
  }
  runs(&m, 50, 2);
  assert_int_equal(pl_thread_tuner_size(&m.tuner, 3), 3);
  assert_int_equal(pl_thread_tuner_size(&m.tuner, 1), 1);
  assert_int_equal(runs(&m, 50, 1), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(undisturbed), cmocka_unit_test(beside_a_busy_program_and_after_it),
    cmocka_unit_test(fewer_are_no_faster),
    cmocka_unit_test(many_cores), cmocka_unit_test(what_starts_anew),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
