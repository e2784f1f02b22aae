--- perilune note RUN TEXT
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local notes = require "perilune.run.notes"

local M = { summary = "keep a note or tags beside a run", usage = "RUN [TEXT] [--tag T] [--untag T]",
  description = "Keeps a note and tags in the run's folder (notes.jsonl); its files are not touched. Without any: " ..
    "prints them." }

function M.define(parser)
  parser:argument("run", "A run's folder.")
  parser:argument("text", "The note."):args "?"
  parser:option("--tag", "A tag; may be given again."):count "*":argname "<tag>"
  parser:option("--untag", "Take a tag away."):count "*":argname "<tag>"
end

function M.run(options)
  local folder = options.run
  if core.system.kind(folder) == "file" then folder = folder:match "^(.*)/[^/]*$" or "." end
  local is_run = require "perilune.run.folder".find(folder) or core.system.kind(folder .. "/log.jsonl") == "file"
  if core.system.kind(folder) ~= "folder" or not is_run then
    errors.fail(1, "%s is no run: a note is kept in a run's folder, such as runs/my-first-s1", options.run)
  end
  for _, list in ipairs { options.tag, options.untag } do
    for _, tag in ipairs(list) do
      if not tag:find "^[%w%._%-]+$" then
        errors.fail(2, "note: a tag has letters, digits, '.', '_' and '-', got '%s'", tag)
      end
    end
  end
  if options.text or #options.tag > 0 or #options.untag > 0 then
    local ok, message = notes.add(folder, { text = options.text, tags = options.tag, untag = options.untag })
    if not ok then errors.fail(1, "cannot keep the note: %s", message) end
  end
  local clean = require "perilune.terminal.style".clean
  local found = notes.read(folder)
  for _, note in ipairs(found.notes) do print(("%s  %s"):format(clean(note.time), clean(note.text))) end
  if #found.tags > 0 then print("tags: " .. clean(table.concat(found.tags, ", "))) end
  return 0
end

return M
