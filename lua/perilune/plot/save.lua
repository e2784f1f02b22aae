--- Figures as files: SVG is written here; PNG and PDF are made from it by librsvg's rsvg-convert.
local core = require "perilune.core"
local errors = require "perilune.base.errors"

local M = {}

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

local formats = { svg = true, png = true, pdf = true }

--- The format that a path's ending names, or a problem in words.
function M.format(path)
  local ending = (path:match "%.([^./]+)$" or ""):lower()
  if formats[ending] then return ending end
  return nil, ("%s: a figure's file ends in .svg, .png or .pdf"):format(path)
end

local function converter()
  local found = os.execute "command -v rsvg-convert >/dev/null 2>&1"
  return found
end

--- Raises when a figure cannot be written to a path: before what it shows is trained. Returns its format.
function M.check(path)
  local format, message = M.format(path)
  if not format then errors.fail(2, "%s", message) end
  if format ~= "svg" and not converter() then
    errors.fail(1, "%s: making %s takes rsvg-convert, which is not installed (Debian: librsvg2-bin, "
      .. "Fedora: librsvg2-tools, Arch, Homebrew: librsvg); a path that ends in .svg needs nothing", path,
        format:upper())
  end
  local folder = path:match "^(.+)/[^/]*$" or "."
  if core.system.kind(folder) ~= "folder" then
    errors.fail(1, "cannot write %s: there is no folder %s", path, folder)
  end
  return format
end

--- Writes SVG text to a path in the format of its ending. Raises when that cannot be.
function M.save(svg, path)
  local format = M.check(path)
  local target = format == "svg" and path or path .. ".tmp.svg"
  local ok, problem = core.store.write_text(target, svg)
  if not ok then errors.fail(1, "cannot write %s: %s", path, problem) end
  if format == "svg" then return end
  -- a new file takes the place of an old one only when it is whole
  local made = path .. ".tmp"
  local done = os.execute(("rsvg-convert --format=%s%s --output=%s %s"):format(format, format == "png" and " --zoom=2"
    or "", quote(made), quote(target)))
  core.store.remove(target)
  if done then done, problem = os.rename(made, path) end
  if not done then
    core.store.remove(made)
    errors.fail(1, "cannot write %s%s", path, problem and ": " .. problem or ": rsvg-convert failed")
  end
end

return M
