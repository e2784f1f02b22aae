#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "support_golden.h"

cJSON *golden_read(const char *name) {
  char path[256];
  snprintf(path, sizeof path, "tests/golden/%s", name);
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail_msg("cannot open %s (tests run from the root of the repository)", path);
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  char *text = malloc((size_t)size + 1);
  size_t got = fread(text, 1, (size_t)size, file);
  fclose(file);
  cJSON *json = cJSON_ParseWithLength(text, got);
  free(text);
  if (json == NULL) fail_msg("%s is no JSON", path);
  return json;
}

size_t golden_floats(float *out, size_t most, const cJSON *json) {
  if (cJSON_IsNumber(json)) {
    if (most == 0) fail_msg("more numbers than expected");
    *out = (float)json->valuedouble;
    return 1;
  }
  size_t n = 0;
  const cJSON *item;
  cJSON_ArrayForEach(item, json) n += golden_floats(out + n, most - n, item);
  return n;
}
