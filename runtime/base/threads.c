/* Parallel regions and the barrier inside them.
   The barrier is ours, in C11 atomics: thread sanitizers see it, and it yields the processor when there
   are more threads than cores. */
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include "base/load_balance.h"
#include "perilune/cpu.h"
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

struct pl_barrier {
  _Alignas(64) atomic_int waiting;
  _Alignas(64) atomic_uint phase;
  _Alignas(64) atomic_uint leader;  /* the phase whose end the leader waits for, plus 1 */
  int patience;                     /* how often a member looks before it yields its processor */
};

static atomic_int chosen;

void pl_threads_set(int n) { chosen = n > 0 ? n : 0; }
bool pl_threads_chosen(void) {
  const char *set = getenv("OMP_NUM_THREADS");   /* libgomp ignores what is no number */
  return chosen > 0 || (set != NULL && atoi(set) > 0);
}
int pl_threads_cores(void) { return omp_get_num_procs(); }
int pl_threads_get(void) {
  int n = chosen;
  return n > 0 ? n : omp_get_max_threads();
}

/* A region costs microseconds, and on a busy machine as long as another program keeps a processor: milliseconds. */
int pl_threads_for(double steps) {
  enum { WORTH_A_MEMBER = 200000 };
  int threads = pl_threads_get();
  return steps < (double)WORTH_A_MEMBER * (threads - 1) ? 1 + (int)(steps / WORTH_A_MEMBER) : threads;
}

long pl_threads_involuntary_switches(void) {
  struct rusage usage;
  return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_nivcsw : 0;
}

#if defined(__x86_64__)
enum { FLUSH_TO_ZERO = 0x8040 };   /* FTZ and DAZ */
static unsigned long flush_denormals(void) {
  unsigned int old = _mm_getcsr();
  _mm_setcsr(old | FLUSH_TO_ZERO);
  return old;
}
static void restore_denormals(unsigned long old) { _mm_setcsr((unsigned int)old); }
static void cpu_pause(void) { _mm_pause(); }
#elif defined(__aarch64__)
static unsigned long flush_denormals(void) {
  unsigned long old;
  __asm__ volatile("mrs %0, fpcr" : "=r"(old));
  __asm__ volatile("msr fpcr, %0" : : "r"(old | 1ul << 24));
  return old;
}
static void restore_denormals(unsigned long old) { __asm__ volatile("msr fpcr, %0" : : "r"(old)); }
static void cpu_pause(void) { __asm__ volatile("yield"); }
#else
static unsigned long flush_denormals(void) { return 0; }
static void restore_denormals(unsigned long old) { (void)old; }
static void cpu_pause(void) {}
#endif

/* ThreadSanitizer does not see into libgomp; it is told what the start and the end of a region order. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define AFTER(address) __tsan_acquire(address)
#define BEFORE(address) __tsan_release(address)
#else
#define AFTER(address) ((void)(address))
#define BEFORE(address) ((void)(address))
#endif

/* The region that is running: one at a time, whatever threads the host has. Reached through here and not captured, so
   that the sanitizer sees the order of its use. */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static struct region {
  pl_team_fn fn;
  void *arg;
  struct pl_barrier barrier;
} *running;

/* A child made by fork has one thread, for the others of whose teams libgomp would wait for ever. */
static atomic_bool forked;
static void in_child(void) {
  forked = true;
  pthread_mutex_init(&one_at_a_time, NULL);   /* another thread of the parent may have held it */
}

static void *wait_at_gate(void *gate) {
  pthread_mutex_lock(gate);
  pthread_mutex_unlock(gate);
  return NULL;
}

/* Members of a team of n that there can be. libgomp ends the process where it cannot start a thread: so it is tried
   first whether there can be so many at once. */
static int members_possible(int n) {
  enum { AT_ONCE = 1024 };
  static _Thread_local int tried = 1, most = AT_ONCE;
  if (n > most) n = most;
  if (n <= tried) return n;
  pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
  pthread_t thread[AT_ONCE];
  int started = 0;
  pthread_mutex_lock(&gate);
  while (started < n - 1 && pthread_create(&thread[started], NULL, wait_at_gate, &gate) == 0) started++;
  pthread_mutex_unlock(&gate);
  for (int i = 0; i < started; i++) pthread_join(thread[i], NULL);
  pthread_mutex_destroy(&gate);
  tried = started + 1;
  if (tried < n) most = tried;
  return tried;
}

/* Signals are for the host's threads, where handlers may touch what these own (Lua's hooks): workers are born with all
   of them blocked. More members than last time are new threads. How many there are. */
static int start_workers(int n) {
  static _Thread_local int there;
  static bool registered;
  if (!registered) registered = pthread_atfork(NULL, NULL, in_child) == 0;
  if (n > there) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    n = members_possible(n);
    static atomic_int started;   /* a region that did nothing would be left out; static: not captured either */
    #pragma omp parallel num_threads(n)
    atomic_fetch_add(&started, 1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
  }
  there = n;   /* with fewer, libgomp lets the others end */
  return n;
}

/* This thread is a member of a team: of one, too, which libgomp does not count as a region. */
static _Thread_local bool inside;

static void run_member(const pl_team *team, pl_team_fn fn, void *arg) {
  bool before = inside;
  unsigned long old = flush_denormals();
  inside = true;
  fn(team, arg);
  inside = before;
  restore_denormals(old);
}

void pl_threads_run_on(int n, pl_team_fn fn, void *arg) {
  if (n <= 1 || forked || inside || omp_in_parallel()) {   /* the last: in a region of the host's own */
    run_member(&(pl_team){ .size = 1 }, fn, arg);
    return;
  }
  struct region region = { .fn = fn, .arg = arg };
  region.barrier.patience = n > pl_threads_cores() ? 0 : 2000;
  pthread_mutex_lock(&one_at_a_time);
  n = start_workers(n);
  running = &region;
  BEFORE(&running);
  #pragma omp parallel num_threads(n)
  {
    AFTER(&running);
    pl_team team = { .rank = omp_get_thread_num(), .size = omp_get_num_threads(), .barrier = &running->barrier };
    run_member(&team, running->fn, running->arg);
    BEFORE(&running);
  }
  AFTER(&running);
  pthread_mutex_unlock(&one_at_a_time);
}

static void barrier_wait(const pl_team *team, pl_load_balance *balance) {
  struct pl_barrier *b = team->barrier;
  unsigned phase = atomic_load_explicit(&b->phase, memory_order_relaxed);
  if (team->rank == 0) atomic_store_explicit(&b->leader, phase + 1, memory_order_relaxed);
  if (atomic_fetch_add_explicit(&b->waiting, 1, memory_order_acq_rel) == team->size - 1) {
    atomic_store_explicit(&b->waiting, 0, memory_order_relaxed);
    atomic_store_explicit(&b->phase, phase + 1, memory_order_release);
    return;
  }
  int patience = b->patience;
  double start = balance != NULL ? pl_clock() : 0;
  while (atomic_load_explicit(&b->phase, memory_order_acquire) == phase) {
    if (patience-- > 0) cpu_pause();
    else sched_yield();
  }
  if (balance != NULL) pl_load_balance_waited(team, pl_clock() - start);
}

void pl_team_barrier(const pl_team *team) {
  if (team->size > 1) barrier_wait(team, team->balance);
}

bool pl_team_leader_at_barrier(const pl_team *team) {
  if (team->size == 1) return true;
  unsigned phase = atomic_load_explicit(&team->barrier->phase, memory_order_relaxed);
  return atomic_load_explicit(&team->barrier->leader, memory_order_relaxed) == phase + 1;
}

const pl_team *pl_stage_begin(pl_stages *s, bool leader_only) {
  static const pl_team first = { .size = 1 };
  if (!leader_only) pl_stage_barrier_wait(s);
  s->leader_only = leader_only;
  if (!leader_only) return s->team;
  return s->team->rank == 0 ? &first : NULL;
}

void pl_stage_end(pl_stages *s) {
  if (s->leader_only) s->pending = true;
  else pl_team_barrier(s->team);
}

void pl_stage_barrier_wait(pl_stages *s) {
  if (!s->pending) return;
  s->pending = false;
  if (s->team->rank > 0 && s->idle_fn != NULL) s->idle_fn(s->team, s->context);
  if (s->team->size > 1) barrier_wait(s->team, NULL);   /* for the leader, whose work was not shared */
}

void pl_team_share(const pl_team *team, size_t n, size_t grain, size_t *from, size_t *to) {
  if (team->size == 1) {   /* without the divisions: fused activations ask for every row */
    *from = 0;
    *to = n;
    return;
  }
  size_t chunks = (n + grain - 1) / grain;
  size_t first = chunks * (size_t)team->rank / (size_t)team->size;
  size_t last = chunks * ((size_t)team->rank + 1) / (size_t)team->size;
  if (team->balance != NULL) {
    first = (chunks * team->balance->cut[team->rank] + PL_WHOLE / 2) / PL_WHOLE;
    last = (chunks * team->balance->cut[team->rank + 1] + PL_WHOLE / 2) / PL_WHOLE;
  }
  *from = first * grain < n ? first * grain : n;
  *to = last * grain < n ? last * grain : n;
}
