/* For tests of kernels: every instruction set in turn, random numbers in blocks of exact size, comparison. */
#ifndef SUPPORT_KERNELS_H
#define SUPPORT_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

/* for (int i = 0; next_isa(&i); i++) runs with each instruction set that the processor has, the baseline first. */
bool next_isa(int *i);
/* Whether the one in use has fused multiply-adds: those give the same bits on every width. */
bool isa_is_fused(void);

/* n normal numbers, allocated with malloc and nothing behind them, so that address checkers see what reads further. */
float *random_floats(size_t n);
float *copy_floats(const float *a, size_t n);
int random_int(int low, int high);   /* both included */

/* Remembers the first result in `*bits` and fails when a later one differs; results without fused operations and the
   baseline are passed over. free(*bits) at the end. */
void same_bits(float **bits, const float *found, size_t n, const char *what);

#endif
