/* A safetensors file: whatever its bytes are, tensors or an error of one line. */
#include "fuzz.h"

static const char script[] =
  "require 'perilune'\n"
  "local parse = require 'perilune.import.safetensors'.parse\n"
  "return function(text)\n"
  "  local list, what = parse(text)\n"
  "  assert(type(what) == (list and 'table' or 'string'))\n"
  "  if not list then assert(not what:find '\\n', what) end\n"
  "  local bytes = 0\n"
  "  for _, t in ipairs(list or {}) do bytes = bytes + t.tensor:count() end\n"
  "  assert(bytes <= #text)\n"
  "end\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_State *L;
  if (L == NULL) L = fuzz_lua(script, 1);
  lua_pushvalue(L, 1);
  lua_pushlstring(L, (const char *)data, size);
  return fuzz_call(L, 1);
}
