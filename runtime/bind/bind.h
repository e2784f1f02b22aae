/* What every file of the binding uses: check, call, raise, push. The only module that sees lua_State. */
#ifndef BIND_H
#define BIND_H

#include <string.h>
#include <lua.h>
#include <lauxlib.h>

#include "perilune/tensor.h"

struct cJSON;

/* Raises err as a Lua error that begins with the file and line of the Lua caller. Never returns. */
int bind_raise(lua_State *L, const pl_error *err);
/* The same where a function of the script may have raised it: a line that the error names stays its first. */
int bind_raise_from_script(lua_State *L, const pl_error *err);
/* Misuse: raises. I/O and damaged files (PL_ERROR_IO, PL_ERROR_CORRUPT): returns nil, message, like io.open. */
int bind_fail(lua_State *L, const pl_error *err);

/* Lua's argument `index` as JSON (caller frees). Tables: a sequence becomes an array, string keys an object
   in sorted order. Functions, userdata and cycles raise. */
struct cJSON *bind_to_json(lua_State *L, int index);
/* json.list([t]), see bind.c. */
int bind_json_list(lua_State *L);
/* Arguments first..last as a JSON array (caller frees). */
struct cJSON *bind_args_to_json(lua_State *L, int first, int last);
/* Pushes the value, or its member of that name unless NULL (nil when there is none), and frees the JSON, also when it
   raises. */
void bind_push_json(lua_State *L, struct cJSON *json, const char *member);
/* The same for its text; `pretty`: on several lines. */
void bind_push_json_text(lua_State *L, struct cJSON *json, const char *member, bool pretty);

/* Tensors. A slot is pushed empty (already collectable), then filled by the caller. */
#define BIND_TENSOR "perilune.tensor"
pl_tensor **bind_new_tensor(lua_State *L);
pl_tensor *bind_check_tensor(lua_State *L, int index);      /* raises unless a live tensor */
pl_tensor *bind_test_tensor(lua_State *L, int index);       /* NULL unless a live tensor */
/* The tensor at `index` as contiguous elements of `type`, converted where it has another; pushes it. Raises. */
const pl_tensor *bind_push_as(lua_State *L, int index, pl_dtype type);
/* [n, sample...]; and back: the shape of one sample of a batch, which has an axis. */
pl_shape bind_batch_shape(const pl_shape *sample, size_t n);
pl_shape bind_sample_shape(const pl_shape *batch);
/* A tensor [n, sample...] for the empty slot, filled from `data` unless that is NULL: its elements. Raises, but asks
   Lua for no memory. */
void *bind_fill_batch(lua_State *L, pl_tensor **slot, pl_dtype type, const pl_shape *sample, size_t n,
                      const void *data);
/* Copies the elements of an f32 tensor to `out`, which they may lie in. Raises. */
void bind_copy_floats(lua_State *L, const pl_tensor *t, float *out);
/* The list of strings at `index`, *n of them and a NULL. What is pushed keeps them, whatever becomes of the list. */
const char **bind_check_strings(lua_State *L, int index, size_t *n);
/* A shape from a table or a run of integers at `index`..top. */
pl_shape bind_check_shape(lua_State *L, int index);
/* Pushes a list of whole numbers; of the sizes of a shape. */
void bind_push_integers(lua_State *L, const int64_t *v, int n);
void bind_push_shape(lua_State *L, const pl_shape *shape);

/* Data sets: a core.dataset, or a split as lua/perilune/data/init.lua makes it, which is read from its files now if
   it has not been. Calls functions of the script, and may raise: call it before anything is held. The data set takes
   the address of the argument on the stack, and lives as long as it is there. */
#define BIND_DATASET "core.dataset"
struct pl_dataset *bind_check_dataset(lua_State *L, int index);

#define BIND_AUGMENT "perilune.augmentation"
struct pl_augment *bind_check_augment(lua_State *L, int index);   /* raises unless an augmentation */
struct pl_augment *bind_test_augment(lua_State *L, int index);    /* NULL unless an augmentation */

#define BIND_LOSS "perilune.loss"
struct pl_loss *bind_check_loss(lua_State *L, int index);             /* raises unless a loss */
#define BIND_OPTIMIZER "perilune.optimizer"
struct pl_optimizer *bind_check_optimizer(lua_State *L, int index);   /* raises unless an optimizer */

/* Makes a metatable `name` with `methods` (metamethods among them) and, unless one of them is __index, an __index to a
   table of the others; leaves it on the stack.

   Who owns what. An object of the core belongs to its userdata. What uses it beyond a call holds it: by a count (data
   sets, augmentations, tensors), or by its userdata in a user value of its own, or, since finalizers may meet a layer
   after its parent, by the family that layers share (bind_layer.c). __gc is called by the collector alone: no script
   can get at it. What a script can end (free, close, <close>) it may end at any moment, also in a finalizer that runs
   where a function of the binding asks Lua for memory: so such a function takes the pointer out of the userdata last,
   or the end is only noted (bind_in_finalizer). */
void bind_new_class(lua_State *L, const char *name, const luaL_Reg *methods);

/* Objects that a script may close at the end of a <close> block, while a function that uses one, and calls the script,
   goes on. slot[0]: the object; slot[1]: what was closed, until the collector comes. Defines NAME_slot, which pushes an
   empty one, and NAME_gc and NAME_close, for the class. */
#define BIND_CLOSABLE(name, class, type) \
  static type **name##_slot(lua_State *L) { \
    type **slot = lua_newuserdatauv(L, 2 * sizeof *slot, 0); \
    slot[0] = slot[1] = NULL; \
    luaL_setmetatable(L, class); \
    return slot; \
  } \
  static int name##_gc(lua_State *L) { \
    type **slot = luaL_checkudata(L, 1, class); \
    type##_free(slot[0]); \
    type##_free(slot[1]); \
    slot[0] = slot[1] = NULL; \
    return 0; \
  } \
  static int name##_close(lua_State *L) { \
    type **slot = luaL_checkudata(L, 1, class); \
    if (*slot != NULL) slot[1] = *slot; \
    *slot = NULL; \
    return 0; \
  }

/* getmetatable() of an object gives the name of the class whose metatable is on top. */
void bind_hide_metatable(lua_State *L, const char *name);
/* For __index: pushes the method `key` of the object at 1; false, and nothing, if there is none. */
bool bind_push_method(lua_State *L, const char *key);
/* Once, at the start: what bind_in_finalizer looks for. */
void bind_know_pcall(lua_State *L);
/* Whether a finalizer runs, as far as the stack tells; true where it does not. */
bool bind_in_finalizer(lua_State *L);
/* Pushes the line of the script that runs, "x.lua:12", below what of the library it has called; nil and NULL: none. */
const char *bind_push_origin(lua_State *L);

/* A wrong argument: an error that names the function as the script knows it, the argument, what came, and the script's
   line.
   `expected`: a type of Lua, the name of a class, or in words. In the binding luaL_check... and luaL_opt... are
   these. */
int bind_argerror(lua_State *L, int arg, const char *message);
int bind_typeerror(lua_State *L, int arg, const char *expected);
void *bind_checkudata(lua_State *L, int arg, const char *name);
void bind_checktype(lua_State *L, int arg, int type);
lua_Number bind_checknumber(lua_State *L, int arg);
lua_Integer bind_checkinteger(lua_State *L, int arg);
lua_Integer bind_optinteger(lua_State *L, int arg, lua_Integer otherwise);
lua_Number bind_optnumber(lua_State *L, int arg, lua_Number otherwise);
const char *bind_checklstring(lua_State *L, int arg, size_t *n);
const char *bind_optlstring(lua_State *L, int arg, const char *otherwise, size_t *n);
int bind_checkoption(lua_State *L, int arg, const char *otherwise, const char *const *list);
/* luaL_error with the line of the script, also where a Lua file of the library called. */
int bind_error(lua_State *L, const char *format, ...);
/* bind_raise of what pl_options_read said, with what other frameworks' names for options are called here. */
int bind_raise_options(lua_State *L, const pl_error *err);
/* A value that no option takes; raises. */
int bind_not_an_option(lua_State *L, int index);
/* In an __index(object, name) that found nothing: pushes nil for a name that may be there, raises for one that nothing
   has. */
int bind_unknown_name(lua_State *L);

#ifndef BIND_ARGUMENTS_C
#define luaL_error        bind_error
#define luaL_argerror     bind_argerror
#define luaL_typeerror    bind_typeerror
#define luaL_checkudata   bind_checkudata
#define luaL_checktype    bind_checktype
#define luaL_checknumber  bind_checknumber
#define luaL_checkinteger bind_checkinteger
#define luaL_optinteger   bind_optinteger
#define luaL_optnumber    bind_optnumber
#define luaL_checklstring bind_checklstring
#define luaL_optlstring   bind_optlstring
#define luaL_checkoption  bind_checkoption
#endif

/* kind(path) -> "file", "folder", "other", or nil when nothing is there. */
int bind_path_kind(lua_State *L);
/* Accounts `bytes` of freshly allocated memory to Lua's collector. */
void bind_account(lua_State *L, size_t bytes);

/* Pushes the environment of the library's own Lua files. */
void bind_push_environment(lua_State *L);
/* Numbers keep their point in this thread: to be called after every setlocale. bind_fix_locale does, and sees to
   os.setlocale. */
void bind_numbers_with_a_point(void);
void bind_fix_locale(lua_State *L);

#endif
