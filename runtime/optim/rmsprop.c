/* RMSprop (Tieleman and Hinton, Neural networks for machine learning, lecture 6.5, 2012):
     v <- beta v + (1 - beta) g^2,   q = g / (sqrt(v) + eps),   w <- w - lr q
   centered (Graves, Generating sequences with recurrent neural networks, 2013): with a <- beta a + (1 - beta) g, the
   root is of v - a^2. With momentum: b <- momentum b + q takes the place of q. weight_decay w is added to g. */
#include "optim/optim.h"

typedef struct { pl_optim_common common; double beta, eps, momentum; bool centered; } config;

static const config defaults = { .common = { .lr = 1e-3 }, .beta = 0.9, .eps = 1e-8 };
static const pl_option options[] = {
  PL_OPTIM_COMMON(config), PL_OPTIM_NUMBER(config, beta, 0, 1), PL_OPTIM_EPS(config),
  PL_OPTIM_NUMBER(config, momentum, 0, 1),
  { .name = "centered", .kind = PL_OPTION_BOOL, .offset = offsetof(config, centered) }, { 0 }
};

static void slots(const void *settings, const char *names[PL_MOST_SLOTS]) {
  const config *c = settings;
  names[0] = "v";
  if (c->centered) names[1] = "a";
  if (c->momentum > 0) names[2] = "b";
}

static void prepare(const void *settings, const pl_optim_clock *now, double lr, double weight_decay, pl_update *u) {
  const config *c = settings;
  (void)now;
  u->beta1 = (float)c->momentum;
  u->beta2 = (float)c->beta;
  u->one_minus_beta2 = (float)(1 - c->beta);
  u->rate_g = (float)lr;
  u->eps_out = (float)c->eps;
  u->l2 = (float)weight_decay;
}

static bool update(const pl_update *u) { return pl_kernel.rmsprop(u); }

const pl_optimizer_class pl_optim_rmsprop = {
  .head = { "RMSprop", sizeof(config), &defaults, options }, .slots = slots, .prepare = prepare, .update = update
};
