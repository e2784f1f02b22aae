/* Answers by pieces. Where nothing is kept for a backward pass, and no output of a sample depends on another sample, each
   member of the team takes samples through all operations, a few at a time, and then the next few that nobody has taken:
   activations stay in its second-level cache, and no member waits for a slower one before the end. The outputs are those of one
   pass over the batch, bit for bit. PERILUNE_FUSE=0: never. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "model/model.h"

enum {
  CACHE = 1 << 20,   /* bytes of a piece's activations */
  FEW = 24,          /* samples of a piece, if the weights are in the cache anyway */
  LINE = 64,         /* bytes at the arena's start, for the number of samples that are taken */
  ENOUGH = 4         /* samples a member: fewer are shared within each operation */
};

bool pl_pieces_wanted(const pl_model *model, size_t batch, pl_mode mode) {
  const char *fuse = getenv("PERILUNE_FUSE");
  return mode == PL_INFER && !model->has_host && batch >= ENOUGH * (size_t)pl_threads_get() && (fuse == NULL || strcmp(fuse, "0") != 0);
}

/* Weights are read, and transformed by Winograd's convolutions, once a piece: it should have many more activations than the
   model has weights, whether or not those fit. */
static size_t least_piece(const pl_model *model) {
  size_t numbers = 1;
  for (int v = 0; v < model->graph.values; v++) numbers += (size_t)pl_shape_count(&model->graph.value[v]);
  return 16 * model->parameters / numbers + 1;
}

pl_status pl_pieces_plan(const pl_model *model, pl_plan *plan, size_t batch, int members, pl_error *err) {
  size_t piece = (batch + (size_t)members - 1) / (size_t)members, least = least_piece(model);
  if (model->parameters * sizeof(float) <= CACHE && piece > FEW) piece = FEW;
  for (;; piece = (piece + 1) / 2) {
    pl_status status = pl_plan_make(model, plan, piece, 1, PL_INFER, false, err);
    if (status) return status;
    if (plan->bytes <= CACHE || piece <= least || piece == 1) break;
  }
  plan->piece = piece;
  plan->slot = plan->bytes + PL_GAP * sizeof(float);
  plan->bytes = LINE + (size_t)members * plan->slot + batch * (size_t)pl_shape_count(pl_model_output(model)) * sizeof(float);
  plan->capacity = batch;
  plan->members = members;
  return PL_OK;
}

/* The weights of operation i, if it reads the model's input and passes over zeros in it where its weights are known to be ordinary. */
static pl_param *first_weights(const pl_model *model, int i) {
  const pl_op *op = &model->graph.op[i];
  const int *root = model->current->act_root;
  return op->kind == PL_OP_LAYER && op->layer->cls->learn != NULL && root[op->in[0]] == root[0] ? &op->layer->param[0] : NULL;
}

static void trust(const pl_model *model, bool ordinary) {
  for (int i = 0; i < model->graph.ops; i++) if (first_weights(model, i) != NULL) atomic_store(&first_weights(model, i)->ordinary, ordinary);
}

/* Each member its share. */
static void look(const pl_model *model, const pl_team *team) {
  for (int i = 0; i < model->graph.ops; i++) {
    pl_param *p = first_weights(model, i);
    size_t from, to;
    if (p == NULL) continue;
    pl_team_share(team, (size_t)pl_shape_count(&p->shape), 16, &from, &to);
    if (!pl_kernel.ordinary(p->value + from, to - from)) atomic_store(&p->ordinary, false);
  }
}

const float *pl_pieces_forward(const pl_model *model, const pl_team *team) {
  const pl_plan *plan = model->current;
  const pl_team one = { .size = 1 };
  size_t in = (size_t)pl_shape_count(pl_model_input(model)), out = (size_t)pl_shape_count(pl_model_output(model));
  size_t share = (model->n + (size_t)team->size - 1) / (size_t)team->size, rounds = (share + plan->piece - 1) / plan->piece;
  size_t piece = (share + rounds - 1) / rounds;   /* as many for each member, if all are as fast */
  atomic_size_t *next = (atomic_size_t *)(void *)model->arena[0];
  float *y = (float *)(void *)(model->arena[0] + LINE + (size_t)plan->members * plan->slot);
  pl_model view = *model;
  view.arena[0] += LINE + (size_t)team->rank * plan->slot;
  if (team->rank > 0) view.watch = NULL;
  if (team->rank == 0) {
    atomic_store(next, 0);
    trust(model, true);
  }
  pl_team_barrier(team);
  look(model, team);
  pl_team_barrier(team);
  for (size_t i; (i = atomic_fetch_add(next, piece)) < model->n;) {
    pl_stages stages = { .team = &one };
    view.x = model->x + i * in;
    view.n = model->n - i < piece ? model->n - i : piece;
    memcpy(y + i * out, pl_model_forward_ops(&view, &stages), view.n * out * sizeof *y);
  }
  pl_team_barrier(team);
  if (team->rank == 0) trust(model, false);
  return y;
}
