-- scratch(name): a folder for a test's files, in $TEST_TMP, or else a new one at each run.
local store = require "perilune.core".store

return function(name)
  local base = os.getenv "TEST_TMP"
  if not base then
    base = os.tmpname()
    os.remove(base)
  end
  local folder = base .. "/" .. name
  assert(store.mkdir(folder))
  return folder
end
