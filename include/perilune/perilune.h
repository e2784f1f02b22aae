/* Everything, in the order of the data's flow. No call has to come first.

   Threads of the host. No object is locked: it belongs to one thread at a time, what is counted (tensor storage, data
   sets, augmentations) included. Different objects may be used in different threads, and Lua states too, each in one at
   a time, except for files (store.h): libhdf5 is for one thread at a time. Parallel regions take turns.
   Of the whole process are: the kernels, chosen as it starts; the number of threads; the memory limit and its counts;
   and, in the binding, the line editor and Ctrl-C, which belong to the state that asked last. */
#ifndef PERILUNE_H
#define PERILUNE_H

#include "perilune/api.h"
#include "perilune/error.h"
#include "perilune/alloc.h"
#include "perilune/shape.h"
#include "perilune/rng.h"
#include "perilune/math.h"
#include "perilune/threads.h"
#include "perilune/cpu.h"
#include "perilune/options.h"
#include "perilune/settings.h"
#include "perilune/tensor.h"
#include "perilune/data.h"
#include "perilune/readers.h"
#include "perilune/layers.h"
#include "perilune/loss.h"
#include "perilune/model.h"
#include "perilune/exec.h"
#include "perilune/optim.h"
#include "perilune/train.h"
#include "perilune/store.h"
#include "perilune/saved.h"

#endif
