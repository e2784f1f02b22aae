--- Values as short text: what the session prints after an expression.
local cells = require "perilune.base.cells"

local M = {}

local MOST_ITEMS, MOST_SCALARS, MOST_DEPTH, MOST_TEXT = 20, 100, 4, 200

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true
  until while]]):gmatch "%a+" do KEYWORDS[word] = true end

local function is_name(key) return type(key) == "string" and key:match "^[%a_][%w_]*$" and not KEYWORDS[key] end

local function quoted(s)
  local head = cells.head(s, MOST_TEXT)
  if #head < #s then s = head .. "..." end
  local text = ("%q"):format(s):gsub("\\\n", "\\n"):gsub("\r", "\\r"):gsub("\27", "\\27")
  if utf8.len(text) then return text end
  return (text:gsub("[\x80-\xff]", function(c) return ("\\x%02x"):format(c:byte()) end))      -- bytes, not characters
end

--- "nn.Conv2d(inputs, outputs, kernel, options)" where help knows it, else "function(a, b) file.lua:12".
local function function_text(f)
  local known = require "perilune.help".signature(f)
  if known then return "function " .. known end
  local info = debug.getinfo(f, "Su")
  if info.what == "C" then return "function (in C)" end
  local names = {}
  for i = 1, info.nparams do names[i] = debug.getlocal(f, i) end
  if info.isvararg then names[#names + 1] = "..." end
  return ("function(%s) %s:%d"):format(table.concat(names, ", "), info.short_src, info.linedefined)
end

--- Numbers first, then strings, then the rest by their text: never the order of the hash table.
local function sorted_keys(t, n)
  local keys = {}
  for k in next, t do
    if not (math.type(k) == "integer" and k >= 1 and k <= n) then keys[#keys + 1] = k end
  end
  local rank = { number = 1, string = 2 }
  table.sort(keys, function(a, b)
    local ra, rb = rank[type(a)] or 3, rank[type(b)] or 3
    if ra ~= rb then return ra < rb end
    if ra == 3 then return tostring(a) < tostring(b) end
    return a < b
  end)
  return keys
end

local render

local function key_text(key)
  if is_name(key) then return key end
  return "[" .. render(key, 40, MOST_DEPTH, {}) .. "]"
end

--- Pieces on as many lines as they need, `indent` before each.
local function filled(pieces, width, indent)
  local lines, line = {}, indent
  for i, piece in ipairs(pieces) do
    local text = piece .. (i < #pieces and ", " or "")
    if #line > #indent and cells.width(line) + cells.width(text) > width then
      lines[#lines + 1] = (line:gsub(" $", ""))
      line = indent
    end
    line = line .. text
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

local function table_text(t, width, depth, parents)
  if parents[t] then return "{... itself}" end
  local n = rawlen(t)
  local keys = sorted_keys(t, n)
  if n + #keys == 0 then return "{}" end
  if depth >= MOST_DEPTH then return ("{... %d entries}"):format(n + #keys) end
  parents[t] = true
  local scalars = #keys == 0
  for i = 1, math.min(n, MOST_SCALARS) do scalars = scalars and type(t[i]) ~= "table" and type(t[i]) ~= "userdata" end
  local most = scalars and MOST_SCALARS or MOST_ITEMS
  local items, total, multiple = {}, 0, false
  local function add(text)
    items[#items + 1] = text
    total = total + cells.width(text) + 2
    multiple = multiple or text:find("\n", 1, true)
  end
  for i = 1, math.min(n, most) do add(render(t[i], width - 2, depth + 1, parents)) end
  for i = 1, math.min(#keys, most - #items) do
    local name = key_text(keys[i])
    add(name .. " = " .. render(t[keys[i]], width - 2 - cells.width(name) - 3, depth + 1, parents))
  end
  if n + #keys > #items then add(("... %d more"):format(n + #keys - #items)) end
  parents[t] = nil
  if not multiple and total + 2 <= width then return "{ " .. table.concat(items, ", ") .. " }" end
  if scalars and not multiple then return "{\n" .. filled(items, width, "  ") .. "\n}" end
  for i, item in ipairs(items) do items[i] = "  " .. item:gsub("\n", "\n  ") end
  return "{\n" .. table.concat(items, ",\n") .. "\n}"
end

--- Does it print itself, or is it an object of the C side?
local function is_object(value)
  local meta = debug.getmetatable(value)
  return type(value) == "userdata" or type(value) == "table" and type(meta) == "table"
    and rawget(meta, "__tostring") ~= nil
end

--- An object inside a table: one line.
local function object_text(value)
  if require "perilune.core".tensor.is_tensor(value) then
    return ("tensor %s [%s]"):format(value.dtype, table.concat(value.shape, ", "))
  end
  local first, more = tostring(value):match "^([^\n]*)(\n?)"
  return first .. (more ~= "" and " ..." or "")
end

function render(value, width, depth, parents)
  local kind = type(value)
  if kind == "string" then return quoted(value) end
  if kind == "function" then return function_text(value) end
  if is_object(value) then return object_text(value) end
  if kind == "table" then return table_text(value, width, depth, parents) end
  return tostring(value)
end

--- The text of `value`, in lines of about `width` characters. A string stands for itself; what prints itself
--- (tensors, models, ...) does so.
function M.format(value, width)
  width = width or 100
  if type(value) == "string" then return value end
  if is_object(value) then return tostring(value) end
  if type(value) == "table" then
    local module = require "perilune.help".module_text(value, width)
    if module then return module end
  end
  return render(value, width, 0, {})
end

return M
