/* Cross entropy on probabilities (after Softmax): -sum over j of t_j log q_j, where
     q_j = p_j, or with `normalize` p_j / sum over k of p_k (Keras does so; it matters after dropout on p),
   and the reported q_j is held in [clip, 1 - clip]. By default the clip acts on the reported loss alone and the
   gradient is that of the unclipped one; with `clip_gradient` it is the reported loss's own: zero where q_j was
   clipped. */
#include <float.h>
#include "loss/loss.h"
#include "perilune/math.h"

typedef struct { pl_loss_common common; double clip; bool clip_gradient, normalize; } config;

static const config defaults = { { PL_REDUCTION_MEAN }, 1e-7, false, false };
static const pl_option options[] = {
  { .name = "clip", .kind = PL_OPTION_NUMBER, .offset = offsetof(config, clip), .position = 1, .low = 1e-30,
    .high = 0.5 },
  { .name = "clip_gradient", .kind = PL_OPTION_BOOL, .offset = offsetof(config, clip_gradient) },
  { .name = "normalize", .kind = PL_OPTION_BOOL, .offset = offsetof(config, normalize) },
  PL_LOSS_COMMON(config), { 0 }
};

static double row(const void *settings, const pl_loss_row *r) {
  const config *c = settings;
  double sum = 1, loss = 0, pull = 0;
  if (c->normalize) {
    sum = 0;
    for (size_t j = 0; j < r->width; j++) sum += (double)r->output[j];
    if (sum == 0) sum = 1;   /* every output was dropped: all are 0 and stay so */
  }
  for (size_t j = 0; j < r->width; j++) {
    double t = pl_loss_wanted(r, j), q = (double)r->output[j] / sum, held = q;
    if (q < c->clip) held = c->clip;
    if (q > 1 - c->clip) held = 1 - c->clip;
    if (t != 0) loss -= t * pl_log(held);
    if (r->grad == NULL) continue;
    /* -t log q  gives  -t/q; a q below the smallest float counts as that, so that q times the gradient is no NaN */
    double slope = t == 0 || (c->clip_gradient && held != q) ? 0 : -t / (q < FLT_MIN ? FLT_MIN : q);
    pull += slope * q;
    r->grad[j] = (float)(slope / sum * r->scale);
  }
  /* q_k = p_k / sum_j p_j  gives  dp_k = (dq_k - sum_j dq_j q_j) / sum */
  if (c->normalize && r->grad != NULL) {
    for (size_t j = 0; j < r->width; j++) r->grad[j] = (float)((double)r->grad[j] - pull / sum * r->scale);
  }
  return loss;
}

static const char *const examples[] = { "{}", "{\"normalize\": true, \"clip\": 0.0213, \"clip_gradient\": true}",
                                        NULL };

const pl_loss_class pl_loss_probability_cross_entropy = {
  .head = { "ProbabilityCrossEntropy", sizeof(config), &defaults, options }, .kind = PL_LOSS_CLASSES,
  .outputs = PL_OUTPUT_PROBABILITIES, .probabilities = true, .row = row, .examples = examples
};
