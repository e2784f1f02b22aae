/* Operations on two operands, element by element, with broadcasting. Adding one = one function and one line in
   the list at the end.
   Among f32 (and numbers) + - * / ^ and the larger or smaller of two are kernels, the same that formulas are made of.
   Else both operands are read as doubles and the result is rounded once. */
#include <math.h>
#include <string.h>
#include "kernels/kernels.h"
#include "kernels/operations.h"
#include "tensor/internal.h"
#include "perilune/math.h"

#define BINARY(name, formula) \
  static void op_##name(double *out, const double *a, const double *b, size_t n) { \
    for (size_t i = 0; i < n; i++) { \
      double x = a[i], y = b[i]; \
      out[i] = formula; \
    } \
  }

/* As in Lua: the remainder has the sign of the divisor. */
static double modulo(double x, double y) {
  double r = fmod(x, y);
  return r * y < 0 ? r + y : r;
}

BINARY(add, x + y)
BINARY(sub, x - y)
BINARY(mul, x * y)
BINARY(div, x / y)
BINARY(idiv, floor(x / y))
BINARY(mod, modulo(x, y))
BINARY(pow, pl_pow(x, y))
BINARY(maximum, x > y || x != x ? x : y)   /* NaN passes */
BINARY(minimum, x < y || x != x ? x : y)
BINARY(lt, x < y)
BINARY(le, x <= y)
BINARY(gt, x > y)
BINARY(ge, x >= y)
BINARY(eq, x == y)
BINARY(ne, x != y)
BINARY(logical_and, x != 0 && y != 0)
BINARY(logical_or, x != 0 || y != 0)
BINARY(logical_xor, (x != 0) != (y != 0))

#define F32(name) \
  static void f32_##name(float *out, const float *a, const float *b, size_t n) { \
    pl_kernel.elementwise(PL_EL_##name, out, a, b, NULL, n); \
  }

F32(add)
F32(sub)
F32(mul)
F32(div)
F32(pow)
F32(maximum)
F32(minimum)

const pl_binary_op pl_binary_ops[] = {
  { "add", op_add, f32_add, PL_RESULT_NUMBER }, { "sub", op_sub, f32_sub, PL_RESULT_NUMBER },
  { "mul", op_mul, f32_mul, PL_RESULT_NUMBER }, { "div", op_div, f32_div, PL_RESULT_FLOAT },
  { "idiv", op_idiv, NULL, PL_RESULT_NUMBER }, { "mod", op_mod, NULL, PL_RESULT_NUMBER },
  { "pow", op_pow, f32_pow, PL_RESULT_FLOAT }, { "maximum", op_maximum, f32_maximum, PL_RESULT_NUMBER },
  { "minimum", op_minimum, f32_minimum, PL_RESULT_NUMBER }, { "lt", op_lt, NULL, PL_RESULT_MASK },
  { "le", op_le, NULL, PL_RESULT_MASK }, { "gt", op_gt, NULL, PL_RESULT_MASK }, { "ge", op_ge, NULL, PL_RESULT_MASK },
  { "eq", op_eq, NULL, PL_RESULT_MASK }, { "ne", op_ne, NULL, PL_RESULT_MASK },
  { "logical_and", op_logical_and, NULL, PL_RESULT_MASK }, { "logical_or", op_logical_or, NULL, PL_RESULT_MASK },
  { "logical_xor", op_logical_xor, NULL, PL_RESULT_MASK }, { NULL, NULL, NULL, PL_RESULT_NUMBER },
};

const pl_binary_op *pl_binary_find(const char *name) {
  const pl_binary_op *op = pl_binary_ops;
  while (op->name != NULL && strcmp(op->name, name)) op++;
  return op->name == NULL ? NULL : op;
}

pl_dtype pl_result_type(pl_result_kind result, bool integers) {
  if (result == PL_RESULT_MASK) return PL_U8;
  return result == PL_RESULT_NUMBER && integers ? PL_I32 : PL_F32;
}

bool pl_operand_is_integer(const pl_operand *x) {
  return x->tensor != NULL ? x->tensor->type != PL_F32 : x->is_integer;
}

void pl_doubles_open(pl_doubles *s, const pl_operand *x, const pl_shape *shape, int64_t start) {
  s->constant = x->tensor == NULL;
  if (s->constant) for (size_t i = 0; i < PL_CHUNK; i++) s->chunk[i] = x->number;
  else s->cursor = pl_cursor_open(x->tensor, shape, start);
}

const double *pl_doubles_read(pl_doubles *s, size_t n) {
  if (!s->constant) pl_cursor_read(&s->cursor, s->chunk, n);
  return s->chunk;
}

typedef struct job {
  const pl_binary_op *op;
  const pl_operand *a, *b;
  pl_tensor *out;
} job;

static pl_out_of_range run(int64_t from, int64_t to, void *arg) {
  const job *j = arg;
  double result[PL_CHUNK];
  pl_doubles a, b;
  pl_doubles_open(&a, j->a, &j->out->shape, from);
  pl_doubles_open(&b, j->b, &j->out->shape, from);
  pl_cursor out = pl_cursor_open(j->out, &j->out->shape, from);
  for (int64_t i = from; i < to; i += PL_CHUNK) {
    size_t n = pl_chunk_size(i, to);
    const double *x = pl_doubles_read(&a, n), *y = pl_doubles_read(&b, n);
    j->op->fn(result, x, y, n);
    size_t done = pl_cursor_write(&out, result, n);
    if (done < n) return (pl_out_of_range){ true, result[done] };
  }
  return (pl_out_of_range){ false, 0 };
}

static pl_out_of_range run_f32(int64_t from, int64_t to, void *arg) {
  const job *j = arg;
  const pl_operand target = { .tensor = j->out };
  pl_floats a, b, out;
  pl_floats_open(&a, j->a, &j->out->shape, from);
  pl_floats_open(&b, j->b, &j->out->shape, from);
  pl_floats_open(&out, &target, &j->out->shape, from);
  for (int64_t i = from; i < to; i += PL_FLOATS) {
    size_t n = to - i < PL_FLOATS ? (size_t)(to - i) : PL_FLOATS;
    float *result = pl_floats_target(&out, n);
    j->op->f32(result, pl_floats_read(&a, n), pl_floats_read(&b, n), n);
    pl_floats_write(&out, result, n);
  }
  return (pl_out_of_range){ false, 0 };
}

static bool is_f32(const pl_operand *x) { return x->tensor == NULL || x->tensor->type == PL_F32; }

static pl_status compute(pl_tensor *out, const pl_binary_op *op, const pl_operand *a, const pl_operand *b,
                         pl_error *err) {
  job j = { op, a, b, out };
  if (op->f32 != NULL && out->type == PL_F32 && is_f32(a) && is_f32(b))
    return pl_range_run(out, 1, op->name, run_f32, &j, err);
  return pl_range_run(out, PL_READ, op->name, run, &j, err);
}

static pl_status result_shape(pl_shape *shape, const pl_operand *a, const pl_operand *b, const char *what,
                              pl_error *err) {
  static const pl_shape scalar = { 0 };
  return pl_shape_broadcast(shape, a->tensor ? &a->tensor->shape : &scalar, b->tensor ? &b->tensor->shape : &scalar,
                            what, err);
}

static pl_tensor *binary(const pl_binary_op *op, const pl_operand *a, const pl_operand *b, pl_dtype type,
                         pl_error *err) {
  pl_shape shape;
  if (result_shape(&shape, a, b, op->name, err)) return NULL;
  pl_tensor *out = pl_tensor_new(type, &shape, err);
  if (out != NULL && compute(out, op, a, b, err)) {
    pl_tensor_free(out);
    return NULL;
  }
  return out;
}

static bool is_f32_tensor(const pl_operand *x) { return x->tensor != NULL && x->tensor->type == PL_F32; }

/* Beside an f32 tensor a number is an f32 too: so that a tensor made from 0.1 equals 0.1. Beside integers it stays as
   it is. */
static void round_numbers(pl_operand *a, pl_operand *b) {
  if (!is_f32_tensor(a) && !is_f32_tensor(b)) return;
  a->number = (double)(float)a->number;
  b->number = (double)(float)b->number;
}

pl_tensor *pl_tensor_binary(const pl_binary_op *op, pl_operand a, pl_operand b, pl_error *err) {
  round_numbers(&a, &b);
  return binary(op, &a, &b, pl_result_type(op->result, pl_operand_is_integer(&a) && pl_operand_is_integer(&b)), err);
}

pl_status pl_tensor_binary_in_place(pl_tensor *t, const pl_binary_op *op, pl_operand b, pl_error *err) {
  pl_shape shape;
  pl_operand a = { .tensor = t };
  pl_tensor *copy = NULL;
  pl_error local;
  if (err == NULL) err = &local;
  round_numbers(&a, &b);
  pl_status status = result_shape(&shape, &a, &b, op->name, err);
  if (status == PL_OK) status = pl_tensor_check_target(t, &shape, op->name, err);
  if (status) return status;
  if (t->type != PL_F32) {   /* a result that does not fit must leave the tensor as it was */
    copy = binary(op, &a, &b, t->type, err);
    status = copy == NULL ? err->status : pl_tensor_copy(t, copy, err);
  } else {
    if (b.tensor != NULL) status = pl_tensor_unshare(&b.tensor, &copy, t, err);
    if (status == PL_OK) status = compute(t, op, &a, &b, err);
  }
  pl_tensor_free(copy);
  return status;
}
