/* What the harnesses of fuzzing share. A harness is tests/fuzz/NAME_fuzz.c: it defines LLVMFuzzerTestOneInput, which is
   linked with libFuzzer by the fuzz campaign, and with replay.c for `make test`, which runs the corpus through it. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <lua.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file in memory with these bytes; its path is good until the next call with the same `which` (0 or 1). */
const char *fuzz_file(int which, const uint8_t *data, size_t size);
/* Ends the process, which is what a fuzzer takes for a finding. */
void fuzz_assert(int condition, const char *what);

/* A state with the library, on whose stack are the first n results of the script; memory is limited from then on. */
lua_State *fuzz_lua(const char *script, int n);
/* Calls the function below its arguments: no error may come out of it. Returns 0. */
int fuzz_call(lua_State *L, int arguments);

#endif
