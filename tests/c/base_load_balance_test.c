/* Shares of a team on a machine that is made up: each member's speed is given, and all wait for the slowest at every
   barrier. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "base/load_balance.h"

/* displacements: a second */
typedef struct { pl_load_balance balance; double now, speed[4], displacements, switches; } machine;

static double share(const machine *m, int r) { return (double)(m->balance.cut[r + 1] - m->balance.cut[r]) / PL_WHOLE; }

/* Steps of 10 ms and more, each of 10 barriers. */
static void steps(machine *m, int count, int size) {
  pl_load_balance *b = pl_load_balance_begin(&m->balance, size, m->now);
  assert_ptr_equal(b, &m->balance);
  for (int i = 0; i < 10 * count; i++) {
    double slowest = 0;
    for (int r = 0; r < size; r++) if (share(m, r) / m->speed[r] > slowest) slowest = share(m, r) / m->speed[r];
    for (int r = 0; r < size; r++)
      b->member[r].waited = b->member[r].waited + 0.001 * (slowest - share(m, r) / m->speed[r]);
    m->now += 0.001 * slowest;
    m->switches += 0.001 * slowest * m->displacements;
    if (i % 10 == 9 && pl_load_balance_is_due(b, m->now)) pl_load_balance_adjust(b, m->now, (long)m->switches);
  }
}

static void shares_follow_speeds(void **state) {
  machine m = { .speed = { 0.6, 0.3 } };
  (void)state;
  steps(&m, 30, 2);
  assert_float_equal(share(&m, 0), 2.0 / 3, 0.01);
  m.speed[0] = 0.2;
  steps(&m, 30, 2);
  assert_float_equal(share(&m, 0), 0.4, 0.01);
  m.speed[1] = 0.02;   /* as good as stopped: it keeps an eighth of the work */
  steps(&m, 60, 2);
  assert_float_equal(share(&m, 1), 0.125, 0.01);
  m.speed[1] = 0.2;
  steps(&m, 60, 2);
  assert_float_equal(share(&m, 1), 0.5, 0);
  double four[] = { 1, 1, 0.5, 0.5 };
  for (int r = 0; r < 4; r++) m.speed[r] = four[r];
  steps(&m, 40, 4);   /* another team begins with equal shares */
  for (int r = 0; r < 4; r++) assert_float_equal(share(&m, r), four[r] / 3, 0.01);
}

/* A difference of a few percent is not worth moving data between caches. */
static void small_differences(void **state) {
  machine m = { .speed = { 1, 0.95 } };
  (void)state;
  steps(&m, 50, 2);
  assert_int_equal(m.balance.cut[1], PL_WHOLE / 2);
}

static void many_short_runs(void **state) {
  machine m = { .speed = { 1, 0.5 } };
  (void)state;
  for (int i = 0; i < 30; i++) steps(&m, 1, 2);
  assert_float_equal(share(&m, 0), 2.0 / 3, 0.01);
}

/* Cores that are taken away for milliseconds at a time. */
static void switches(void **state) {
  machine m = { .now = 1, .speed = { 1, 0.5 }, .displacements = 40 };
  (void)state;
  steps(&m, 60, 2);
  assert_float_equal(share(&m, 0), 2.0 / 3, 0.01);
  m.displacements = 400;
  steps(&m, 60, 2);
  assert_int_equal(m.balance.cut[1], PL_WHOLE / 2);
  m.displacements = 0;
  steps(&m, 60, 2);
  assert_float_equal(share(&m, 0), 2.0 / 3, 0.01);
}

static void no_team(void **state) {
  static pl_load_balance b;
  (void)state;
  assert_null(pl_load_balance_begin(&b, 1, 0));
  assert_null(pl_load_balance_begin(&b, PL_MOST_BALANCED + 1, 0));
}

/* Whatever the cuts, each item is one member's. */
static void every_item_once(void **state) {
  static pl_load_balance b;
  pl_load_balance_begin(&b, 3, 0);
  (void)state;
  for (unsigned first = 0; first <= PL_WHOLE; first += 4321)
  for (unsigned second = first; second <= PL_WHOLE; second += 777) for (size_t n = 0; n < 40; n++) {
    size_t next = 0, from, to;
    b.cut[1] = first, b.cut[2] = second;
    for (int r = 0; r < 3; r++) {
      pl_team_share(&(pl_team){ .rank = r, .size = 3, .balance = &b }, n, n % 3 + 1, &from, &to);
      assert_int_equal(from, next);
      assert_true(to >= from);
      next = to;
    }
    assert_int_equal(next, n);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(shares_follow_speeds), cmocka_unit_test(small_differences),
                                      cmocka_unit_test(many_short_runs), cmocka_unit_test(switches),
                                      cmocka_unit_test(no_team), cmocka_unit_test(every_item_once) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
