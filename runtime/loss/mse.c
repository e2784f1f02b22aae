/* Mean squared error: sum over j of (x_j - t_j)^2. */
#include "loss/loss.h"

typedef struct { pl_loss_common common; } config;

static const config defaults = { { PL_REDUCTION_MEAN } };
static const pl_option options[] = { PL_LOSS_COMMON(config), { 0 } };

static double row(const void *unused, const pl_loss_row *r) {
  double sum = 0;
  (void)unused;
  for (size_t j = 0; j < r->width; j++) {
    double d = (double)r->output[j] - pl_loss_wanted(r, j);
    sum += d * d;
    /* (x - t)^2  gives  2 (x - t) */
    if (r->grad) r->grad[j] = (float)(2 * d * r->scale);
  }
  return sum;
}

static const char *const examples[] = { "{}", NULL };

const pl_loss_class pl_loss_mse = {
  .head = { "MSE", sizeof(config), &defaults, options }, .kind = PL_LOSS_ELEMENTS, .outputs = PL_OUTPUT_VALUES,
  .row = row, .examples = examples
};
