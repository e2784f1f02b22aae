--- Comma-separated values as RFC 4180 has them: a cell with a comma, a quote or a line break stands in quotes.
local M = {}

--- The shortest text that reads as the same number.
function M.number(x)
  if math.tointeger(x) then return ("%d"):format(x) end
  for precision = 15, 17 do
    local shortest = (("%%.%dg"):format(precision)):format(x)
    if tonumber(shortest) == x then return shortest end
  end
  return tostring(x)
end

local function cell(value)
  if value == nil then return "" end
  local s = type(value) == "number" and M.number(value) or tostring(value)
  if s:find '[,"\r\n]' then s = '"' .. s:gsub('"', '""') .. '"' end
  return s
end

--- One line, without its end. `values`: a list with holes, of n cells.
function M.line(values, n)
  local cells = {}
  for i = 1, n or #values do cells[i] = cell(values[i]) end
  return table.concat(cells, ",")
end

--- The text of named rows: a line of `columns`, then a line a row.
function M.encode(columns, rows)
  local lines = { M.line(columns) }
  for i, row in ipairs(rows) do
    local values = {}
    for c, name in ipairs(columns) do values[c] = row[name] end
    lines[i + 1] = M.line(values, #columns)
  end
  return table.concat(lines, "\n") .. "\n"
end

-- The cells of the line that begins at `at`, and where the next line begins; or nil and a message.
local function read_line(text, at)
  local cells = {}
  while true do
    local value
    if text:sub(at, at) == '"' then
      local parts, from = {}, at + 1
      while true do
        local quote = text:find('"', from, true)
        if not quote then return nil, "a quote is not closed" end
        parts[#parts + 1] = text:sub(from, quote - 1)
        if text:sub(quote + 1, quote + 1) ~= '"' then
          at = quote + 1
          break
        end
        from = quote + 2
      end
      value = table.concat(parts, '"')
    else
      value = text:match("^[^,\r\n]*", at)
      at = at + #value
    end
    cells[#cells + 1] = value
    local stop = text:match("^,", at) or text:match("^\r*\n", at) or text:match("^\r", at) or ""
    if stop == "" and at <= #text then return nil, "there is text after a closing quote" end
    at = at + #stop
    if stop ~= "," then return cells, at end
  end
end

--- The rows of a text as tables by the names in its first line, and those names; an empty cell is nil. Or nil and a
--- message.
function M.decode(text)
  local columns, at = read_line(text, 1)
  if not columns then return nil, "line 1: " .. at end
  local rows, line = {}, 1
  while at <= #text do
    line = line + 1
    local cells, next_at = read_line(text, at)
    if not cells then return nil, ("line %d: %s"):format(line, next_at) end
    if #cells ~= #columns and not (#cells == 1 and cells[1] == "") then
      return nil, ("line %d has %d cells, and the first line %d"):format(line, #cells, #columns)
    end
    if #cells == #columns then
      local row = {}
      for c, name in ipairs(columns) do row[name] = cells[c] ~= "" and cells[c] or nil end
      rows[#rows + 1] = row
    end
    at = next_at
  end
  return rows, columns
end

return M
