--- Where data sets lie: $PERILUNE_DATA, ./data, $XDG_DATA_HOME/perilune (~/.local/share/perilune), one folder each.
local M = { getenv = os.getenv }

--- The folders looked at, in order.
function M.folders()
  local list, explicit, xdg, home = {}, M.getenv "PERILUNE_DATA", M.getenv "XDG_DATA_HOME", M.getenv "HOME"
  if explicit and explicit ~= "" then list[#list + 1] = explicit end
  list[#list + 1] = "data"
  if xdg and xdg ~= "" then list[#list + 1] = xdg .. "/perilune"
  elseif home and home ~= "" then list[#list + 1] = home .. "/.local/share/perilune" end
  return list
end

--- The folder in which `perilune data fetch` puts a data set: $PERILUNE_DATA where that is set, else the last of them.
function M.destination()
  local folders, explicit = M.folders(), M.getenv "PERILUNE_DATA"
  return explicit and explicit ~= "" and explicit or folders[#folders]
end

--- The spellings of an IDX file: "train-images-idx3-ubyte" and "train-images.idx3-ubyte", plain and .gz.
function M.spellings(name)
  local dotted = name:gsub("%-idx", ".idx")
  return { name, name .. ".gz", dotted, dotted .. ".gz" }
end

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

--- Path of one file of a data set, or nil and the folders looked at.
function M.find(set, name)
  local looked = {}
  for _, folder in ipairs(M.folders()) do
    looked[#looked + 1] = folder .. "/" .. set
    for _, spelling in ipairs(M.spellings(name)) do
      local path = ("%s/%s/%s"):format(folder, set, spelling)
      if exists(path) then return path end
    end
  end
  return nil, looked
end

--- Path of each file of a registry entry, from one folder; or nil, the name of the first that is missing, and the
--- folders looked at.
function M.find_all(entry)
  local paths = {}
  for key, file in pairs(entry.files) do
    local path, looked = M.find(entry.name, file.name)
    if not path then return nil, file.name, looked end
    paths[key] = path
  end
  return paths
end

return M
