/* The kernel benchmark: kernels.c measures, kernel_shapes.c says what. */
#ifndef BENCH_KERNELS_H
#define BENCH_KERNELS_H

#include "kernels/kernels.h"

enum { BUFFERS = 6, FLOATS = 6 << 20 };
extern float *buffer[BUFFERS];   /* FLOATS values from 0.5 to 1 each */

typedef struct job {
  const char *kernel, *shape;
  void (*run)(const struct job *j);
  double flops, bytes;      /* of a call; 0: not told */
  size_t n, rows, cols;
  pl_gemm gemm;
  pl_windows windows;
  pl_patches patches;
} job;

extern double sink;              /* takes results, so that no call is left out */

void measure(job j);             /* and prints a line, if its kernel is asked for */
void measure_all(void);          /* every kernel, with the shapes that the documented networks give it */

#endif
