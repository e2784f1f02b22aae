/* Picks the kernels before main: the widest instruction set that the processor has, or PERILUNE_ISA. */
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <stdlib.h>
#include <string.h>
#include "kernels/kernels.h"
#include "perilune/cpu.h"

#define PASTE2(a, b) a##_##b
#define PASTE(a, b) PASTE2(a, b)

#define KERNEL(result, name, parameters) \
  result name##_avx512 parameters; result name##_avx2 parameters; \
  result name##_baseline parameters; result name##_neon parameters;
#include "kernels/kernels.def"
#undef KERNEL

#define TABLE(isa) static const pl_kernel_table table_##isa = {
#define KERNEL(result, name, parameters) PASTE(name, CURRENT),
#if defined(__x86_64__)
#define CURRENT avx512
TABLE(avx512)
#include "kernels/kernels.def"
};
#undef CURRENT
#define CURRENT avx2
TABLE(avx2)
#include "kernels/kernels.def"
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
#include "kernels/kernels.def"
};
#undef CURRENT
#undef KERNEL

pl_kernel_table pl_kernel;
static const char *selected;
static pl_error at_start;     /* status PL_OK: the kernels are those that the environment asks for */

#if defined(__x86_64__)
/* All that the compiler may use for x86-64-v3 and x86-64-v4, not only what we write: a virtual machine may hide any of
   it. */
typedef struct feature { unsigned leaf; char word; unsigned char bit; } feature;   /* word: 'b' EBX, 'c' ECX */

static const feature v3[] = {
  { 1, 'c', 0 }, { 1, 'c', 9 }, { 1, 'c', 13 },                                      /* SSE3 SSSE3 CX16 */
  { 1, 'c', 19 }, { 1, 'c', 20 }, { 1, 'c', 23 },                                    /* SSE4.1 SSE4.2 POPCNT */
  { 1, 'c', 12 }, { 1, 'c', 22 }, { 1, 'c', 27 }, { 1, 'c', 28 }, { 1, 'c', 29 },    /* FMA MOVBE OSXSAVE AVX F16C */
  { 7, 'b', 3 }, { 7, 'b', 5 }, { 7, 'b', 8 },                                       /* BMI1 AVX2 BMI2 */
  { 0x80000001, 'c', 0 }, { 0x80000001, 'c', 5 },                                    /* LAHF LZCNT */
};
static const feature v4[] = {                                                        /* AVX512 F DQ CD BW VL */
  { 7, 'b', 16 }, { 7, 'b', 17 }, { 7, 'b', 28 }, { 7, 'b', 30 }, { 7, 'b', 31 },
};

static bool has_all(const feature *f, size_t n) {
  for (; n > 0; n--, f++) {
    unsigned a, b = 0, c = 0, d;
    if (!__get_cpuid_count(f->leaf, 0, &a, &b, &c, &d) || !((f->word == 'b' ? b : c) >> f->bit & 1)) return false;
  }
  return true;
}

/* The registers that the system saves when it switches between threads: SSE and AVX are 6, AVX-512 is 0xE6. Only with
   OSXSAVE. */
static bool system_saves(unsigned registers) {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & registers) == registers;
}

static bool has_avx2(void) { return has_all(v3, sizeof v3 / sizeof *v3) && system_saves(0x6); }
static bool has_avx512(void) { return has_avx2() && has_all(v4, sizeof v4 / sizeof *v4) && system_saves(0xE6); }
#endif
static bool always(void) { return true; }

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
    if (isa != NULL && *isa)
      return pl_error_set(err, PL_ERROR_VALUE, "PERILUNE_ISA=%s: this processor (%s) does not have it", isa,
                          pl_cpu_name());
  }
  return pl_error_set(err, PL_ERROR_VALUE, "PERILUNE_ISA=%s is unknown; choose baseline, avx2 or avx512 (neon on "
                                           "arm64), or leave it unset", isa);
}

/* Before main, or as the module is loaded: so there are kernels at the first call, and nobody changes them under a
   pass. */
__attribute__((constructor)) static void select_at_start(void) {
  if (pl_cpu_select(NULL, &at_start)) pl_cpu_select("", NULL);
}

pl_status pl_cpu_check(pl_error *err) {
  if (at_start.status != PL_OK && err != NULL) *err = at_start;
  return at_start.status;
}

const char *pl_cpu_isa(void) { return selected; }
