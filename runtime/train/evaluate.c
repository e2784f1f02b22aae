/* One pass over a data set without training. */
#include <math.h>
#include "perilune/train.h"

enum { BATCH = 64 };

typedef struct {
  pl_exec *exec;
  const pl_loss *loss;
  const pl_dataset *data;
  pl_mode mode;
  size_t count, width;
  bool labels;
  uint32_t *rows;
  float *x, *targets, *y;
  int32_t *label, *guess, *wanted;
  double *losses;
  const pl_predictions *predictions;   /* or NULL */
} work;

/* Probability of class k: softmax e^(y_k - max) / sum e^(y_j - max), or sigmoid 1 / (1 + e^-y) of class 1 of a single output. */
static float probability(const float *y, size_t n, int32_t k, pl_activation activation) {
  if (k < 0 || (n > 1 && (size_t)k >= n)) return NAN;
  if (n == 1) {
    double p = activation == PL_IDENTITY ? y[0] : 1 / (1 + pl_exp(-(double)y[0]));
    return (float)(k == 1 ? p : 1 - p);
  }
  if (activation != PL_SOFTMAX) return activation == PL_IDENTITY ? y[k] : (float)(1 / (1 + pl_exp(-(double)y[k])));
  double largest = y[0], sum = 0;
  for (size_t j = 1; j < n; j++) largest = y[j] > largest ? y[j] : largest;
  for (size_t j = 0; j < n; j++) sum += pl_exp(y[j] - largest);
  return (float)(pl_exp(y[k] - largest) / sum);
}

/* Batch [start, start + n): gathered, run, judged row by row. y NULL: the forward pass is run here, by the team. */
static void gather(work *w, const pl_team *team, size_t start, size_t n) {
  pl_dataset_gather(w->data, team, w->rows + start, n, w->x, w->labels ? w->label : NULL, w->labels ? NULL : w->targets);
  pl_team_barrier(team);
}

static void judge(work *w, const pl_team *team, const float *y, size_t start, size_t n) {
  size_t from, to;
  pl_target target = w->labels ? (pl_target){ .labels = w->label } : (pl_target){ .values = w->targets };
  if (w->loss != NULL) pl_loss_forward(w->loss, team, w->losses + start, NULL, y, target, n, w->width);
  pl_team_share(team, n, 1, &from, &to);
  for (size_t i = from; i < to; i++) {
    w->guess[start + i] = pl_argmax(y + i * w->width, w->width);
    w->wanted[start + i] = w->labels ? w->label[i] : pl_argmax(w->targets + i * w->width, w->width);
    if (w->predictions == NULL) continue;
    w->predictions->label[start + i] = w->guess[start + i];
    w->predictions->probability[start + i] = probability(y + i * w->width, w->width, w->guess[start + i], w->predictions->activation);
  }
  pl_team_barrier(team);
}

static size_t length(const work *w, size_t start) { return w->count - start < BATCH ? w->count - start : BATCH; }

static void run_all(const pl_team *team, void *arg) {
  work *w = arg;
  for (size_t start = 0; start < w->count; start += BATCH) {
    size_t n = length(w, start);
    gather(w, team, start, n);
    judge(w, team, pl_exec_forward_team(w->exec, team, w->x, n, start / BATCH), start, n);
  }
}

typedef struct { work *w; const float *y; size_t start, n; } piece;
static void run_gather(const pl_team *team, void *arg) { piece *p = arg; gather(p->w, team, p->start, p->n); }
static void run_judge(const pl_team *team, void *arg) { piece *p = arg; judge(p->w, team, p->y, p->start, p->n); }

/* With functions of the script in the model, each batch is a pass of its own. */
static pl_status run_by_batch(work *w, pl_error *err) {
  for (size_t start = 0; start < w->count; start += BATCH) {
    piece p = { w, NULL, start, length(w, start) };
    pl_threads_run_on(1, run_gather, &p);
    pl_status status = pl_exec_forward(w->exec, w->x, p.n, w->mode, &p.y, err);
    if (status) return status;
    pl_threads_run_on(1, run_judge, &p);
  }
  return PL_OK;
}

static pl_status allocate(work *w, pl_error *err) {
  pl_shape sample = pl_dataset_shape(w->data), target = w->labels ? (pl_shape){ 0 } : pl_dataset_target_shape(w->data);
  w->rows = pl_alloc_array(w->count, sizeof *w->rows, err);
  w->x = pl_alloc_array(BATCH, (size_t)pl_shape_count(&sample) * sizeof(float), err);
  w->targets = pl_alloc_array(BATCH, (size_t)pl_shape_count(&target) * sizeof(float), err);
  w->label = pl_alloc_array(BATCH, sizeof *w->label, err);
  w->guess = pl_alloc_array(w->count, sizeof *w->guess, err);
  w->wanted = pl_alloc_array(w->count, sizeof *w->wanted, err);
  w->losses = pl_alloc_array(w->count, sizeof *w->losses, err);
  return w->rows && w->x && w->targets && w->label && w->guess && w->wanted && w->losses ? PL_OK : PL_ERROR_MEMORY;
}

static void clear(work *w) {
  pl_free(w->rows);
  pl_free(w->x);
  pl_free(w->targets);
  pl_free(w->label);
  pl_free(w->guess);
  pl_free(w->wanted);
  pl_free(w->losses);
}

static void sum_up(const work *w, pl_evaluation *result, int64_t *confusion) {
  int64_t classes = pl_dataset_classes(w->data);
  for (size_t i = 0; i < w->count; i++) {
    result->correct += w->guess[i] == w->wanted[i];
    if (confusion != NULL && w->guess[i] < classes && w->wanted[i] < classes) confusion[w->wanted[i] * classes + w->guess[i]]++;
  }
  result->count = w->count;
  if (w->loss != NULL) result->loss = pl_loss_total(w->losses, w->count) / (double)w->count;
}

pl_status pl_evaluate(pl_exec *exec, const pl_loss *loss, const pl_dataset *data, pl_mode mode, pl_evaluation *result, int64_t *confusion,
                      const pl_predictions *predictions, pl_error *err) {
  pl_model *model = pl_exec_model(exec);
  pl_shape sample = pl_dataset_shape(data);
  *result = (pl_evaluation){ 0 };
  work w = { .exec = exec, .loss = loss, .data = data, .mode = mode, .count = pl_dataset_count(data), .labels = !pl_dataset_has_targets(data),
             .predictions = predictions };
  pl_status status = pl_model_build(model, &sample, err);
  if (status) return status;
  pl_exec_follow(exec);
  w.width = (size_t)pl_shape_count(pl_exec_output(exec));
  pl_shape target = w.labels ? (pl_shape){ 0 } : pl_dataset_target_shape(data);
  if (loss != NULL && (status = pl_loss_check(loss, pl_exec_output(exec), &target, w.labels, err))) return status;
  if (loss != NULL && w.labels && w.width > 1 && (int64_t)w.width < pl_dataset_classes(data))
    return pl_error_set(err, PL_ERROR_SHAPE, "the model has %zu outputs but the data set has %lld classes; give the last layer %lld outputs", w.width,
                        (long long)pl_dataset_classes(data), (long long)pl_dataset_classes(data));
  if (loss == NULL && !w.labels && pl_shape_count(&target) != (int64_t)w.width) return pl_error_set(err, PL_ERROR_SHAPE, "the model has %zu outputs, the data set's targets have %lld numbers", w.width, (long long)pl_shape_count(&target));
  if ((status = allocate(&w, err)) == PL_OK && (status = pl_exec_reserve(exec, BATCH, mode, err)) == PL_OK) {
    for (size_t i = 0; i < w.count; i++) w.rows[i] = (uint32_t)i;
    if (pl_model_has_host(model)) status = run_by_batch(&w, err);
    else pl_threads_run_on(pl_exec_team_size(exec), run_all, &w);
    if (status == PL_OK) sum_up(&w, result, confusion);
  }
  clear(&w);
  return status;
}
