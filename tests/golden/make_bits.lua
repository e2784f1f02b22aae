-- Writes bits.txt: the digest of every case of tests/campaigns/bits_work.lua, with direct convolutions (on one thread) and with
-- Winograd's (on three). A line that changes must have a reason, since runs made before cannot be resumed to the same bits.
-- usage: [PERILUNE=build/perilune] perilune tests/golden/make_bits.lua > tests/golden/bits.txt
local M = {}

local function digests(program, algorithm, threads)
  local p = assert(io.popen(("PERILUNE_CONV=%s %s tests/campaigns/bits_work.lua %d 2>&1"):format(algorithm, program, threads)))
  local list, of = {}, {}
  for line in p:lines() do
    local what, digest = line:match "^%d+\t(.+)\t(%x+)$"
    assert(what, line)
    list[#list + 1], of[what] = what, digest:sub(1, 16)
  end
  p:close()
  return list, of
end

--- One line a case: direct, Winograd, what it is.
function M.lines(program)
  local list, direct = digests(program, "direct", 1)
  local _, winograd = digests(program, "winograd", 3)
  for i, what in ipairs(list) do list[i] = ("%s %s  %s"):format(direct[what], winograd[what], what) end
  return list
end

if arg and arg[0]:find "make_bits" then
  print(table.concat(M.lines(os.getenv "PERILUNE" or "build/perilune"), "\n"))
end
return M
