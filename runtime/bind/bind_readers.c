/* core.readers: NPY, NPZ and CSV files; lua/perilune/data builds data sets on them. */
#include "bind/bind_data.h"
#include "bind/bind_store.h"
#include "perilune/alloc.h"
#include "perilune/readers.h"

#define BIND_CSV "core.csv"

static const char *opt_member(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? NULL : luaL_checkstring(L, index);
}

/* npy_info(path [, member]) -> { type=, shape=, integers=, element= }; or nil, message */
static int readers_npy_info(lua_State *L) {
  pl_error err;
  pl_array_info info;
  if (pl_npy_info(luaL_checkstring(L, 1), opt_member(L, 2), &info, &err)) return bind_fail(L, &err);
  bind_push_array_info(L, &info);
  lua_pushstring(L, info.element);
  lua_setfield(L, -2, "element");
  return 1;
}

/* npy_read(path [, member]) -> tensor; or nil, message */
static int readers_npy_read(lua_State *L) {
  pl_error err;
  const char *path = luaL_checkstring(L, 1), *member = opt_member(L, 2);
  pl_tensor **out = bind_new_tensor(L);
  if ((*out = pl_npy_read(path, member, &err)) == NULL) return bind_fail(L, &err);
  bind_account(L, pl_tensor_footprint(*out));
  return 1;
}

typedef struct names { bind_box *box; pl_status status; pl_error err; } names;

static void add_name(void *context, const char *name) {
  names *list = context;
  if (list->status == PL_OK) list->status = bind_box_add(list->box, name, strlen(name) + 1, &list->err);
}

/* npz_list(path) -> names; or nil, message */
static int readers_npz_list(lua_State *L) {
  pl_error err;
  const char *path = luaL_checkstring(L, 1);
  names list = { .box = bind_new_box(L) };
  if (pl_npz_list(path, add_name, &list, &err)) return bind_fail(L, &err);
  return list.status ? bind_raise(L, &list.err) : bind_push_texts(L, list.box);
}

BIND_CLOSABLE(csv, BIND_CSV, pl_csv)

static pl_csv *self(lua_State *L) {
  pl_csv **slot = luaL_checkudata(L, 1, BIND_CSV);
  luaL_argcheck(L, *slot != NULL, 1, "this file was closed");
  return *slot;
}

/* csv(path, delimiter, header, marks of missing values) -> file; or nil, message */
static int readers_csv(lua_State *L) {
  pl_error err;
  const char *path = luaL_checkstring(L, 1), *delimiter = luaL_checkstring(L, 2);
  luaL_checktype(L, 4, LUA_TTABLE);
  size_t n = (size_t)lua_rawlen(L, 4);
  const char **marks = lua_newuserdatauv(L, (n + 1) * sizeof *marks, 0);
  luaL_checkstack(L, (int)n + 4, "too many marks of missing values");
  pl_csv **slot = csv_slot(L);
  int at = lua_gettop(L);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, 4, (lua_Integer)i + 1);
    marks[i] = luaL_checkstring(L, -1);
  }
  marks[n] = NULL;
  lua_settop(L, at + (int)n);
  if ((*slot = pl_csv_open(path, delimiter[0], lua_toboolean(L, 3), &err)) == NULL) return bind_fail(L, &err);
  if (pl_csv_set_missing(*slot, marks, &err)) return bind_raise(L, &err);
  lua_settop(L, at);
  return 1;
}

static void set_number(lua_State *L, const char *name, size_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

static void set_double(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

/* file:columns() -> a list of { name=, numbers=, texts=, missing=, mean=, min=, max=, rounding=, text=, text_line=,
   missing_line= }, and the number of rows */
static int csv_columns(lua_State *L) {
  const pl_csv *c = self(L);
  size_t n = pl_csv_columns(c);
  pl_csv_column *columns = lua_newuserdatauv(L, n * sizeof *columns, 0);
  pl_csv_scan(c, columns);
  lua_createtable(L, (int)n, 0);
  for (size_t k = 0; k < n; k++) {
    const pl_csv_column *column = &columns[k];
    lua_createtable(L, 0, 10);
    lua_pushstring(L, pl_csv_name(c, k));
    lua_setfield(L, -2, "name");
    set_number(L, "numbers", column->numbers);
    set_number(L, "texts", column->texts);
    set_number(L, "missing", column->missing);
    set_double(L, "mean", column->mean);
    set_double(L, "min", column->min);
    set_double(L, "max", column->max);
    set_double(L, "rounding", column->rounding);
    if (column->texts > 0) {
      set_number(L, "text_line", pl_csv_line(c, column->text_row));
      lua_pushstring(L, pl_csv_field(c, column->text_row, k));
      lua_setfield(L, -2, "text");
    }
    if (column->missing > 0) set_number(L, "missing_line", pl_csv_line(c, column->missing_row));
    lua_rawseti(L, -2, (lua_Integer)k + 1);
  }
  lua_pushinteger(L, (lua_Integer)pl_csv_rows(c));
  return 2;
}

static size_t check_column(lua_State *L, int index, const pl_csv *c) {
  lua_Integer k = luaL_checkinteger(L, index);
  luaL_argcheck(L, k >= 1 && (size_t)k <= pl_csv_columns(c), index, "no such column");
  return (size_t)k - 1;
}

/* file:categories(column, most) -> the different texts, ascending; or nil, their number if there are more */
static int csv_categories(lua_State *L) {
  pl_error err;
  const pl_csv *c = self(L);
  size_t column = check_column(L, 2, c), n = 0;
  lua_Integer most = luaL_checkinteger(L, 3);
  const char **list = NULL;
  if (pl_csv_categories(c, column, &list, &n, &err)) return bind_raise(L, &err);
  if ((lua_Integer)n > most) {
    pl_free(list);
    lua_pushnil(L);
    lua_pushinteger(L, (lua_Integer)n);
    return 2;
  }
  const char **copy = lua_newuserdatauv(L, (n + 1) * sizeof *copy, 0);   /* the texts are the file's */
  memcpy(copy, list, n * sizeof *copy);
  pl_free(list);
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    lua_pushstring(L, copy[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* Pushes what keeps the names of the list at the top of the stack: a table of our own, since the script may change its
   own meanwhile, and a number in it is a string only here. */
static void take_names(lua_State *L, pl_csv_use *use) {
  use->n = (size_t)lua_rawlen(L, -1);
  const char **list = lua_newuserdatauv(L, (use->n + 1) * sizeof *list, 1);
  lua_newtable(L);
  for (size_t i = 0; i < use->n; i++) {
    lua_rawgeti(L, -3, (lua_Integer)i + 1);
    list[i] = luaL_checkstring(L, -1);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setiuservalue(L, -2, 1);
  use->names = list;
  lua_replace(L, -2);
}

/* One column's { role=, at= (from 1), names=, fill= }, or false; pushes what must stay alive. */
static void take_use(lua_State *L, pl_csv_use *use) {
  static const char *const roles[] = { "unused", "number", "one_hot", "label", "target", NULL };
  *use = (pl_csv_use){ 0 };
  if (!lua_istable(L, -1)) return;
  int table = lua_gettop(L);
  lua_getfield(L, table, "role");
  use->role = (pl_csv_role)luaL_checkoption(L, -1, NULL, roles);
  lua_getfield(L, table, "at");
  lua_Integer at = luaL_optinteger(L, -1, 1);
  if (at < 1) luaL_error(L, "at counts from 1, got %I", (LUAI_UACINT)at);
  use->at = (size_t)at - 1;
  lua_getfield(L, table, "fill");
  use->fills = !lua_isnil(L, -1);
  use->fill = (float)luaL_optnumber(L, -1, 0);
  lua_settop(L, table);
  if (lua_getfield(L, table, "names") == LUA_TTABLE) take_names(L, use);
}

/* file:fill(uses, drop, width, target width or nil, with labels) -> x [n, width], y (labels [n], targets [n, ...] or
   nil);
   or nil, message */
static int csv_fill(lua_State *L) {
  pl_error err;
  const pl_csv *c = self(L);
  size_t columns = pl_csv_columns(c), width = (size_t)luaL_checkinteger(L, 4),
    target_width = (size_t)luaL_optinteger(L, 5, 0), rows = 0, filled;
  bool drop = lua_toboolean(L, 3), labelled = lua_toboolean(L, 6);
  luaL_checktype(L, 2, LUA_TTABLE);
  pl_csv_use *uses = lua_newuserdatauv(L, columns * sizeof *uses, 0);
  lua_newtable(L);   /* keeps the lists of names */
  int kept = lua_gettop(L);
  for (size_t k = 0; k < columns; k++) {
    lua_rawgeti(L, 2, (lua_Integer)k + 1);
    take_use(L, &uses[k]);
    const pl_csv_use *use = &uses[k];
    if (use->role == (labelled ? PL_CSV_TARGET : PL_CSV_LABEL))
      return luaL_error(L, "column %d has no place", (int)k + 1);
    size_t n = use->role == PL_CSV_ONE_HOT ? use->n : 1, most = use->role == PL_CSV_TARGET ? target_width : width;
    if (use->role != PL_CSV_UNUSED && use->role != PL_CSV_LABEL && (use->at > most || n > most - use->at))
      return luaL_error(L, "column %d lies outside", (int)k + 1);
    lua_rawseti(L, kept, (lua_Integer)k + 1);
    lua_settop(L, kept);
  }
  for (size_t row = 0; row < pl_csv_rows(c); row++) rows += !drop || !pl_csv_row_lacks(c, uses, row);
  pl_tensor **x = bind_new_tensor(L), **y = NULL;
  if ((*x = pl_tensor_new(PL_F32, &(pl_shape){ 2, { (int64_t)rows, (int64_t)width } }, &err)) == NULL)
    return bind_raise(L, &err);
  if (labelled || target_width > 0) {
    pl_shape shape = { labelled ? 1 : 2, { (int64_t)rows, (int64_t)target_width } };
    y = bind_new_tensor(L);
    if ((*y = pl_tensor_new(labelled ? PL_I32 : PL_F32, &shape, &err)) == NULL) return bind_raise(L, &err);
  } else lua_pushnil(L);
  if (pl_csv_fill(c, uses, drop, pl_tensor_data(*x), width, labelled ? pl_tensor_data(*y) : NULL,
                  y != NULL && !labelled ? pl_tensor_data(*y) : NULL, target_width, &filled, &err))
    return bind_fail(L, &err);
  bind_account(L, rows * width * sizeof(float));
  return 2;
}

static const luaL_Reg csv_methods[] = {
  { "__gc", csv_gc }, { "__close", csv_close }, { "columns", csv_columns }, { "categories", csv_categories },
  { "fill", csv_fill },
  { NULL, NULL },
};

/* cifar(paths, bytes of labels in a record, classes) -> u8 [N, 32, 32, 3], i32 [N]; or nil, message */
static int readers_cifar(lua_State *L) {
  pl_error err;
  size_t n;
  lua_Integer label_bytes = luaL_checkinteger(L, 2), classes = luaL_checkinteger(L, 3);
  luaL_argcheck(L, label_bytes == 1 || label_bytes == 2, 2, "a record has 1 or 2 labels");
  const char **paths = bind_check_strings(L, 1, &n);
  pl_tensor **images = bind_new_tensor(L), **labels = bind_new_tensor(L);
  if (pl_cifar_read(images, labels, paths, n, (size_t)label_bytes, classes, &err)) return bind_fail(L, &err);
  bind_account(L, pl_tensor_footprint(*images));
  return 2;
}

static int check_channels(lua_State *L, int index) {
  lua_Integer channels = luaL_checkinteger(L, index);
  luaL_argcheck(L, channels == 1 || channels == 3, index, "a picture has 1 channel (gray) or 3 (colours)");
  return (int)channels;
}

/* picture_info(path) -> height, width; or nil, message */
static int readers_picture_info(lua_State *L) {
  pl_error err;
  int64_t height, width;
  if (pl_picture_info(luaL_checkstring(L, 1), &height, &width, &err)) return bind_fail(L, &err);
  lua_pushinteger(L, height);
  lua_pushinteger(L, width);
  return 2;
}

/* picture(path, channels) -> u8 [H, W, C]; or nil, message */
static int readers_picture(lua_State *L) {
  pl_error err;
  const char *path = luaL_checkstring(L, 1);
  int channels = check_channels(L, 2);
  pl_tensor **out = bind_new_tensor(L);
  if ((*out = pl_picture_read(path, channels, &err)) == NULL) return bind_fail(L, &err);
  bind_account(L, pl_tensor_footprint(*out));
  return 1;
}

/* pictures(paths, height or 0, width, channels) -> u8 [n, H, W, C]; or nil, message */
static int readers_pictures(lua_State *L) {
  pl_error err;
  size_t n;
  lua_Integer height = luaL_checkinteger(L, 2), width = luaL_checkinteger(L, 3);
  int channels = check_channels(L, 4);
  luaL_argcheck(L, height >= 0 && height <= 65536, 2, "a height is 1 to 65536 pixels");
  luaL_argcheck(L, width >= 0 && width <= 65536 && (width > 0) == (height > 0), 3, "a width is 1 to 65536 pixels");
  const char **paths = bind_check_strings(L, 1, &n);
  pl_tensor **out = bind_new_tensor(L);
  if ((*out = pl_pictures_read(paths, n, height, width, channels, &err)) == NULL) return bind_fail(L, &err);
  bind_account(L, pl_tensor_footprint(*out));
  return 1;
}

static const luaL_Reg functions[] = {
  { "npy_info", readers_npy_info }, { "npy_read", readers_npy_read }, { "npz_list", readers_npz_list },
  { "csv", readers_csv }, { "cifar", readers_cifar },
  { "picture_info", readers_picture_info }, { "picture", readers_picture }, { "pictures", readers_pictures },
  { NULL, NULL },
};

int bind_open_readers(lua_State *L) {
  bind_new_class(L, BIND_CSV, csv_methods);
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
