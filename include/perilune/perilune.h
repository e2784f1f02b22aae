/* Everything, in the order of the data's flow. No call has to come first.

   How to read the headers. A pointer is not NULL unless its function says that it may be; every function that frees
   takes NULL. What a function makes is the caller's to free; what is [borrowed] belongs to the object that was asked
   and lives as long as it, unless less is said; texts that name a type are static. Arguments are read during the call
   and not kept, unless it is said that they are borrowed (they must outlive the object) or retained (counted). An index
   `i` counts from 0 and is below the number that the function beside it returns: it is not checked. x [n, sample...]
   means n samples one after the other, each a contiguous row of its shape; values are f32 unless said otherwise.
   Errors: error.h. A function that fails leaves its objects as they were, and what it would have made is NULL, unless
   it says otherwise.

   Threads of the host. No object is locked: it belongs to one thread at a time, what is counted (tensor storage, data
   sets, augmentations) included. Different objects may be used in different threads, and Lua states too, each in one at
   a time, except for files (store.h): libhdf5 is for one thread at a time. Parallel regions (threads.h) take turns;
   functions that a member of a team calls say so, all others are called outside of regions. A child made by fork after
   the first region of several threads computes on one.
   Of the whole process are: the kernels, chosen as it starts; the number of threads; the memory limit and its counts;
   and, in the binding, the line editor and Ctrl-C, which belong to the state that asked last.

   A model that was trained and saved predicts in three calls (saved.h). To train one: layers.h (from JSON), model.h,
   data.h, loss.h, optim.h, train.h, as experiments/c/train.c does. */
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
