--- What is typed becomes a chunk: is it complete, is it an expression, and which of its locals outlive it.
local M = {}

local SPACE, WORD, NUMBER = "^%s+", "^[%a_][%w_]*", "^%.?%d[%w_.]*"

--- The token of `text` at byte `i`: its kind ("word", "space" for blanks and comments, "other") and its last byte.
local function token(text, i)
  local _, last = text:find(SPACE, i)
  if last then return "space", last end
  local level = text:match("^%-%-%[(=*)%[", i)
  if level then
    _, last = text:find("]" .. level .. "]", i, true)
    return "space", last or #text
  end
  if text:find("^%-%-", i) then
    _, last = text:find("^[^\n]*", i)
    return "space", last
  end
  level = text:match("^%[(=*)%[", i)
  if level then
    _, last = text:find("]" .. level .. "]", i, true)
    return "other", last or #text
  end
  local quote = text:match("^[\"']", i)
  if quote then
    local at = i + 1
    while at <= #text and text:sub(at, at) ~= quote do
      at = at + (text:sub(at, at) == "\\" and 2 or 1)
    end
    return "other", math.min(at, #text)
  end
  _, last = text:find(WORD, i)
  if last then return "word", last end
  _, last = text:find(NUMBER, i)
  return "other", last or i
end

--- All tokens that matter, as { kind =, text =, from =, to = }.
local function tokens(text)
  local list, i = {}, 1
  while i <= #text do
    local kind, last = token(text, i)
    if kind ~= "space" then list[#list + 1] = { kind = kind, text = text:sub(i, last), from = i, to = last } end
    i = last + 1
  end
  return list
end

local OPENS = { ["do"] = true, ["if"] = true, ["function"] = true, ["repeat"] = true }
local CLOSES = { ["end"] = true, ["until"] = true }

--- The names after `local` at place `i` of the list: the place after them, what to blank out (attributes), and
--- whether one is to be closed (such a declaration stays local).
local function declared(list, i)
  local blanks, closes = {}, false
  repeat
    i = i + 1
    if list[i + 1] and list[i + 1].text == "<" and list[i + 3] then
      closes = closes or list[i + 2].text == "close"
      blanks[#blanks + 1] = { list[i + 1].from, list[i + 3].to }
      i = i + 3
    end
    i = i + 1
  until not list[i] or list[i].text ~= ","
  return i, blanks, closes
end

--- The same program with each outermost `local` turned into an assignment to the session's variables, so that
--- `local x = 1` on one line can be used on the next. Lines keep their numbers. `text` must be syntactically right.
function M.hoist(text)
  local list, edits, depth = tokens(text), {}, 0
  for i, t in ipairs(list) do
    if t.kind == "word" then
      if OPENS[t.text] then depth = depth + 1 end
      if CLOSES[t.text] then depth = depth - 1 end
      if t.text == "local" and depth == 0 then
        local follows = list[i + 1]
        if follows.text == "function" then
          edits[#edits + 1] = { t.from, t.to, "" }
        else
          local after, blanks, closes = declared(list, i)
          if not closes then
            edits[#edits + 1] = { t.from, t.to, "" }
            for _, b in ipairs(blanks) do edits[#edits + 1] = { b[1], b[2], "" } end
            if not list[after] or list[after].text ~= "=" then
              local last = list[after - 1].to
              edits[#edits + 1] = { last + 1, last, " = nil;" }
            end
          end
        end
      end
    end
  end
  local parts, at = {}, 1
  for _, e in ipairs(edits) do
    parts[#parts + 1] = text:sub(at, e[1] - 1)
    parts[#parts + 1] = e[3]
    at = e[2] + 1
  end
  parts[#parts + 1] = text:sub(at)
  return table.concat(parts)
end

--- Compiles what was typed. Returns the function and whether its values are to be printed; or nil, "incomplete"
--- when more lines must follow; or nil and the error.
--- `line` is the number of its first line in the session, for messages.
function M.compile(text, line, env)
  local name, padding = "=stdin", ("\n"):rep(line - 1)
  local expression = text:match "^%s*=(.*)$" or text
  local chunk, unfinished = load(padding .. "return " .. expression, name, "t", env)
  if chunk then return chunk, not expression:match "^%s*$" and M.has_code(expression) end
  local plain, message = load(padding .. text .. "\n", name, "t", env)
  if not plain then
    if message:match "<eof>$" or unfinished:match "<eof>$" then return nil, "incomplete" end
    return nil, message
  end
  return load(padding .. M.hoist(text), name, "t", env) or plain, false
end

--- Is there anything besides blanks and comments?
function M.has_code(text) return tokens(text)[1] ~= nil end

return M
