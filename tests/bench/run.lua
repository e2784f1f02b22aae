-- make bench: the documented networks beside PyTorch, and what else has a limit. Prints two tables, and writes them as
-- Markdown to build/bench/table.md.
--
--   make bench ARGS="P01 LeNet limits"    only these; what was measured before stays in the tables
--   make bench ARGS=table                 nothing new; ARGS=readme: nor that, and the tables go into
--   tests/bench/README.md make bench PEER=cached                PyTorch as it was measured last; PEER=none: without it
--   make bench SECONDS=1 REPEAT=5         of one measurement; how many, half of them before and half after PyTorch's
--   make bench COMPILE=300                seconds that torch.compile may take for a network; 0: not tried
local core = require "perilune.core"
local bench = require "perilune.train.speed"
local text = require "perilune.base.format"
local system = core.system

local here = arg[0]:match "^(.*)/"
package.path = here .. "/?.lua;" .. package.path

local function setting(name, default)
  local value = os.getenv(name)
  return value ~= nil and value ~= "" and (tonumber(value) or value) or default
end

local folder = setting("BUILD", "build") .. "/bench"
local python, peer = setting("PYTHON", "python3"), setting("PEER", "fresh")
local seconds, repeats, compile = setting("SECONDS", 1), setting("REPEAT", 5), setting("COMPILE", 300)

-- Samples per second that a training is to reach with two threads.
local bars = { P01 = 120000, P04 = 350000, P08 = 200000, P09 = 40000, P12 = 3000, P13 = 900, LeNet = 80000, U02 = 15000,
  C03 = 2000, A05 = 300 }
local least_ratio, mean_ratio, inference_ratio = 1.5, 4, 2

local function read(path)
  local file = io.open(path, "rb")
  if not file then return {} end
  local value = core.json.decode(file:read "a")
  file:close()
  return value or {}
end

local function write(path, content)
  local file = assert(io.open(path .. ".tmp", "wb"))
  file:write(content, "\n")
  assert(file:close())
  assert(os.rename(path .. ".tmp", path))
end

local function output_of(command)
  local pipe = assert(io.popen(command))
  local out = pipe:read "a"
  return pipe:close() and out or nil
end

local function has_torch()
  return output_of(python .. " -c 'import torch; print(torch.__version__)' 2>/dev/null") ~= nil
end

local function measure_peer(name)
  local out = output_of(("%s %s/peer.py %s --seconds %g --repeat %d --compile-limit %g"):format(python, here, name,
    seconds, repeats, compile))
  return out and core.json.decode(out) or nil
end

-- Appends b to a.
local function join(a, b) return table.move(b, 1, #b, #a + 1, a) end

-- Rates of training and inference, and what they are counted against.
local function measure(e, threads, count)
  local r = bench.measure(e, { threads = threads, seconds = seconds, repeats = count, peak = 1 })
  return { training = r.training.all, inference = r.inference.all }
end

--- One network: ours on one and on all threads, half before and half after PyTorch, whose result is kept in `peers`.
local function network(name, peers, ask)
  local e = bench.load(name)
  local all = system.threads()
  local counts = all > 1 and { 1, all } or { all }
  local rates, peaks = {}, {}
  local function half(count)
    for _, threads in ipairs(counts) do
      peaks[threads] = math.max(peaks[threads] or 0, system.peak(threads, 0.2))
      local found = measure(e, threads, count)
      local sum = rates[threads] or { training = {}, inference = {} }
      rates[threads] = { training = join(sum.training, found.training),
        inference = join(sum.inference, found.inference) }
    end
  end
  half((repeats + 1) // 2)
  if ask then peers[name] = measure_peer(name) or peers[name] end
  if repeats > 1 then half(repeats // 2) end
  local train_flops, infer_flops = bench.flops(e)
  local processor, isa = system.processor()
  local result = { name = e.name, batch = e.batch_size, threads = all, date = os.date "%Y-%m-%d", processor = processor,
    isa = isa,
    data = bench.has_mnist() and "MNIST" or "generated digits" }
  for key, threads in pairs { one = 1, all = all } do
    local sums = rates[threads]
    result[key] = { training = bench.rate(sums.training, train_flops, peaks[threads]),
      inference = bench.rate(sums.inference, infer_flops, peaks[threads]) }
  end
  return result
end

-- The better of PyTorch's results with and without torch.compile.
local function best(found, kind)
  if not found then return nil end
  local plain, compiled = found[kind], found.compiled and found.compiled[kind]
  return compiled and compiled.median > plain.median and compiled or plain
end

local function short(x) return x < 10 and ("%.1f"):format(x) or ("%.0f"):format(x) end

local function times(x) return ("%.1f"):format(x) end

local heads = {
  training = { "training, batch", "samples/s", "±", "GFLOP/s", "of peak", "one thread", "bar", "PyTorch", "with",
    "ratio" },
  inference = { "inference, batch", "samples/s", "±", "GFLOP/s", "of peak", "one thread", "PyTorch", "with", "ratio" },
}

-- The rows of one table, and the ratios to PyTorch.
local function rows_of(kind, ours, peers)
  local rows, ratios = {}, {}
  for _, name in ipairs(require "networks") do
    local r = ours[name]
    if r then
      local all, other = r.all[kind], best(peers[name], kind)
      local row = { ("%s, %d"):format(name, kind == "training" and r.batch or 256), text.count(all.median),
        ("%.0f %%"):format(50 * (all.high - all.low) / all.median), short(all.gflops), text.percent(all.share, 0),
          text.count(r.one[kind].median) }
      if kind == "training" then
        local bar = bars[name]
        row[#row + 1] = bar and ("%s%s"):format(text.count(bar), all.median >= bar and ""
          or (" (%.0f %%)"):format(100 * all.median / bar)) or ""
      end
      if other then
        ratios[#ratios + 1] = all.median / other.median
        join(row, { text.count(other.median), other.setting, times(ratios[#ratios]) })
      else
        join(row, { "", "", "" })
      end
      rows[#rows + 1] = row
    end
  end
  return rows, ratios
end

-- Geometric mean and least of some ratios.
local function mean_and_least(ratios)
  local product, least = 1, math.huge
  for _, ratio in ipairs(ratios) do product, least = product * ratio, math.min(least, ratio) end
  return product ^ (1 / #ratios), least
end

local function markdown(columns, rows)
  local lines = { "| " .. table.concat(columns, " | ") .. " |", "|" .. ("---|"):rep(#columns) }
  for _, row in ipairs(rows) do lines[#lines + 1] = "| " .. table.concat(row, " | ") .. " |" end
  return lines
end

local function aligned(columns, rows)
  local titles = {}
  for i, column in ipairs(columns) do titles[i] = { column, align = i > 1 and "right" or "left" } end
  return text.columns(titles, rows)
end

-- Where and when the last of the networks was measured.
local function circumstances(ours, peers)
  local last, version
  for _, r in pairs(ours) do
    if not last or r.date > last.date then last = r end
  end
  for _, found in pairs(peers) do version = found.version or version end
  return last and { ("%s, %d threads, %s kernels, %s, %s, %s."):format(last.processor, last.threads, last.isa,
    last.data, last.date,
    version and "PyTorch " .. version or "without PyTorch"), "" } or {}
end

--- All tables, by `layout` (aligned or markdown), as lines.
local function tables(ours, peers, limits, layout)
  local lines = circumstances(ours, peers)
  for _, kind in ipairs { "training", "inference" } do
    local rows, ratios = rows_of(kind, ours, peers)
    if #rows > 0 then join(join(lines, layout(heads[kind], rows)), { "" }) end
    if #ratios > 0 then
      local mean, least = mean_and_least(ratios)
      local wanted = kind == "training" and ("wanted: %g and %g"):format(mean_ratio, least_ratio)
        or ("wanted: each %g"):format(inference_ratio)
      join(lines, { ("%s: %s times as fast as PyTorch (geometric mean of %d networks), each at least %s times " ..
        "(%s)."):format(
        kind == "training" and "Training" or "Inference", times(mean), #ratios, times(least), wanted), "" })
    end
  end
  if #limits > 0 then
    local cells = {}
    for i, limit in ipairs(limits) do
      cells[i] = { limit.what, limit.found, limit.wanted, limit.ok and "yes" or "no" }
    end
    join(lines, layout({ "what", "measured", "limit", "kept" }, cells))
  end
  return lines
end

local function problems(peers)
  for _, name in ipairs(require "networks") do
    for _, problem in ipairs(peers[name] and peers[name].problems or {}) do
      io.stderr:write(("torch.compile, %s, %s\n"):format(name, problem))
    end
  end
end

-- From P12's and P13's results.
local function scaling(ours)
  local list = {}
  for _, name in ipairs { "P12", "P13" } do
    local r = ours[name]
    if r and r.threads == 2 then
      local ratio = r.all.training.median / r.one.training.median
      list[#list + 1] = { what = name .. ", two threads against one", found = ("%.2f times"):format(ratio),
        wanted = "at least 1.75", ok = ratio >= 1.75 }
    end
  end
  return list
end

-- The part of tests/bench/README.md between two comments is what was measured.
local function into_readme(lines)
  local file = assert(io.open("tests/bench/README.md", "rb"))
  local all = file:read "a"
  file:close()
  local from, to = select(2, all:find("<!-- make bench ARGS=readme writes from here -->\n", 1, true)),
    all:find("<!-- to here -->", 1, true)
  assert(from and to, "tests/bench/README.md has lost the comments between which the tables go")
  write("tests/bench/README.md", all:sub(1, from) .. table.concat(lines, "\n") .. "\n" .. all:sub(to, -2))
end

local function main()
  local wanted, asked = {}, { limits = #arg == 0 }
  for _, word in ipairs(arg) do
    if word == "limits" or word == "table" or word
      == "readme" then asked[word] = true else wanted[#wanted + 1] = word end
  end
  if #arg == 0 then wanted = bench.networks end
  os.execute(("mkdir -p '%s'"):format(folder))
  local ours, peers, limits = read(folder .. "/ours.json"), peer ~= "none" and read(folder .. "/peer.json") or {},
    read(folder .. "/limits.json")
  local ask = peer == "fresh" and #wanted > 0 and has_torch()
  if peer == "fresh" and #wanted > 0 and not ask then
    print(("PyTorch is not there (%s -c 'import torch' fails): ours alone.\n"):format(python))
  end
  for _, name in ipairs(wanted) do
    io.stderr:write(("measuring %s\n"):format(name))
    ours[name] = network(name, peers, ask)
    write(folder .. "/ours.json", core.json.encode(ours, true))
    if ask then write(folder .. "/peer.json", core.json.encode(peers, true)) end
  end
  if asked.limits then
    limits = require "limits".measure(seconds)
    write(folder .. "/limits.json", core.json.encode(limits, true))
  end
  local all = join(scaling(ours), limits)
  local written = tables(ours, peers, all, markdown)
  write(folder .. "/table.md", table.concat(written, "\n"))
  if asked.readme then into_readme(written) end
  for _, line in ipairs(tables(ours, peers, all, aligned)) do print(line) end
  problems(peers)
  print(("\nAs Markdown: %s/table.md"):format(folder))
end

main()
