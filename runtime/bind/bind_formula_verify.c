/* The first batch of a training, computed once more operation by operation. */
#include <string.h>
#include "bind/bind_formula.h"
#include "bind/bind_layer.h"
#include "bind/bind_loss.h"

/* verify(model, x): raises unless a training pass over x is, to the last bit, what its operations compute one by one.
   */
int bind_formula_verify(lua_State *L) {
  pl_error err;
  pl_model *model = bind_check_model(L, 1);
  lua_settop(L, 2);
  const pl_tensor *x = bind_push_as(L, 2, PL_F32);
  const pl_shape *sample = pl_model_input(model), *given = pl_tensor_shape(x);
  bool fits = sample == NULL || (given->axes == sample->axes + 1 && given->size[0] > 0 &&
              memcmp(given->size + 1, sample->size, (size_t)sample->axes * sizeof sample->size[0]) == 0);
  char a[PL_SHAPE_TEXT], b[PL_SHAPE_TEXT];
  if (!fits)
    return luaL_error(L, "the model was built for batches %s, got %s", pl_shape_text(a, sample, true),
                      pl_shape_text(b, given, false));
  bind_use_state(L);
  pl_exec *exec = pl_exec_new(model, &err);
  if (exec == NULL) return bind_raise(L, &err);
  pl_status status = pl_exec_verify(exec, pl_tensor_data(x), (size_t)pl_tensor_shape(x)->size[0], 1, &err);
  pl_exec_free(exec);
  return status == PL_OK || status == PL_ERROR_MEMORY ? 0 : bind_raise(L, &err);
}
