--- perilune watch: runs that other processes train, live, in a full screen.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local runs = require "perilune.plot.runs"
local sources = require "perilune.terminal.watch_source"
local view = require "perilune.terminal.watch_view"
local system = core.system

local M = {}

local EVERY, SEARCH = 1.0, 5.0      -- seconds between looks at the logs, and for new runs

-- The folders of runs that the words name, as they are now.
local function folders(words)
  local list, known = {}, {}
  for _, word in ipairs(words) do
    local kind = system.kind(word)
    local path = kind == "file" and (word:match "^(.*)/[^/]*$" or ".") or word
    for _, found in ipairs(system.kind(path) == "folder" and runs.folders(path, nil, 0, true) or {}) do
      if not known[found] then
        known[found] = true
        list[#list + 1] = found
      end
    end
  end
  return list
end

-- Adds runs that have come; keeps those that went, as gone.
local function find(state, words)
  local have = {}
  for _, s in ipairs(state.sources) do have[s.path] = true end
  for _, path in ipairs(folders(words)) do
    if not have[path] then state.sources[#state.sources + 1] = sources.new(path) end
  end
end

--- Shows the runs that the words name until q is pressed. options: metric, log.
function M.run(words, options)
  for _, word in ipairs(words) do
    if system.kind(word) == nil then
      errors.fail(1, "there is no folder %s to watch%s", word, word == "runs" and
        "; perilune run FILE makes runs/<name>" or "")
    end
  end
  local screen <close>, message = require "perilune.terminal.screen".open()
  if not screen then errors.fail(1, "watch: %s", message) end
  local state = view.new({}, options)
  local looked, searched
  local style = screen:style()
  while true do
    local now = system.clock()
    if not searched or now - searched >= SEARCH then
      find(state, words)
      searched = now
    end
    if not looked or now - looked >= EVERY then
      local current = state:current()
      for _, s in ipairs(state.sources) do s:update(s == current) end
      looked = now
    end
    local rows, columns = screen:size()
    screen:show(state:lines(columns, rows, style))
    local key = screen:key(math.max(20, math.floor(1000 * (looked + EVERY - system.clock()))))
    while key do      -- what was typed meanwhile, before drawing again
      if state:key(key) == "quit" then return 0 end
      key = screen:key(0)
    end
  end
end

return M
