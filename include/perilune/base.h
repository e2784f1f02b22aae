/* Foundations: errors, memory, random numbers, elementary functions, threads, processor, options.
   No function of the library exits, prints or jumps: what can fail returns a status and fills an error.

   Threads of the host. No object is locked: it belongs to one thread at a time, what is counted (tensor storage, data
   sets, augmentations) included. Different objects may be used in different threads, and Lua states too, each in one at
   a time, except for files (store.h): libhdf5 is for one thread at a time. Parallel regions take turns.
   Of the whole process are: the kernels, chosen as it starts; the number of threads; the memory limit and its counts; and, in the
   binding, the line editor and Ctrl-C, which belong to the state that asked last. No call has to come first. */
#ifndef PERILUNE_BASE_H
#define PERILUNE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PL_API __attribute__((visibility("default")))
#define PL_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define PL_API
#define PL_PRINTF(text, first)
#endif

#define PL_VERSION "0.1.0"

/* ---- errors ---- */

typedef enum pl_status {
  PL_OK = 0,
  PL_ERROR_SHAPE,   /* two shapes do not fit */
  PL_ERROR_TYPE,    /* wrong element type or kind of object */
  PL_ERROR_VALUE,   /* a number or name out of its range */
  PL_ERROR_STATE,   /* called at the wrong time */
  PL_ERROR_MEMORY,  /* allocation failed or the limit was reached */
  PL_ERROR_IO,      /* the operating system refused */
  PL_ERROR_CORRUPT  /* a file is not what it claims to be */
} pl_status;

typedef struct pl_error {
  pl_status status;
  char text[512];   /* one line: what was expected, what was found, what to do */
} pl_error;

/* Fills `err` (may be NULL) and returns `status`, so that `return pl_error_set(...)` reads well. */
PL_API pl_status pl_error_set(pl_error *err, pl_status status, const char *format, ...) PL_PRINTF(3, 4);
/* Puts "<prefix>: " before the text. The status stays what it was, and the caller's to return: err may be NULL. */
PL_API void pl_error_prefix(pl_error *err, const char *format, ...) PL_PRINTF(2, 3);

/* ---- memory: aligned to 64 bytes, zeroed, counted ---- */

PL_API void *pl_alloc(size_t bytes, pl_error *err);                      /* NULL and an error when refused */
PL_API void *pl_alloc_array(size_t count, size_t size, pl_error *err);   /* also when count*size overflows */
PL_API void pl_free(void *block);                                        /* NULL is allowed */
PL_API size_t pl_alloc_live(void);             /* bytes held now */
PL_API size_t pl_alloc_peak(void);             /* the most since the start or the last reset */
PL_API void pl_alloc_reset_peak(void);
PL_API void pl_alloc_set_limit(size_t bytes);  /* 0: none (default) */
PL_API void pl_alloc_fail_at(long n);          /* tests: the n-th allocation from now fails, once; 0: never */
PL_API bool pl_alloc_failed(void);             /* tests: has it? */

/* ---- shapes ---- */

#define PL_MAX_AXES 6

typedef struct pl_shape {
  int axes;                   /* 0 is a scalar */
  int64_t size[PL_MAX_AXES];
} pl_shape;

/* Number of elements, or -1 when the product overflows or a size is negative. */
PL_API int64_t pl_shape_count(const pl_shape *shape);
PL_API bool pl_shape_equal(const pl_shape *a, const pl_shape *b);
#define PL_SHAPE_TEXT 160   /* holds PL_MAX_AXES sizes of any value */
/* "[2, 3]"; with `batch` "[N, 2, 3]". Returns `text`. */
PL_API const char *pl_shape_text(char text[PL_SHAPE_TEXT], const pl_shape *shape, bool batch);

/* ---- random numbers: Philox4x32-10 (Salmon et al., SC 2011) ----
   Value number `index` of stream (seed, stream) is a pure function of the three: it does not matter who
   computes it, when, or in which order. */

typedef struct pl_rng {
  uint64_t seed, stream;
} pl_rng;

typedef enum pl_purpose {      /* separates the streams of one seed */
  PL_FOR_INIT = 1, PL_FOR_DROPOUT, PL_FOR_SHUFFLE, PL_FOR_AUGMENT, PL_FOR_SCRIPT, PL_FOR_DATA, PL_FOR_SPLIT, PL_FOR_USER
} pl_purpose;

/* A stream of its own for (purpose, a, b), e.g. (PL_FOR_DROPOUT, layer id, step). */
PL_API pl_rng pl_rng_make(uint64_t seed, pl_purpose purpose, uint64_t a, uint64_t b);
PL_API void pl_rng_block(pl_rng rng, uint64_t counter, uint32_t out[4]);   /* words 4*counter .. 4*counter+3 */
PL_API uint32_t pl_rng_word(pl_rng rng, uint64_t index);
PL_API double pl_rng_uniform(pl_rng rng, uint64_t index);                  /* [0, 1), 2^-32 apart */
PL_API double pl_rng_normal(pl_rng rng, uint64_t index);                   /* Box-Muller on words 2*index, 2*index+1 */
PL_API void pl_rng_fill_uniform(float *out, size_t n, pl_rng rng, double low, double high);
PL_API void pl_rng_fill_normal(float *out, size_t n, pl_rng rng, double mean, double deviation);
PL_API void pl_rng_permutation(uint32_t *out, size_t n, pl_rng rng);       /* of 0..n-1, Fisher-Yates */

/* ---- elementary functions whose bits do not depend on the C library ---- */

PL_API double pl_exp(double x);
PL_API double pl_log(double x);
PL_API double pl_pow(double x, double y);
PL_API double pl_sin(double x);
PL_API double pl_cos(double x);
PL_API double pl_tanh(double x);

/* ---- threads ----
   A parallel region runs one function on every member of a team. Members divide *outputs* among
   themselves, never a sum. Denormals are flushed to zero inside and the setting restored after. */

typedef struct pl_balance pl_balance;

typedef struct pl_team {
  int rank, size;             /* rank from 0 */
  struct pl_barrier *barrier;
  pl_balance *balance;        /* of shares; NULL: equal ones */
} pl_team;

typedef void (*pl_team_fn)(const pl_team *team, void *arg);

PL_API void pl_threads_set(int n);   /* 0: as many as OMP_NUM_THREADS says, or as there are cores (default) */
PL_API int pl_threads_get(void);
PL_API int pl_threads_for(double steps);     /* threads that are worth their while for so many steps, each about a
                                                nanosecond, or multiply-adds of a pass: small work stays on one */
PL_API bool pl_threads_chosen(void);         /* whether the number was set; else it is only the most that there may
                                                be */
PL_API long pl_threads_displaced(void);      /* how often the system took a processor from a thread of this process,
                                                so far */
PL_API void pl_threads_run(pl_team_fn fn, void *arg);              /* on all threads; returns when all are done */
PL_API void pl_threads_run_on(int n, pl_team_fn fn, void *arg);    /* on n threads; 1 costs nothing */
PL_API void pl_team_barrier(const pl_team *team);                  /* all members wait for each other */
/* This member's share [*from, *to) of n items, cut at multiples of `grain`. */
PL_API void pl_team_share(const pl_team *team, size_t n, size_t grain, size_t *from, size_t *to);

/* Work in pieces of `grain` items of [0, n), of which a member takes up to `most` at a time: those of its own share
   first, in order, and then, if the team has a balance and there are less than 2^24 pieces, what other members have not
   begun of theirs,
   from the other end. Chance decides who does a piece: neither its result nor the place of that may depend on it.  Each member:
   pl_work w = pl_work_begin(team, n, grain, most, order);  while (pl_work_take(&w, &from, &to)) do [from, to);  */
typedef enum pl_order_of_work {
  PL_FROM_START,
  PL_FROM_END,
  PL_FROM_ENDS                /* the first half of the members ascending, the others descending */
} pl_order_of_work;

typedef struct pl_work {
  const pl_team *team;
  size_t n, grain, most, pieces, first, last;
  pl_order_of_work order;
  int tried;                  /* members, from this one on, of whose shares nothing is left */
  bool moves;                 /* else a member has [first, last) pieces, its share, to itself */
  unsigned round;
  double since;               /* when this one's share was empty */
} pl_work;

PL_API pl_work pl_work_begin(const pl_team *team, size_t n, size_t grain, size_t most, pl_order_of_work order);
PL_API bool pl_work_take(pl_work *w, size_t *from, size_t *to);

/* Work in stages, each done by the whole team or by its first member alone; the others then go ahead to the next stage of
   all, and wait there. Each member:  const pl_team *t = pl_stage_begin(s, alone);  if (t) work, shared by t;  pl_stage_end(s); */
typedef struct pl_stages {
  const pl_team *team;
  void (*meanwhile)(const pl_team *team, void *context);   /* for those who would wait for the first member; may be
                                                              NULL */
  void *context;
  bool alone, pending;        /* of the stage; the others have not waited yet for what the first member did alone */
} pl_stages;

PL_API const pl_team *pl_stage_begin(pl_stages *s, bool alone);
PL_API void pl_stage_end(pl_stages *s);
PL_API void pl_stage_meet(pl_stages *s);                   /* all stages so far are complete, for all */
PL_API bool pl_team_first_waits(const pl_team *team);      /* whether the first member is at the next barrier already */

/* ---- processor and time ---- */

PL_API double pl_clock(void);             /* seconds since some moment, never running backwards */
PL_API const char *pl_cpu_name(void);     /* as the system names it */
/* The rest is defined with the kernels (runtime/kernels/dispatch.c, peak.c). */
PL_API const char *pl_cpu_isa(void);      /* "baseline", "avx2", "avx512" or "neon": the kernels in use */
/* The kernels are chosen as the library is loaded: PERILUNE_ISA from the environment, else the widest that the
   processor has.
   Whether the environment's wish could be met (else they are the widest). */
PL_API pl_status pl_cpu_check(pl_error *err);
/* Tests and measurements: chooses others for the whole process (NULL: as at the start), while nothing is computed. */
PL_API pl_status pl_cpu_select(const char *isa, pl_error *err);
/* Fused multiply-adds that the kernels in use reach with nothing else to do, in floating-point operations a second (two
   each) on so many threads (at most 64): the best of what fits into the time. */
PL_API double pl_cpu_peak(int threads, double seconds);

/* ---- options: how layers, losses, optimizers and augmentations are configured ----
   A class lists its options once; reading (from the arguments of a Lua call, or from JSON in a file),
   checking, error messages and writing back are generic. */

typedef enum pl_init_kind {
  PL_INIT_ZEROS, PL_INIT_CONSTANT, PL_INIT_UNIFORM, PL_INIT_NORMAL,
  PL_INIT_HE, PL_INIT_HE_UNIFORM, PL_INIT_XAVIER, PL_INIT_XAVIER_NORMAL, PL_INIT_LECUN,
  PL_INIT_FAN_IN,   /* uniform(+-1/sqrt(fan_in)) */
  PL_INIT_CUSTOM    /* filled by the caller */
} pl_init_kind;

typedef struct pl_init {
  pl_init_kind kind;
  double a, b;      /* constant: a; uniform: [a, b); normal: mean a, deviation b */
} pl_init;

typedef enum pl_option_kind {
  PL_OPTION_SIZE,     /* int64_t, a whole number */
  PL_OPTION_NUMBER,   /* double */
  PL_OPTION_BOOL,     /* bool */
  PL_OPTION_CHOICE,   /* int, the index in `choices`; true and false stand for "true" and "false" */
  PL_OPTION_PAIR,     /* int64_t[2], from n or {a, b} */
  PL_OPTION_RANGE,    /* double[2], from r (meaning {-r, r}) or {low, high} */
  PL_OPTION_NUMBERS,  /* double[2], from {a, b}, such as betas */
  PL_OPTION_PADDING,  /* int64_t[2], from "same" (-1), "valid" (0), n or {vertical, horizontal} */
  PL_OPTION_SHAPE,    /* pl_shape, from {a, b, ...} */
  PL_OPTION_INIT      /* pl_init, from "he", {"uniform", -0.5, 0.5}, {"normal", 0, 1}, {"constant", 1}, ... */
} pl_option_kind;

typedef struct pl_option {
  const char *name;
  pl_option_kind kind;
  size_t offset;               /* of the field in the configuration struct */
  int place;                   /* from 1: also taken as that positional argument; 0: by name only */
  bool required;
  double low, high;            /* inclusive bounds of each number; both 0: any */
  const char *const *choices;  /* CHOICE: ends with NULL */
} pl_option;

typedef struct pl_class {      /* the head of every registered class */
  const char *type;            /* "Conv2d": the constructor's name */
  size_t config_size;
  const void *defaults;        /* config_size bytes */
  const pl_option *options;    /* ends with a NULL name */
} pl_class;

struct cJSON;
/* Fills `config` (defaults first). `args`: an array as in the call, positional values and then an optional
   object, or just an object, or NULL. Errors name the nearest option, the range, the choices. */
PL_API pl_status pl_options_read(void *config, const pl_class *cls, const struct cJSON *args, pl_error *err);
/* All options by name, as an object that pl_options_read takes. NULL when memory is short. */
PL_API struct cJSON *pl_options_write(const pl_class *cls, const void *config);
/* Adds `item`, which it takes over, to an object, or with name NULL to an array. Once memory runs short *json is freed
   and NULL, and stays so: what is made in many steps is complete or NULL. */
PL_API void pl_json_add(struct cJSON **json, const char *name, struct cJSON *item);
/* The entry of `names` (ends with NULL) closest to `word` in edits, or NULL when none is near. */
PL_API const char *pl_nearest_name(const char *word, const char *const *names);

#endif
