-- The system calls that a program with CAMPAIGN_RECORD wrote down (syscalls.c), and what others added to it as "ack
-- STEP": text -> { { kind ("failed": of whichever kind), line, and by kind fd, how, path, from, data, size, step }, ...
-- }
return function(text)
  local list, at = {}, 1
  while at <= #text do
    local line_end = text:find("\n", at, true)
    local line = text:sub(at, line_end - 1)
    local words = {}
    for word in line:gmatch "[^ ]+" do words[#words + 1] = word end
    local call = { kind = words[1], line = line }
    at = line_end + 1
    if call.kind == "open" then call.fd, call.how, call.path = words[2], words[3], line:match "^open %S+ %S+ (.*)$"
    elseif call.kind == "write" then
      call.fd, call.data = words[2], text:sub(at, at + words[3] - 1)
      at = at + words[3]
    elseif call.kind == "rename" then call.from, call.path = line:match "^rename (.-)\t(.*)$"
    elseif call.kind == "ack" then call.step = tonumber(words[2])
    elseif call.kind == "unlink" or call.kind == "mkdir" then call.path = line:match "^%S+ (.*)$"
    else call.fd, call.size = words[2], tonumber(words[3]) end
    list[#list + 1] = call
  end
  return list
end
