/* Instruction sets of which a test compares one with another. */
#ifndef SUPPORT_ISA_H
#define SUPPORT_ISA_H

#include <stdbool.h>

/* Selects the kernels of `isa`; without these (a lesser processor, another architecture) false, and once in the output
   a test that was skipped. */
bool has_isa(const char *isa);

#endif
