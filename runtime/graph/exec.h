/* A pass under way, and the exec that keeps the last one. */
#ifndef GRAPH_EXEC_H
#define GRAPH_EXEC_H

#include "graph/model.h"
#include "graph/plan.h"
#include "perilune/threads.h"
#include "perilune/exec.h"
#include "perilune/settings.h"

/* What one pass reads. A member of a team may have a copy with other inputs or another arena. */
typedef struct pl_run {
  const pl_model *model;
  const pl_graph *graph;
  const pl_plan *plan;          /* NULL: the exec has not run yet */
  char *arena;
  const float *x, *dy;
  const float *second;          /* the graph's second input, if it has one (a loss: the targets) */
  float *dx;
  size_t n;
  pl_mode mode;
  uint64_t seed, step;
  bool accumulate;              /* parameter gradients are added to what is there */
  bool timed;                   /* by the model's stopwatch as it is then: a profile may begin between two passes */
} pl_run;

struct pl_exec {
  pl_model *model;              /* [borrowed] not touched when the exec is freed */
  pl_graph *graph, *written;    /* counted; the model's when the exec was made, or followed it */
  bool fuse;
  pl_plan plan[PLANS];
  char *arena;
  size_t arena_bytes;
  pl_run run;                   /* the last pass, or the one that is reserved for */
  int threads;                  /* of the pending pass */
  bool pending;                 /* a training pass waits for its backward */
};

/* Memory of value v: the caller's input, or an address in the arena; of its gradient, and of that of the k-th input of
   an operation (a use of a value): NULL where it is not needed. */
float *pl_run_act(const pl_run *run, int v);
float *pl_run_grad(const pl_run *run, int v);
float *pl_run_input_grad(const pl_run *run, const pl_op *op, int k);

/* Operation i has ended, forward or backward. */
void pl_run_profile_op(const pl_run *run, const pl_team *team, int i, bool backward);

/* Nodes, and steps backwards, [from, to) of the plan. Every member calls. */
void pl_run_forward_nodes(const pl_run *run, pl_stages *stages, int from, int to);
void pl_run_backward_steps(const pl_run *run, pl_stages *stages, int from, int to);
/* All nodes forwards; the output. */
const float *pl_run_forward(const pl_run *run, pl_stages *stages);
/* After all backwards: the gradients of parameters whose layers have a phase of their own for them. Those of a layer
   that is called several times are added up in memory, whatever the sink. */
void pl_run_param_grads(const pl_run *run, const pl_team *team, const pl_grad_sink *sink);

/* Chunked inference: whether a pass is chunked, its plan, and the pass (every member calls; result in the arena). */
bool pl_chunks_wanted(const pl_exec *exec, size_t batch, pl_mode mode);
pl_status pl_chunks_plan(const pl_exec *exec, pl_plan *plan, size_t batch, int members, pl_error *err);
const float *pl_chunks_forward(const pl_run *run, const pl_team *team);

#endif
