/* Layers that belong together, and what ends with them: see bind_family in bind_layer.h. */
#include <string.h>
#include "bind/bind_layer.h"
#include "graph/model.h"
#include "layers/layer.h"
#include "perilune/alloc.h"

bind_family *bind_family_of(const bind_layer *u) {
  bind_family *f = u->family;
  while (f->now != NULL) f = f->now;
  return f;
}

bind_family *bind_found_family(lua_State *L, pl_layer *layer) {
  pl_error err;
  bind_family *f = pl_alloc(sizeof *f, &err);
  if (f == NULL) bind_raise(L, &err);
  f->members = f->roots = 1;
  f->root = layer;
  return f;
}

static void set_words(lua_State *L, char **to, const char *words) {
  if (*to != NULL && words != NULL && strcmp(*to, words) == 0) return;
  pl_error err;
  char *copy = words != NULL ? pl_alloc(strlen(words) + 1, &err) : NULL;
  if (copy == NULL && words != NULL) bind_raise(L, &err);
  if (words != NULL) strcpy(copy, words);
  pl_free(*to);
  *to = copy;
}

static const char *origin_of(const bind_family *f) {
  if (f->origin != NULL || f->run != NULL) return f->origin;
  return f->model != NULL && pl_model_is_changed(f->model) ? "the script, which has set them" : NULL;
}

void bind_keep_weights(lua_State *L, bind_family *f, bind_family *other) {
  const char *origin = origin_of(other) ? origin_of(other) : other->run;
  if (other == f || origin == NULL) return;
  if (f->origin == NULL) set_words(L, &f->origin, origin);
  if (other->model != NULL) pl_model_keep_values(other->model);
}

void bind_note_origin(lua_State *L, int index, const char *words) {
  bind_family *f = bind_family_of(bind_check_layer(L, index));
  set_words(L, &f->origin, words);
  set_words(L, &f->run, NULL);
}

int bind_origin(lua_State *L) {
  const bind_family *f = bind_family_of(bind_check_layer(L, 1));
  lua_pushstring(L, origin_of(f));
  lua_pushstring(L, f->run);
  return 2;
}

int bind_mark_origin(lua_State *L) {
  bind_family *f = bind_family_of(bind_check_layer(L, 1));
  bind_note_origin(L, 1, luaL_optstring(L, 2, NULL));
  set_words(L, &f->run, luaL_optstring(L, 3, NULL));
  if (f->origin == NULL && f->model != NULL) pl_model_note_drawn(f->model);
  return 0;
}

void bind_take_in(bind_family *f, bind_family *other) {
  bind_family **last = &f->taken_in;
  while (*last != NULL) last = &(*last)->taken_in;
  *last = other;
  f->members += other->members;
  f->roots += other->roots;
  other->members = 0;
  other->now = f;
}

static void leave_family(bind_family *f) {
  if (--f->members > 0) return;
  pl_layer *list = NULL;
  while (f != NULL) {
    bind_family *next = f->taken_in;
    pl_free(f->origin);
    pl_free(f->run);
    pl_exec_free(f->hand);
    pl_exec_free(f->infer);
    pl_model_free(f->model);
    pl_layer_gather(f->root, &list);
    pl_free(f);
    f = next;
  }
  pl_layer_free_list(list);
}

int bind_layer_gc(lua_State *L) {
  bind_layer *u = luaL_checkudata(L, 1, BIND_LAYER);
  if (u->family != NULL) leave_family(bind_family_of(u));
  else pl_layer_free(u->layer);
  *u = (bind_layer){ 0 };
  return 0;
}

bind_family *bind_family_with(lua_State *L, int index, const pl_model *model) {
  const bind_layer *u = bind_check_layer(L, index);
  bind_family *f = bind_family_of(u);
  char label[PL_PATH_TEXT];
  if (f->model != model)
    luaL_error(L, "%s became part of another model while it was asked for", pl_layer_label(label, u->layer));
  return f;
}

pl_model *bind_model_of(lua_State *L, int index) {
  bind_family *f = bind_family_of(bind_check_layer(L, index));
  if (f->model != NULL) return f->model;
  if (f->roots > 1) {
    char label[PL_PATH_TEXT];
    luaL_error(L, "%s: it shares layers with another container; put both into one model, as in nn.Sequential { a, b }",
               pl_layer_label(label, f->root));
  }
  pl_error err;
  f->model = pl_model_new(f->root, &err);
  if (f->model == NULL) bind_raise(L, &err);
  if (pl_model_has_params(f->model)) {
    bind_initialize(L, f->model, 1, false);
    bind_family_with(L, index, f->model);
  }
  return f->model;
}

pl_model *bind_check_model(lua_State *L, int index) {
  const pl_layer *layer = bind_check_layer(L, index)->layer;
  if (layer->parent != NULL) {
    char label[PL_PATH_TEXT];
    luaL_error(L, "%s is part of a %s; call this on the whole model", pl_layer_label(label, layer),
               layer->parent->cls->head.type);
  }
  return bind_model_of(L, index);
}
