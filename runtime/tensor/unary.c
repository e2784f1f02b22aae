/* Functions of one tensor, element by element. Adding one = one function and one line in the list at the end.
   Of f32 most are kernels, the same that formulas are made of. The others read doubles and round once; transcendental
   functions are then those of base: their bits do not depend on the C library. */
#include <math.h>
#include <string.h>
#include "kernels/kernels.h"
#include "kernels/operations.h"
#include "tensor/internal.h"
#include "perilune/math.h"

#define UNARY(name, formula) \
  static void op_##name(double *out, const double *in, size_t n, const double *p) { \
    (void)p; \
    for (size_t i = 0; i < n; i++) { \
      double x = in[i]; \
      out[i] = formula; \
    } \
  }

UNARY(neg, -x)
UNARY(abs, fabs(x))
UNARY(sign, x > 0 ? 1 : x < 0 ? -1 : x)   /* NaN and 0 stay */
UNARY(square, x * x)
UNARY(floor, floor(x))
UNARY(ceil, ceil(x))
UNARY(round, rint(x))                     /* halves to even */
UNARY(relu, x <= 0 ? 0 : x)               /* NaN passes */
UNARY(clamp, x < p[0] ? p[0] : x > p[1] ? p[1] : x)
UNARY(exp, pl_exp(x))
UNARY(log, pl_log(x))
UNARY(sqrt, sqrt(x))
UNARY(sin, pl_sin(x))
UNARY(cos, pl_cos(x))
UNARY(tanh, pl_tanh(x))
UNARY(sigmoid, 1 / (1 + pl_exp(-x)))
UNARY(logical_not, x == 0)
UNARY(isnan, x != x)
UNARY(isfinite, fabs(x) < INFINITY)

#define F32(name) \
  static void f32_##name(float *out, const float *in, size_t n, const float *p) { \
    (void)p; \
    pl_kernel.elementwise(PL_EL_##name, out, in, NULL, NULL, n); \
  }

F32(neg)
F32(abs)
F32(square)
F32(relu)
F32(exp)
F32(log)
F32(sqrt)
F32(tanh)
F32(sigmoid)

static void f32_clamp(float *out, const float *in, size_t n, const float *p) {
  pl_kernel.clamp(out, in, n, p[0], p[1]);
}

const pl_unary_op pl_unary_ops[] = {
  { "neg", op_neg, f32_neg, PL_RESULT_NUMBER, 0 }, { "abs", op_abs, f32_abs, PL_RESULT_NUMBER, 0 },
  { "sign", op_sign, NULL, PL_RESULT_NUMBER, 0 }, { "square", op_square, f32_square, PL_RESULT_NUMBER, 0 },
  { "floor", op_floor, NULL, PL_RESULT_NUMBER, 0 }, { "ceil", op_ceil, NULL, PL_RESULT_NUMBER, 0 },
  { "round", op_round, NULL, PL_RESULT_NUMBER, 0 }, { "relu", op_relu, f32_relu, PL_RESULT_NUMBER, 0 },
  { "clamp", op_clamp, f32_clamp, PL_RESULT_NUMBER, 2 }, { "exp", op_exp, f32_exp, PL_RESULT_FLOAT, 0 },
  { "log", op_log, f32_log, PL_RESULT_FLOAT, 0 }, { "sqrt", op_sqrt, f32_sqrt, PL_RESULT_FLOAT, 0 },
  { "sin", op_sin, NULL, PL_RESULT_FLOAT, 0 }, { "cos", op_cos, NULL, PL_RESULT_FLOAT, 0 },
  { "tanh", op_tanh, f32_tanh, PL_RESULT_FLOAT, 0 }, { "sigmoid", op_sigmoid, f32_sigmoid, PL_RESULT_FLOAT, 0 },
  { "logical_not", op_logical_not, NULL, PL_RESULT_MASK, 0 }, { "isnan", op_isnan, NULL, PL_RESULT_MASK, 0 },
  { "isfinite", op_isfinite, NULL, PL_RESULT_MASK, 0 }, { NULL, NULL, NULL, PL_RESULT_NUMBER, 0 },
};

const pl_unary_op *pl_unary_find(const char *name) {
  const pl_unary_op *op = pl_unary_ops;
  while (op->name != NULL && strcmp(op->name, name)) op++;
  return op->name == NULL ? NULL : op;
}

typedef struct job {
  const pl_unary_op *op;
  const pl_tensor *in;
  const double *parameters;
  pl_tensor *out;
} job;

static pl_out_of_range run(int64_t from, int64_t to, void *arg) {
  const job *j = arg;
  double chunk[PL_CHUNK];
  pl_cursor in = pl_cursor_open(j->in, &j->out->shape, from), out = pl_cursor_open(j->out, &j->out->shape, from);
  for (int64_t i = from; i < to; i += PL_CHUNK) {
    size_t n = pl_chunk_size(i, to);
    pl_cursor_read(&in, chunk, n);
    j->op->fn(chunk, chunk, n, j->parameters);
    size_t done = pl_cursor_write(&out, chunk, n);
    if (done < n) return (pl_out_of_range){ true, chunk[done] };
  }
  return (pl_out_of_range){ false, 0 };
}

static pl_out_of_range run_f32(int64_t from, int64_t to, void *arg) {
  const job *j = arg;
  const pl_operand source = { .tensor = j->in }, target = { .tensor = j->out };
  float parameters[2] = { 0 };
  pl_floats in, out;
  for (int i = 0; i < j->op->parameters; i++) parameters[i] = (float)j->parameters[i];
  pl_floats_open(&in, &source, &j->out->shape, from);
  pl_floats_open(&out, &target, &j->out->shape, from);
  for (int64_t i = from; i < to; i += PL_FLOATS) {
    size_t n = to - i < PL_FLOATS ? (size_t)(to - i) : PL_FLOATS;
    float *result = pl_floats_target(&out, n);
    j->op->f32(result, pl_floats_read(&in, n), n, parameters);
    pl_floats_write(&out, result, n);
  }
  return (pl_out_of_range){ false, 0 };
}

static pl_status compute(job *j, pl_error *err) {
  if (j->op->f32 != NULL && j->in->type == PL_F32 && j->out->type == PL_F32)
    return pl_range_run(j->out, 1, j->op->name, run_f32, j, err);
  return pl_range_run(j->out, PL_READ, j->op->name, run, j, err);
}

static pl_tensor *unary(const pl_unary_op *op, const pl_tensor *t, const double *parameters, pl_dtype type,
                        pl_error *err) {
  pl_tensor *out = pl_tensor_new(type, &t->shape, err);
  job j = { op, t, parameters, out };
  if (out != NULL && compute(&j, err)) {
    pl_tensor_free(out);
    return NULL;
  }
  return out;
}

pl_tensor *pl_tensor_unary(const pl_unary_op *op, const pl_tensor *t, const double *parameters, pl_error *err) {
  bool integers = t->type != PL_F32;
  for (int i = 0; i < op->parameters; i++) integers = integers && (parameters[i] == floor(parameters[i]));
  return unary(op, t, parameters, pl_result_type(op->result, integers), err);
}

pl_status pl_tensor_unary_in_place(pl_tensor *t, const pl_unary_op *op, const double *parameters, pl_error *err) {
  job j = { op, t, parameters, t };
  pl_error local;
  if (err == NULL) err = &local;
  pl_status status = pl_tensor_check_target(t, &t->shape, op->name, err);
  if (status) return status;
  if (t->type == PL_F32) return compute(&j, err);
  pl_tensor *copy = unary(op, t, parameters, t->type, err);   /* a result that does not fit must leave the tensor as
                                                                 it was */
  status = copy == NULL ? err->status : pl_tensor_copy(t, copy, err);
  pl_tensor_free(copy);
  return status;
}
