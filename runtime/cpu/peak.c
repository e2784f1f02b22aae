/* Measures what the kernels in use could reach. */
#include "kernels/kernels.h"
#include "perilune/cpu.h"
#include "perilune/threads.h"

enum { MOST_THREADS = 64 };

typedef struct { size_t rounds; double flops[MOST_THREADS]; } work;

static void run(const pl_team *team, void *arg) {
  work *w = arg;
  float out[16];
  if (team->rank < MOST_THREADS) w->flops[team->rank] = pl_kernel.peak_fma(out, w->rounds);
}

/* Seconds that one call takes. */
static double once(int threads, work *w) {
  double before = pl_clock();
  pl_threads_run_on(threads, run, w);
  return pl_clock() - before;
}

double pl_cpu_peak(int threads, double seconds) {
  double end = pl_clock() + seconds, best = 0;
  work w = { .rounds = 1 << 10 };
  if (threads > MOST_THREADS) threads = MOST_THREADS;
  while (once(1, &w) < 2e-3) w.rounds *= 2;   /* so long that starting a team does not count */
  do {
    double took = once(threads, &w), flops = 0;
    for (int i = 0; i < threads; i++) flops += w.flops[i];
    if (flops / took > best) best = flops / took;
  } while (pl_clock() < end);
  return best;
}
