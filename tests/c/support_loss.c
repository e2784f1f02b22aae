#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "perilune/rng.h"
#include "perilune/threads.h"
#include "support_loss.h"

static loss_case at(int index, int example) {
  loss_case c = { index, example, pl_loss_type_name(index), NULL };
  if (c.type != NULL) c.options = pl_loss_example(c.type, example);
  return c;
}

loss_case first_loss(void) { return at(0, 0); }

loss_case next_loss(loss_case c) {
  loss_case next = at(c.index, c.example + 1);
  return next.options != NULL ? next : at(c.index + 1, 0);
}

pl_loss *make_loss(const char *type, const char *options) {
  cJSON *json = cJSON_Parse(options);
  pl_error err = { 0 };
  pl_loss *loss = pl_loss_new(type, json, &err);
  if (loss == NULL) fail_msg("%s", err.text);
  cJSON_Delete(json);
  return loss;
}

void fill_batch(loss_batch *b, const pl_loss *loss, size_t rows, size_t width, uint64_t seed) {
  pl_rng rng = pl_rng_make(seed, PL_FOR_USER, rows, width);
  size_t n = rows * width;
  b->loss = loss;
  b->rows = rows;
  b->width = width;
  b->use_labels = b->no_grad = false;
  if (pl_loss_outputs(loss) == PL_OUTPUT_PROBABILITIES) pl_rng_fill_uniform(b->output, n, rng, 0.03, 0.97);
  else pl_rng_fill_normal(b->output, n, rng, 0, 2);
  pl_rng_fill_uniform(b->wanted, n, pl_rng_make(seed, PL_FOR_USER, 7, 7), 0, 1);
  for (size_t i = 0; i < rows; i++) {
    b->labels[i] = (int32_t)(pl_rng_word(rng, 1000000 + i) % width);
    double sum = 0;
    for (size_t j = 0; j < width; j++) sum += (double)b->wanted[i * width + j];
    if (!pl_loss_is_for_classes(loss)) continue;
    for (size_t j = 0; j < width; j++) b->wanted[i * width + j] /= (float)sum;
  }
}

void label_batch(loss_batch *b) {
  b->use_labels = true;
  for (size_t i = 0; i < b->rows; i++)
    for (size_t j = 0; j < b->width; j++) b->wanted[i * b->width + j] = j == (size_t)b->labels[i];
}

static void member(const pl_team *team, void *arg) {
  loss_batch *b = arg;
  pl_target target = b->use_labels ? (pl_target){ b->labels, NULL } : (pl_target){ NULL, b->wanted };
  pl_loss_forward(b->loss, team, b->values, b->no_grad ? NULL : b->grad, b->output, target, b->rows, b->width);
}

void run_loss(loss_batch *b, int threads) { pl_threads_run_on(threads, member, b); }
