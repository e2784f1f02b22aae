/* A layer as userdata: the layer, and the model when it is the root of one. */
#ifndef BIND_LAYER_H
#define BIND_LAYER_H

#include "bind/bind.h"
#include "perilune/exec.h"

#define BIND_LAYER "perilune.layer"

struct pl_layer_class;
struct pl_host_call;

/* Layers that belong together, with their model: they end together, when no userdata is left, since the collector's
   finalizers may run for a parent before those of its children (or of what uses these). */
typedef struct bind_family {
  int members;                  /* userdata; of a family that another has taken in: none */
  int roots;                    /* containers that share layers and are not part of one model yet; normally 1 */
  pl_layer *root;
  pl_model *model;              /* made when first needed */
  pl_exec *hand;                /* for forward and backward by hand: infer, predict and evaluate between them do no
                                   harm */
  uint64_t input_version;       /* of the tensor that hand's forward took */
  uint64_t writes;              /* pl_model_writes when it did */
  pl_exec *infer;               /* for those */
  char *origin;                 /* in words, where weights are from that a run is not to lose; NULL: none are */
  char *run;                    /* the same of a run's, which the next run of the experiment draws anew all the same */
  struct bind_family *taken_in; /* those of what were roots before; their models' memory holds values until this one's
                                   is made */
  struct bind_family *now;      /* the family that has taken this one in, or NULL */
} bind_family;

/* Among the functions of user value 1, by a name that no parameter has: the input of the forward that waits for its
   backward. */
#define BIND_INPUT "the input"

/* User value 1: a table with its functions (Lua initializers, Lambda's) by name. User value 2: its parent, pinned.
   The children are pinned by user value 3, a list. */
typedef struct bind_layer {
  pl_layer *layer;
  bind_family *family;
} bind_layer;

/* ---- layers (bind_layer.c) ---- */

bind_layer *bind_check_layer(lua_State *L, int index);
bind_layer *bind_test_layer(lua_State *L, int index);
/* Pushes the userdata of a layer. Raises when the collector has taken it. */
void bind_push_layer(lua_State *L, const pl_layer *layer);
/* Makes the userdata on top the one that bind_push_layer finds. */
void bind_register_layer(lua_State *L, const pl_layer *layer);

/* ---- constructors (bind_layer_new.c, bind_layer_clone.c) ---- */

/* A layer of class `cls` with the arguments first..top; pushes the userdata. */
void bind_new_layer(lua_State *L, const struct pl_layer_class *cls, int first, int top);
int bind_construct_layer(lua_State *L);     /* nn.Linear(...) and so on; upvalue: the class */
int bind_layer_from_config(lua_State *L);
int bind_layer_examples(lua_State *L);
int bind_layer_clone(lua_State *L);

/* ---- families and their models (bind_family.c) ---- */

bind_family *bind_family_of(const bind_layer *u);
/* A family of one. Raises. */
bind_family *bind_found_family(lua_State *L, pl_layer *layer);
/* Before layers of `other` are added to a container of `f`: weights that are worth it become those of `f`. Raises. */
void bind_keep_weights(lua_State *L, bind_family *f, bind_family *other);
/* The members of `other` are from now on those of `f`. */
void bind_take_in(bind_family *f, bind_family *other);
int bind_layer_gc(lua_State *L);
/* Notes where the weights of the model at `index` are from; NULL: they are as drawn. Raises. */
void bind_note_origin(lua_State *L, int index, const char *words);
int bind_origin(lua_State *L);              /* core.nn.origin(model) -> words or nil, those of a run or nil */
int bind_mark_origin(lua_State *L);         /* core.nn.mark_origin(model, words or nil, those of a run or nil) */
/* The model that the layer at `index` is the root of, made and initialized when first needed; raises for a part of
   one. */
pl_model *bind_check_model(lua_State *L, int index);
/* The same for any layer: of the tree that it belongs to. */
pl_model *bind_model_of(lua_State *L, int index);
/* The family of the layer at `index`; raises unless `model` is (still) the model of it. To be asked after all that
   calls functions of the script, or asks Lua for memory: there the layer may have been put into a container. */
bind_family *bind_family_with(lua_State *L, int index, const pl_model *model);

/* ---- parameters (bind_param.c) ---- */

/* Pushes a tensor over parameter i (or its gradient). */
void bind_push_param(lua_State *L, pl_model *model, const pl_layer *layer, int i, bool gradient);
/* Copies the tensor at `index` into parameter i. Raises. */
void bind_set_param(lua_State *L, const pl_layer *layer, int i, int index);
/* Every parameter from its initializer, or only those that keep no values of an earlier model. An initializer that is a
   Lua function is called with the shape as a table. Raises. */
void bind_initialize(lua_State *L, pl_model *model, uint64_t seed, bool all);

/* ---- functions of the script (bind_lambda.c) ---- */

/* The state in which functions of the script are to be called by the pass that follows. */
void bind_use_state(lua_State *L);

/* Calls the function below its arguments on the stack, without results; an error of the script becomes err. L is then
   the state for what follows, whatever the function used. */
pl_status bind_call_script(lua_State *L, int arguments, pl_error *err);
lua_State *bind_state(void);
/* What the core calls for a layer with PL_HOST. The core must not be jumped over: errors become a status. */
pl_status bind_call_host(void *context, struct pl_host_call *call, pl_error *err);
/* A new f32 tensor [batch, sample...] on the stack, filled from `data` unless NULL. */
pl_tensor *bind_push_batch(lua_State *L, const pl_shape *sample, size_t batch, const float *data);

/* ---- running a model (bind_model.c) ---- */

int bind_model_rows(lua_State *L);          /* bind_model_rows.c, as the next three */
int bind_model_sizes(lua_State *L);
int bind_model_arena(lua_State *L);
int bind_model_state(lua_State *L);
int bind_model_profile(lua_State *L);       /* bind_model_profile.c */
int bind_open_model(lua_State *L);          /* adds the methods of models to the table on top */
int bind_model_graph(lua_State *L);         /* bind_graph.c */
int bind_open_graph(lua_State *L);
/* Builds the model for one sample of that shape; if it had no parameters before, initializes them.
   Raises. */
void bind_build(lua_State *L, pl_model *model, const pl_shape *sample);

/* The exec for inference with the model at `index`, made when first needed. The model is built; raises, also when the
   layer is part of another model by now. */
pl_exec *bind_infer_exec(lua_State *L, int index, const pl_model *model);

#endif
