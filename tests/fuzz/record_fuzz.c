/* JSON inside an HDF5 file: run files whose descriptions, counters and states are the input, proven by a right digest,
   so that only the readers of what is inside stand between them and the program. Byte 0 says which text is replaced. */
#include <stdlib.h>
#include "fuzz.h"

static const char script[] =
  "local pl = require 'perilune'\n"
  "local core, runfile = require 'perilune.core', require 'perilune.run.file'\n"
  "local history, record = require 'perilune.run.history', require 'perilune.run.record'\n"
  "local path = core.system.kind '/dev/shm' == 'folder' and os.tmpname():gsub('^.*/', '/dev/shm/') or os.tmpname()\n"
  "pl.system.threads(1)\n"
  "local config = "
  "'{\"type\":\"Sequential\",\"config\":{},\"layers\":[{\"type\":\"Linear\",\"config\":{\"in\":4,\"out\":2}}]}'\n"
  "local places = { 'config', 'input', 'optimizer', 'counters', 'state', 'identity', 'layer', 'best' }\n"
  "local function save(which, text)\n"
  "  local function either(name, usual) return places[which] == name and text or usual end\n"
  "  local w <close> = assert(core.store.create(path))\n"
  "  w:group('/', { format = 'perilune-run', format_version = 1, kind = 'checkpoint', created_by = 'fuzz', "
  "created_utc = 'now' })\n"
  "  w:group('/model', { config = either('config', config), input = either('input', '[4]'), parameters = 10 })\n"
  "  w:group('/model/layers/01_linear', { type = 'Linear', config = either('layer', '{}') })\n"
  "  w:tensor('/model/layers/01_linear/weight', pl.zeros(4, 2))\n"
  "  w:tensor('/model/layers/01_linear/bias', pl.zeros(2))\n"
  "  w:group('/optimizer', { type = 'SGD', config = either('optimizer', '{\"lr\":0.1}'), counters = "
  "either('counters', '{\"steps\":1,\"epochs\":1,\"lr\":0.1}') })\n"
  "  w:group('/state', { epoch = 1, seed = 1, state = either('state', '{}'), identity = either('identity', "
  "'{\"name\":\"x\"}'), best = either('best', '{}') })\n"
  "  w:group('/history')\n"
  "  w:numbers('/history/epoch', { 1, 2 })\n"
  "  return w:commit()\n"
  "end\n"
  "return function(which, text)\n"
  "  if not pcall(save, which % #places + 1, text) then return end\n"     /* a text that no file can hold */
  "  local model, message = pl.nn.load(path)\n"
  "  assert(model or type(message) == 'string')\n"
  "  if model then pcall(model.infer, model, pl.zeros(2, 4)) end\n"
  "  local found, why = runfile.read(path)\n"
  "  assert(found or type(why) == 'string')\n"
  "  if found then\n"
  "    assert(history.new(found.history))\n"
  "    local opt = pl.optim.SGD()\n"
  "    pcall(opt.set_counters, opt, found.optimizer.counters)\n"
  "    pcall(core.optim.from_config, { type = found.optimizer.type, config = found.optimizer.config })\n"
  "    pcall(record.parts, found)\n"
  "  end\n"
  "  assert(pl.load(path))\n"
  "end, function() os.remove(path) end\n";

static lua_State *L;

static void finish(void) {
  lua_pushvalue(L, 2);
  lua_pcall(L, 0, 0, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (L == NULL) {
    L = fuzz_lua(script, 2);
    atexit(finish);
  }
  if (size < 2 || size > 4096) return 0;
  lua_pushvalue(L, 1);
  lua_pushinteger(L, data[0]);
  lua_pushlstring(L, (const char *)data + 1, size - 1);
  return fuzz_call(L, 2);
}
