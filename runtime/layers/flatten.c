/* Flatten, Reshape, Identity: the same values in another shape; no memory moves. */
#include "layers/layer.h"

static pl_status flatten_shape(pl_layer *self, const pl_shape *in, pl_shape *out, pl_error *err) {
  (void)self, (void)err;
  *out = PL_SHAPE(pl_shape_count(in));
  return PL_OK;
}

static pl_status reshape_shape(pl_layer *self, const pl_shape *in, pl_shape *out, pl_error *err) {
  *out = *(const pl_shape *)self->config;
  if (pl_shape_count(out) == pl_shape_count(in)) return PL_OK;
  char a[PL_SHAPE_TEXT], b[PL_SHAPE_TEXT];
  return pl_error_set(err, PL_ERROR_SHAPE,
                      "makes %s (%lld values a sample) of %s (%lld values a sample); the counts must be equal",
                      pl_shape_text(a, out, true), (long long)pl_shape_count(out), pl_shape_text(b, in, true),
                      (long long)pl_shape_count(in));
}

static pl_status identity_shape(pl_layer *self, const pl_shape *in, pl_shape *out, pl_error *err) {
  (void)self, (void)err;
  *out = *in;
  return PL_OK;
}

static const pl_shape no_shape;
static const pl_option none[] = { { 0 } };
static const pl_option reshape_options[] = {
  { .name = "shape", .kind = PL_OPTION_SHAPE, .offset = 0, .position = 1, .required = true, .low = 1, .high = 1e15 },
  { 0 }
};

const pl_layer_class pl_flatten = { .head = { "Flatten", 0, NULL, none }, .flags = PL_ALIAS | PL_PER_SAMPLE,
                                    .shape = flatten_shape, .example = { "[]", { 2, { 2, 3 } } } };
const pl_layer_class pl_reshape = { .head = { "Reshape", sizeof(pl_shape), &no_shape, reshape_options },
                                    .flags = PL_ALIAS | PL_PER_SAMPLE, .shape = reshape_shape,
                                      .example = { "[[3, 2]]", { 1, { 6 } } } };
const pl_layer_class pl_identity = { .head = { "Identity", 0, NULL, none }, .flags = PL_ALIAS | PL_PER_SAMPLE,
                                     .shape = identity_shape, .example = { "[]", { 1, { 5 } } } };
