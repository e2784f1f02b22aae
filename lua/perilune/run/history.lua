--- The history of a run: one row an epoch, columns by name. run.history.test_error[3], #run.history,
--- print(run.history).
local text = require "perilune.base.format"

local M = {}

local Column = { __name = "perilune.column" }
function Column:__tostring()
  local words = {}
  for i = 1, self.n do words[i] = self[i] == nil and "-" or text.number(self[i]) end
  return table.concat(words, " ")
end
function Column:__len() return self.n end

local History = { __name = "perilune.history" }

--- A history from { columns = {...}, rows = {{...}, ...} } as a file keeps it, or an empty one.
function M.new(saved)
  local self = { columns = {}, rows = {} }
  if saved then
    for i, name in ipairs(saved.columns) do self.columns[i] = name end
    for _, row in ipairs(saved.rows) do
      local named = {}
      for i, name in ipairs(saved.columns) do
        if row[i] == row[i] then named[name] = row[i] end
      end
      self.rows[#self.rows + 1] = named
    end
  end
  return setmetatable(self, History)
end

--- Appends a row { name = value }; `order` lists the names, so that columns have a fixed order. NaN is no value here,
--- as in files.
function M.append(self, order, row)
  for _, name in ipairs(order) do
    local known = false
    for _, column in ipairs(self.columns) do known = known or column == name end
    if not known then self.columns[#self.columns + 1] = name end
  end
  local copy = {}
  for _, name in ipairs(self.columns) do
    if row[name] == row[name] then copy[name] = row[name] end
  end
  self.rows[#self.rows + 1] = copy
end

--- A history of the first n rows of this one.
function M.first(self, n)
  return setmetatable({ columns = self.columns, rows = table.move(self.rows, 1, n, 1, {}) }, History)
end

--- As a file keeps it: { columns = {...}, rows = {{...}, ...} }; a value that is not there is NaN.
function M.saved(self)
  local rows = {}
  for r, row in ipairs(self.rows) do
    rows[r] = {}
    for c, name in ipairs(self.columns) do rows[r][c] = row[name] == nil and 0 / 0 or row[name] end
  end
  return { columns = table.move(self.columns, 1, #self.columns, 1, {}), rows = rows }
end

--- The curve of a metric: run.history:plot "test_error".
local methods = {}
function methods.plot(self, metric, given) return require "perilune.plot".plot(self, metric, given) end

function History.__index(self, key)
  if methods[key] then return methods[key] end
  if math.type(key) == "integer" then return self.rows[key] end
  for _, name in ipairs(rawget(self, "columns") or {}) do
    if name == key then
      local column = { n = #self.rows }
      for i, row in ipairs(self.rows) do column[i] = row[name] end
      return setmetatable(column, Column)
    end
  end
end

--- The sum of a column; 0 when there is none.
function M.sum(self, name)
  local sum = 0
  for _, row in ipairs(self.rows) do sum = sum + (row[name] or 0) end
  return sum
end

function History:__len() return #self.rows end
function History:__tostring()
  return table.concat(require "perilune.terminal.tables".history(self, text.plain()), "\n")
end

require "perilune.base.names".class(History, methods)
return M
