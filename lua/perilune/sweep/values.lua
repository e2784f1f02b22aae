--- What a sweep varies: "lr=1e-3,3e-3", "width=1..5", "lr=lin:0..1", "lr=log:1e-4..1e-1", "channels=[8,16],[16,32]";
--- and the combinations of it, all of them (a grid) or drawn at random.
local args = require "perilune.script.args"
local core = require "perilune.core"
local csv = require "perilune.base.csv"
local errors = require "perilune.base.errors"

local M = {}

local MOST = 100000      -- trials; more is a slip

--- Ends the program where there would be too many trials.
function M.check_count(count)
  if count > MOST then errors.fail(2, "sweep: that would be more than %d trials", MOST) end
end

local function wrong(word, format, ...) errors.fail(2, "sweep: %s: " .. format, word, ...) end

local function number(word, text, what)
  local x = tonumber(text)
  if not x or x ~= x or x - x ~= 0 then wrong(word, "%s is a number, got '%s'", what, text) end
  return x
end

-- "a,[b,c],d" -> { "a", "b,c", "d" }
local function items(word, text)
  local list, at = {}, 1
  while at <= #text + 1 do
    local inner, after = text:match("^%[([^%[%]]*)%]()", at)
    if not inner then inner, after = text:match("^([^,%[%]]*)()", at) end
    local stop = text:sub(after, after)
    if stop ~= "," and stop ~= "" then
      wrong(word, "values are separated by commas, lists among them are written [8,16]")
    end
    if inner == "" and text:sub(at, at) ~= "[" then wrong(word, "a value is missing") end
    list[#list + 1] = inner
    at = after + 1
    if stop == "" then break end
  end
  return list
end

local function whole_range(word, name, from, to)
  local low = math.tointeger(number(word, from, "an end of a range"))
  local high = math.tointeger(number(word, to, "an end of a range"))
  if not low or not high then
    wrong(word, "a range counts whole numbers; lin:%s..%s draws between its ends, with --trials", from, to)
  end
  if low > high then wrong(word, "the range is empty: %d is above %d", low, high) end
  if high - low >= MOST or high - low < 0 then      -- it overflows
    wrong(word, "the range has more than %d values", MOST)
  end
  local values = {}
  for i = low, high do values[#values + 1] = tostring(i) end
  return { name = name, values = values }
end

--- { name, values = { texts } } or { name, kind = "lin" | "log", low, high } of a word of the command line.
function M.parse(word)
  local name, text = word:match "^([%a_][%w_]*)=(.*)$"
  if not name then
    errors.fail(2, "sweep: '%s' is no argument; one is written name=value,value, such as lr=1e-3,1e-2", word)
  end
  local kind, rest = text:match "^(l%a%a):(.*)$"
  if kind ~= "lin" and kind ~= "log" then kind, rest = nil, nil end
  local from, to = (rest or text):match "^(.-)%.%.(.+)$"
  if kind then
    if not from then wrong(word, "a range is written %s:low..high, such as lr=log:1e-4..1e-1", kind) end
    local low, high = number(word, from, "an end of a range"), number(word, to, "an end of a range")
    if low >= high then wrong(word, "the range is empty: %s is not below %s", from, to) end
    if kind == "log" and low <= 0 then wrong(word, "a logarithmic range begins above 0, got %s", from) end
    return { name = name, text = text, kind = kind, low = low, high = high }
  end
  if from and tonumber(from) and tonumber(to) then return whole_range(word, name, from, to) end
  return { name = name, values = items(word, text) }
end

--- The words of a command line (or what M.parse made of them) as parameters, sorted by name.
function M.parse_all(words)
  local list, seen = {}, {}
  for _, word in ipairs(words) do
    local p = type(word) == "table" and word or M.parse(word)
    if seen[p.name] then errors.fail(2, "sweep: argument '%s' is given twice", p.name) end
    seen[p.name] = true
    list[#list + 1] = p
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

--- The one way to write a value of an argument with that default: "1e-3" and "0.001" are one value, and so are "yes"
--- and "true", and the lists "8, 16" and "8.0,16". What the script will refuse stays as it is given.
function M.canonical(text, default)
  local kind = math.type(default) or type(default)
  if kind == "boolean" then
    local truth = args.truth(text)
    return truth == nil and text or tostring(truth)
  elseif kind == "table" then
    local parts = {}
    for item in text:gmatch "[^,]+" do parts[#parts + 1] = M.canonical(item, default[1]) end
    return table.concat(parts, ",")
  end
  local x = kind == "integer" and math.tointeger(tonumber(text)) or kind == "float" and tonumber(text)
  if not x or x - x ~= 0 then return text end
  return csv.number(kind == "float" and x + 0.0 or x)
end

--- The text of an argument's value. Second: does it give that value? No text gives a list with an empty item, or with
--- one that has a comma.
function M.text(value)
  if type(value) ~= "table" then return math.type(value) and csv.number(value) or tostring(value), true end
  local parts, exact = {}, true
  for i, x in ipairs(value) do
    parts[i] = M.text(x)
    exact = exact and parts[i] ~= "" and not parts[i]:find ","
  end
  return table.concat(parts, ","), exact
end

--- Writes each value as it is canonical for its argument (`defaults`: by name) and leaves out doubles; a range of an
--- argument that counts becomes that of the whole numbers in it.
function M.settle(parameters, defaults)
  for _, p in ipairs(parameters) do
    local default = defaults[p.name]
    p.whole = math.type(default) == "integer"
    if p.whole and p.kind then p.low, p.high = math.ceil(p.low), math.floor(p.high) end
    local values, seen = {}, {}
    for _, text in ipairs(p.values or {}) do
      text = M.canonical(text, default)
      if not seen[text] then values[#values + 1] = text end
      seen[text] = true
    end
    if p.values then p.values = values end
  end
end

--- All combinations, the last parameter changing fastest: a list of { "name=value", ... }.
function M.grid(parameters)
  local list = { {} }
  for _, p in ipairs(parameters) do
    if p.kind then
      errors.fail(2, "sweep: %s=%s:... has no end of values; say how many to draw with --trials N", p.name, p.kind)
    end
    M.check_count(#list * #p.values)
    local longer = {}
    for _, words in ipairs(list) do
      for _, value in ipairs(p.values) do
        local copy = table.move(words, 1, #words, 1, {})
        copy[#copy + 1] = p.name .. "=" .. value
        longer[#longer + 1] = copy
      end
    end
    list = longer
  end
  return list
end

local SAMPLING = 72      -- a purpose of the generator that nothing else draws for

-- Of a range: with six digits, or with six of its width where it is narrow for its place, or more where these lie
-- outside it.
local function within(x, low, high)
  local share, digits = (high - low) / math.max(math.abs(low), math.abs(high)), 6
  if share < 0.01 then digits = math.min(17, 6 - math.floor(math.log(share, 10))) end
  for precision = digits, 17 do
    local text = ("%%.%dg"):format(precision):format(x)
    local rounded = tonumber(text)
    if rounded >= low and rounded <= high then return text end
  end
  return ("%.17g"):format(low)
end

-- The value of parameter number `index` in draw t: a function of these and the seed alone. Whole numbers: each as often
-- as the others (lin), or as the logarithms of its ends, half a unit off, lie apart (log).
local function draw(p, seed, t, index)
  local u = core.system.random(seed, SAMPLING, t, index, 0)
  if not p.kind then return p.values[1 + math.floor(u * #p.values)] end
  local half = p.whole and 0.5 or 0.0
  local low, high = p.low - half, p.high + half
  if p.kind == "log" then low, high = math.log(low), math.log(high) end
  local x = low + u * (high - low)
  if p.kind == "log" then x = math.exp(x) end
  if p.whole then return ("%d"):format(math.max(p.low, math.min(p.high, math.floor(x + 0.5)))) end
  return within(x, p.low, p.high)
end

--- `count` combinations, drawn from `seed`, no two the same; more of them begin with the same ones.
function M.random(parameters, count, seed)
  local possible = 1
  for _, p in ipairs(parameters) do
    if p.values then possible = possible * #p.values
    elseif p.whole then possible = possible * (p.high - p.low + 1)
    else possible = math.huge end
  end
  if count > possible then
    local there = possible == 1 and "is only 1 combination" or ("are only %d combinations"):format(possible)
    errors.fail(2, "sweep: %d trials are wanted, but there %s", count, there)
  end
  local list, seen, t = {}, {}, 0
  while #list < count do
    t = t + 1
    local words = {}
    for i, p in ipairs(parameters) do words[i] = p.name .. "=" .. draw(p, seed, t, i) end
    local key = table.concat(words, "\0")
    if not seen[key] then list[#list + 1] = words end
    seen[key] = true
    if t > 1000 * count + 100000 then errors.fail(1, "sweep: %d different combinations could not be drawn", count) end
  end
  return list
end

return M
