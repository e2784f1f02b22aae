/* core.bytes: tensors as the bytes of files, little-endian, and back. Used by export and import. */
#include <math.h>
#include <stdlib.h>
#include "bind/bind.h"

/* of(tensor) -> its elements in order, little-endian */
static int bytes_of(lua_State *L) {
  pl_error err;
  const pl_tensor *t = bind_check_tensor(L, 1);
  if (!pl_tensor_contiguous(t)) {
    pl_tensor **slot = bind_new_tensor(L);
    if ((*slot = pl_tensor_to_contiguous(t, &err)) == NULL) return bind_raise(L, &err);
    t = *slot;
  }
  size_t size = pl_dtype_size(pl_tensor_type(t)), n = (size_t)pl_tensor_count(t) * size;
  luaL_Buffer b;
  unsigned char *out = (unsigned char *)luaL_buffinitsize(L, &b, n);
  if (n > 0) memcpy(out, pl_tensor_data(t), n);
  if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ && size == 4) {
    for (size_t i = 0; i < n; i += 4) {
      unsigned char first = out[i], second = out[i + 1];
      out[i] = out[i + 3], out[i + 1] = out[i + 2], out[i + 2] = second, out[i + 3] = first;
    }
  }
  luaL_pushresultsize(&b, n);
  return 1;
}

/* An element type of a file: its value is that of the bits (of `size` little-endian bytes). */
typedef enum kind { FLOATING, SIGNED, UNSIGNED } kind;
typedef struct element { const char *name; size_t size; kind kind; int exponent, mantissa; } element;

static const element elements[] = {
  { "F64", 8, FLOATING, 11, 52 }, { "F32", 4, FLOATING, 8, 23 }, { "F16", 2, FLOATING, 5, 10 },
  { "BF16", 2, FLOATING, 8, 7 }, { "I64", 8, SIGNED, 0, 0 }, { "I32", 4, SIGNED, 0, 0 }, { "I16", 2, SIGNED, 0, 0 },
  { "I8", 1, SIGNED, 0, 0 }, { "U64", 8, UNSIGNED, 0, 0 }, { "U32", 4, UNSIGNED, 0, 0 },
  { "U16", 2, UNSIGNED, 0, 0 }, { "U8", 1, UNSIGNED, 0, 0 }, { "BOOL", 1, UNSIGNED, 0, 0 },
};

static const element *find_element(const char *name) {
  for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
    if (strcmp(elements[i].name, name) == 0) return &elements[i];
  }
  return NULL;
}

/* IEEE: (-1)^s 2^(e - bias) (1 + m / 2^mantissa); e = 0: without the 1; e all ones: infinity, or NaN where m != 0 */
static double floating_value(const element *e, uint64_t bits) {
  uint64_t most = ((uint64_t)1 << e->exponent) - 1, exponent = bits >> e->mantissa & most;
  uint64_t mantissa = bits & (((uint64_t)1 << e->mantissa) - 1);
  int bias = (1 << (e->exponent - 1)) - 1;
  double sign = bits >> (e->exponent + e->mantissa) & 1 ? -1 : 1;
  if (exponent == most) return mantissa ? NAN : sign * INFINITY;
  double fraction = ldexp((double)mantissa, -e->mantissa) + (exponent > 0);
  return sign * ldexp(fraction, (exponent > 0 ? (int)exponent : 1) - bias);
}

static double element_value(const element *e, const unsigned char *at) {
  uint64_t bits = 0;
  for (size_t i = e->size; i-- > 0;) bits = bits << 8 | at[i];
  if (e->kind == FLOATING) return floating_value(e, bits);
  if (e->kind == UNSIGNED) return (double)bits;
  unsigned unused = 64 - 8 * (unsigned)e->size;
  return (double)((int64_t)(bits << unused) >> unused);
}

/* size(type) -> bytes of an element of a file; nil for an unknown type */
static int bytes_size(lua_State *L) {
  const element *e = find_element(luaL_checkstring(L, 1));
  if (e == NULL) lua_pushnil(L);
  else lua_pushinteger(L, (lua_Integer)e->size);
  return 1;
}

/* tensor(type, shape, text, from) -> f32 tensor of the elements that begin at byte `from` (counted from 0) */
static int bytes_tensor(lua_State *L) {
  pl_error err;
  size_t length;
  const element *e = find_element(luaL_checkstring(L, 1));
  luaL_argcheck(L, e != NULL, 1, "unknown element type");
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 4);
  lua_pushvalue(L, 2);                           /* a shape is what is left of the arguments */
  pl_shape shape = bind_check_shape(L, 5);
  const unsigned char *text = (const unsigned char *)luaL_checklstring(L, 3, &length);
  lua_Integer from = luaL_checkinteger(L, 4);
  int64_t count = pl_shape_count(&shape);
  luaL_argcheck(L, from >= 0 && (size_t)from <= length && count >= 0
                && (uint64_t)count <= (length - (size_t)from) / e->size, 4, "the text ends before its elements do");
  pl_tensor **slot = bind_new_tensor(L);
  if ((*slot = pl_tensor_new(PL_F32, &shape, &err)) == NULL) return bind_raise(L, &err);
  float *out = pl_tensor_data(*slot);
  for (int64_t i = 0; i < count; i++) {
    const unsigned char *at = text + (size_t)from + (size_t)i * e->size;
    if (e->size == 4 && e->kind == FLOATING) {   /* bits as they are, a NaN's too */
      uint32_t bits = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
      memcpy(out + i, &bits, sizeof bits);
    } else {
      out[i] = (float)element_value(e, at);
    }
  }
  bind_account(L, (size_t)count * sizeof *out);
  return 1;
}

int bind_open_bytes(lua_State *L);

int bind_open_bytes(lua_State *L) {
  lua_newtable(L);
  luaL_setfuncs(L, (luaL_Reg[]){ { "of", bytes_of }, { "size", bytes_size }, { "tensor", bytes_tensor },
                                 { NULL, NULL } }, 0);
  return 1;
}
