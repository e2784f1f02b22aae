/* The first values of parameters, and whether they are still those: what a script has set, loaded or trained is not
   drawn anew when its layers become part of a larger model. */
#include <math.h>
#include <string.h>
#include "graph/model.h"

static void fill_param(pl_layer *layer, int index, uint64_t seed) {
  pl_param *p = &layer->param[index];
  size_t n = (size_t)pl_shape_count(&p->shape);
  pl_rng rng = pl_rng_make(seed, PL_FOR_INIT, layer->id, (uint64_t)index);
  double in = p->fan_in, both = p->fan_in + p->fan_out;
  switch (p->init.kind) {
    case PL_INIT_ZEROS: case PL_INIT_CUSTOM: memset(p->value, 0, n * sizeof *p->value); break;
    case PL_INIT_CONSTANT: for (size_t i = 0; i < n; i++) p->value[i] = (float)p->init.a; break;
    case PL_INIT_UNIFORM: pl_rng_fill_uniform(p->value, n, rng, p->init.a, p->init.b); break;
    case PL_INIT_NORMAL: pl_rng_fill_normal(p->value, n, rng, p->init.a, p->init.b); break;
    case PL_INIT_HE: pl_rng_fill_normal(p->value, n, rng, 0, sqrt(2 / in)); break;
    case PL_INIT_HE_UNIFORM: pl_rng_fill_uniform(p->value, n, rng, -sqrt(6 / in), sqrt(6 / in)); break;
    case PL_INIT_XAVIER: pl_rng_fill_uniform(p->value, n, rng, -sqrt(6 / both), sqrt(6 / both)); break;
    case PL_INIT_XAVIER_NORMAL: pl_rng_fill_normal(p->value, n, rng, 0, sqrt(2 / both)); break;
    case PL_INIT_LECUN: pl_rng_fill_normal(p->value, n, rng, 0, sqrt(1 / in)); break;
    case PL_INIT_FAN_IN: pl_rng_fill_uniform(p->value, n, rng, -1 / sqrt(in), 1 / sqrt(in)); break;
  }
}

static void fill_layer(pl_layer *layer, void *arg) {
  for (int i = 0; i < layer->params; i++) if (!layer->param[i].kept) fill_param(layer, i, *(const uint64_t *)arg);
}

static void keep_layer(pl_layer *layer, void *arg) {
  for (int i = 0; i < layer->params; i++) layer->param[i].kept = *(const bool *)arg && layer->param[i].value != NULL;
}

void pl_model_keep_values(pl_model *model) { pl_model_walk(model->root, keep_layer, &(bool){ true }); }

pl_status pl_model_initialize_new(pl_model *model, uint64_t seed, pl_error *err) {
  if (!model->has_params)
    return pl_error_set(err, PL_ERROR_STATE,
                        "the shapes of some parameters depend on the input's; call model:build{...} with the shape of "
                        "one sample first");
  model->drawing = true;
  pl_model_note_write(model);
  pl_model_walk(model->root, fill_layer, &seed);
  pl_model_zero_grads(model);
  return PL_OK;
}

pl_status pl_model_initialize(pl_model *model, uint64_t seed, pl_error *err) {
  if (model->has_params) pl_model_walk(model->root, keep_layer, &(bool){ false });
  return pl_model_initialize_new(model, seed, err);
}

/* Any one change changes it: each step is a bijection. */
static uint64_t digest(const pl_model *model) {
  uint64_t h = 14695981039346656037u;
  for (size_t i = 0; i < pl_model_size(model); i++) {
    uint32_t bits;
    memcpy(&bits, model->block->values + i, sizeof bits);
    h = (h ^ bits) * 1099511628211u;
  }
  return h;
}

void pl_model_note_drawn(pl_model *model) {
  if (!model->has_params) return;
  pl_model_walk(model->root, keep_layer, &(bool){ false });
  model->drawn = digest(model);
  model->drawing = false;
}

bool pl_model_is_changed(const pl_model *model) {
  return model->has_params && !model->drawing && digest(model) != model->drawn;
}
