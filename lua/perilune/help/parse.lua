--- Reads the declarations in lua/meta: annotations as lua-language-server knows them, of which these are used:
--
--    ---@class perilune.Tensor       a class; `local Tensor = {}` below it gives the module its name, "tensor"
--    ---@class perilune.A : perilune.B    has the fields of B too
--    ---@field shape integer[] text  a field of the class (or an option, for a class without a variable)
--    ---@param name? type text       `?`: may be left out
--    ---@return type name text
--    function Tensor:reshape(...) end      described as "tensor.reshape"
--    function pl.nn.Conv2d(...) end        or `function nn.Conv2d`: described as "nn.Conv2d"
--
-- Lines with three dashes before them are the description; a fenced block (```lua) in it is the example.
local M = {}

--- Splits "type text" where the type may hold spaces inside brackets, quotes or around "|".
local function split_type(s)
  local depth, i, n = 0, 1, #s
  while i <= n do
    local c = s:sub(i, i)
    if c:find "[%(%[{<]" then depth = depth + 1 end
    if c:find "[%)%]}>]" then depth = depth - 1 end
    if c == '"' or c == "'" then i = s:find(c, i + 1, true) or n end
    if c == " " and depth == 0 then
      local before, after = s:sub(1, i - 1), s:sub(i + 1)
      local joined = before:match "[|,:]%s*$" or after:match "^%s*|"
      if not joined then return before, after:match "^%s*(.-)%s*$" end
    end
    i = i + 1
  end
  return s, ""
end

--- "options? perilune.ConvOptions text" -> { name =, optional =, type =, text = }
local function typed(s)
  local name, mark, rest = s:match "^([%w_%.]+)(%??)%s+(.*)$"
  if not name then name, mark, rest = s:match "^(%[[^%]]+%])(%??)%s+(.*)$" end
  if not name then return nil end
  local kind, text = split_type(rest)
  return { name = name, optional = mark == "?", type = kind, text = text }
end

--- "perilune.Tensor result the sum" -> { type =, name =, text = }
local function returned(s)
  local kind, rest = split_type(s)
  local name, text = rest:match "^([%a_][%w_]*)%s*(.*)$"
  return { type = kind, name = name, text = text or rest }
end

--- The tag's entry to which a line that begins with two blanks adds text.
local function continued(entry, words)
  local last = entry.last
  if last and words:match "^%s%s+%S" then
    last.text = last.text .. " " .. words:match "^%s*(.-)%s*$"
    return true
  end
end

local function blank() return { text = {}, params = {}, returns = {}, fields = {}, operators = {} } end

local tags = {
  class = function(entry, rest)
    entry.class, entry.parent = rest:gsub("^%(%a+%)%s*", ""):match "^([%w_%.]+)%s*:?%s*([%w_%.]*)"
  end,
  alias = function(entry, rest) entry.class = rest:match "^[%w_%.]+" end,
  field = function(entry, rest) return entry.fields, typed((rest:gsub("^public%s+", ""))) end,
  param = function(entry, rest) return entry.params, typed(rest) end,
  ["return"] = function(entry, rest) return entry.returns, returned(rest) end,
  operator = function(entry, rest) entry.operators[#entry.operators + 1] = rest:match "^[%w_]+" end,
}

--- Adds what a tag says to its list in the entry, and returns it.
local function add_tag(entry, tag, rest)
  if not tags[tag] then return nil end
  local list, item = tags[tag](entry, rest)
  if item then list[#list + 1] = item end
  return item
end

--- The module of a dotted name: "pl.nn.Conv2d" -> "nn", "Conv2d"; "Tensor:reshape" -> "tensor", "reshape".
local function placed(name)
  local parts = {}
  for part in name:gmatch "[%w_]+" do parts[#parts + 1] = part end
  if #parts > 2 and parts[1] == "pl" then table.remove(parts, 1) end
  local last = table.remove(parts)
  return table.concat(parts, "."):lower(), last
end

--- All declarations in `text`, in order: { kind = "class" | "function", module =, name =, method =, class =, text =
--- {lines}, params =, returns =, fields =, operators =, arguments = {names} }.
function M.parse(text)
  local list, entry = {}, blank()
  local function finish(kind, module, name)
    entry.kind, entry.module, entry.name = kind, module, name
    list[#list + 1] = entry
    entry = blank()
  end
  for line in (text .. "\n"):gmatch "(.-)\n" do
    local tag, rest = line:match "^%-%-%-%s*@(%w+)%s*(.*)$"
    local words = line:match "^%-%-%- (%S.*)$" or line:match "^%-%-%-(.*)$"
    local variable = line:match "^local%s+([%w_]+)%s*=%s*{}"
    local owner, mark, member, arguments = line:match "^function%s+([%w_%.]-)([.:]?)([%w_]+)%s*%((.-)%)"
    if tag then
      entry.last = add_tag(entry, tag, rest)
    elseif words then
      if not continued(entry, words) then
        entry.last = nil
        entry.text[#entry.text + 1] = words
      end
    elseif variable and entry.class then
      finish("class", variable:lower(), nil)
    elseif member then
      local module, name = placed(owner .. "." .. member)
      entry.method = mark == ":"
      entry.arguments = {}
      for argument in arguments:gmatch "[%w_%.]+" do entry.arguments[#entry.arguments + 1] = argument end
      finish("function", module, name)
    elseif line:match "^%s*$" then
      if entry.class then finish("class", nil, nil) end
      entry = blank()
    end
  end
  if entry.class then finish("class", nil, nil) end
  return list
end

return M
