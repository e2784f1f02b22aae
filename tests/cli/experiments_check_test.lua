-- Every experiment file passes `perilune check`, says what is documented, and has its row in experiments/index.lua; a
-- record has its row in records/README.md, and what is in own/ in README.md.
local lu = require "luaunit"

local program = (os.getenv "BUILD" or "build") .. "/perilune"

local function lines_of(command)
  local lines, pipe = {}, assert(io.popen(command .. " 2>&1"))
  for line in pipe:lines() do lines[#lines + 1] = line end
  local ok, _, code = pipe:close()
  return lines, ok and 0 or code
end

local files, records, own = {}, {}, {}
for _, path in ipairs(lines_of "ls experiments/*/*.lua") do
  local list = path:find("/records/", 1, true) and records or path:find("/own/", 1, true) and own or files
  if not path:find("/common/", 1, true) then list[#list + 1] = path end
end

local function slurp(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local rows, row_of = dofile "experiments/index.lua".rows, {}
for _, row in ipairs(rows) do row_of[row.file] = row.id end

TestExperiments = {}

-- Else a name in the place of the number is not heard, and another data set is trained on.
function TestExperiments:test_the_first_training_takes_what_it_says_and_nothing_else()
  for _, words in ipairs { "five", "0", "3 digit", "digits 3" } do
    local lines, code = lines_of(program .. " experiments/first.lua " .. words)
    lu.assertEquals({ lines, code },
      { { "perilune: first.lua takes [EPOCHS] [mnist|digits], such as: 5 digits" }, 1 })
  end
end

function TestExperiments:test_all_documented_rows_have_a_file()
  local wanted = { P = 13, L = 10, U = 3, A = 7, C = 3 }
  local found = {}
  for _, row in ipairs(rows) do found[row.id] = true end
  for letter, count in pairs(wanted) do
    for i = 1, count do lu.assertTrue(found[("%s%02d"):format(letter, i)], ("%s%02d"):format(letter, i)) end
  end
  for _, id in ipairs { "L01b", "L01c", "L01d" } do lu.assertTrue(found[id], id) end
end

function TestExperiments:test_every_file_begins_with_its_idea()
  lu.assertTrue(#files >= 39)
  for _, path in ipairs(files) do
    local id = row_of[path:gsub("^experiments/", "")]
    lu.assertNotNil(id, path .. " has no row in experiments/index.lua")
    local first = slurp(path):match "^[^\n]*"
    lu.assertStrContains(first, "-- " .. id .. ": ")
  end
end

-- In a process of its own for each row: the arguments are read once. No data set is found: none may be read.
function TestExperiments:test_every_row_passes_check()
  for _, row in ipairs(rows) do
    local command = ("%s check experiments/%s %s"):format(program, row.file, row.arguments)
    local lines, code = lines_of("env -u PERILUNE_DATA XDG_DATA_HOME=/nowhere " .. command)
    lu.assertEquals(code, 0, row.name .. "\n" .. table.concat(lines, "\n"))
  end
end

function TestExperiments:test_every_file_says_what_is_documented()
  local script = require "perilune.script"
  for _, path in ipairs(files) do
    local e = script.experiment(path, {})
    lu.assertEquals(e.name:match "^%S+", row_of[path:gsub("^experiments/", "")])
    lu.assertNotNil(e.documented, path)
    lu.assertStrMatches(e.documented.source, "00[0-4], .+")
    lu.assertEquals(e.seed, 1)
  end
end

-- The index and the files say the same of what is documented.
function TestExperiments:test_index_and_files_agree()
  local script = require "perilune.script"
  local seen = {}
  for _, row in ipairs(rows) do
    lu.assertNil(seen[row.name], row.name .. " is there twice")
    seen[row.name] = true
    local words = {}
    for word in row.arguments:gmatch "%S+" do words[#words + 1] = word end
    local e = script.experiment("experiments/" .. row.file, words)
    lu.assertEquals(row.error, e.documented.error, row.name)
    lu.assertEquals(row.metric, e.documented.metric or "test_error", row.name)
    lu.assertEquals(e.name:match "^%S+", row.id)
    lu.assertStrContains(e.documented.source, row.document)
  end
end

-- What the digest of the documents says of the networks: parameters in all.
function TestExperiments:test_sizes_of_documented_networks()
  local script = require "perilune.script"
  local sizes = {
    ["progression/01_gradient_descent"] = 784 * 100 + 100 + 100 * 50 + 50 + 50 * 10 + 10,
    ["progression/12_faster_halving"] = 25 * (16 + 16 * 32 + 32 * 48 + 48 * 64) + 16 + 32 + 48 + 64 + 64 * 49 * 10 + 10,
    ["lenet5/06_adam"] = 44426,
    ["efficiency/01_lenet5"] = 44426,
    ["efficiency/02_three_convolutions"] = 93322,
    ["from_scratch/01_rate_alone"] = 10 * 9 + 10 * 26 * 26 + 6760 * 128 + 128 + 1290,
  }
  for name, expected in pairs(sizes) do
    local e = script.experiment("experiments/" .. name .. ".lua", {})
    local total = 0
    for _, row in ipairs(e:rows()) do total = total + row.parameters end
    lu.assertEquals(total, expected, name)
  end
end

-- What experiments/README.md says to type of runs: there are such folders, and such columns of the history.
function TestExperiments:test_figures_are_of_runs_that_there_are()
  local script, slug = require "perilune.script", require "perilune.run.folder".slug
  local told, folders, each_epoch = slurp "experiments/README.md", {}, {}
  for _, path in ipairs(files) do
    local e = script.experiment(path, {})
    folders[#folders + 1] = ("runs/%s-s1"):format(slug(e.name))
    if e.test == "epoch" then each_epoch[e.documented.source:sub(1, 3)] = true end
  end
  local checked = 0
  for path in told:gmatch "runs/[%w%-*%[%]]+" do
    local pattern = path:gsub("%-", "%%-"):gsub("%b[]", function(set) return (set:gsub("%%", "")) end):gsub("%*", ".*")
    local found = false
    for _, folder in ipairs(folders) do found = found or folder:find("^" .. pattern .. "$") ~= nil end
    lu.assertTrue(found, path)
    checked = checked + 1
  end
  for document, line in told:gmatch "\n| (00%d) |([^\n]+)" do
    if line:find "plot RUN[^`]*test_" then lu.assertTrue(each_epoch[document], document .. line) end
    checked = checked + 1
  end
  lu.assertTrue(checked > 20, checked)
end

-- Some of one's own take samples of MNIST while they are loaded: without MNIST these are not checked.
local function pass_check_and_are_told_of(list, readme)
  local told, lacking = slurp(readme), {}
  lu.assertTrue(#list > 0)
  for _, path in ipairs(list) do
    local lines, code = lines_of(("%s check %s"):format(program, path))
    local said = table.concat(lines, "\n")
    lu.assertStrContains(told, path:match "[^/]+$")
    if said:find("perilune data fetch mnist", 1, true) then lacking[#lacking + 1] = path
    else lu.assertEquals(code, 0, path .. "\n" .. said) end
  end
  if lacking[1] then lu.skip("without MNIST: " .. table.concat(lacking, ", ")) end
end

function TestExperiments:test_every_record_passes_check_and_is_told_of()
  pass_check_and_are_told_of(records, "experiments/records/README.md")
end

function TestExperiments:test_what_is_own_passes_check_and_is_told_of()
  pass_check_and_are_told_of(own, "experiments/README.md")
end

-- The race's network and schedule on a few drawn digits: it learns, and with held images leaves the test set alone.
function TestExperiments:test_a_short_race()
  local script = require "perilune.script"
  local data = require "perilune".data.digits { train = 3840, test = 200 }
  local path = "experiments/records/race_99.lua"
  local run = script.experiment(path, {}):with({ data = data }):run { out = false, quiet = true }
  lu.assertEquals(run.state.test_evaluations, 1)
  lu.assertTrue(run.test.error < 0.2, run.test.error)
  lu.assertTrue(run.history.lr[1] < 1e-6)
  run = script.experiment(path, { "held=10000" }):with({ data = data, epochs = 1 }):run { out = false, quiet = true }
  lu.assertEquals(run.state.test_evaluations, 0)
  lu.assertEquals(#run.history.val_error, 1)
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
