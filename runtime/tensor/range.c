/* Runs an elementwise operation over ranges of its outputs, on several threads when there is enough to do. No
   output depends on another, so that the number of threads changes no bit. */
#include "tensor/internal.h"
#include "perilune/threads.h"

enum { LINE = 64 };   /* elements of out that one member writes together */

typedef struct job {
  pl_out_of_range (*run)(int64_t from, int64_t to, void *arg);
  void *arg;
  int64_t count, work;
  pl_out_of_range out_of_range;
} job;

static void member(const pl_team *team, void *arg) {
  job *j = arg;
  size_t from, to;
  pl_team_share(team, (size_t)j->count, j->work < LINE * PL_READ ? LINE : 1, &from, &to);
  if (from == to) return;
  pl_out_of_range found = j->run((int64_t)from, (int64_t)to, j->arg);
  if (found.found) j->out_of_range = found;
}

pl_status pl_range_run(const pl_tensor *out, int64_t work, const char *what,
                       pl_out_of_range (*run)(int64_t from, int64_t to, void *arg), void *arg, pl_error *err) {
  job j = { run, arg, pl_tensor_count(out), work, { false, 0 } };
  /* Only results in an integer type can misfit; one thread then finds the first. */
  pl_threads_run_on(out->type != PL_F32 ? 1 : pl_threads_for((double)j.count * (double)work), member, &j);
  return j.out_of_range.found ? pl_element_out_of_range(out->type, j.out_of_range.value, what, err) : PL_OK;
}
