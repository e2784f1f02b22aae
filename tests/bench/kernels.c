/* Each kernel alone, on one thread, with the shapes that the documented networks give it: time, floating-point
   operations against what fused multiply-adds reach in the same run, bytes against what copying as many bytes reaches.
   usage: kernels [part of a kernel's name]... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels.h"
#include "perilune/alloc.h"
#include "perilune/cpu.h"
#include "perilune/threads.h"

float *buffer[BUFFERS];
double sink;

static double seconds_of(const job *j, size_t calls) {
  double before = pl_clock();
  for (size_t i = 0; i < calls; i++) j->run(j);
  return pl_clock() - before;
}

/* Of one call: the median of five times a fiftieth of a second. */
static double median_call(const job *j) {
  size_t calls = 1;
  double took[5];
  while (seconds_of(j, calls) < 0.005) calls *= 2;
  calls *= 4;
  for (int i = 0; i < 5; i++) {
    double t = seconds_of(j, calls) / (double)calls;
    int at = i;
    for (; at > 0 && took[at - 1] > t; at--) took[at] = took[at - 1];
    took[at] = t;
  }
  return took[2];
}

static void run_copy(const job *j) { memcpy(buffer[0], buffer[1], j->n); }

/* Bytes a second, reading and writing, of a copy that touches as much memory (at most that of two buffers). */
static double copy_rate(double bytes) {
  enum { MOST = 64 };
  static struct { double bytes, rate; } known[MOST];
  static int count;
  if (bytes > 2.0 * FLOATS * sizeof(float)) bytes = 2.0 * FLOATS * sizeof(float);
  for (int i = 0; i < count; i++) {
    if (known[i].bytes == bytes) return known[i].rate;
  }
  double rate = bytes / median_call(&(job){ .run = run_copy, .n = (size_t)(bytes / 2) });
  if (count < MOST) {
    known[count].bytes = bytes;
    known[count++].rate = rate;
  }
  return rate;
}

static const char *const *wanted;

static bool is_wanted(const char *kernel) {
  for (const char *const *w = wanted; *w; w++) {
    if (strstr(kernel, *w)) return true;
  }
  return wanted[0] == NULL;
}

static double peak;

static const char *const names[] = {
#define KERNEL(result, name, parameters) #name,
#include "kernels/kernels.def"
#undef KERNEL
};
enum { KERNELS = sizeof names / sizeof names[0] };
static bool measured[KERNELS];

void measure(job j) {
  for (int i = 0; i < KERNELS; i++) measured[i] |= strcmp(names[i], j.kernel) == 0;
  if (!is_wanted(j.kernel)) return;
  double t = median_call(&j);
  printf("%-22s %-38s %9.2f us", j.kernel, j.shape, 1e6 * t);
  if (j.flops > 0) printf(" %8.1f %5.0f %%", j.flops / t / 1e9, 100 * j.flops / t / peak);
  else printf(" %8s %7s", "", "");
  if (j.bytes > 0) printf(" %8.1f %5.0f %%", j.bytes / t / 1e9, 100 * j.bytes / t / copy_rate(j.bytes));
  printf("\n");
  fflush(stdout);
}

static void all(const pl_team *team, void *arg) {
  (void)team, (void)arg;
  measure_all();
  for (int i = 0; i < KERNELS; i++) {
    if (!measured[i]) printf("%-22s is not measured: add it to tests/bench/kernel_shapes.c\n", names[i]);
  }
}

int main(int argc, char **argv) {
  pl_error err;
  (void)argc;
  wanted = (const char *const *)argv + 1;
  if (pl_cpu_select(NULL, &err)) {
    fprintf(stderr, "%s\n", err.text);
    return 1;
  }
  for (int i = 0; i < BUFFERS; i++) {
    buffer[i] = pl_alloc(FLOATS * sizeof(float), &err);
    if (buffer[i] == NULL) {
      fprintf(stderr, "%s\n", err.text);
      return 1;
    }
    for (size_t k = 0; k < FLOATS; k++) buffer[i][k] = 0.5f + (float)(k % 97) / 200;
  }
  peak = pl_cpu_peak(1, 0.2);
  printf("%s, %s kernels, one thread: %.0f GFLOP/s of fused multiply-adds\n\n", pl_cpu_name(), pl_cpu_isa(),
         peak / 1e9);
  printf("%-22s %-38s %12s %8s %7s %8s %7s\n", "kernel", "shape", "a call", "GFLOP/s", "of peak", "GB/s", "of copy");
  pl_threads_run_on(1, all, NULL);   /* with denormals flushed, as in training */
  return sink < 0;
}
