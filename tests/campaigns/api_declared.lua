-- Arguments after the declarations in lua/meta: what a function says it takes is what gets past its first checks.
-- Whatever is declared there is therefore called with nearly right arguments, without a word about it here.
local core = require "perilune.core"
local parse = require "perilune.help.parse".parse

local functions, classes = {}, {}
local names = {}
for name in pairs(core.meta()) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do
  for _, entry in ipairs(parse(core.meta()[name])) do
    if entry.kind == "function" then functions[entry.module .. "." .. entry.name] = entry end
    if entry.class then classes[entry.class] = entry end
  end
end

-- "a|b|c" at the outermost level.
local function alternatives(text)
  local list, depth, from = {}, 0, 1
  for i = 1, #text do
    local c = text:sub(i, i)
    if c:find "[%(%[{<]" then depth = depth + 1 elseif c:find "[%)%]}>]" then depth = depth - 1 end
    if c == "|" and depth == 0 then
      list[#list + 1] = text:sub(from, i - 1)
      from = i + 1
    end
    if text:sub(from, i):find "^%s*fun%(" and depth == 0 and c == ")" then break end    -- what it returns belongs to it
  end
  list[#list + 1] = text:sub(from)
  return list
end

local M = {}

--- Two makers: call(path) -> arguments for that function, without `self` (nil: it is not declared); of(type) -> one
--- value. `give`: { random(n), pick(list), object(class name) or nil, anything(), callback(), numbers, texts }.
function M.new(give)
  local random, pick = give.random, give.pick
  local typed

  local function fields_of(class, t, depth)
    if class.parent and classes[class.parent] then fields_of(classes[class.parent], t, depth) end
    for _, field in ipairs(class.fields) do
      if random(10) <= (field.optional and 3 or 9) then t[field.name] = typed(field.type, depth - 1) end
    end
    return t
  end

  local function list_of(kind, depth)
    local t = {}
    for i = 1, random(5) - 1 do t[i] = typed(kind, depth - 1) end
    return t
  end

  local plain = {
    integer = function() return random(4) > 1 and random(8) - 2 or pick(give.numbers) end,
    number = function() return random(4) > 1 and (random(200) - 50) / pick { 1, 10, 100 } or pick(give.numbers) end,
    string = function() return pick(give.texts) end,
    boolean = function() return random(2) == 1 end,
    ["false"] = function() return false end,
    ["nil"] = function() return nil end,
  }

  function typed(text, depth)
    if depth < 0 or random(15) == 1 then return give.anything() end
    local kind = pick(alternatives(text)):match "^%s*(.-)%??%s*$"
    if plain[kind] then return plain[kind]() end
    if kind:find '^"' then return kind:sub(2, -2) end
    if kind:find "^fun%(" then return give.callback() end
    if kind:find "%[%]$" then return list_of(kind:sub(1, -3), depth) end
    if kind:find "^table" or kind:find "^{" then
      return list_of(pick { "number", "integer", "integer[]", "number[]", "perilune.Tensor" }, depth)
    end
    local class = classes[kind]
    -- ...Options, ...Fields, Callbacks
    if class and #class.fields > 0 and kind:find "s$" then return fields_of(class, {}, depth) end
    local object = give.object(kind)
    if object ~= nil then return object end
    if class then return fields_of(class, {}, depth) end
    return give.anything()
  end

  -- `path`: "pl.nn.Linear", "perilune.tensor.sum", "core.tensor.zeros"
  local function call(path)
    local inner = path:gsub("^core%.", "pl."):gsub("^pl%.tensor%.", "pl."):gsub("%.methods%.", "."):gsub("^pl%.(.+%.)",
      "%1"):gsub("^perilune%.", "")
    local entry = functions[inner] or functions[inner:gsub("^nn%.", "layer.")]
    if not entry then return nil end
    local list = { n = 0 }
    for _, param in ipairs(entry.params) do
      local count = param.name == "..." and random(4) or 1
      if param.optional and random(3) == 1 then break end
      for _ = 1, count do
        list.n = list.n + 1
        list[list.n] = typed(param.type, 2)
      end
    end
    return list
  end

  return { call = call, of = function(kind) return typed(kind, 2) end }
end

return M
