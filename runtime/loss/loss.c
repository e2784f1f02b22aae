/* Making, checking and running losses. What each computes is in its own file. */
#include <string.h>
#include <cjson/cJSON.h>
#include "loss/formula.h"
#include "loss/loss.h"
#include "perilune/alloc.h"

struct pl_loss {
  const pl_loss_class *cls;
  void *config;               /* begins with a pl_loss_common */
  pl_loss_formula *formula;   /* then there is neither of these; else NULL */
};

const char *const pl_reductions[] = { "mean", "sum", NULL };

const char *pl_loss_type_name(int i) { return pl_loss_registry[i] ? pl_loss_registry[i]->head.type : NULL; }

static const pl_loss_class *find_class(const char *type, pl_error *err) {
  const char *names[64] = { 0 };
  for (int i = 0; pl_loss_registry[i] && i < 63; i++) {
    if (strcmp(type, pl_loss_registry[i]->head.type) == 0) return pl_loss_registry[i];
    names[i] = pl_loss_registry[i]->head.type;
  }
  const char *nearest = pl_nearest_name(type, names);
  if (nearest) pl_error_set(err, PL_ERROR_VALUE, "there is no loss '%s'; did you mean '%s'?", type, nearest);
  else pl_error_set(err, PL_ERROR_VALUE, "there is no loss '%s'", type);
  return NULL;
}

const char *pl_loss_example(const char *type, int i) {
  const pl_loss_class *cls = find_class(type, NULL);
  return cls != NULL ? cls->examples[i] : NULL;
}

pl_loss *pl_loss_new(const char *type, const cJSON *args, pl_error *err) {
  const pl_loss_class *cls = find_class(type, err);
  pl_loss *loss = cls ? pl_alloc(sizeof *loss, err) : NULL;
  if (loss == NULL) return NULL;
  loss->cls = cls;
  loss->config = pl_alloc(cls->head.config_size, err);
  if (loss->config != NULL && pl_options_read(loss->config, &cls->head, args, err) == PL_OK) return loss;
  pl_loss_free(loss);
  return NULL;
}

pl_loss *pl_loss_new_formula(const cJSON *config, pl_loss_record_fn host, void *context, pl_error *err) {
  pl_loss *loss = pl_alloc(sizeof *loss, err);
  if (loss == NULL) return NULL;
  *loss = (pl_loss){ .formula = pl_loss_formula_new(config, host, context, err) };
  if (loss->formula != NULL) return loss;
  pl_free(loss);
  return NULL;
}

bool pl_loss_is_formula(const pl_loss *loss) { return loss->formula != NULL; }

pl_status pl_loss_check_again(pl_loss *loss, pl_error *err) {
  return loss->formula ? pl_loss_formula_check_again(loss->formula, err) : PL_OK;
}

void pl_loss_free(pl_loss *loss) {
  if (loss == NULL) return;
  pl_loss_formula_free(loss->formula);
  pl_free(loss->config);
  pl_free(loss);
}

const char *pl_loss_type(const pl_loss *loss) {
  return loss->formula ? pl_loss_formula_name(loss->formula) : loss->cls->head.type;
}

cJSON *pl_loss_to_json(const pl_loss *loss) {
  cJSON *json = cJSON_CreateObject();
  pl_json_add(&json, "type", cJSON_CreateString(loss->formula ? pl_loss_formula_type : loss->cls->head.type));
  pl_json_add(&json, "config", loss->formula ? pl_loss_formula_write(loss->formula)
                                             : pl_options_write(&loss->cls->head, loss->config));
  return json;
}

pl_loss *pl_loss_from_json(const cJSON *json, pl_error *err) {
  const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "type"));
  const cJSON *config = cJSON_GetObjectItemCaseSensitive(json, "config");
  if (type != NULL && strcmp(type, pl_loss_formula_type) == 0) return pl_loss_new_formula(config, NULL, NULL, err);
  if (type != NULL) return pl_loss_new(type, config, err);
  pl_error_set(err, PL_ERROR_VALUE, "a loss is described as { type = \"CrossEntropy\", config = { ... } }; there "
                                    "is no type");
  return NULL;
}

pl_status pl_loss_check(pl_loss *loss, const pl_shape *output, const pl_shape *target, bool labels, pl_error *err) {
  return pl_loss_check_outputs(loss, &(pl_outputs){ 1, { *output } }, target, labels, err);
}

static pl_status check_formula(pl_loss *loss, const pl_outputs *outputs, const pl_shape *target, bool labels,
                               pl_error *err) {
  char got[PL_SHAPE_TEXT];
  if (labels && target->axes != 0)
    return pl_error_set(err, PL_ERROR_SHAPE, "%s: integer labels have the shape [N], got %s", pl_loss_type(loss),
                        pl_shape_text(got, target, true));
  return pl_loss_formula_check(loss->formula, outputs, target, labels, err);
}

pl_status pl_loss_check_outputs(pl_loss *loss, const pl_outputs *outputs, const pl_shape *target, bool labels,
                                pl_error *err) {
  if (loss->formula != NULL) return check_formula(loss, outputs, target, labels, err);
  if (outputs->count > 1)
    return pl_error_set(err, PL_ERROR_SHAPE, "%s: takes one output, and the model has %d; write what they cost "
                        "together as nn.define_loss { forward = function(y, target) ... y[1] ... y[2] ... end }",
                        pl_loss_type(loss), outputs->count);
  const pl_shape *output = &outputs->shape[0];
  char got[PL_SHAPE_TEXT], other[PL_SHAPE_TEXT];
  const char *type = loss->cls->head.type;
  bool classes = loss->cls->kind == PL_LOSS_CLASSES;
  if ((classes || labels) && output->axes != 1) {
    return pl_error_set(err, PL_ERROR_SHAPE, "%s: expects outputs [N, classes]%s, got %s; "
                        "end the model with nn.Flatten() and nn.Linear(inputs, classes)",
                        type, classes ? "" : " when the targets are labels", pl_shape_text(got, output, true));
  }
  if (classes && output->size[0] < 2)
    return pl_error_set(err, PL_ERROR_SHAPE, "%s: expects outputs [N, classes] with two classes or more, got %s; "
                        "for one output take BCE", type, pl_shape_text(got, output, true));
  if (labels && target->axes != 0)
    return pl_error_set(err, PL_ERROR_SHAPE, "%s: integer labels have the shape [N], got %s", type,
                        pl_shape_text(got, target, true));
  if (!labels && classes && target->axes == 0)
    return pl_error_set(err, PL_ERROR_TYPE, "%s: class labels are whole numbers; make them so with labels:to(\"i32\")",
                        type);
  if (!labels && !pl_shape_equal(output, target))
    return pl_error_set(err, PL_ERROR_SHAPE, "%s: expects targets shaped like the outputs, %s, got %s", type,
                        pl_shape_text(other, output, true), pl_shape_text(got, target, true));
  return PL_OK;
}

pl_status pl_loss_check_labels(const int32_t *labels, size_t rows, size_t width, pl_error *err) {
  size_t classes = width == 1 ? 2 : width;
  for (size_t i = 0; i < rows; i++) {
    if (labels[i] >= 0 && (size_t)labels[i] < classes) continue;
    return pl_error_set(err, PL_ERROR_VALUE, "label %d of sample %zu is outside 0 to %zu (the model has %zu output%s); "
                        "give the last layer as many outputs as there are classes, or mend the labels",
                        (int)labels[i], i + 1, classes - 1, width, width == 1 ? "" : "s");
  }
  return PL_OK;
}

pl_status pl_loss_check_values(const pl_loss *loss, const float *values, size_t first, size_t rows, size_t width,
                               pl_error *err) {
  if (loss->formula != NULL || !loss->cls->probabilities) return PL_OK;
  for (size_t i = 0; i < rows * width; i++) {
    if (values[i] >= 0 && values[i] <= 1) continue;
    return pl_error_set(err, PL_ERROR_VALUE,
                        "%s: target %g of sample %zu is outside 0 to 1: its targets are probabilities; scale "
                        "them, or take MSE for values and labels (i32) for classes", loss->cls->head.type,
                        (double)values[i], first + i / width + 1);
  }
  return PL_OK;
}

bool pl_loss_knows_outputs(const pl_loss *loss) {
  return loss->formula == NULL || pl_loss_formula_outputs(loss->formula) >= 0;
}

pl_output_kind pl_loss_outputs(const pl_loss *loss) {
  if (!pl_loss_knows_outputs(loss)) return PL_OUTPUT_VALUES;
  if (loss->formula != NULL) return (pl_output_kind)pl_loss_formula_outputs(loss->formula);
  return loss->cls->outputs_of ? loss->cls->outputs_of(loss->config) : loss->cls->outputs;
}

bool pl_loss_is_for_classes(const pl_loss *loss) {
  return loss->formula == NULL && loss->cls->kind == PL_LOSS_CLASSES;
}

void pl_loss_forward(const pl_loss *loss, const pl_team *team, double *values, float *grad, const float *output,
                     pl_target target, size_t rows, size_t width) {
  if (loss->formula != NULL) {
    pl_loss_formula_forward(loss->formula, team, values, grad, output, target, rows);
    return;
  }
  const pl_loss_common *common = loss->config;
  bool mean = common->reduction == PL_REDUCTION_MEAN;
  double weight = mean && loss->cls->kind == PL_LOSS_ELEMENTS ? 1.0 / (double)width : 1;
  double scale = mean ? weight / (double)rows : weight;
  size_t from, to;
  pl_team_share(team, rows, 1, &from, &to);
  for (size_t i = from; i < to; i++) {
    values[i] = weight * loss->cls->row(loss->config, &(pl_loss_row){
      .width = width, .output = output + i * width, .scale = scale, .grad = grad ? grad + i * width : NULL,
      .target = target.values ? target.values + i * width : NULL, .label = target.labels ? target.labels[i] : -1 });
  }
}

pl_status pl_loss_verify(const pl_loss *loss, const float *output, pl_target target, size_t rows, pl_error *err) {
  return loss->formula ? pl_loss_formula_verify(loss->formula, output, target, rows, err) : PL_OK;
}

double pl_loss_total(const double *values, size_t rows) {
  double sum = 0;
  for (size_t i = 0; i < rows; i++) sum += values[i];
  return sum;
}

double pl_loss_value(const pl_loss *loss, const double *values, size_t rows) {
  double total = pl_loss_total(values, rows);
  bool mean = loss->formula ? pl_loss_formula_is_mean(loss->formula)
                            : ((const pl_loss_common *)loss->config)->reduction == PL_REDUCTION_MEAN;
  return mean && rows > 0 ? total / (double)rows : total;
}
