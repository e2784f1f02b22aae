#ifndef STORE_LOSSLESS_H
#define STORE_LOSSLESS_H

#include <cjson/cJSON.h>
#include "perilune/error.h"

/* The value of a text that lua/perilune/base/lossless_json.lua wrote. The caller deletes it; NULL and an error when it
   is none. */
cJSON *pl_lossless_parse(const char *text, size_t length, pl_error *err);
/* The text of a value, which a later parse gives back. Changes `json`; the caller frees the text with cJSON_free. NULL:
   memory is short. */
char *pl_lossless_print(cJSON *json);

#endif
