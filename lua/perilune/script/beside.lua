--- Files named as seen from a script's folder: the same names wherever the script is called from. By the text of the
-- paths alone; no file is looked at.
local M = {}

-- The parts of a path without "." and "x/.."; whether it begins at the root.
local function parts_of(path)
  local parts = {}
  for part in path:gmatch "[^/]+" do
    if part == ".." and #parts > 0 and parts[#parts] ~= ".." then parts[#parts] = nil
    elseif part ~= "." then parts[#parts + 1] = part end
  end
  return parts, path:sub(1, 1) == "/"
end

local function path_of_parts(parts, rooted) return (rooted and "/" or "") .. table.concat(parts, "/") end

--- The name of a file, such as "models/a.lua" or "../common/b.lua"; its path where the two have no folder in common.
function M.name_of(path, script)
  local parts, rooted = parts_of(path)
  local folder, rooted_too = parts_of(script or "")
  folder[#folder] = nil      -- the script's own name
  if rooted ~= rooted_too then return path_of_parts(parts, rooted) end
  local same = 0
  while same < #folder and same < #parts - 1 and folder[same + 1] == parts[same + 1] do same = same + 1 end
  local name = {}
  for i = same + 1, #folder do
    if folder[i] == ".." then return path_of_parts(parts, rooted) end
    name[#name + 1] = ".."
  end
  table.move(parts, same + 1, #parts, #name + 1, name)
  return table.concat(name, "/")
end

--- The path of a file of that name beside a script.
function M.path_of(name, script)
  if name:sub(1, 1) == "/" then return name end
  return path_of_parts(parts_of(((script or ""):match "^.*/" or "") .. name))
end

return M
