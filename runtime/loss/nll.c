/* Negative log-likelihood of log-probabilities (after LogSoftmax): -sum over j of t_j x_j; with labels, -x[label]. */
#include "loss/loss.h"

typedef struct { pl_loss_common common; } config;

static const config defaults = { { PL_REDUCTION_MEAN } };
static const pl_option options[] = { PL_LOSS_COMMON(config), { 0 } };

static double row(const void *unused, const pl_loss_row *r) {
  double sum = 0;
  (void)unused;
  for (size_t j = 0; j < r->width; j++) {
    double t = pl_loss_wanted(r, j);
    if (t != 0) sum -= t * (double)r->output[j];   /* 0 * -infinity is 0 here */
    if (r->grad) r->grad[j] = (float)(-t * r->scale);
  }
  return sum;
}

static const char *const examples[] = { "{}", NULL };

const pl_loss_class pl_loss_nll = {
  .head = { "NLL", sizeof(config), &defaults, options }, .kind = PL_LOSS_CLASSES,
  .outputs = PL_OUTPUT_LOG_PROBABILITIES,
  .probabilities = true, .row = row, .examples = examples
};
