/* Settings from the environment, read once: what they say when first asked for holds for the process. */
#ifndef PERILUNE_SETTINGS_H
#define PERILUNE_SETTINGS_H

#include "perilune/api.h"

typedef enum pl_conv_algorithm { PL_CONV_CHOSEN, PL_CONV_DIRECT, PL_CONV_WINOGRAD } pl_conv_algorithm;

typedef struct pl_settings {
  bool fuse;                /* PERILUNE_FUSE=0: no fused operations, no chunked inference, no fused updates */
  pl_conv_algorithm conv;   /* PERILUNE_CONV=direct or winograd; anything else: chosen by the layer's shape */
} pl_settings;

/* From any thread. A layer or exec keeps what held when it was made. */
PL_API pl_settings pl_settings_get(void);
/* For tests; no other thread of the host may be in the library. */
PL_API void pl_settings_set(pl_settings settings);

#endif
