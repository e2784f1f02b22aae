/* core.loss.decide, probabilities, hits: what outputs mean, tensor by tensor; the rules are in loss/decision.c. */
#include "bind/bind_loss.h"
#include "bind/bind_tensor.h"

pl_output_kind bind_check_outputs(lua_State *L, int index) {
  return (pl_output_kind)luaL_checkoption(L, index, NULL, pl_output_names());
}

/* Scores [N, K] at 1 as contiguous f32; their rows and width. */
static const float *check_scores(lua_State *L, int64_t *rows, size_t *width) {
  char text[PL_SHAPE_TEXT];
  const pl_tensor *y = bind_check_tensor(L, 1);
  const pl_shape *shape = pl_tensor_shape(y);
  if (shape->axes < 1 || (shape->size[0] > 0 && pl_shape_count(shape) == 0))
    luaL_error(L, "outputs are [N, K], got %s", pl_shape_text(text, shape, false));
  *rows = shape->size[0];
  *width = *rows > 0 ? (size_t)(pl_shape_count(shape) / *rows) : 0;
  return pl_tensor_data(bind_push_as(L, 1, PL_F32));
}

/* decide(scores, kind) -> labels i32 [N]; -1 for a row with NaN */
static int decide(lua_State *L) {
  pl_error err;
  int64_t rows;
  size_t width;
  pl_output_kind kind = bind_check_outputs(L, 2);
  const float *y = check_scores(L, &rows, &width);
  pl_tensor **slot = bind_new_tensor(L);
  *slot = pl_tensor_new(PL_I32, &(pl_shape){ 1, { rows } }, &err);
  if (*slot == NULL) return bind_raise(L, &err);
  int32_t *label = pl_tensor_data(*slot);
  for (int64_t i = 0; i < rows; i++) label[i] = pl_decide(kind, y + (size_t)i * width, width);
  return 1;
}

/* probabilities(scores, kind) -> f32, shaped as the scores; nil where such outputs have none */
static int probabilities(lua_State *L) {
  pl_error err;
  int64_t rows;
  size_t width;
  pl_output_kind kind = bind_check_outputs(L, 2);
  const float *y = check_scores(L, &rows, &width);
  pl_tensor **slot = bind_new_tensor(L);
  bind_tensor_return(L, slot, pl_tensor_new(PL_F32, pl_tensor_shape(bind_check_tensor(L, 1)), &err), &err);
  if (rows > 0 && !pl_probabilities(kind, pl_tensor_data(*slot), y, (size_t)rows, width)) lua_pushnil(L);
  return 1;
}

/* hits(scores, labels, kind) -> how many rows decide for their label, and of how many */
static int hits(lua_State *L) {
  int64_t rows, right = 0;
  size_t width;
  char first[PL_SHAPE_TEXT], second[PL_SHAPE_TEXT];
  const pl_tensor *labels = bind_check_tensor(L, 2);
  pl_output_kind kind = bind_check_outputs(L, 3);
  const pl_shape *scores = pl_tensor_shape(bind_check_tensor(L, 1)), *shape = pl_tensor_shape(labels);
  bool fits = scores->axes == 2 && scores->size[1] > 0 && shape->axes == 1 && shape->size[0] == scores->size[0];
  if (!fits || pl_tensor_type(labels) == PL_F32)
    return luaL_error(L, "accuracy: expects scores [N, K] and i32 or u8 labels [N], got %s and %s %s",
                      pl_shape_text(first, scores, false), pl_dtype_name(pl_tensor_type(labels)),
                      pl_shape_text(second, shape, false));
  const float *y = check_scores(L, &rows, &width);
  const int32_t *label = pl_tensor_data(bind_push_as(L, 2, PL_I32));
  int64_t classes = width == 1 ? 2 : (int64_t)width;
  for (int64_t i = 0; i < rows; i++) {
    if (label[i] < 0 || label[i] >= classes)
      return luaL_error(L, "accuracy: label %d in row %I; labels of %I classes go from 0 to %I", (int)label[i],
                        (LUAI_UACINT)(i + 1), (LUAI_UACINT)classes, (LUAI_UACINT)(classes - 1));
    int32_t guess = pl_decide(kind, y + (size_t)i * width, width);
    right += guess != PL_NO_LABEL && guess == label[i];
  }
  lua_pushinteger(L, right);
  lua_pushinteger(L, rows);
  return 2;
}

/* errors(outputs, targets, kind) -> sums of |d| and d^2, d = output - target */
static int errors(lua_State *L) {
  int64_t rows;
  size_t width;
  const pl_tensor *targets = bind_check_tensor(L, 2);
  pl_output_kind kind = bind_check_outputs(L, 3);
  if (pl_tensor_count(targets) != pl_tensor_count(bind_check_tensor(L, 1)))
    return luaL_error(L, "outputs and targets differ in number");
  const float *y = check_scores(L, &rows, &width);
  const float *t = pl_tensor_data(bind_push_as(L, 2, PL_F32));
  pl_row_errors sum = { 0 };
  for (int64_t i = 0; i < rows; i++) {
    pl_row_errors e = pl_errors_of_row(kind, y + (size_t)i * width, t + (size_t)i * width, width);
    sum.absolute += e.absolute;
    sum.squared += e.squared;
  }
  lua_pushnumber(L, sum.absolute);
  lua_pushnumber(L, sum.squared);
  return 2;
}

const luaL_Reg bind_decision_functions[] = {
  { "decide", decide }, { "probabilities", probabilities }, { "hits", hits }, { "errors", errors }, { NULL, NULL },
};
