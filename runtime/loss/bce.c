/* Binary cross entropy: -sum over j of t_j log p_j + (1 - t_j) log(1 - p_j), where p = sigmoid(x) (logits, the default)
   or the output itself. On logits, with e = e^-|x|:
     the loss is  max(x, 0) - x t + log(1 + e),  and  p = 1 / (1 + e) for x >= 0, else e / (1 + e).
   On probabilities, as in PyTorch: a logarithm counts as -100 at least, and p (1 - p) in the gradient as 1e-12 at
   least. */
#include <math.h>
#include "kernels/kernels.h"
#include "loss/loss.h"
#include "perilune/math.h"

typedef struct { pl_loss_common common; bool logits; } config;

static const config defaults = { { PL_REDUCTION_MEAN }, true };
static const pl_option options[] = {
  { .name = "logits", .kind = PL_OPTION_BOOL, .offset = offsetof(config, logits) },
  PL_LOSS_COMMON(config), { 0 }
};

/* In chunks of 32: the logarithms of 32 factors 1 + e, each at most 2, are that of their product. */
static double row_of_logits(const pl_loss_row *r) {
  enum { PIECE = 32 };
  float e[PIECE];
  double sum = 0;
  for (size_t from = 0; from < r->width; from += PIECE) {
    size_t count = r->width - from < PIECE ? r->width - from : PIECE;
    double product = 1;
    for (size_t j = 0; j < count; j++) e[j] = -fabsf(r->output[from + j]);
    pl_kernel.exponential(e, e, count);
    for (size_t j = 0; j < count; j++) {
      double x = (double)r->output[from + j], t = pl_loss_wanted(r, from + j), one = 1 + (double)e[j];
      sum += (x < 0 ? 0 : x) - x * t;
      product *= one;
      /* max(x, 0) - x t + log(1 + e^-|x|)  gives  sigmoid(x) - t */
      if (r->grad) r->grad[from + j] = (float)(((x < 0 ? (double)e[j] : 1) / one - t) * r->scale);
    }
    sum += pl_log(product);
  }
  return sum;
}

static double log_at_least(double x) {
  double y = pl_log(x);
  return y < -100 ? -100 : y;
}

static double row_of_probabilities(const pl_loss_row *r) {
  double sum = 0;
  for (size_t j = 0; j < r->width; j++) {
    double p = (double)r->output[j], t = pl_loss_wanted(r, j), spread = p * (1 - p);
    sum -= t * log_at_least(p) + (1 - t) * log_at_least(1 - p);
    /* -t log p - (1 - t) log(1 - p)  gives  (p - t) / (p (1 - p)) */
    if (r->grad) r->grad[j] = (float)((p - t) / (spread < 1e-12 ? 1e-12 : spread) * r->scale);
  }
  return sum;
}

static double row(const void *settings, const pl_loss_row *r) {
  const config *c = settings;
  return c->logits ? row_of_logits(r) : row_of_probabilities(r);
}

static pl_output_kind outputs(const void *settings) {
  return ((const config *)settings)->logits ? PL_OUTPUT_INDEPENDENT_LOGITS : PL_OUTPUT_PROBABILITIES;
}

static const char *const examples[] = { "{}", "{\"logits\": false}", NULL };

const pl_loss_class pl_loss_bce = {
  .head = { "BCE", sizeof(config), &defaults, options }, .kind = PL_LOSS_ELEMENTS, .outputs_of = outputs,
  .probabilities = true,
  .row = row, .examples = examples
};
