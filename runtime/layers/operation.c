/* Operations of formulas: finding a class, checking shapes, and what its errors look like. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "layers/layer.h"

const pl_layer_class *pl_operation_find(const char *name) {
  for (int i = 0; pl_operation_registry[i]; i++)
    if (strcmp(pl_operation_registry[i]->head.type, name) == 0) return pl_operation_registry[i];
  return NULL;
}

const char *pl_operation_nearest(const char *name) {
  const char *names[128];
  int n = 0;
  for (; n < 127 && pl_operation_registry[n]; n++) names[n] = pl_operation_registry[n]->head.type;
  names[n] = NULL;
  return pl_nearest_name(name, names);
}

const char *pl_operation_shape(char text[PL_SHAPE_TEXT], const pl_shape *shape, bool fixed) {
  return pl_shape_text(text, shape, !fixed);
}

pl_status pl_operation_refuse(const pl_operation *o, pl_error *err, const char *format, ...) {
  char why[256], shapes[3 * PL_SHAPE_TEXT + 16] = "", one[PL_SHAPE_TEXT];
  size_t used = 0;
  va_list args;
  va_start(args, format);
  vsnprintf(why, sizeof why, format, args);
  va_end(args);
  for (int k = 0; k < o->inputs && k < 3; k++)
    used += (size_t)snprintf(shapes + used, sizeof shapes - used, "%s%s", k ? " and " : "",
                             pl_operation_shape(one, &o->in[k], o->fixed[k]));
  return pl_error_set(err, PL_ERROR_SHAPE, "%s: %s: %s", o->cls->head.type, shapes, why);
}

pl_status pl_operation_infer(pl_operation *o, pl_error *err) {
  pl_status status = o->cls->infer(o, err);
  if (status) return status;
  int64_t count = pl_shape_count(&o->out);
  if (count >= 0 && count <= INT32_MAX) return PL_OK;
  return pl_operation_refuse(o, err, "makes more than 2^31 values");
}
