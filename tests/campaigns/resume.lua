-- Exact resume. Three trainings (resume_experiments.lua), several seeds of each, are killed at random moments, up to
-- five times a run, and go on with the same command, each piece on another number of threads and with other intervals
-- between checkpoints. At the end weights, optimizer, state and history equal those of a training that was never
-- killed.
local campaign = dofile "tests/campaigns/support.lua"
local files = dofile "tests/campaigns/run_files.lua"(campaign)
local clock = require "perilune".system.clock

local runs, seeds = campaign.count(200, 4), campaign.count(5, 1)
local models = { "lua", "mlp", "conv" }
local intervals = { "0", "0.005", "0.03", "30" }
local script = campaign.quote(os.getenv "PWD" .. "/tests/campaigns/resume_experiments.lua")
local program, run = campaign.quote(campaign.program), campaign.folder .. "/run"

local function command(model, seed)
  return ("run %s model=%s --seed %d --out run --quiet --threads %d --checkpoint-every %s"):format(script, model, seed,
    math.random(4),
    intervals[math.random(#intervals)])
end
local function begin_anew() os.execute("rm -rf " .. campaign.quote(run)) end

-- What the training that was never killed leaves, its weights' SHA-256, and how long it took.
local undisturbed = {}
local function reference(model, seed)
  local key = model .. seed
  if not undisturbed[key] then
    begin_anew()
    local began = clock()
    local r = campaign.run(command(model, seed))
    campaign.check(r.status == 0, "the training %s fails: %s", model, r.err)
    local all, weights = files.everything(run, model)
    undisturbed[key] = { all = all, weights = weights, seconds = clock() - began }
  end
  return undisturbed[key]
end

local function first_difference(a, b)
  local at = 1
  while at <= #a and a:byte(at) == b:byte(at) do at = at + 1 end
  return ("...%s\n...%s"):format(a:sub(math.max(1, at - 60), at + 80), b:sub(math.max(1, at - 60), at + 80))
end

if not campaign.has "timeout" then campaign.skip "there is no timeout(1)" end
local kills, inside = 0, 0
for i = 1, runs do
  local model, seed = models[(i - 1) % #models + 1], (i - 1) // #models % seeds + 1
  local expected = reference(model, seed)
  begin_anew()
  local pieces = {}
  for _ = 1, math.random(1, 5) do
    local moment = 0.01 + math.random() * math.random() * expected.seconds
    local words = command(model, seed)
    local r = campaign.run(words, "", ("timeout -s KILL %.4f %s"):format(moment, program))
    pieces[#pieces + 1] = words:match "%-%-threads.*"
    if r.status ~= 137 then break end
    kills = kills + 1
    if campaign.shell("test -e run/checkpoint.h5").status == 0 then
      local kept = require "perilune.run.file".read(run .. "/checkpoint.h5", { tensors = false })
      if kept and kept.state.batch > 0 then inside = inside + 1 end
    end
  end
  local r = campaign.run(command(model, seed))
  local how = ("training %s, seed %d, killed %d times (%s)"):format(model, seed, #pieces, table.concat(pieces, "; "))
  campaign.check(r.status == 0, "%s: the same command fails: %s", how, r.err)
  local all, weights = files.everything(run, how)
  campaign.check(weights == expected.weights, "%s: the weights at the end are %s, of the undisturbed training %s\n%s",
    how, weights, expected.weights,
    first_difference(expected.all, all))
  campaign.check(all == expected.all, "%s: the files at the end differ:\n%s", how, first_difference(expected.all, all))
end

campaign.green("%d runs of %d models, %d kills (%d with a checkpoint inside an epoch), 1 to 4 threads: all equal " ..
  "to the undisturbed ones",
  runs, #models, kills, inside)
