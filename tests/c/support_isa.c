#include <stdio.h>
#include <string.h>
#include "perilune/cpu.h"
#include "support_isa.h"

bool has_isa(const char *isa) {
  static const char *const wanted[] = { "avx2", "avx512" };
  static bool said[2];
  if (pl_cpu_select(isa, NULL) == PL_OK) return true;
  for (int i = 0; i < 2; i++) {
    if (said[i] || strcmp(isa, wanted[i])) continue;
    said[i] = true;
    printf("ok - %s kernels # SKIP there are none on this processor\n", isa);
    fflush(stdout);
  }
  return false;
}
