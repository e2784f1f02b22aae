/* Batches for tests of losses: every loss of the registry with each of its examples. */
#ifndef SUPPORT_LOSS_H
#define SUPPORT_LOSS_H

#include "perilune/loss.h"

/* for (loss_case c = first_loss(); c.type; c = next_loss(c)) */
typedef struct loss_case { int index, example; const char *type, *options; } loss_case;
loss_case first_loss(void);
loss_case next_loss(loss_case c);

pl_loss *make_loss(const char *type, const char *options);   /* options as JSON; a failure fails the test */

enum { MOST_OUTPUTS = 4096, MOST_ROWS = 64 };
typedef struct loss_batch {
  const pl_loss *loss;
  double values[MOST_ROWS];
  float output[MOST_OUTPUTS], wanted[MOST_OUTPUTS], grad[MOST_OUTPUTS];
  int32_t labels[MOST_ROWS];
  bool use_labels, no_grad;
  size_t rows, width;
} loss_batch;

/* Random outputs and targets as the loss takes them: probabilities where it wants these, distributions for classes. */
void fill_batch(loss_batch *b, const pl_loss *loss, size_t rows, size_t width, uint64_t seed);
void label_batch(loss_batch *b);                     /* from now on the labels, of which `wanted` is one-hot */
void run_loss(loss_batch *b, int threads);

#endif
