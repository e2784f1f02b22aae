/* Chunked inference. Where nothing is kept for a backward pass, and no output of a sample depends on another sample,
   each member of the team takes samples through all operations, a chunk at a time, and then the next chunk that nobody
   has taken: activations stay in its second-level cache, and no member waits for a slower one before the end. The
   outputs are those of one pass over the batch, bit for bit. */
#include <stdatomic.h>
#include <string.h>
#include "graph/exec.h"

enum {
  CACHE = 1 << 20,   /* bytes of a chunk's activations */
  FEW = 24,          /* samples of a chunk, if the weights are in the cache anyway */
  LINE = 64,         /* bytes at the arena's start, for the number of samples that are taken */
  ENOUGH = 4         /* samples a member: fewer are shared within each operation */
};

bool pl_chunks_wanted(const pl_exec *exec, size_t batch, pl_mode mode) {
  if (mode != PL_INFER || !exec->fuse || batch < ENOUGH * (size_t)pl_threads_get()) return false;
  for (int i = 0; i < exec->graph->ops; i++) if (!(exec->graph->op[i].cls->flags & PL_PER_SAMPLE)) return false;
  return true;
}

/* Weights are read, and transformed by Winograd's convolutions, once a chunk: it should have many more activations
   than the model has weights, whether or not those fit. */
static size_t smallest_chunk(const pl_exec *exec) {
  size_t values = 1;
  for (int v = 0; v < exec->graph->values; v++) values += (size_t)pl_shape_count(&exec->graph->value[v].shape);
  return 16 * exec->model->parameters / values + 1;
}

pl_status pl_chunks_plan(const pl_exec *exec, pl_plan *plan, size_t batch, int members, pl_error *err) {
  if (pl_plan_check_batch(exec->graph, batch, err)) return PL_ERROR_MEMORY;
  size_t chunk = (batch + (size_t)members - 1) / (size_t)members, smallest = smallest_chunk(exec);
  if (exec->model->parameters * sizeof(float) <= CACHE && chunk > FEW) chunk = FEW;
  for (;; chunk = (chunk + 1) / 2) {
    pl_plan_request request = { .batch = chunk, .members = 1, .mode = PL_INFER, .fuse = exec->fuse };
    pl_status status = pl_plan_make(exec->graph, plan, &request, err);
    if (status) return status;
    if (plan->bytes <= CACHE || chunk <= smallest || chunk == 1) break;
  }
  plan->chunk = chunk;
  plan->chunk_arena = plan->bytes + PL_GAP * sizeof(float);
  size_t outputs = batch * (size_t)pl_shape_count(pl_exec_output(exec));
  plan->bytes = LINE + (size_t)members * plan->chunk_arena + outputs * sizeof(float);
  plan->capacity = batch;
  plan->members = members;
  return PL_OK;
}

/* The weights of operation i, if it reads the model's input and skips zeros in it where its weights are known to be
   zero or normal. */
static pl_param *first_weights(const pl_run *run, int i) {
  const pl_op *op = &run->graph->op[i];
  const int x = run->plan->act_alias[pl_op_input(run->graph, op, 0)];
  return op->cls->param_grads != NULL && run->graph->value[x].many_zeros ? 
    &op->layer->param[op->info ? op->info->args.v[0] : 0] : NULL;
}

static void set_scanned(const pl_run *run, bool zero_or_normal) {
  for (int i = 0; i < run->graph->ops; i++)
    if (first_weights(run, i) != NULL) atomic_store(&first_weights(run, i)->zero_or_normal, zero_or_normal);
}

/* Each member its share. */
static void scan(const pl_run *run, const pl_team *team) {
  for (int i = 0; i < run->graph->ops; i++) {
    pl_param *p = first_weights(run, i);
    size_t from, to;
    if (p == NULL) continue;
    pl_team_share(team, (size_t)pl_shape_count(&p->shape), 16, &from, &to);
    if (!pl_kernel.all_zero_or_normal(p->value + from, to - from)) atomic_store(&p->zero_or_normal, false);
  }
}

static size_t values_of(const pl_run *run, int v) { return (size_t)pl_shape_count(&run->graph->value[v].shape); }

const float *pl_chunks_forward(const pl_run *run, const pl_team *team) {
  const pl_plan *plan = run->plan;
  const pl_team one = { .size = 1 };
  size_t in = values_of(run, 0), out = values_of(run, pl_graph_output(run->graph));
  size_t share = (run->n + (size_t)team->size - 1) / (size_t)team->size,
    rounds = run->n > 0 ? (share + plan->chunk - 1) / plan->chunk : 1;
  size_t chunk = (share + rounds - 1) / rounds;   /* as many for each member, if all are as fast */
  atomic_size_t *next = (atomic_size_t *)(void *)run->arena;
  float *y = (float *)(void *)(run->arena + LINE + (size_t)plan->members * plan->chunk_arena);
  pl_run own = *run;
  own.arena += LINE + (size_t)team->rank * plan->chunk_arena;
  if (team->rank > 0) own.timed = false;
  if (team->rank == 0) {
    atomic_store(next, 0);
    set_scanned(run, true);
  }
  pl_team_barrier(team);
  scan(run, team);
  pl_team_barrier(team);
  for (size_t i; (i = atomic_fetch_add(next, chunk)) < run->n;) {
    pl_stages stages = { .team = &one };
    own.x = run->x + i * in;
    own.n = run->n - i < chunk ? run->n - i : chunk;
    memcpy(y + i * out, pl_run_forward(&own, &stages), own.n * out * sizeof *y);
  }
  pl_team_barrier(team);
  if (team->rank == 0) set_scanned(run, false);
  return y;
}
