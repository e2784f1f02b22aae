/* Everything, in the order of the data's flow. */
#ifndef PERILUNE_H
#define PERILUNE_H

#include "perilune/base.h"
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

#endif
