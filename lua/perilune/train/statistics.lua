--- Statistics while training: statistics = { every = "epoch" }. After the last step of an epoch, of each layer:
--- moments and a histogram of weights, gradients (of that step) and outputs (for the first samples of the training
--- set), the share of dead units, and
---   update = |w_after - w_before| / |w_before|      of that step
--- Only looked at, never changed: no bit of the training depends on it.
local text = require "perilune.base.format"

local M = {}

local BINS, SAMPLES = 64, 32
local DEAD, EXPLODED = 0.95, 1000.0

--- Is this epoch to be recorded? every: "epoch", or a number of epochs.
function M.due(options, epoch)
  if not options then return false end
  return options.every == "epoch" or epoch % options.every == 0
end

local function leaves(layer, list)
  if #layer == 0 then
    if #layer:params() > 0 then list[#list + 1] = layer end
    return list
  end
  for i = 1, #layer do leaves(layer[i], list) end
  return list
end

local function trained(layer)
  local names = {}
  for _, p in ipairs(layer:params()) do if p.trained then names[#names + 1] = p.name end end
  return names
end

--- Copies of the weights before the last step.
function M.before(model)
  local copies = {}
  for i, layer in ipairs(leaves(model, {})) do
    local name = trained(layer)[1]
    copies[i] = name and layer[name]:clone() or false
  end
  return copies
end

-- Units (features of the last axis) that are 0 for each sample and position.
local function dead_share(output)
  local shape = output.shape
  local units = shape[#shape]
  local largest = output:reshape(-1, units):abs():max(1)
  return largest:eq(0):to("f32"):mean()
end

local function norm(t)
  local h = t:histogram(1)
  return math.sqrt(h.count * (h.std ^ 2 + h.mean ^ 2))
end

--- The entry of an epoch: { epoch, layers = { { path, label, type, weights, gradients, outputs, dead, update } ... }
--- }; each of the three as tensor:histogram gives it.
function M.collect(trainer, epoch, before)
  local model, split = trainer.model, trainer.e.splits.train
  local entry, index = { epoch = epoch, layers = {} }, {}
  local function of(path, label, kind)
    if not index[path] then
      index[path] = { path = path, label = label, type = kind }
      entry.layers[#entry.layers + 1] = index[path]
    end
    return index[path]
  end
  local weighted = {}
  for i, layer in ipairs(leaves(model, {})) do
    weighted[layer:path()] = { layer = layer, before = before and before[i] }
  end
  local x = split:tensors(1, math.min(SAMPLES, split.count))
  for _, row in ipairs(model:activations(x)) do
    if row.part ~= "fork" then
      local item = of(row.path, row.label, row.type)
      item.outputs = row.output:histogram(BINS)
      if row.type == "ReLU" then item.dead = dead_share(row.output) end
      local own = weighted[row.path]
      local name = own and trained(own.layer)[1]
      if name then
        local weight, gradient = own.layer[name], own.layer.grad[name]
        item.weights = weight:histogram(BINS)
        item.gradients = gradient and gradient:histogram(BINS) or nil
        local size = own.before and norm(own.before) or 0
        if size > 0 then item.update = norm(weight - own.before) / size end
      end
    end
  end
  return entry
end

--- What is to be said of an entry: lines about layers that die or explode, each once (`said` remembers). first: the
--- first entry.
function M.warnings(entry, first, said)
  local lines, started = {}, {}
  for _, layer in ipairs(first and first.layers or {}) do started[layer.path] = layer end
  local function say(layer, what, format, ...)
    if said[layer.path .. " " .. what] then return end
    said[layer.path .. " " .. what] = true
    lines[#lines + 1] = ("epoch %d: %s: "):format(entry.epoch, layer.label) .. format:format(...)
  end
  for _, layer in ipairs(entry.layers) do
    local outputs, gradients, was = layer.outputs, layer.gradients, started[layer.path] or {}
    if layer.dead and layer.dead >= DEAD then
      say(layer, "dead", "%s of its units are 0 for each of %d samples: the layer dies; a smaller learning rate " ..
        "may help", text.percent(layer.dead, 0), SAMPLES)
    end
    if outputs.nonfinite > 0 then say(layer, "explodes", "its outputs are not finite: the layer explodes") end
    for kind, now in pairs { outputs = outputs, gradients = gradients } do
      local before = was[kind]
      if before and before.std > 0 and now.std > EXPLODED * before.std then
        say(layer, "explodes " .. kind, "the std of its %s is %s, %s in epoch %d: the layer explodes; a smaller " ..
          "learning rate or clip_norm may help", kind,
          text.number(now.std), text.number(before.std), first.epoch)
      end
    end
  end
  table.sort(lines)
  return lines
end

local KINDS, MOMENTS = { "weights", "gradients", "outputs" }, { "mean", "std", "min", "max", "low", "high", "count",
  "zeros", "nonfinite" }

--- Writes a list of entries into a file, as datasets a layer: see run/file.lua.
function M.write(w, list, encode)
  local epochs, layers, at = {}, {}, {}
  for i, entry in ipairs(list) do
    epochs[i] = entry.epoch
    for _, layer in ipairs(entry.layers) do
      if not at[layer.path] then
        at[layer.path] = {}
        layers[#layers + 1] = { path = layer.path, label = layer.label, type = layer.type }
      end
      at[layer.path][i] = layer
    end
  end
  w:group("/statistics", { layers = encode(layers) })
  w:numbers("/statistics/epoch", epochs)
  for _, layer in ipairs(layers) do
    local rows, path = at[layer.path], "/statistics/" .. layer.path
    w:group(path)
    for _, name in ipairs { "dead", "update" } do
      local values, any = {}, false
      for i = 1, #list do
        values[i] = rows[i] and rows[i][name] or 0 / 0
        any = any or values[i] == values[i]
      end
      if any then w:numbers(path .. "/" .. name, values, "f64") end
    end
    for _, kind in ipairs(KINDS) do
      local moments, counts, any = {}, {}, false
      for i = 1, #list do
        local h = rows[i] and rows[i][kind]
        any = any or h ~= nil
        for _, name in ipairs(MOMENTS) do moments[#moments + 1] = h and h[name] + 0.0 or 0 / 0 end
        for b = 1, BINS do counts[#counts + 1] = h and h.counts[b] or 0 end
      end
      if any then
        w:numbers(path .. "/" .. kind .. "_moments", moments, "f64", { #list, #MOMENTS })
        w:numbers(path .. "/" .. kind .. "_histogram", counts, "i64", { #list, BINS })
      end
    end
  end
end

--- The entries in a file.
function M.read(r, decode)
  local list = {}
  for i, epoch in ipairs(assert(r:numbers "/statistics/epoch")) do list[i] = { epoch = epoch, layers = {} } end
  for _, layer in ipairs(assert(decode(assert(r:attrs "/statistics").layers))) do
    local path, rows = "/statistics/" .. layer.path, {}
    for i, entry in ipairs(list) do
      rows[i] = { path = layer.path, label = layer.label, type = layer.type }
      entry.layers[#entry.layers + 1] = rows[i]
    end
    for _, name in ipairs { "dead", "update" } do
      if r:has(path .. "/" .. name) then
        for i, v in ipairs(assert(r:numbers(path .. "/" .. name))) do
          if v == v and rows[i] then rows[i][name] = v end
        end
      end
    end
    for _, kind in ipairs(KINDS) do
      if r:has(path .. "/" .. kind .. "_moments") then
        local moments = assert(r:numbers(path .. "/" .. kind .. "_moments"))
        local counts, shape = assert(r:numbers(path .. "/" .. kind .. "_histogram"))
        local bins = shape[2]
        for i, row in ipairs(rows) do
          local h = { counts = table.move(counts, (i - 1) * bins + 1, i * bins, 1, {}) }
          for k, name in ipairs(MOMENTS) do
            h[name] = moments[(i - 1) * #MOMENTS + k]
            if k > 6 and h[name] == h[name] then h[name] = math.tointeger(h[name]) end
          end
          if h.mean == h.mean then row[kind] = h end
        end
      end
    end
  end
  return list
end

return M
