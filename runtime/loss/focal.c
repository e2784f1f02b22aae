/* Focal loss on logits: -sum over j of t_j (1 - p_j)^gamma log p_j, p = softmax(x): samples that are already told apart
   count less.
   gamma 0 is cross entropy.  Lin et al., Focal loss for dense object detection, ICCV 2017. */
#include "loss/loss.h"
#include "perilune/math.h"

typedef struct { pl_loss_common common; double gamma; } config;

static const config defaults = { { PL_REDUCTION_MEAN }, 2 };
static const pl_option options[] = {
  { .name = "gamma", .kind = PL_OPTION_NUMBER, .offset = offsetof(config, gamma), .position = 1, .low = 0,
    .high = 100 },
  PL_LOSS_COMMON(config), { 0 }
};

/* x and its row's largest number and sum of exponentials give p and log p. */
typedef struct { double p, log_p, rest; } probability;   /* rest: 1 - p */

static probability probability_of(const float *x, size_t j, double most, double log_sum) {
  double log_p = (double)x[j] - most - log_sum, p = pl_exp(log_p);
  return (probability){ p, log_p, 1 - p };
}

/* factor base^exponent; where p is 1, so that base is 0 (and log p, in the factor, next to 0), the limit, which is
   0. */
static double times_power(double factor, double base, double exponent) {
  return factor == 0 || (base == 0 && exponent < 0) ? 0 : factor * pl_pow(base, exponent);
}

static double row(const void *settings, const pl_loss_row *r) {
  double gamma = ((const config *)settings)->gamma, most = (double)r->output[0], sum = 0, loss = 0, total = 0;
  for (size_t j = 1; j < r->width; j++) most = (double)r->output[j] > most ? (double)r->output[j] : most;
  for (size_t j = 0; j < r->width; j++) sum += pl_exp((double)r->output[j] - most);
  double log_sum = pl_log(sum);
  for (size_t j = 0; j < r->width; j++) {
    probability q = probability_of(r->output, j, most, log_sum);
    double t = pl_loss_wanted(r, j);
    if (t == 0) continue;
    loss -= times_power(t * q.log_p, q.rest, gamma);
    /* -t r^gamma log p  gives  p d/dp = t (gamma r^(gamma - 1) p log p - r^gamma),  r = 1 - p */
    total += t * (times_power(gamma * q.p * q.log_p, q.rest, gamma - 1) - times_power(1, q.rest, gamma));
  }
  /* and dp_j/dx_k = p_j (1 where j = k, else 0) - p_j p_k */
  for (size_t k = 0; r->grad != NULL && k < r->width; k++) {
    probability q = probability_of(r->output, k, most, log_sum);
    double t = pl_loss_wanted(r, k), own = 0;
    if (t != 0) own = t * (times_power(gamma * q.p * q.log_p, q.rest, gamma - 1) - times_power(1, q.rest, gamma));
    r->grad[k] = (float)((own - q.p * total) * r->scale);
  }
  return loss;
}

static const char *const examples[] = { "{}", "[0.5]", "[0]", NULL };

const pl_loss_class pl_loss_focal = {
  .head = { "FocalLoss", sizeof(config), &defaults, options }, .kind = PL_LOSS_CLASSES,
  .outputs = PL_OUTPUT_LOGITS, .probabilities = true, .row = row, .examples = examples
};
