#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "perilune/cpu.h"
#include "perilune/rng.h"
#include "support_kernels.h"
#include "support_isa.h"

static const char *const isas[] = { "baseline", "avx2", "avx512", "neon" };
static pl_rng stream = { 77, 0 };
static uint64_t drawn;

bool next_isa(int *i) {
  int all = sizeof isas / sizeof *isas;
  while (*i < all && !has_isa(isas[*i])) (*i)++;
  return *i < all;
}

bool isa_is_fused(void) { return strcmp(pl_cpu_isa(), "baseline") != 0; }

float *random_floats(size_t n) {
  float *a = malloc(n ? n * sizeof *a : 1);
  stream.stream++;
  pl_rng_fill_normal(a, n, stream, 0, 1);
  return a;
}

float *copy_floats(const float *a, size_t n) {
  float *b = malloc(n ? n * sizeof *b : 1);
  memcpy(b, a, n * sizeof *b);
  return b;
}

int random_int(int low, int high) { return low + (int)(pl_rng_uniform((pl_rng){ 78, 0 }, drawn++) * (high - low + 1)); }

void same_bits(float **bits, const float *found, size_t n, const char *what) {
  if (!isa_is_fused()) return;
  if (*bits == NULL) {
    *bits = copy_floats(found, n);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    if (memcmp(&(*bits)[i], &found[i], sizeof *found))
      fail_msg("%s: element %zu of %zu is %a on %s, %a before", what, i, n, (double)found[i], pl_cpu_isa(),
               (double)(*bits)[i]);
  }
}
