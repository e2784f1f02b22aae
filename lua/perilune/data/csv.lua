--- pl.data.csv: rows of a CSV file as samples. The type of a column is found: numbers are a feature each, texts
--- (categories) a feature for each category, 1 where the row has it.
local core = require "perilune.core"
local options = require "perilune.base.options"
local parts = require "perilune.data.parts"
local sorted_keys = require "perilune.base.sorted_keys"
local errors = require "perilune.base.errors"
local raise = errors.raise

local M = { MISSING = { "", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "?" }, MOST_CATEGORIES = 1000 }

--- The file taken apart: { file =, path =, columns =, rows =, by_name = }. header: true, false, "found" (false where
--- the first line has numbers only), or "named" (true, whatever the names are).
function M.open(path, delimiter, header, marks)
  if type(delimiter) ~= "string" or #delimiter ~= 1 or delimiter:find '["\r\n%z]' then
    raise("data.csv: option 'delimiter' takes one character, such as \",\" or \"\\t\", got %s",
      options.describe(delimiter))
  end
  local file, message = core.readers.csv(path, delimiter, header, marks or M.MISSING)
  if not file and header == "found" then      -- its one line is a row where it has numbers only
    local one = core.readers.csv(path, delimiter, false, marks or M.MISSING)
    local has_text = false
    for _, column in ipairs(one and one:columns() or {}) do has_text = has_text or column.texts > 0 end
    if one and not has_text then return M.open(path, delimiter, false, marks) end
  end
  errors.must(file, message)
  local t = { file = file, path = path, by_name = {}, header = header }
  t.columns, t.rows = file:columns()
  local numbers, twice = 0, nil
  for k, column in ipairs(t.columns) do
    if tonumber(column.name) then numbers = numbers + 1 end
    twice = twice or t.by_name[column.name] and column.name
    t.by_name[column.name] = k
  end
  if header and header ~= "named" and numbers == #t.columns then
    if header == "found" then return M.open(path, delimiter, false, marks) end
    raise("%s: its first line has numbers only; if it has no header, say header = false", path)
  end
  if header and twice then raise("%s: two columns are called '%s'", path, twice) end
  if #t.columns == 1 and t.columns[1].name:find "[,;\t|]" then
    local other = t.columns[1].name:match "[,;\t|]"
    raise("%s: its lines have one field each; say delimiter = \"%s\"", path, other == "\t" and "\\t" or other)
  end
  return t
end

local function names_of(t)
  local names = {}
  for k, column in ipairs(t.columns) do names[k] = column.name end
  return names
end

--- The column that an option names (by its name, or by its number where there is no header).
function M.column(t, option, name)
  if type(name) ~= "string" and math.type(name) ~= "integer" then
    raise("data.csv: option '%s' takes the name of a column, got %s", option, options.describe(name))
  end
  local k = t.by_name[tostring(name)]
  if k then return k end
  local names = names_of(t)
  local near = type(name) == "string" and core.system.nearest(name, names)
  raise("data.csv: there is no column '%s' in %s (option '%s')%s; it has: %s", tostring(name), t.path, option,
    near and (", did you mean '%s'?"):format(near) or "", table.concat(names, ", ", 1, math.min(#names, 20)))
end

local function listed(t, option, given)
  if given == nil then return nil end
  if type(given) ~= "table" then given = { given } end
  options.list(("data.csv: option '%s'"):format(option), given, ("write %s = { \"name\" }"):format(option))
  local set = {}
  for _, name in ipairs(given) do set[M.column(t, option, name)] = true end
  return set
end

-- "number" or "text"; a column that holds both is an error, unless it was named as one of categories.
local function type_of(t, k, as_text)
  local column = t.columns[k]
  if column.texts == 0 and not as_text then return "number" end
  if column.numbers > 0 and column.texts > 0 and not as_text then
    raise("%s, line %d, column '%s': '%s' stands among numbers; if it means that the value is missing, say " ..
      "na = { %q }; if the column holds categories, say categories = { %q }", t.path, column.text_line, column.name,
      column.text, column.text, column.name)
  end
  return "text"
end

-- "0,5", "1.234,56" and "1,234,567" are no categories.
local function check_no_comma(t, k, names)
  for _, name in ipairs(names) do
    if name:find "," and name:find "^[+-]?[%d., ]*%d$" then
      raise("%s: column '%s' has numbers with a comma, such as '%s'; write them with a decimal point and nothing " ..
        "else, or say categories = { %q }", t.path, t.columns[k].name, name, t.columns[k].name)
    end
  end
end

-- A text of its own in almost every row is a name of the row, not a category.
local function check_repeats(t, k, different)
  if t.rows >= 20 and different > 0.9 * t.rows then
    raise("%s: column '%s' has %d different texts in %d rows, too many for a feature each; leave it out: " ..
      "ignore = { %q }, or say categories = { %q }", t.path, t.columns[k].name, different, t.rows, t.columns[k].name,
      t.columns[k].name)
  end
end

-- Times in seconds and the like differ by less than an f32 of their size can tell.
local function check_rounding(t, column, is_target)
  if column.max > column.min and column.rounding > (column.max - column.min) / 1000 then
    raise("%s: column '%s' has numbers from %.15g to %.15g, whose differences are lost in f32 (7 digits); subtract " ..
      "an offset first%s", t.path, column.name, column.min, column.max,
      is_target and "" or (", or leave it out: ignore = { %q }"):format(column.name))
  end
end

local function categories_of(t, k, most, what)
  local names, n = t.file:categories(k, most)
  if names and #names > 0 then return names end
  if names then raise("%s: column '%s' is empty", t.path, t.columns[k].name) end
  raise("%s: column '%s' has %d different texts, too many for %s (at most %d); leave it out: ignore = { %q }", t.path,
    t.columns[k].name, n, what, most, t.columns[k].name)
end

--- How columns become features: a list of { column = name, role = "number" | "one_hot", at =, names =, fill = }, the
--- number of features and their names, and the rule for missing values. It holds for every file of the set, and for
--- rows that are predicted later; for these `table` says how the file was written: { delimiter =, header =, na =,
--- ending = of its name }.
function M.plan(t, o)
  local ignored, wanted = listed(t, "ignore", o.ignore) or {}, listed(t, "columns", o.columns)
  local texts, target = listed(t, "categories", o.categories) or {}, o.target ~= nil and M.column(t, "target", o.target)
  local plan = { width = 0, features = {}, columns = {}, missing = o.missing }
  for k, column in ipairs(t.columns) do
    if k ~= target and not ignored[k] and (not wanted or wanted[k]) then
      local use = { column = column.name, at = plan.width + 1 }
      if type_of(t, k, texts[k]) == "number" then
        if column.numbers == 0 then
          raise("%s: column '%s' is empty; leave it out: ignore = { %q }", t.path, column.name, column.name)
        end
        check_rounding(t, column)
        use.role, plan.width = "number", plan.width + 1
        plan.features[plan.width] = column.name
        if type(o.missing) == "number" then use.fill = o.missing
        elseif o.missing == "mean" then use.fill = column.mean end
      else
        use.role, use.names = "one_hot", categories_of(t, k, M.MOST_CATEGORIES, "a feature")
        if not texts[k] then
          check_no_comma(t, k, use.names)
          check_repeats(t, k, #use.names)
        end
        if o.missing == "mean" or type(o.missing) == "number" then use.fill = 0 end   -- none of its categories
        for i, name in ipairs(use.names) do plan.features[plan.width + i] = ("%s=%s"):format(column.name, name) end
        plan.width = plan.width + #use.names
      end
      plan.columns[#plan.columns + 1] = use
    end
  end
  if plan.width == 0 then raise("%s: no column is left for the samples", t.path) end
  if target then
    local as_labels = o.labels ~= nil or texts[target] or t.columns[target].texts > 0
    plan.target = { column = t.columns[target].name, at = 1, role = as_labels and "label" or "target" }
    if not as_labels then check_rounding(t, t.columns[target], true)
    else
      type_of(t, target, o.labels ~= nil or texts[target])
      local found = categories_of(t, target, parts.MOST_CLASSES, "labels")
      if not o.labels and not texts[target] then check_no_comma(t, target, found) end
      plan.labels, plan.target.names, plan.target.values = M.classes(t, target, found, o.labels)
    end
  end
  return plan
end

--- The names of the labels 0, 1, ...; the texts that mean one, in ascending order of bytes, and the label of each. A
--- number of classes, or names for a column of other numbers: the text is the label; names that the column holds say
--- their order; else the order of the texts. A label need not occur in this file.
function M.classes(t, target, found, given)
  local column, labels, number, values = t.columns[target], parts.labels("data.csv", given) or found, {}, {}
  local named = {}
  for _, name in ipairs(labels) do named[name] = true end
  local by_number = type(given) == "number"
  for _, name in ipairs(given and column.texts == 0 and found or {}) do
    by_number = by_number or not named[name]      -- names may be numbers: { "5", "7" }
  end
  for k, name in ipairs(labels) do number[by_number and tostring(k - 1) or name] = k - 1 end
  for _, name in ipairs(found) do
    if not number[name] then
      raise("%s: column '%s' holds '%s', which is none of the labels %s", t.path, column.name, name,
        by_number and ("0 to %d"):format(#labels - 1) or table.concat(labels, ", ", 1, math.min(#labels, 12)))
    end
  end
  local texts = given and sorted_keys(number) or found
  for i, name in ipairs(texts) do values[i] = number[name] end
  return labels, texts, values
end

-- The uses of the columns of one file, which may lie in another order than those the plan was made with.
local function uses_of(t, plan, with_target)
  local uses = {}
  for k = 1, #t.columns do uses[k] = false end
  for _, use in ipairs(plan.columns) do
    local k = t.by_name[use.column]
    if not k then raise("%s has no column '%s', which the samples need", t.path, use.column) end
    uses[k] = use
  end
  if with_target and plan.target then uses[M.column(t, "target", plan.target.column)] = plan.target end
  return uses
end

--- x [n, features] and y of a file, as the plan says; y is nil without a target.
function M.read(t, plan, with_target, drop)
  local target = with_target and plan.target
  local x, y = errors.must(t.file:fill(uses_of(t, plan, with_target), drop or false, plan.width,
    target and target.role == "target" and 1 or nil, target and target.role == "label"))
  if x:size(1) == 0 then raise("%s: no row is left without a missing value", t.path) end
  if y and target.role == "label" then
    for i, label in ipairs(target.values) do
      if label ~= i - 1 then
        y = core.tensor.tensor(target.values, "i32"):index(1, y:add(1))
        break
      end
    end
  end
  return x, y
end

local function part(t, plan, o, name)
  local x, y = M.read(t, plan, true, o.missing == "drop")
  return parts.split { name = name, labels = plan.labels, features = plan, y = y,
    x = { shape = x.shape, type = "f32", read = function() return x end } }
end

local function check_missing(missing)
  if missing == nil or missing == "drop" or missing == "mean" or type(missing) == "number" then return end
  raise("data.csv: option 'missing' is \"drop\" (the row), \"mean\" (of the column) or a number, got %s",
    options.describe(missing))
end

-- The texts that mean a missing value; nil for the usual ones.
local function marks_of(na)
  if na == nil then return nil end
  local list = type(na) == "table" and options.list("data.csv: option 'na'", na, 'write na = { "-", "none" }') or { na }
  for _, text in ipairs(list) do
    if type(text) ~= "string" then
      raise("data.csv: option 'na' takes a text or a list of texts, such as \"-999\", got %s", options.describe(text))
    end
  end
  return table.move(list, 1, #list, 2, { "" })
end

--- A CSV file (RFC 4180, plain or gzip), its path first. target = the column that is predicted: texts are labels,
--- numbers are targets, or labels too if `labels` says how many classes there are or how they are called. Every other
--- column is a feature: columns = only these; ignore = all but these; categories = columns of numbers that are
--- categories. A missing value (na = the texts that mean one) is an error unless missing = "drop", "mean" or a number.
--- test = another file of the same columns; validation = a fraction to hold out; header = false: columns are called
--- "1", "2", ...; delimiter.
function M.csv(given)
  local o = parts.options("data.csv", given, { path = options.none, target = options.none, labels = options.none,
    columns = options.none, ignore = options.none, categories = options.none, missing = options.none, na = options.none,
    test = options.none, validation = options.none, header = true, delimiter = ",", name = options.none }, "path")
  if type(o.path) ~= "string" then raise "data.csv needs a file: data.csv { \"iris.csv\", target = \"species\" }" end
  if o.labels ~= nil and o.target == nil then
    raise "data.csv got labels, the names of the classes, without target, the column that holds them"
  end
  check_missing(o.missing)
  local marks = marks_of(o.na)
  local t = M.open(o.path, o.delimiter, o.header, marks)
  o.name = o.name or o.path:match "([^/]*)$"
  local plan = M.plan(t, o)
  plan.table = { delimiter = o.delimiter, header = o.header, na = marks,
    ending = o.path:lower():gsub("%.gz$", ""):match "%.(%w+)$" }
  local train = part(t, plan, o, o.name .. " train")
  local test = o.test and part(M.open(o.test, o.delimiter, o.header, marks), plan, o, o.name .. " test")
  return parts.dataset(o.name, train, test, o.validation)
end

return M
