/* The processor, the kernels in use, and the time. Defined in runtime/cpu. Any thread may call what is not said to be
   for the whole process. */
#ifndef PERILUNE_CPU_H
#define PERILUNE_CPU_H

#include "perilune/error.h"

/* Seconds since some moment, never running backwards. */
PL_API double pl_clock(void);
/* The processor as the system names it; static. */
PL_API const char *pl_cpu_name(void);
/* The kernels in use: "baseline", "avx2", "avx512" or "neon"; static. */
PL_API const char *pl_cpu_isa(void);

/* The kernels are chosen as the library is loaded: PERILUNE_ISA from the environment, else the widest that the
   processor has. PL_ERROR_VALUE: the environment asks for what there is not, and the widest are in use. */
PL_API pl_status pl_cpu_check(pl_error *err);
/* Tests and measurements: chooses others for the whole process (NULL: as at the start), while nothing is computed.
   PL_ERROR_VALUE, and nothing changes: there are no such kernels, or the processor lacks what they need. */
PL_API pl_status pl_cpu_select(const char *isa, pl_error *err);

/* Floating-point operations a second (a fused multiply-add is two) that the kernels in use reach with nothing else to
   do on so many threads (1 to 64, more count as 64): the best of what fits into `seconds`. A parallel region. */
PL_API double pl_cpu_peak(int threads, double seconds);

#endif
