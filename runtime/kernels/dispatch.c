/* Picks the kernels at start-up: the widest instruction set that the processor has, or PERILUNE_ISA. */
#include <stdlib.h>
#include <string.h>
#include "kernels/kernels.h"
#include "perilune/base.h"

#define PASTE2(a, b) a##_##b
#define PASTE(a, b) PASTE2(a, b)


#define KERNEL(result, name, parameters) result name##_avx512 parameters; result name##_avx2 parameters; result name##_baseline parameters; result name##_neon parameters;
#include "kernels.def"
#undef KERNEL

#define TABLE(isa) static const pl_kernel_table table_##isa = {
#define KERNEL(result, name, parameters) PASTE(name, CURRENT),
#if defined(__x86_64__)
#define CURRENT avx512
TABLE(avx512)
#include "kernels.def"
};
#undef CURRENT
#define CURRENT avx2
TABLE(avx2)
#include "kernels.def"
};
#undef CURRENT
#endif
#if defined(__aarch64__)
#define CURRENT neon
TABLE(neon)
#else
#define CURRENT baseline
TABLE(baseline)
#endif
#include "kernels.def"
};
#undef CURRENT
#undef KERNEL

pl_kernel_table pl_kernel;
static const char *selected = "none";

#if defined(__x86_64__)
static bool has_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2");
}
static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"); }
static bool always(void) { return true; }
#else
static bool always(void) { return true; }
#endif

static const struct { const char *name; const pl_kernel_table *table; bool (*supported)(void); } isas[] = {
#if defined(__x86_64__)
  { "avx512", &table_avx512, has_avx512 }, { "avx2", &table_avx2, has_avx2 }, { "baseline", &table_baseline, always },
#elif defined(__aarch64__)
  { "neon", &table_neon, always },
#else
  { "baseline", &table_baseline, always },
#endif
};

pl_status pl_cpu_select(const char *isa, pl_error *err) {
  if (isa == NULL) isa = getenv("PERILUNE_ISA");
  for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
    if (isa != NULL && *isa && strcmp(isa, isas[i].name)) continue;
    if (isas[i].supported()) {
      pl_kernel = *isas[i].table;
      selected = isas[i].name;
      return PL_OK;
    }
    if (isa != NULL && *isa) return pl_error_set(err, PL_ERROR_VALUE, "PERILUNE_ISA=%s: this processor (%s) does not have it", isa, pl_cpu_name());
  }
  return pl_error_set(err, PL_ERROR_VALUE, "PERILUNE_ISA=%s is unknown; choose baseline, avx2 or avx512 (neon on arm64), or leave it unset", isa);
}

const char *pl_cpu_isa(void) { return selected; }
