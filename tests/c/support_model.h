/* Models from descriptions in JSON, written with single quotes:
   {'type':'Sequential','layers':[{'type':'Linear','config':[4,3]}]} */
#ifndef SUPPORT_MODEL_H
#define SUPPORT_MODEL_H

#include "perilune/exec.h"

/* The layer and its children, or NULL and an error. */
pl_layer *layer_from_text(const char *text, pl_error *err);
/* A built and initialized (seed 1) model; fails the test otherwise. */
pl_model *model_from_text(const char *text, const pl_shape *sample);
/* Passes through the one exec that this file keeps for the model; drop_model frees it. */
pl_exec *exec_of(pl_model *model);
pl_status model_forward(pl_model *model, const float *x, size_t n, pl_mode mode, const float **y, pl_error *err);
pl_status model_backward(pl_model *model, const float *dy, float *dx, pl_error *err);
/* The model with its layers. */
void drop_model(pl_model *model);

#define SHAPE(...) ((pl_shape){ (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), { __VA_ARGS__ } })

/* The parts of a description; layers are separated by NEXT. */
#define LAYER(type, arguments) "{'type':'" type "','config':[" arguments "]}"
#define SEQUENTIAL(layers) "{'type':'Sequential','layers':[" layers "]}"
#define RESIDUAL(layers) "{'type':'Residual','layers':[" layers "]}"
#define NEXT ","

#endif
