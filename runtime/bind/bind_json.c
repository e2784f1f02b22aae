/* json.encode(value [, pretty]), json.decode(text) and json.list([t]): cJSON; keys in sorted order, numbers exact to
   the last bit. */
#include <stdio.h>
#include <stdlib.h>
#include <cjson/cJSON.h>
#include "bind/bind.h"

/* cJSON prints a number with 15 digits where that is right up to DBL_EPSILON, which changes the last bit of one double
   in six. Fractions become raw text with as many digits as it takes. */
static bool make_exact(cJSON *json) {
  cJSON *item;
  cJSON_ArrayForEach(item, json) if (!make_exact(item)) return false;
  double x = json->valuedouble;
  if (!cJSON_IsNumber(json) || x != x || x - x != 0 || x == (double)json->valueint) return true;
  char *text = cJSON_malloc(32);
  if (text == NULL) return false;
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, 32, "%.*g", digits, x);
    if (strtod(text, NULL) == x) break;
  }
  json->type = (json->type & ~0xFF) | cJSON_Raw;
  json->valuestring = text;
  return true;
}

static int json_encode(lua_State *L) {
  cJSON *json = bind_to_json(L, 1);
  if (!make_exact(json)) {
    cJSON_Delete(json);
    return luaL_error(L, "not enough memory to write JSON");
  }
  bind_push_json_text(L, json, NULL, lua_toboolean(L, 2));
  return 1;
}

static int json_decode(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size), *end = text;
  cJSON *json = cJSON_ParseWithLengthOpts(text, size, &end, 0);
  if (json == NULL) {
    lua_pushnil(L);
    lua_pushfstring(L, "not JSON (or memory is too short to read it): unexpected text at byte %d",
                    (int)(end - text) + 1);
    return 2;
  }
  bind_push_json(L, json, NULL);
  return 1;
}

int bind_open_json(lua_State *L) {
  luaL_newlib(L, ((luaL_Reg[]){ { "encode", json_encode }, { "decode", json_decode }, { "list", bind_json_list },
                                { NULL, NULL } }));
  return 1;
}
