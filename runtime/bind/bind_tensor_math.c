/* Elementwise operations: one closure an entry of the core's lists, as method, in-place method and metamethod. */
#include <stdio.h>
#include "bind/bind_tensor.h"

pl_operand bind_check_operand(lua_State *L, int index) {
  if (lua_type(L, index) == LUA_TNUMBER)
    return (pl_operand){ .number = lua_tonumber(L, index), .is_integer = lua_isinteger(L, index) };
  if (luaL_testudata(L, index, BIND_TENSOR) == NULL) luaL_typeerror(L, index, "a tensor or a number");
  return (pl_operand){ .tensor = bind_check_tensor(L, index) };
}

static int binary(lua_State *L) {
  const pl_binary_op *op = lua_touserdata(L, lua_upvalueindex(1));
  if (lua_istable(L, 2) && bind_symbolic(L, op->name)) return 1;
  pl_operand a = bind_check_operand(L, 1), b = bind_check_operand(L, 2);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, pl_tensor_binary(op, a, b, &err), &err);
}

static int binary_in_place(lua_State *L) {
  const pl_binary_op *op = lua_touserdata(L, lua_upvalueindex(1));
  pl_tensor *t = bind_check_tensor(L, 1);
  pl_operand b = bind_check_operand(L, 2);
  pl_error err;
  return bind_tensor_self(L, pl_tensor_binary_in_place(t, op, b, &err), &err);
}

static void check_parameters(lua_State *L, const pl_unary_op *op, double parameters[2]) {
  for (int i = 0; i < op->parameters; i++) parameters[i] = luaL_checknumber(L, 2 + i);
}

static int unary(lua_State *L) {
  const pl_unary_op *op = lua_touserdata(L, lua_upvalueindex(1));
  const pl_tensor *t = bind_check_tensor(L, 1);
  double parameters[2] = { 0 };
  check_parameters(L, op, parameters);
  pl_error err;
  pl_tensor **slot = bind_new_tensor(L);
  return bind_tensor_return(L, slot, pl_tensor_unary(op, t, parameters, &err), &err);
}

static int unary_in_place(lua_State *L) {
  const pl_unary_op *op = lua_touserdata(L, lua_upvalueindex(1));
  pl_tensor *t = bind_check_tensor(L, 1);
  double parameters[2] = { 0 };
  check_parameters(L, op, parameters);
  pl_error err;
  return bind_tensor_self(L, pl_tensor_unary_in_place(t, op, parameters, &err), &err);
}

static void set_closure(lua_State *L, const char *name, lua_CFunction f, const void *op) {
  lua_pushlightuserdata(L, (void *)op);
  lua_pushcclosure(L, f, 1);
  lua_setfield(L, -2, name);
}

/* Under its own name, and with a trailing _ in place. */
static void set_both(lua_State *L, const char *name, lua_CFunction f, lua_CFunction in_place, pl_result_kind result,
                     const void *op) {
  char with_underscore[32];
  set_closure(L, name, f, op);
  if (result == PL_RESULT_MASK) return;
  snprintf(with_underscore, sizeof with_underscore, "%s_", name);
  set_closure(L, with_underscore, in_place, op);
}

/* Lua's names for the operators; == stays identity, and < would make booleans of tensors. */
static const char *const metamethods[][2] = {
  { "__add", "add" }, { "__sub", "sub" }, { "__mul", "mul" }, { "__div", "div" },
  { "__idiv", "idiv" }, { "__mod", "mod" }, { "__pow", "pow" },
};

void bind_tensor_add_math(lua_State *L) {
  for (const pl_binary_op *op = pl_binary_ops; op->name; op++)
    set_both(L, op->name, binary, binary_in_place, op->result, op);
  for (const pl_unary_op *op = pl_unary_ops; op->name; op++)
    set_both(L, op->name, unary, unary_in_place, op->result, op);
  for (size_t i = 0; i < sizeof metamethods / sizeof *metamethods; i++)
    set_closure(L, metamethods[i][0], binary, pl_binary_find(metamethods[i][1]));
  set_closure(L, "__unm", unary, pl_unary_find("neg"));
}
