/* One pass over a data set without training. */
#include <math.h>
#include "perilune/alloc.h"
#include "perilune/train.h"

enum { BATCH = 64 };

typedef struct {
  pl_exec *exec;
  pl_loss *loss;
  const pl_dataset *data;
  pl_mode mode;
  uint64_t step;         /* of the model, before it */
  size_t count, width, first;   /* values of a sample's outputs, and of the first of them, which is scored */
  pl_output_kind outputs;
  bool labels, values;   /* labels, or values; if neither, distributions over classes */
  uint32_t *rows;
  float *x, *targets, *y;
  int32_t *label, *guess, *target_label;
  double *losses;
  pl_row_errors *errors;
  const pl_predictions *predictions;   /* or NULL */
} work;

/* Batch [start, start + n): gathered, run, judged row by row. y NULL: the forward pass is run here, by the team. */
static void gather(work *w, const pl_team *team, size_t start, size_t n) {
  pl_dataset_gather(w->data, team, w->rows + start, n, w->x, w->labels ? w->label : NULL,
                    w->labels ? NULL : w->targets);
  pl_team_barrier(team);
}

static void evaluate_rows(work *w, const pl_team *team, const float *y, size_t start, size_t n) {
  size_t from, to;
  pl_target target = w->labels ? (pl_target){ .labels = w->label } : (pl_target){ .values = w->targets };
  if (w->loss != NULL) pl_loss_forward(w->loss, team, w->losses + start, NULL, y, target, n, w->width);
  pl_team_share(team, n, 1, &from, &to);
  for (size_t i = from; i < to; i++) {
    const float *row = y + i * w->width, *target = w->targets + i * w->first;
    if (w->values) {
      w->errors[start + i] = pl_errors_of_row(w->outputs, row, target, w->first);
      continue;
    }
    w->guess[start + i] = pl_decide(w->outputs, row, w->first);
    w->target_label[start + i] = w->labels ? w->label[i] : pl_decide(PL_OUTPUT_PROBABILITIES, target, w->first);
    if (w->predictions == NULL) continue;
    w->predictions->label[start + i] = w->guess[start + i];
    w->predictions->probability[start + i] = pl_probability(w->outputs, row, w->first, w->guess[start + i]);
  }
  pl_team_barrier(team);
}

static size_t length(const work *w, size_t start) { return w->count - start < BATCH ? w->count - start : BATCH; }

static void run_all(const pl_team *team, void *arg) {
  work *w = arg;
  for (size_t start = 0; start < w->count; start += BATCH) {
    size_t n = length(w, start);
    gather(w, team, start, n);
    evaluate_rows(w, team, pl_exec_forward_team(w->exec, team, w->x, n, w->step + start / BATCH), start, n);
  }
}

typedef struct { work *w; const float *y; size_t start, n; } chunk;
static void run_gather(const pl_team *team, void *arg) { chunk *p = arg; gather(p->w, team, p->start, p->n); }
static void run_evaluate_rows(const pl_team *team, void *arg) {
  chunk *p = arg;
  evaluate_rows(p->w, team, p->y, p->start, p->n);
}

/* With functions of the script in the model, each batch is a pass of its own. */
static pl_status run_by_batch(work *w, pl_error *err) {
  for (size_t start = 0; start < w->count; start += BATCH) {
    chunk p = { w, NULL, start, length(w, start) };
    pl_threads_run_on(1, run_gather, &p);
    pl_status status = pl_exec_forward(w->exec, w->x, p.n, w->mode, &p.y, err);
    pl_outputs outputs = pl_exec_outputs(w->exec);
    if (status == PL_OK && w->loss != NULL && pl_loss_is_formula(w->loss))   /* those functions may have used it */
      status = pl_check_fit(&outputs, w->loss, w->data, err);
    if (status) return status;
    pl_threads_run_on(1, run_evaluate_rows, &p);
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
  w->target_label = pl_alloc_array(w->count, sizeof *w->target_label, err);
  w->losses = pl_alloc_array(w->count, sizeof *w->losses, err);
  w->errors = pl_alloc_array(w->values ? w->count : 1, sizeof *w->errors, err);
  bool ok = w->rows && w->x && w->targets && w->label && w->guess && w->target_label && w->losses && w->errors;
  return ok ? PL_OK : PL_ERROR_MEMORY;
}

static void clear(work *w) {
  pl_free(w->rows);
  pl_free(w->x);
  pl_free(w->targets);
  pl_free(w->label);
  pl_free(w->guess);
  pl_free(w->target_label);
  pl_free(w->losses);
  pl_free(w->errors);
}

double pl_r2(double squared, double spread, size_t samples) {
  if (samples < 2 || isnan(squared)) return NAN;
  if (spread == 0) return squared == 0;
  return 1 - squared / spread;
}

static void sum_up_values(const work *w, pl_evaluation *result, double spread) {
  pl_row_errors sum = { 0 };
  double elements = (double)w->count * (double)w->first;
  for (size_t i = 0; i < w->count; i++) {
    sum.absolute += w->errors[i].absolute;
    sum.squared += w->errors[i].squared;
  }
  result->mae = sum.absolute / elements;
  result->rmse = sqrt(sum.squared / elements);
  result->r2 = pl_r2(sum.squared, spread, w->count);
}

static void sum_up_classes(const work *w, pl_evaluation *result, int64_t *confusion) {
  int64_t classes = pl_dataset_classes(w->data);
  for (size_t i = 0; i < w->count; i++) {
    int32_t guess = w->guess[i], target_label = w->target_label[i];
    result->correct += guess == target_label && guess != PL_NO_LABEL;
    if (confusion == NULL || target_label < 0 || target_label >= classes) continue;
    confusion[target_label * (classes + 1) + (guess >= 0 && guess < classes ? guess : classes)]++;
  }
}

pl_status pl_evaluate(pl_exec *exec, pl_loss *loss, pl_output_kind outputs, const pl_dataset *data, pl_mode mode,
                      pl_evaluation *result, int64_t *confusion, const pl_predictions *predictions, pl_error *err) {
  pl_model *model = pl_exec_model(exec);
  pl_shape sample = pl_dataset_shape(data);
  double spread = 0;
  *result = (pl_evaluation){ 0 };
  if (mode != PL_INFER && mode != PL_INFER_DROPOUT)
    return pl_error_set(err, PL_ERROR_VALUE, "an evaluation neither trains nor captures");
  work w = { .exec = exec, .loss = loss, .outputs = outputs, .data = data, .mode = mode, .step = pl_model_step(model),
             .count = pl_dataset_count(data),
             .labels = pl_dataset_classes(data) > 0, .predictions = predictions };
  w.values = !w.labels && !(loss != NULL && pl_loss_is_for_classes(loss));
  pl_status status = pl_model_build(model, &sample, err);
  if (status) return status;
  pl_exec_follow(exec);
  pl_outputs of_model = pl_exec_outputs(exec);
  if ((status = pl_check_fit(&of_model, loss, data, err))) return status;
  w.width = (size_t)pl_shape_count(pl_exec_output(exec));
  w.first = (size_t)pl_shape_count(&of_model.shape[0]);
  if (w.values && (status = pl_dataset_target_spread(&spread, data, err))) return status;
  if ((status = allocate(&w, err)) == PL_OK && (status = pl_exec_reserve(exec, length(&w, 0), mode, err)) == PL_OK) {
    for (size_t i = 0; i < w.count; i++) w.rows[i] = (uint32_t)i;
    if (pl_model_has_host(model)) {
      status = run_by_batch(&w, err);
    } else {
      pl_threads_run_on(pl_exec_team_size(exec), run_all, &w);
      if (mode == PL_INFER_DROPOUT) pl_model_advance(model, (w.count + BATCH - 1) / BATCH);
    }
  }
  if (status == PL_OK) status = pl_dataset_status(data, err);
  if (status == PL_OK) {
    result->count = w.count;
    result->of_values = w.values;
    if (loss != NULL) result->loss = pl_loss_total(w.losses, w.count) / (double)w.count;
    if (w.values) sum_up_values(&w, result, spread);
    else sum_up_classes(&w, result, confusion);
  }
  clear(&w);
  return status;
}
