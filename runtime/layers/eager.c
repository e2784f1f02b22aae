#include "layers/eager.h"
#include "layers/layer.h"
#include "perilune/alloc.h"

typedef struct { const pl_operation *o; pl_pass pass; const float *y, *dy; float *out; } job;

static void member(const pl_team *team, void *arg) {
  const job *j = arg;
  pl_pass pass = j->pass;
  pass.team = team;
  if (j->dy == NULL) j->o->cls->forward(NULL, &pass, pass.input[0], j->out);
  else j->o->cls->backward(NULL, &pass, pass.input[0], j->y, j->dy, pass.input_grad[0]);
}

static pl_status run(job *j, size_t batch, pl_error *err) {
  const pl_operation *o = j->o;
  double work = o->cls->operation_work ? o->cls->operation_work(o) : 2 * (double)pl_shape_count(&o->out);
  int threads = pl_threads_for(work * (double)batch);
  pl_memory m = { .members = threads };
  if (o->out_fixed) batch = 1;
  if (o->cls->need != NULL) o->cls->need(o, batch, &m);
  size_t bytes = j->dy == NULL ? m.scratch_forward : m.scratch_backward;
  void *scratch = bytes > 0 ? pl_alloc(bytes, err) : NULL;
  if (bytes > 0 && scratch == NULL) return PL_ERROR_MEMORY;
  j->pass.batch = batch;
  j->pass.training = true;
  j->pass.in = o->in[0];
  j->pass.out = o->out;
  j->pass.inputs = o->inputs;
  j->pass.op = o;
  j->pass.input_shape = o->in;
  j->pass.scratch = scratch;
  pl_threads_run_on(threads, member, j);
  pl_free(scratch);
  return PL_OK;
}

pl_status pl_eager_forward(const pl_operation *o, size_t batch, const float *const *in, float *y, pl_error *err) {
  job j = { .o = o, .pass = { .input = in }, .out = y };
  return run(&j, batch, err);
}

pl_status pl_eager_backward(const pl_operation *o, size_t batch, const float *const *in, const float *y,
                            const float *dy, float *const *dx, pl_error *err) {
  job j = { .o = o, .pass = { .input = in, .input_grad = dx }, .y = y, .dy = dy };
  if (o->cls->flags & PL_NO_GRAD) return PL_OK;
  return run(&j, batch, err);
}
