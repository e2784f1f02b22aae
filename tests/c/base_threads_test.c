/* Regions: no signal reaches a worker, and the regions of two host threads do not meet. The limit of memory is one
   step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "kernels/kernels.h"
#include "perilune/alloc.h"
#include "perilune/cpu.h"
#include "perilune/threads.h"

enum { MANY = 8 };

static void look(const pl_team *team, void *arg) {
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, NULL, &blocked);
  ((int *)arg)[team->rank] = sigismember(&blocked, SIGINT) + 2 * sigismember(&blocked, SIGTERM) + 4;
}

/* One more thread for every 200,000 steps, up to what there is. */
static void small_work_stays_on_one_thread(void **state) {
  (void)state;
  static const struct { double steps; int threads; } cases[] = {
    { 0, 1 }, { 199999, 1 }, { 200000, 2 }, { 600000, 4 }, { 1399999, 7 }, { 1400000, MANY }, { 1e18, MANY },
  };
  pl_threads_set(MANY);
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
    assert_int_equal(pl_threads_for(cases[k].steps), cases[k].threads);
  pl_threads_set(1);
  assert_int_equal(pl_threads_for(1e18), 1);
  pl_threads_set(0);
}

static void workers_block_signals(void **state) {
  (void)state;
  static const int sizes[] = { 2, 5, 3, MANY, 2, 4 };
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    int seen[MANY] = { 0 };
    pl_threads_run_on(sizes[k], look, seen);
    assert_int_equal(seen[0], 4);   /* the host's own thread has them as before */
    for (int r = 1; r < sizes[k]; r++) assert_int_equal(seen[r], 7);
  }
}

typedef struct { int number; atomic_int members[MANY]; int strangers; } host;

static void member(const pl_team *team, void *arg) {
  host *h = arg;
  atomic_fetch_add(&h->members[team->rank], h->number);
  pl_team_barrier(team);
  if (team->rank == 0 && atomic_load(&h->members[team->size - 1]) % h->number != 0) h->strangers++;
  pl_team_barrier(team);
}

enum { ROUNDS = 2000 };

static void *run_host(void *arg) {
  for (int i = 0; i < ROUNDS; i++) pl_threads_run_on(2 + i % 2, member, arg);
  return NULL;
}

static void hosts_have_regions_of_their_own(void **state) {
  (void)state;
  host a = { .number = 1 }, b = { .number = 1000 };
  pthread_t other;
  assert_int_equal(pthread_create(&other, NULL, run_host, &b), 0);
  run_host(&a);
  pthread_join(other, NULL);
  assert_int_equal(a.members[0], ROUNDS);
  assert_int_equal(a.members[1], ROUNDS);
  assert_int_equal(a.members[2], ROUNDS / 2);
  assert_int_equal(b.members[0], 1000 * ROUNDS);
  assert_int_equal(b.members[2], 1000 * ROUNDS / 2);
  assert_int_equal(a.strangers + b.strangers, 0);
}

enum { ALONE = 50 };

static void look_again(const pl_team *team, void *arg) {
  if (team->rank == 0) pl_threads_run_on(3, look, arg);
}

/* Of the team, and of one that does not count as a team to libgomp. */
static void a_region_inside_a_region_runs_on_one_thread(void **state) {
  (void)state;
  for (int size = 1; size <= 3; size++) {
    int seen[MANY] = { 0 };
    pl_threads_run_on(size, look_again, seen);
    assert_int_equal(seen[0], 4);
    assert_int_equal(seen[1], 0);
    pl_threads_run_on(2, look, seen);   /* after it there are teams again */
    assert_int_equal(seen[1], 7);
  }
}

static void a_number_that_was_set_is_chosen(void **state) {
  (void)state;
  char cores[16], *old = getenv("OMP_NUM_THREADS");
  snprintf(cores, sizeof cores, "%d", pl_threads_cores());
  pl_threads_set(0);
  if (old == NULL) {
    assert_false(pl_threads_chosen());
    setenv("OMP_NUM_THREADS", "", 1);
    assert_false(pl_threads_chosen());
    setenv("OMP_NUM_THREADS", cores, 1);   /* to as many as there would be */
  }
  assert_true(pl_threads_chosen());
  if (old == NULL) unsetenv("OMP_NUM_THREADS");
  pl_threads_set(2);
  assert_true(pl_threads_chosen());
  pl_threads_set(0);
}

/* Computes in a child made by fork: ALONE and how many more members the team has there; 99 if it did not end within
   10 s. */
static int team_of_a_child(void (*before)(void), pl_team_fn fn, int wanted) {
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    int seen[MANY] = { 0 }, size = 0;
    if (before != NULL) before();
    pl_threads_run_on(wanted, fn, seen);
    for (int r = 0; r < MANY; r++) size += seen[r] != 0;
    _exit(ALONE - 1 + size);
  }
  int status = 0;
  for (int tenth = 0; tenth < 100 && waitpid(child, &status, WNOHANG) == 0; tenth++) {
    nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    if (tenth < 99) continue;
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return 99;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

static void no_more_threads(void) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, (size_t)1 << 50);   /* more than there are addresses */
  pthread_setattr_default_np(&attributes);
}

/* The first test: no region of this process has had several members. */
static void threads_that_cannot_start_are_done_without(void **state) {
  (void)state;
  assert_int_equal(team_of_a_child(NULL, look, 3), ALONE + 2);
  assert_int_equal(team_of_a_child(no_more_threads, look, 3), ALONE);
  assert_int_equal(team_of_a_child(no_more_threads, look_again, 3), ALONE);
}

static void a_child_made_by_fork_computes_on_one_thread(void **state) {
  (void)state;
  int seen[MANY] = { 0 };
  pl_threads_run_on(3, look, seen);
  assert_int_equal(team_of_a_child(NULL, look, 3), ALONE);
}

/* Two threads want more together than there may be: at no moment is more counted than the limit. */
enum { PIECE = 1 << 10, PIECES = 64 };

static void *take_and_give(void *arg) {
  long over = 0;
  size_t limit = *(size_t *)arg;
  for (int i = 0; i < 2000; i++) {
    void *block[PIECES];
    for (int k = 0; k < PIECES; k++) {
      block[k] = pl_alloc(PIECE, NULL);
      over += pl_alloc_live() > limit;
    }
    for (int k = 0; k < PIECES; k++) pl_free(block[k]);
  }
  return (void *)over;
}

static void the_limit_holds(void **state) {
  (void)state;
  size_t before = pl_alloc_live(), limit = before + PIECES * PIECE + PIECE / 2;
  pl_alloc_reset_peak();
  pl_alloc_set_limit(limit);
  pthread_t other;
  void *over;
  assert_int_equal(pthread_create(&other, NULL, take_and_give, &limit), 0);
  assert_null(take_and_give(&limit));
  pthread_join(other, &over);
  pl_alloc_set_limit(0);
  assert_null(over);
  assert_true(pl_alloc_peak() <= limit);
  assert_int_equal(pl_alloc_live(), before);
}

/* No call has chosen them: this test makes none. */
static void there_are_kernels_at_the_start(void **state) {
  (void)state;
  _Alignas(64) float x[16] = { 3, -4 };
  assert_non_null(pl_cpu_isa());
  assert_float_equal(pl_kernel.sum_squares(x, 16), 25, 0);
}

#if defined(__x86_64__)
/* Those that the system shows all features of: the compiler may use any feature of a level. */
static void the_kernels_suit_the_processor(void **state) {
  (void)state;
  static const char *const v3[] = { "pni", "ssse3", "cx16", "sse4_1", "sse4_2", "popcnt", "fma", "movbe", "avx", "f16c",
                                    "bmi1", "avx2", "bmi2",
                                    "lahf_lm", "abm", NULL };
  static const char *const v4[] = { "avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl", NULL };
  static char line[1 << 16];
  FILE *f = fopen("/proc/cpuinfo", "r");
  while (f != NULL && fgets(line, sizeof line, f) != NULL && strncmp(line, "flags", 5) != 0) continue;
  if (f != NULL) fclose(f);
  if (strncmp(line, "flags", 5) != 0 || getenv("PERILUNE_ISA") != NULL) {
    print_message("the system does not show the processor's flags, or PERILUNE_ISA is set: not tested\n");
    skip();
  }
  line[strcspn(line, "\n")] = ' ';
  const char *expected = "avx512", *const *lists[] = { v3, v4 };
  for (int level = 1; level >= 0; level--) {
    for (const char *const *flag = lists[level]; *flag; flag++) {
      char word[32];
      snprintf(word, sizeof word, " %s ", *flag);
      if (strstr(line, word) == NULL) expected = level == 1 ? "avx2" : "baseline";
    }
  }
  assert_string_equal(pl_cpu_isa(), expected);
}
#else
/* There is one kind for each: an emulator may show the flags of another processor. */
static void the_kernels_suit_the_processor(void **state) {
  (void)state;
#if defined(__aarch64__)
  assert_string_equal(pl_cpu_isa(), "neon");
#else
  assert_string_equal(pl_cpu_isa(), "baseline");
#endif
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(threads_that_cannot_start_are_done_without),
    cmocka_unit_test(a_child_made_by_fork_computes_on_one_thread),
    cmocka_unit_test(there_are_kernels_at_the_start), cmocka_unit_test(the_kernels_suit_the_processor),
    cmocka_unit_test(small_work_stays_on_one_thread), cmocka_unit_test(workers_block_signals),
    cmocka_unit_test(a_region_inside_a_region_runs_on_one_thread), cmocka_unit_test(a_number_that_was_set_is_chosen),
    cmocka_unit_test(hosts_have_regions_of_their_own), cmocka_unit_test(the_limit_holds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
