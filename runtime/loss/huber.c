/* Huber, Robust estimation of a location parameter (1964): with d = x_j - t_j, the sum over j of d^2 / 2 where |d| <=
   delta, else delta (|d| - delta/2). */
#include <math.h>
#include "loss/loss.h"

typedef struct { pl_loss_common common; double delta; } config;

static const config defaults = { { PL_REDUCTION_MEAN }, 1 };
static const pl_option options[] = {
  { .name = "delta", .kind = PL_OPTION_NUMBER, .offset = offsetof(config, delta), .position = 1, .low = 1e-30,
    .high = 1e15 },
  PL_LOSS_COMMON(config), { 0 }
};

static double row(const void *settings, const pl_loss_row *r) {
  const config *c = settings;
  double sum = 0;
  for (size_t j = 0; j < r->width; j++) {
    double d = (double)r->output[j] - pl_loss_wanted(r, j);
    bool far = fabs(d) > c->delta;
    sum += far ? c->delta * (fabs(d) - 0.5 * c->delta) : 0.5 * d * d;
    /* d^2/2 gives d; delta |d| gives delta sign(d) */
    if (r->grad) r->grad[j] = (float)((far ? copysign(c->delta, d) : d) * r->scale);
  }
  return sum;
}

static const char *const examples[] = { "{}", "[0.3]", NULL };

const pl_loss_class pl_loss_huber = {
  .head = { "Huber", sizeof(config), &defaults, options }, .kind = PL_LOSS_ELEMENTS, .outputs = PL_OUTPUT_VALUES,
  .row = row, .examples = examples
};
