/* Layers: a tree of configured operations with declared parameters. A layer owns no memory for its parameters
   or activations: the model gives it addresses in its flat blocks, an exec in its arena. To free a model and its
   layers: pl_model_free, then pl_layer_free_tree of its root. */
#ifndef PERILUNE_LAYERS_H
#define PERILUNE_LAYERS_H

#include "perilune/options.h"
#include "perilune/tensor.h"

typedef struct pl_layer pl_layer;
struct cJSON;

/* A layer of the named type (pl_layer_type_name). `args` as for pl_options_read, which also says the errors, plus the
   option "name" (at most 47 bytes) that every layer takes. The options of each type: `perilune help nn`. */
PL_API pl_layer *pl_layer_new(const char *type, const struct cJSON *args, pl_error *err);
/* The layer without its children, after its model and its parents. */
PL_API void pl_layer_free(pl_layer *layer);
/* Appends `child` to a container, before a model is made of it. The parent borrows the child, which must outlive it. A
   layer may be added at several places of one tree: its parameters are there once, its gradients are added in order of
   use. Then containers are filled before they are part of another (PL_ERROR_STATE). PL_ERROR_VALUE: `parent` takes no
   (more) layers, would contain itself, or nests deeper than PL_MOST_DEPTH. */
PL_API pl_status pl_layer_add(pl_layer *parent, pl_layer *child, pl_error *err);
/* Whether pl_layer_add would take `child` as the layer at `position`, from 1: its status and message,
   nothing changed. */
PL_API pl_status pl_layer_can_add(const pl_layer *parent, const pl_layer *child, int position, pl_error *err);
/* "Linear"; and the name, "" unless given; [borrowed]. */
PL_API const char *pl_layer_type(const pl_layer *layer);
PL_API const char *pl_layer_name(const pl_layer *layer);
/* [borrowed] the children, from 0, and the parent: NULL at the root; of several parents the first. */
PL_API int pl_layer_children(const pl_layer *layer);
PL_API pl_layer *pl_layer_child(const pl_layer *layer, int i);
PL_API pl_layer *pl_layer_parent(const pl_layer *layer);
#define PL_MOST_DEPTH 48                       /* layers inside layers, counted along a path */
#define PL_PATH_TEXT (PL_MOST_DEPTH * 40)      /* holds the longest path */
/* Stable name from the position: "05_linear", nested "03_residual/01_conv2d"; for files and optimizers. In `text`. */
PL_API const char *pl_layer_path(char text[PL_PATH_TEXT], const pl_layer *layer);
/* For messages: layer 5 (Linear, "fc1"). In `text`. */
PL_API const char *pl_layer_label(char text[PL_PATH_TEXT], const pl_layer *layer);
/* Its options (children not included), as an object. NULL when memory is short, as the next. */
PL_API struct cJSON *pl_layer_config(const pl_layer *layer);
/* The whole tree: { type, config, layers }, or of a layer that has been met before { shared = its number }, depth first
   from 1. */
PL_API struct cJSON *pl_layer_to_json(const pl_layer *layer);
/* And back: makes the children too. Errors of pl_layer_new and pl_layer_add; PL_ERROR_CORRUPT where it describes no
   tree. */
PL_API pl_layer *pl_layer_from_json(const struct cJSON *json, pl_error *err);
/* The layer and all below it, each once. */
PL_API void pl_layer_free_tree(pl_layer *layer);
/* Where in a script the layer was made ("x.lua:12"), for messages: copied, at most 95 bytes. [borrowed] "" if unset. */
PL_API void pl_layer_set_origin(pl_layer *layer, const char *origin);
PL_API const char *pl_layer_origin(const pl_layer *layer);
/* Types in the registry's order: name, or NULL past the end. */
PL_API const char *pl_layer_type_name(int i);

/* A rectangle of a parameter and the gradient of its elements: (r, j) lies at offset + r * stride + j of the parameter,
   its gradient at grad[r * grad_stride + j] or, where grad is NULL, is x[r] * dy[j] (all finite). */
typedef struct pl_grad_tile {
  size_t slice, offset, rows, cols, stride, grad_stride;   /* slice: the parameter's number in the model */
  const float *grad, *x, *dy;
} pl_grad_tile;

/* Where the gradients of parameters go, tile by tile, as soon as they are there: takes the optimizer's step of a tile
   while it is in the cache, and returns whether the new values are finite. */
typedef struct pl_grad_sink {   /* members of a team call `take` at the same time, for tiles that do not overlap */
  bool (*take)(void *context, const pl_grad_tile *tile);
  void *context;
} pl_grad_sink;

/* For tests that try every type: arguments (a JSON list) and the shape of a sample; false: the type has no example,
   since it takes other layers or functions. */
PL_API bool pl_layer_example(const char *type, const char **arguments, pl_shape *input);

/* ---- parameters: trained ones and state (running statistics), each with an address in the model's blocks ---- */

/* How many; [borrowed] "weight"; [borrowed] the shape, of axes = -1 while it depends on the input's. */
PL_API int pl_layer_params(const pl_layer *layer);
PL_API const char *pl_layer_param_name(const pl_layer *layer, int i);
PL_API const pl_shape *pl_layer_param_shape(const pl_layer *layer, int i);
/* Trained, else state; and whether its first values are the caller's to fill (a Lua initializer). */
PL_API bool pl_layer_param_trained(const pl_layer *layer, int i);
PL_API bool pl_layer_param_custom(const pl_layer *layer, int i);
/* [borrowed] of the model: values, rows in order, and gradients (NULL for state). NULL before a model has them. */
PL_API float *pl_layer_param_value(const pl_layer *layer, int i);
PL_API float *pl_layer_param_grad(const pl_layer *layer, int i);

#endif
