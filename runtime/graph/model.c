/* The flat blocks: every trained parameter at a multiple of 16 floats in one block of values and one of gradients;
   states (running statistics) in a third. Layers are given their addresses here. */
#include <stdatomic.h>
#include <string.h>
#include "graph/model.h"
#include "perilune/alloc.h"
#include "perilune/settings.h"

void pl_block_retain(void *block) { atomic_fetch_add(&((pl_block *)block)->references, 1); }

void pl_block_release(void *block) {
  pl_block *b = block;
  if (b == NULL || atomic_fetch_sub(&b->references, 1) != 1) return;
  pl_free(b->values);
  pl_free(b->grads);
  pl_free(b->states);
  pl_free(b);
}

void pl_block_note_write(void *block) { atomic_fetch_add(&((pl_block *)block)->writes, 1); }

void pl_model_note_write(pl_model *model) { if (model->block != NULL) pl_block_note_write(model->block); }

uint64_t pl_model_writes(const pl_model *model) {
  return model->block == NULL ? 0 : atomic_load(&model->block->writes);
}

void pl_model_walk(pl_layer *layer, void (*visit)(pl_layer *, void *), void *arg) {
  visit(layer, arg);
  for (int i = 0; i < layer->children; i++) if (pl_layer_owns(layer, i)) pl_model_walk(layer->child[i], visit, arg);
}

typedef struct { size_t params, floats, state_floats; uint32_t layers; bool unknown, host; } census;

static size_t rounded(const pl_shape *shape) { return ((size_t)pl_shape_count(shape) + 15) / 16 * 16; }

static void count_layer(pl_layer *layer, void *arg) {
  census *c = arg;
  layer->id = c->layers++;
  c->unknown = c->unknown || layer->undecided;
  c->host = c->host || (layer->cls->flags & PL_HOST);
  for (int i = 0; i < layer->params; i++) {
    const pl_param *p = &layer->param[i];
    if (p->shape.axes < 0) c->unknown = true;
    else if (p->trained) c->floats += rounded(&p->shape), c->params++;
    else c->state_floats += rounded(&p->shape);
  }
}

typedef struct { pl_model *model; size_t offset, state_offset; } layout;

/* A layer that had values of its own (it was used alone before it became part of this model) keeps them. */
static void place_layer(pl_layer *layer, void *arg) {
  layout *l = arg;
  pl_model *m = l->model;
  for (int i = 0; i < layer->params; i++) {
    pl_param *p = &layer->param[i];
    size_t count = (size_t)pl_shape_count(&p->shape), *offset = p->trained ? &l->offset : &l->state_offset;
    float *value = (p->trained ? m->block->values : m->block->states) + *offset;
    if (p->value != NULL) memcpy(value, p->value, count * sizeof *value);
    p->value = value;
    p->grad = p->trained ? m->block->grads + *offset : NULL;
    if (p->trained) {
      p->slice = m->slices;
      pl_slice *s = &m->slice[m->slices++];
      *s = (pl_slice){ .layer = layer, .name = p->name, .param = i, .offset = *offset, .count = count,
                       .axes = p->shape.axes };
      pl_layer_path(s->path, layer);
      m->parameters += count;
    }
    *offset += rounded(&p->shape);
  }
}

static pl_status lay_out(pl_model *model, pl_error *err) {
  census c = { 0 };
  pl_model_walk(model->root, count_layer, &c);
  model->has_host = c.host;
  if (c.unknown || model->has_params) return PL_OK;
  pl_block *b = pl_alloc(sizeof *b, err);
  if (b == NULL) return PL_ERROR_MEMORY;
  b->references = 1;
  b->size = c.floats;
  b->state_size = c.state_floats;
  b->values = pl_alloc_array(c.floats, sizeof(float), err);
  b->grads = pl_alloc_array(c.floats, sizeof(float), err);
  b->states = pl_alloc_array(c.state_floats, sizeof(float), err);
  model->slice = pl_alloc_array(c.params, sizeof *model->slice, err);
  if (!b->values || !b->grads || !b->states || !model->slice) {
    pl_block_release(b);
    pl_free(model->slice);
    model->slice = NULL;
    pl_error_prefix(err, "the parameters of the model and their gradients");
    return PL_ERROR_MEMORY;
  }
  model->block = b;
  pl_model_walk(model->root, place_layer, &(layout){ model, 0, 0 });
  model->has_params = true;
  return PL_OK;
}

pl_model *pl_model_new(pl_layer *root, pl_error *err) {
  if (root->parent != NULL) {
    pl_error_set(err, PL_ERROR_STATE, "%s is part of a larger model; use that one", root->cls->head.type);
    return NULL;
  }
  pl_model *model = pl_alloc(sizeof *model, err);
  if (model == NULL) return NULL;
  model->root = root;
  pl_layer_adopt(root);
  if (lay_out(model, err) == PL_OK) return model;
  pl_model_free(model);
  return NULL;
}

void pl_model_free(pl_model *model) {
  if (model == NULL) return;
  pl_graph_release(model->graph);
  pl_graph_release(model->written);
  pl_free(model->slice);
  pl_free(model->watch);
  pl_block_release(model->block);
  pl_free(model);
}

pl_layer *pl_model_root(pl_model *model) { return model->root; }

/* A model that was built before is given samples of another shape, which one of its layers cannot take. */
static void name_both_inputs(const pl_model *model, const pl_shape *sample, pl_error *err) {
  char built[PL_SHAPE_TEXT], given[PL_SHAPE_TEXT], text[2 * PL_SHAPE_TEXT + 60];
  snprintf(text, sizeof text, "the model was built for %s and cannot take %s",
           pl_shape_text(built, pl_model_input(model), true), pl_shape_text(given, sample, true));
  pl_error_insert(err, text);
}

pl_status pl_model_build(pl_model *model, const pl_shape *sample, pl_error *err) {
  if (model->graph != NULL && pl_shape_equal(&model->graph->value[0].shape, sample)) return PL_OK;
  if (pl_model_idle(model, err)) return PL_ERROR_STATE;
  pl_graph *graph = pl_graph_new(sample, err);
  int out;
  if (graph == NULL) return PL_ERROR_MEMORY;
  pl_status status = pl_graph_call(graph, model->root, 0, &out, err);
  if (status == PL_OK) status = lay_out(model, err);
  pl_graph *written = graph;
  graph->result = out;
  graph = status ? NULL : pl_graph_copy(written, err);
  if (status == PL_OK && graph == NULL) status = PL_ERROR_MEMORY;
  if (status == PL_OK && pl_settings_get().fuse) status = pl_graph_recognize(graph, err);
  if (status) {
    pl_graph_release(graph);
    pl_graph_release(written);
    if (model->graph != NULL && status == PL_ERROR_SHAPE) name_both_inputs(model, sample, err);
    return status;
  }
  pl_graph_release(model->graph);
  pl_graph_release(model->written);
  pl_formula_keep_recorded(written);
  model->written = written;
  model->graph = graph;
  return PL_OK;
}

void pl_model_set_random(pl_model *model, uint64_t seed, uint64_t step) {
  model->seed = seed;
  model->step = step;
}

uint64_t pl_model_step(const pl_model *model) { return model->step; }
void pl_model_advance(pl_model *model, uint64_t steps) { model->step += steps; }
bool pl_model_is_built(const pl_model *model) { return model->graph != NULL; }
bool pl_model_has_params(const pl_model *model) { return model->has_params; }
bool pl_model_has_host(const pl_model *model) { return model->has_host; }
const pl_shape *pl_model_input(const pl_model *model) { return model->graph ? &model->graph->value[0].shape : NULL; }
const pl_shape *pl_model_output(const pl_model *model) {
  return model->graph ? &model->graph->value[pl_graph_output(model->graph)].shape : NULL;
}
pl_outputs pl_model_outputs(const pl_model *model) {
  return model->graph ? pl_graph_outputs(model->graph) : (pl_outputs){ .count = 0 };
}
size_t pl_model_size(const pl_model *model) { return model->block ? model->block->size : 0; }
size_t pl_model_parameters(const pl_model *model) { return model->parameters; }
float *pl_model_values(pl_model *model) { return model->block ? model->block->values : NULL; }
float *pl_model_grads(pl_model *model) { return model->block ? model->block->grads : NULL; }
size_t pl_model_states_size(const pl_model *model) { return model->block ? model->block->state_size : 0; }
float *pl_model_states(pl_model *model) { return model->block ? model->block->states : NULL; }
void *pl_model_block(pl_model *model) { return model->block; }

size_t pl_model_slices(const pl_model *model, const pl_slice **slices) {
  *slices = model->slice;
  return model->slices;
}

void pl_model_zero_grads(pl_model *model) {
  if (model->block != NULL) memset(model->block->grads, 0, model->block->size * sizeof(float));
  model->replace_grads = false;
}

void pl_model_replace_grads(pl_model *model) { model->replace_grads = true; }
bool pl_model_replaces_grads(const pl_model *model) { return model->replace_grads; }

int pl_model_rows(const pl_model *model) { return model->graph ? model->graph->rows : 0; }

/* Whether an earlier row is of the same layer; a container is shown where it begins, too. */
static bool is_shown_again(const pl_graph *g, int i) {
  for (int k = 0; k < i; k++) if (g->row[k].layer == g->row[i].layer && g->row[k].op >= 0) return true;
  return false;
}

pl_model_row pl_model_row_at(const pl_model *model, int i) { return pl_graph_row(model->graph, i); }

pl_model_row pl_graph_row(const pl_graph *g, int i) {
  const pl_row *row = &g->row[i];
  pl_model_row result = { .kind = PL_MODEL_BEGIN, .layer = row->layer, .op = row->op,
                          .output = g->value[row->value].shape };
  result.again = is_shown_again(g, i);
  if (row->op >= 0) {
    const pl_op *op = &g->op[row->op];
    bool formula = row->layer->cls == &pl_formula && row->layer->children > 0;
    result.kind = op->cls->combine != NULL || formula ? PL_MODEL_END : PL_MODEL_LAYER;
    for (int i = row->first; i <= row->op; i++) {   /* a formula has several, between those of its layers */
      if (g->op[i].layer != row->layer) continue;
      pl_memory need = { 0 };
      pl_op_memory(g, &g->op[i], 1, &need);
      result.work += pl_op_work(g, &g->op[i]);
      result.memory += pl_value_count(g, g->op[i].out, 1) * sizeof(float) + need.saved;
    }
    if (result.kind != PL_MODEL_LAYER) result.memory = 0;
  }
  return result;
}
