--- Declarations as pages of text.
local M = {}

local function name_of(entry)
  if entry.kind == "class" then return entry.module or entry.class end
  if entry.module == "" then return entry.name end
  return entry.module .. (entry.method and ":" or ".") .. entry.name
end

--- "nn.Conv2d(inputs, outputs, kernel [, options])"
function M.signature(entry)
  if entry.kind == "class" then return name_of(entry) end
  local optional = {}
  for _, p in ipairs(entry.params) do optional[p.name] = p.optional end
  local text, open = "", 0
  for i, name in ipairs(entry.arguments) do
    if optional[name] then
      text = text .. (i > 1 and " [, " or "[") .. name
      open = open + 1
    else
      text = text .. (i > 1 and ", " or "") .. name
    end
  end
  return name_of(entry) .. "(" .. text .. ("]"):rep(open) .. ")"
end

--- Words on lines of at most `width`; what stands between backquotes, and "(default x)", is one word if it is short.
local function wrap(text, width, first, rest)
  local lines, line = {}, first
  local fresh = true
  local function joined(words) return #words <= 30 and words:gsub(" ", "\0") or nil end
  text = text:gsub("`[^`]*`", joined):gsub("%(default [^()]*%)", joined)
  for word in text:gmatch "%S+" do
    word = word:gsub("%z", " ")
    if not fresh and #line + 1 + #word > width then
      lines[#lines + 1] = line
      line, fresh = rest, true
    end
    line = line .. (fresh and "" or " ") .. word
    fresh = false
  end
  lines[#lines + 1] = line
  return lines
end

--- Lines that are wider, such as those of examples and tables, go on under themselves, broken at words.
function M.fit(text, width)
  local out = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do
    local first = line:match "^%s*"
    if #line <= width then out[#out + 1] = line
    else table.move(wrap(line, width, first, first .. "    "), 1, 1000, #out + 1, out) end
  end
  return table.concat(out, "\n")
end

--- Paragraphs are filled; blocks (fenced, indented, lists) stay as they are written, a fenced block indented.
local function description(text, width)
  local out, paragraph, fenced = {}, {}, false
  local function flush()
    if #paragraph > 0 then table.move(wrap(table.concat(paragraph, " "), width, "", ""), 1, 1000, #out + 1, out) end
    paragraph = {}
  end
  for _, line in ipairs(text) do
    if line:match "^```" then
      flush()
      fenced = not fenced
    elseif fenced then
      out[#out + 1] = "  " .. line
    elseif line:match "^%s*$" then
      flush()
      out[#out + 1] = ""
    elseif line:match "^[%s%*%-|]" then
      flush()
      out[#out + 1] = line
    else
      paragraph[#paragraph + 1] = line
    end
  end
  flush()
  return out
end

local function shown_type(kind)
  return (kind:gsub("perilune%.", ""))
end

--- Rows of { name, type, text }, the texts aligned and wrapped.
local function rows(list, width)
  local names, types = 0, 0
  for _, r in ipairs(list) do
    names = math.max(names, #r[1])
    types = math.max(types, math.min(#r[2], 24))
  end
  local lines = {}
  for _, r in ipairs(list) do
    local name = names > 0 and r[1] .. (" "):rep(names - #r[1] + 2) or ""
    local head = "  " .. name .. r[2] .. (" "):rep(types - #r[2]) .. "  "
    local margin = (" "):rep((names > 0 and names + 2 or 0) + types + 4)
    if #margin > width - 30 then margin = "      " end      -- a narrow terminal: the text goes below
    if #head > #margin then
      lines[#lines + 1] = (head:gsub("%s+$", ""))
      head = margin
    end
    for _, line in ipairs(wrap(r[3], width, head, margin)) do lines[#lines + 1] = (line:gsub("%s+$", "")) end
  end
  return lines
end

local function typed_rows(list)
  local out = {}
  for _, p in ipairs(list) do
    out[#out + 1] = { p.name .. (p.optional and "?" or ""), shown_type(p.type), p.text }
  end
  return out
end

local function first_sentence(entry)
  local text = {}
  for _, line in ipairs(entry.text) do
    if line:match "^%s*$" or line:match "^```" then break end
    text[#text + 1] = line
  end
  local all = table.concat(text, " ")
  return all:match "^(.-%.)%s" or all
end

local function append(out, title, lines)
  if #lines == 0 then return end
  out[#out + 1] = ""
  if title then out[#out + 1] = title end
  table.move(lines, 1, #lines, #out + 1, out)
end

--- Functions with their first sentences, under a heading.
function M.list(entries, width, heading)
  local list = {}
  for _, e in ipairs(entries) do list[#list + 1] = { name_of(e), "", first_sentence(e) } end
  local names = 0
  for _, r in ipairs(list) do names = math.max(names, #r[1]) end
  local out = { heading }
  for _, r in ipairs(list) do
    local head = "  " .. r[1] .. (" "):rep(names - #r[1]) .. "  "
    table.move(wrap(r[3], width, head, (" "):rep(#head)), 1, 100, #out + 1, out)
  end
  return table.concat(out, "\n")
end

local function class_page(entry, width)
  local class = entry.class:gsub("^perilune%.", "")
  local out = { entry.module and entry.module ~= class and ("%s  (%s)"):format(entry.module, class) or class }
  append(out, nil, description(entry.text, width))
  append(out, "fields", rows(typed_rows(entry.fields), width))
  if #entry.operators > 0 then append(out, nil, { "operators: " .. table.concat(entry.operators, ", ") }) end
  if entry.members and #entry.members > 0 then
    out[#out + 1] = ""
    out[#out + 1] = M.list(entry.members, width, "functions")
  end
  return table.concat(out, "\n")
end

--- The page of one declaration: signature, description, parameters with the options of each, what it returns.
--- `options_of` gives the declaration of the options that a parameter stands for, or nil.
function M.entry(entry, options_of, width)
  if entry.kind == "class" then return class_page(entry, width) end
  local out = { M.signature(entry) }
  append(out, nil, description(entry.text, width))
  append(out, "parameters", rows(typed_rows(entry.params), width))
  for _, p in ipairs(entry.params) do
    local class = options_of(p)
    if class then append(out, p.name, rows(typed_rows(class.fields), width)) end
  end
  local returns = {}
  for _, r in ipairs(entry.returns) do returns[#returns + 1] = { r.name or "", shown_type(r.type), r.text } end
  append(out, "returns", rows(returns, width))
  return table.concat(out, "\n")
end

--- A module that is printed as a value.
function M.room_short(entry, width)
  local names = {}
  for _, m in ipairs(entry.members) do names[#names + 1] = m.name end
  table.sort(names)
  for _, f in ipairs(entry.fields) do names[#names + 1] = f.name end
  local lines = wrap(("%s: %s"):format(entry.module, first_sentence(entry)), width, "", "")
  table.move(wrap(table.concat(names, " "), width, "  ", "  "), 1, #names, #lines + 1, lines)
  return table.concat(lines, "\n")
end

--- All modules, a line each.
function M.topics(index, width)
  local modules = {}
  for _, e in ipairs(index.entries) do
    if e.kind == "class" then modules[#modules + 1] = e end
  end
  return M.list(modules, width,
    "Topics, each with help \"name\"; help(nn.Conv2d) or help \"conv2d\" describes one function:")
end

return M
