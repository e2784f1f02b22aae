/* SGD: gradient descent, with momentum (Polyak 1964) and Nesterov's look ahead (Sutskever et al. 2013). With mu =
   momentum, g the gradient, w <- w - lr d (the last form: w <- w + d):
     momentum_form   velocity                  d               d with nesterov
     "classic"       v <- mu v + g             v               g + mu v
     "averaged"      v <- mu v + (1 - mu) g    v               (1 - mu) g + mu v
     "keras"         v <- mu v - lr g          v               mu v - lr g
   The first and the last differ only while lr changes. Weight decay, with wd = weight_decay:
     decay_form "l2": g + wd w in place of g;   "decoupled": w <- w - lr wd w as well;
     "absolute": w <- w - wd w as well */
#include "optim/optim.h"

typedef struct { pl_optim_common common; double momentum; bool nesterov; int momentum_form, decay_form; } config;

enum { CLASSIC, AVERAGED, KERAS };
static const char *const momentum_forms[] = { "classic", "averaged", "keras", NULL };
enum { L2, DECOUPLED, ABSOLUTE };
static const char *const decay_forms[] = { "l2", "decoupled", "absolute", NULL };

static const config defaults = { .common = { .lr = 0.01 } };
static const pl_option options[] = {
  PL_OPTIM_COMMON(config), PL_OPTIM_NUMBER(config, momentum, 0, 1),
  { .name = "nesterov", .kind = PL_OPTION_BOOL, .offset = offsetof(config, nesterov) },
  { .name = "momentum_form", .kind = PL_OPTION_CHOICE, .offset = offsetof(config, momentum_form),
    .choices = momentum_forms },
  { .name = "decay_form", .kind = PL_OPTION_CHOICE, .offset = offsetof(config, decay_form), .choices = decay_forms },
  { 0 }
};

static void slots(const void *settings, const char *names[PL_MOST_SLOTS]) {
  const config *c = settings;
  if (c->momentum > 0) names[0] = "velocity";
}

static void prepare(const void *settings, const pl_optim_clock *now, double lr, double weight_decay, pl_update *u) {
  const config *c = settings;
  double mu = c->momentum, take = c->momentum_form == CLASSIC ? 1 : c->momentum_form == AVERAGED ? 1 - mu : -lr;
  double rate = c->momentum_form == KERAS ? -1 : lr;   /* w <- w - rate d */
  (void)now;
  u->beta1 = (float)mu;
  u->one_minus_beta1 = (float)take;
  u->rate_m = (float)(c->nesterov ? rate * mu : rate);
  u->rate_g = (float)(c->nesterov || mu == 0 ? rate * take : 0);
  if (c->decay_form == L2) u->l2 = (float)weight_decay;
  else u->weight_decay_factor = (float)(1 - (c->decay_form == DECOUPLED ? lr * weight_decay : weight_decay));
}

static bool update(const pl_update *u) { return pl_kernel.sgd(u); }

const pl_optimizer_class pl_optim_sgd = {
  .head = { "SGD", sizeof(config), &defaults, options }, .slots = slots, .prepare = prepare, .update = update
};
