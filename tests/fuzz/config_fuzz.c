/* Descriptions of models, losses, optimizers and augmentations as JSON, as they stand in files: read, checked, built,
   described again. Byte 0 says which of the four. */
#include "fuzz.h"

static const char script[] =
  "local pl = require 'perilune'\n"
  "local exact, core = require 'perilune.base.lossless_json', require 'perilune.core'\n"
  "pl.system.threads(1)\n"
  "local makers = { core.nn.from_config, core.loss.from_config, core.optim.from_config,\n"
  "  function(config) return core.augment[config.type](config.config) end }\n"
  "local shapes = { { 8, 8, 1 }, { 16 } }\n"
  "return function(kind, text)\n"
  "  local config = exact.decode(text)\n"
  "  if type(config) ~= 'table' then return end\n"
  "  local ok, object = pcall(makers[kind + 1], config)\n"
  "  if not ok then assert(object ~= nil) return end\n"
  "  assert(exact.encode(object:config()))\n"
  "  assert(tostring(object))\n"
  "  if kind > 0 then return end\n"
  "  for _, shape in ipairs(shapes) do\n"
  "    if pcall(object.build, object, shape) then pcall(object.infer, object, pl.zeros(2, table.unpack(shape))) end\n"
  "  end\n"
  "end\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_State *L;
  if (L == NULL) L = fuzz_lua(script, 1);
  if (size < 2 || size > 4096) return 0;
  lua_pushvalue(L, 1);
  lua_pushinteger(L, data[0] % 4);
  lua_pushlstring(L, (const char *)data + 1, size - 1);
  return fuzz_call(L, 2);
}
