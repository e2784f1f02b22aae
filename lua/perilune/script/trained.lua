--- Which scripts this user has trained on this machine: a digest a line in $XDG_DATA_HOME/perilune/trained
--- (~/.local/share). The data sets may lie elsewhere, in folders that come from others; this list never does.
local core = require "perilune.core"
local exact = require "perilune.base.lossless_json"
local store = core.store

local M = {}

--- The path of the list; nil without a home.
function M.path()
  local base, home = os.getenv "XDG_DATA_HOME", os.getenv "HOME"
  if base and base:sub(1, 1) == "/" then return base .. "/perilune/trained" end
  if home and home:sub(1, 1) == "/" then return home .. "/.local/share/perilune/trained" end
end

--- The digest of all code that a run's identity holds, and of what it is called with.
function M.digest(identity)
  local files = {}
  for i, file in ipairs(identity.files or {}) do files[i] = { file.path, file.text } end
  return store.sha256(exact.encode { identity.path or "", identity.script or "", identity.arguments or {}, files })
end

--- Has this user trained that code on this machine?
function M.knows(identity)
  local path = M.path()
  local list = path and store.exists(path) == "file" and store.read_text(path)
  return list ~= nil and list ~= false and ("\n" .. list):find("\n" .. M.digest(identity) .. "\n", 1, true) ~= nil
end

--- Notes it. Where that is not possible, making such a run again needs --trust, and nothing else is lost.
function M.note(identity)
  local path = M.path()
  if not path or not identity.path or identity.script == "" or M.knows(identity) then return end
  if store.mkdir(path:match "^(.*)/") then store.append(path, M.digest(identity)) end
end

return M
