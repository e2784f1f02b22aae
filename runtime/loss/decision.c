/* From a row of outputs to a label and to probabilities. What the outputs are is the loss's to say: predictions,
   accuracy, evaluation and confusion all come here with it. With s the sigmoid:

                         several outputs                 one output: two classes, p of label 1
     logits              p = softmax(y)                  p = s(y)      label 1 where y > 0
     independent logits  p_j = s(y_j)                    the same
     probabilities       p = y                           p = y         label 1 where y > 1/2
     log-probabilities   p = e^y                         p = e^y       label 1 where y > log(1/2)
     values              none                            none          label 1 where y > 1/2

   With several outputs the label is the index of the largest, the first of equals. A row with NaN has no label. */
#include <math.h>
#include <string.h>
#include "kernels/kernels.h"
#include "loss/loss.h"
#include "perilune/math.h"

static const char *const names[] = { "logits", "independent logits", "probabilities", "log-probabilities", "values",
                                     NULL };

const char *const *pl_output_names(void) { return names; }

static float threshold(pl_output_kind kind) {
  switch (kind) {
    case PL_OUTPUT_LOGITS: case PL_OUTPUT_INDEPENDENT_LOGITS: return 0;
    case PL_OUTPUT_LOG_PROBABILITIES: return -0x1.62e43p-1f;
    default: return 0.5f;
  }
}

int32_t pl_decide(pl_output_kind kind, const float *y, size_t width) {
  size_t best = 0;
  if (width == 1) return isnan(y[0]) ? PL_NO_LABEL : y[0] > threshold(kind);
  for (size_t j = 0; j < width; j++) {
    if (isnan(y[j])) return PL_NO_LABEL;
    if (y[j] > y[best]) best = j;
  }
  return (int32_t)best;
}

bool pl_probabilities(pl_output_kind kind, float *p, const float *y, size_t rows, size_t width) {
  size_t n = rows * width;
  switch (kind) {
    case PL_OUTPUT_LOGITS:
      if (width == 1) pl_kernel.sigmoid_forward(p, y, n, 0);
      else pl_kernel.softmax_forward(p, y, rows, width);
      return true;
    case PL_OUTPUT_INDEPENDENT_LOGITS: pl_kernel.sigmoid_forward(p, y, n, 0); return true;
    case PL_OUTPUT_LOG_PROBABILITIES: pl_kernel.exponential(p, y, n); return true;
    case PL_OUTPUT_PROBABILITIES: memcpy(p, y, n * sizeof *p); return true;
    default: return false;
  }
}

static double sigmoid(float x) { return 1 / (1 + pl_exp(-(double)x)); }

/* With m the largest: e^(y_k - m) / sum e^(y_j - m). */
static double softmax(const float *y, size_t n, size_t k) {
  double most = (double)y[0], sum = 0;
  for (size_t j = 1; j < n; j++) most = (double)y[j] > most ? (double)y[j] : most;
  for (size_t j = 0; j < n; j++) sum += pl_exp((double)y[j] - most);
  return pl_exp((double)y[k] - most) / sum;
}

float pl_probability(pl_output_kind kind, const float *y, size_t width, int32_t label) {
  size_t at = width == 1 ? 0 : (size_t)label;
  double p;
  if (label < 0 || at >= width || (width == 1 && label > 1)) return NAN;
  switch (kind) {
    case PL_OUTPUT_LOGITS: p = width == 1 ? sigmoid(y[0]) : softmax(y, width, at); break;
    case PL_OUTPUT_INDEPENDENT_LOGITS: p = sigmoid(y[at]); break;
    case PL_OUTPUT_LOG_PROBABILITIES: p = pl_exp((double)y[at]); break;
    case PL_OUTPUT_PROBABILITIES: p = (double)y[at]; break;
    default: return NAN;
  }
  return (float)(width == 1 && label == 0 ? 1 - p : p);
}

/* What is compared with a target: a probability where the outputs are logits of one, else the output. */
static double compared(pl_output_kind kind, float y) {
  return kind == PL_OUTPUT_INDEPENDENT_LOGITS ? sigmoid(y) : (double)y;
}

pl_row_errors pl_errors_of_row(pl_output_kind kind, const float *y, const float *target, size_t width) {
  pl_row_errors e = { 0 };
  for (size_t j = 0; j < width; j++) {
    double d = compared(kind, y[j]) - (double)target[j];
    e.absolute += fabs(d);
    e.squared += d * d;
  }
  return e;
}
