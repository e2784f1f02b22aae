/* What tests of files share: a scratch folder, system calls that fail on demand, a sample tree. */
#ifndef SUPPORT_STORE_H
#define SUPPORT_STORE_H

#include "perilune/store.h"

/* ---- a scratch folder, made by scratch_begin ---- */

extern char scratch_folder[256];
int scratch_begin(const char *name);              /* 0, or 1 when there is none */
const char *at(const char *name);                 /* a path in it; of the last four calls */
int left_behind(const char *name);                /* temporary files of `name` in it */

/* ---- whole files ---- */

void save(const char *path, const char *text);    /* pl_store_write_file; a failure fails the test */
void assert_holds(const char *path, const char *text);

/* ---- system calls of saves: call number `at` (from 1) fails with errno `number`, writes short, or kills the
   process */

enum fault { FAIL, SHORT_THEN_FAIL, SHORT, NOTHING, DIE_BEFORE, DIE_AFTER };

extern char trace[400];                           /* names of the calls since arm, each followed by a space */
extern int calls;                                 /* how many */
void arm(int at, enum fault kind, int number);
void disarm(void);

/* ---- trees ---- */

#define GOOD(call) do { pl_error err = { 0 }; if (call) fail_msg("%s: %s", #call, err.text); } while (0)

/* Bits that a careless conversion would change. */
extern const float sample_floats[6];
extern const double sample_doubles[4];
extern const int64_t sample_longs[3];
extern const int32_t sample_ints[2];
extern const uint8_t sample_bytes[3];
extern const uint32_t sample_nan;

pl_store_writer *create_tree(const char *path);
pl_store_reader *open_tree(const char *path);
void write_sample(const char *path);              /* all of the above, attributes and texts */

#endif
