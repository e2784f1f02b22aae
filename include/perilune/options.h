/* Options: how layers, losses, optimizers and augmentations are configured. A class lists its options once; reading
   (from the arguments of a Lua call, or from JSON in a file), checking, error messages and writing back are generic.
   JSON is cJSON's: include <cjson/cJSON.h> and link with -lcjson to make some, e.g. cJSON_Parse("[784, 10]"). What a
   function returns as JSON the caller ends with cJSON_Delete. Any thread may call, on JSON of its own. */
#ifndef PERILUNE_OPTIONS_H
#define PERILUNE_OPTIONS_H

#include "perilune/error.h"
#include "perilune/shape.h"

typedef enum pl_init_kind {
  PL_INIT_ZEROS, PL_INIT_CONSTANT, PL_INIT_UNIFORM, PL_INIT_NORMAL,
  PL_INIT_HE, PL_INIT_HE_UNIFORM, PL_INIT_XAVIER, PL_INIT_XAVIER_NORMAL, PL_INIT_LECUN,
  PL_INIT_FAN_IN,   /* uniform(+-1/sqrt(fan_in)) */
  PL_INIT_CUSTOM    /* filled by the caller */
} pl_init_kind;

typedef struct pl_init {
  pl_init_kind kind;
  double a, b;      /* constant: a; uniform: [a, b); normal: mean a, standard deviation b */
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
  size_t offset;               /* bytes, of the field in the configuration struct */
  int position;                /* from 1: also taken as that positional argument; 0: by name only */
  bool required;
  double low, high;            /* inclusive bounds of each number; both 0: any */
  const char *const *choices;  /* CHOICE: ends with NULL */
} pl_option;

typedef struct pl_class {      /* the head of every registered class; at most 31 options */
  const char *type;            /* "Conv2d": the constructor's name */
  size_t config_size;
  const void *defaults;        /* config_size bytes */
  const pl_option *options;    /* ends with a NULL name */
} pl_class;

struct cJSON;
/* Fills `config` (config_size bytes; defaults first). `args`: an array as in the call, positional values and then an
   optional object, or just an object, or NULL. PL_ERROR_VALUE (an unknown, missing or second one, out of range) and
   PL_ERROR_TYPE name the nearest option, the range, the choices; `config` is then not to be used. */
PL_API pl_status pl_options_read(void *config, const pl_class *cls, const struct cJSON *args, pl_error *err);
/* All options by name, as an object that pl_options_read takes. NULL when memory is short. */
PL_API struct cJSON *pl_options_write(const pl_class *cls, const void *config);
/* Adds `item`, which it takes over, to an object, or with name NULL to an array. Once memory runs short (an item is
   NULL) *json is freed and NULL, and stays so: what is made in many steps is complete or NULL. */
PL_API void pl_json_add(struct cJSON **json, const char *name, struct cJSON *item);
/* The entry of `names` (ends with NULL) closest to `word` in edits, in any case of letters; NULL: none is near. */
PL_API const char *pl_nearest_name(const char *word, const char *const *names);

#endif
