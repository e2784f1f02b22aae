--- A lock that other processes hold for moments only: waits for it, ten seconds at most. Returns the lock, to be kept
-- in a `<close>` variable; raises who holds it.
local core = require "perilune.core"
local errors = require "perilune.base.errors"

return function(path)
  local message
  for _ = 1, 200 do
    local lock, why, held = core.store.lock(path)
    if lock then return lock end
    message = why
    if not held then break end
    core.process.sleep(0.05)
  end
  errors.fail(1, "%s", message)
end
