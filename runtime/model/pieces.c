/* Answers by pieces. Where nothing is kept for a backward pass, and no output of a sample depends on another sample, each
   member of the team takes samples of its own through all operations, a few at a time: activations stay in its second-level
   cache, and members meet once. The outputs are those of one pass over the batch, bit for bit. PERILUNE_FUSE=0: never. */
#include <stdlib.h>
#include <string.h>
#include "model/model.h"

enum { CACHE = 1 << 20, ENOUGH = 4 };   /* bytes of a piece's activations; samples a member, fewer are shared within each operation */

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
  for (;; piece = (piece + 1) / 2) {
    pl_status status = pl_plan_make(model, plan, piece, 1, PL_INFER, false, err);
    if (status) return status;
    if (plan->bytes <= CACHE || piece <= least || piece == 1) break;
  }
  plan->piece = piece;
  plan->slot = plan->bytes;
  plan->bytes = (size_t)members * plan->slot + batch * (size_t)pl_shape_count(pl_model_output(model)) * sizeof(float);
  plan->capacity = batch;
  plan->members = members;
  return PL_OK;
}

const float *pl_pieces_forward(const pl_model *model, const pl_team *team) {
  const pl_plan *plan = model->current;
  const pl_team one = { .size = 1 };
  size_t from, to, in = (size_t)pl_shape_count(pl_model_input(model)), out = (size_t)pl_shape_count(pl_model_output(model));
  float *y = (float *)(void *)(model->arena[0] + (size_t)plan->members * plan->slot);
  pl_model view = *model;
  view.arena[0] += (size_t)team->rank * plan->slot;
  if (team->rank > 0) view.watch = NULL;
  pl_team_share(team, model->n, 1, &from, &to);
  for (size_t i = from; i < to; i += view.n) {
    pl_stages stages = { .team = &one };
    view.x = model->x + i * in;
    view.n = to - i < plan->piece ? to - i : plan->piece;
    memcpy(y + i * out, pl_model_forward_ops(&view, &stages), view.n * out * sizeof *y);
  }
  pl_team_barrier(team);
  return y;
}
