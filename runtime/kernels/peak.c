/* Measures what the kernels in use could reach. */
#include "kernels/kernels.h"
#include "perilune/base.h"

enum { MOST_THREADS = 64 };

typedef struct { size_t rounds; double flops[MOST_THREADS]; } work;

static void run(const pl_team *team, void *arg) {
  work *w = arg;
  float out[16];
  if (team->rank < MOST_THREADS) w->flops[team->rank] = pl_kernel.fma_chains(out, w->rounds);
}

double pl_cpu_peak(int threads, double seconds) {
  double end = pl_clock() + seconds, best = 0;
  if (threads > MOST_THREADS) threads = MOST_THREADS;
  for (work w = { .rounds = 1 << 10 }; pl_clock() < end;) {
    double before = pl_clock(), flops = 0;
    pl_threads_run_on(threads, run, &w);
    double took = pl_clock() - before;
    for (int i = 0; i < threads; i++) flops += w.flops[i];
    if (took < 2e-3 && took < seconds / 4) w.rounds *= 2;   /* starting the team must not count */
    else if (flops / took > best) best = flops / took;
  }
  return best;
}
