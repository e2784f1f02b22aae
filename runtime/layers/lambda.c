/* Lambda: a layer whose forward and backward are functions of the script, called on the main thread. */
#include "layers/layer.h"

static pl_status shape(pl_layer *self, const pl_shape *in, pl_shape *out, pl_error *err) {
  pl_host_call call = { .kind = PL_HOST_SHAPE, .in = *in, .out = *in };
  if (self->host == NULL)
    return pl_error_set(err, PL_ERROR_STATE,
                        "has no function to call; a model with Lua functions is made by its script, not from a file");
  pl_status status = self->host(self->host_context, &call, err);
  *out = call.out;
  return status;
}

static void memory(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch, pl_memory *m) {
  (void)self, (void)in, (void)out, (void)batch;
  m->needs_x = m->needs_y = true;
}

static const pl_option options[] = { { 0 } };

const pl_layer_class pl_lambda = { .head = { "Lambda", 0, NULL, options }, .flags = PL_HOST, .shape = shape,
                                   .memory = memory };
