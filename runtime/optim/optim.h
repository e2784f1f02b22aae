/* What an optimizer's file needs to implement one: the scalars of a step, and the kernel that takes it. */
#ifndef OPTIM_OPTIM_H
#define OPTIM_OPTIM_H

#include "kernels/kernels.h"
#include "perilune/threads.h"
#include "perilune/optim.h"

/* Every configuration begins with these. */
typedef struct pl_optim_common {
  double lr, weight_decay, decay, clip_norm, clip_value;
} pl_optim_common;

#define PL_OPTIM_NUMBER(config, field, least, most) \
  { .name = #field, .kind = PL_OPTION_NUMBER, .offset = offsetof(config, field), .low = least, .high = most }
#define PL_OPTIM_COMMON(config) \
  { .name = "lr", .kind = PL_OPTION_NUMBER, .offset = offsetof(config, common.lr), .position = 1, .low = 0, \
    .high = 1e15 }, \
  { .name = "weight_decay", .kind = PL_OPTION_NUMBER, .offset = offsetof(config, common.weight_decay), .low = 0, \
    .high = 1e15 }, \
  { .name = "decay", .kind = PL_OPTION_NUMBER, .offset = offsetof(config, common.decay), .low = 0, .high = 1e15 }, \
  { .name = "clip_norm", .kind = PL_OPTION_NUMBER, .offset = offsetof(config, common.clip_norm), .low = 0, \
    .high = 1e15 }, \
  { .name = "clip_value", .kind = PL_OPTION_NUMBER, .offset = offsetof(config, common.clip_value), .low = 0, \
    .high = 1e15 }
/* Epsilon keeps 0/0 out of weights that never had a gradient, the padding among them: it is never 0. */
#define PL_OPTIM_EPS(config) PL_OPTIM_NUMBER(config, eps, 1e-30, 1e15)
#define PL_OPTIM_BETAS(config) \
  { .name = "betas", .kind = PL_OPTION_NUMBERS, .offset = offsetof(config, betas), .low = 0, .high = 0.999999 }

/* Where the training is when a step is taken. */
typedef struct pl_optim_clock {
  double step, epoch;          /* from 1 */
  double memory;               /* what `remember` returned for this step */
} pl_optim_clock;

enum { PL_MOST_SLOTS = 3, PL_OPTIM_SLOTS = 16, PL_OPTIM_BLOCK = 2048 };   /* slots of a kernel; of the host's */

typedef struct pl_optimizer_class {
  pl_class head;
  /* Names of the slots, in the order of pl_update.slot; "" is scratch, no state. Where the options say which are in
     use, `slots` fills in those instead. */
  const char *slot_names[PL_MOST_SLOTS];
  void (*slots)(const void *config, const char *names[PL_MOST_SLOTS]);
  /* Fills the scalars of a step: `lr` and `weight_decay` are the group's, decay applied. */
  void (*prepare)(const void *config, const pl_optim_clock *now, double lr, double weight_decay, pl_update *u);
  bool (*update)(const pl_update *u);   /* some rows; whether the new weights are finite */
  /* A number carried from step to step beside the slots (NULL: none; it begins as 1), and its name among the
     counters. */
  double (*remember)(const void *config, double memory, double step);
  const char *memory_name;
  /* In place of `update` on every block; `scale` is the factor on the gradients. NULL: not needed. */
  bool (*step)(pl_optimizer *opt, const pl_team *team, float *values, const float *grads, float scale);
} pl_optimizer_class;

typedef struct pl_optim_group {
  double lr_scale, weight_decay;
  double lr;                  /* of this step */
  bool frozen;                /* its parameters never move, and its gradients are in no norm */
  pl_update update;           /* the scalars of this step, the same for all its blocks */
} pl_optim_group;

typedef struct pl_optim_block {
  uint32_t slice, group;
  size_t offset, count;       /* count: a multiple of 16, at most PL_OPTIM_BLOCK */
} pl_optim_block;

typedef struct pl_host pl_host;   /* host.c */

struct pl_optimizer {
  const pl_optimizer_class *cls;
  pl_host *host;              /* of an optimizer whose step is the host's, else NULL */
  void *config;               /* begins with a pl_optim_common */
  struct cJSON *groups_json;  /* as given, or NULL */
  pl_optim_group *group;      /* [groups] the last one holds what no group names */
  size_t groups;
  pl_slice *slice;
  uint32_t *group_of;         /* [slices] */
  size_t slices, size;
  pl_optim_block *block;      /* slices in chunks, in order */
  size_t blocks;
  double *partial;            /* [3 * blocks] sums of squares: gradients; for LAMB weights, directions */
  const char *slot_name[PL_OPTIM_SLOTS];
  pl_tensor *slot[PL_OPTIM_SLOTS];
  double lr, steps, epochs, memory;
};

/* The two averages of Adam and their corrections: b1, 1 - b1, b2, 1 - b2, lr / (1 - b1^t), 1 / (1 - b2^t). */
void pl_optim_moments(const double betas[2], double t, double lr, pl_update *u);
/* The scalars of block b with its pointers and the factor on its gradient. */
pl_update pl_optimizer_update(const pl_optimizer *opt, const pl_optim_block *b, float *values, const float *grads,
                              float scale);

/* One of the class, which takes over `host` (may be NULL), also where it fails. */
pl_optimizer *pl_optimizer_of_class(const pl_optimizer_class *cls, pl_host *host, const struct cJSON *args,
                                    pl_error *err);
/* The factor on all gradients by clip_norm, in a team whose member's share are the blocks from `from` on. */
float pl_optim_clip_scale(pl_optimizer *opt, const pl_team *team, const float *grads, size_t from, size_t to);

/* host.c: what it adds to binding, state and description. */
pl_status pl_host_bind(pl_host *h, const pl_slice *slice, size_t slices, pl_error *err);
pl_status pl_host_check_idle(const pl_host *h, pl_error *err);
void pl_host_release(pl_host *h);      /* what bind made */
void pl_host_reset(pl_host *h);
void pl_host_free(pl_host *h);
void pl_host_slots(const pl_host *h, const char *names[PL_OPTIM_SLOTS]);
void pl_host_describe(const pl_host *h, struct cJSON **config);
int pl_host_counters(const pl_host *h);
const char *pl_host_counter_name(const pl_host *h, int i);
double *pl_host_counter(const pl_host *h, int i);

/* groups.c: checks the shape of `json` (an array, or NULL) and allocates opt->group. */
pl_status pl_optim_groups_read(pl_optimizer *opt, const struct cJSON *json, pl_error *err);
/* group_of[i] [out]: the group of slice i. Every group must have met a slice. */
pl_status pl_optim_groups_match(const pl_optimizer *opt, uint32_t *group_of, const pl_slice *slices, size_t n,
                                pl_error *err);

extern const pl_optimizer_class *const pl_optimizer_registry[];   /* ends with NULL */

#endif
