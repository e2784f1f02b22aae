/* Cross entropy on logits: -sum over j of t_j log p_j, p = softmax(x). With label smoothing s over K classes, t_j is
   (1 - s) t_j + s/K (Szegedy et al., Rethinking the inception architecture, 2016).
   With m the largest logit: log p_j = (x_j - m) - log S, S = sum over k of e^(x_k - m), so nothing overflows. */
#include "kernels/kernels.h"
#include "loss/loss.h"
#include "perilune/math.h"

typedef struct { pl_loss_common common; double label_smoothing; } config;

static const config defaults = { { PL_REDUCTION_MEAN }, 0 };
static const pl_option options[] = {
  { .name = "label_smoothing", .kind = PL_OPTION_NUMBER, .offset = offsetof(config, label_smoothing), .low = 0,
    .high = 1 },
  PL_LOSS_COMMON(config), { 0 }
};

/* The sum of e^(x_j - most), in ascending order; the terms go to `terms` unless it is NULL. */
static double sum_of_exponentials(float *terms, const float *x, float most, size_t n) {
  enum { CHUNK = 64 };
  float chunk[CHUNK];
  double sum = 0;
  for (size_t from = 0; from < n; from += CHUNK) {
    size_t count = n - from < CHUNK ? n - from : CHUNK;
    float *e = terms ? terms + from : chunk;
    for (size_t j = 0; j < count; j++) e[j] = x[from + j] - most;
    pl_kernel.exponential(e, e, count);
    for (size_t j = 0; j < count; j++) sum += (double)e[j];
  }
  return sum;
}

static double row(const void *settings, const pl_loss_row *r) {
  const config *c = settings;
  const float *x = r->output;
  size_t n = r->width;
  float most = x[0];
  for (size_t j = 1; j < n; j++) most = x[j] > most ? x[j] : most;
  double sum = sum_of_exponentials(r->grad, x, most, n), log_sum = pl_log(sum);
  double keep = 1 - c->label_smoothing, spread = c->label_smoothing / (double)n, loss = 0, total = 0;
  for (size_t j = 0; j < n; j++) {
    double t = keep * pl_loss_wanted(r, j) + spread;
    total += t;
    if (t != 0) loss += t * (log_sum - ((double)x[j] - (double)most));   /* 0 * infinity is 0 here */
  }
  if (r->grad == NULL) return loss;
  /* -sum_j t_j log p_j  gives  (sum_j t_j) p_k - t_k */
  for (size_t j = 0; j < n; j++) {
    double t = keep * pl_loss_wanted(r, j) + spread;
    r->grad[j] = (float)((total / sum * (double)r->grad[j] - t) * r->scale);
  }
  return loss;
}

static const char *const examples[] = { "{}", "{\"label_smoothing\": 0.1}", NULL };

const pl_loss_class pl_loss_cross_entropy = {
  .head = { "CrossEntropy", sizeof(config), &defaults, options }, .kind = PL_LOSS_CLASSES,
  .outputs = PL_OUTPUT_LOGITS, .probabilities = true, .row = row, .examples = examples
};
