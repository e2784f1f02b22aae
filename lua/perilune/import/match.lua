--- Which tensor of a file is which parameter of a model: by name where every parameter finds its own, else by order,
--- layer for layer, where kinds and shapes fit. And in which layout they are: PyTorch's, or Perilune's and Keras'.
local errors = require "perilune.base.errors"
local printable = require "perilune.base.printable"
local layouts = require "perilune.export.layouts"
local graphs = require "perilune.export.graph"

local M = {}

local kinds = { weight = "weight", bias = "bias", running_mean = "running_mean", running_var = "running_var",
  kernel = "weight", gamma = "weight", beta = "bias", moving_mean = "running_mean",
  moving_variance = "running_var" }
local passed = { num_batches_tracked = true }

-- "features.0.weight" -> "features.0", "weight"; of a formula's parameter, "gate.a" -> "gate", "a"
local function parts_of(name)
  local group, kind = name:match "^(.*)[./]([^./]+)$"
  if not group then group, kind = "", name end
  kind = kind:gsub(":0$", "")
  return group, kinds[kind] or not passed[kind] and kind or nil
end

-- Numbers in names count as numbers, however long: "2" before "10". Longer ones are larger.
local function with_length(digits)
  digits = digits:gsub("^0+", "")
  return ("%09d%s"):format(#digits, digits)
end

local function natural(a, b)
  local x, y = a:gsub("%d+", with_length), b:gsub("%d+", with_length)
  if x ~= y then return x < y end
  return a < b
end

local same_shape = require "perilune.base.shapes".equal

-- The layouts in which a tensor of that shape can be the parameter.
local function fits(target, shape)
  return { pytorch = same_shape(target.pytorch_shape, shape), native = same_shape(target.tensor.shape, shape) }
end

local function fits_any(target, shape)
  local f = fits(target, shape)
  return f.pytorch or f.native
end

-- Has a tensor the target's full name, or one that ends in it? "net.fc1.weight" is "fc1.weight".
local function is_named(target, t)
  local group, kind = parts_of(t.name)
  local ending = group:sub(-#target.owner - 1)
  return kind == target.kind
    and (group == target.owner or ending == "." .. target.owner or ending == "/" .. target.owner)
end

local function by_name(targets, tensors)
  local found = {}
  for _, target in ipairs(targets) do
    for _, t in ipairs(tensors) do
      if is_named(target, t) and fits_any(target, t.shape) then
        if found[target] then return nil end
        found[target] = t
      end
    end
    if not found[target] then return nil end
  end
  return found
end

-- Groups of tensors (of a layer each) in the natural order of their names: { name =, kinds = { kind -> tensor } }.
local function groups_of(tensors)
  local groups, by = {}, {}
  for _, t in ipairs(tensors) do
    local name, kind = parts_of(t.name)
    if kind then
      local group = by[name]
      if not group then
        group = { name = name, used = false, kinds = {} }
        by[name] = group
        groups[#groups + 1] = group
      end
      group.kinds[kind] = group.kinds[kind] or t
    end
  end
  table.sort(groups, function(a, b) return natural(a.name, b.name) end)
  return groups
end

local usual = { weight = true, bias = true, running_mean = true, running_var = true }

-- Each of the layer's parameters has a tensor that fits; of the usual kinds the group has no others.
local function layer_fits(targets, tensors)
  for kind, target in pairs(targets) do
    if not tensors[kind] or not fits_any(target, tensors[kind].shape) then return false end
  end
  for kind in pairs(tensors) do
    if usual[kind] and not targets[kind] then return false end
  end
  return true
end

local function by_order(targets, tensors)
  local layers, of, groups = {}, {}, groups_of(tensors)
  for _, target in ipairs(targets) do
    local layer = of[target.owner]
    if not layer then
      layer = {}
      of[target.owner] = layer
      layers[#layers + 1] = layer
    end
    layer[target.kind] = target
  end
  local found = {}
  for _, layer in ipairs(layers) do
    for _, group in ipairs(groups) do
      if not group.used and layer_fits(layer, group.kinds) then
        group.used = true
        for kind, target in pairs(layer) do found[target] = group.kinds[kind] end
        break
      end
    end
  end
  return found
end

-- One layout for the whole file: the one in which all that were found fit. `asked`: "pytorch" or "native".
local function layout_of(targets, found, asked, path)
  local possible = { pytorch = asked ~= "native", native = asked ~= "pytorch" }
  for _, target in ipairs(targets) do
    local f = found[target] and fits(target, found[target].shape)
    for name in pairs(possible) do possible[name] = possible[name] and (not f or f[name]) end
  end
  local layout = possible.pytorch and "pytorch" or possible.native and "native"
  return layout or errors.fail(1, "%s: its tensors are neither all in PyTorch's layout nor all in Perilune's", path)
end

local shape_text = require "perilune.base.format".shape

local function shapes_of(target)
  if same_shape(target.tensor.shape, target.pytorch_shape) then return shape_text(target.pytorch_shape) end
  return ("%s here and %s in PyTorch"):format(shape_text(target.tensor.shape), shape_text(target.pytorch_shape))
end

-- Where most parameters have a tensor of their name: the first that has none, or one of another shape.
local function name_what_is_missing(targets, tensors, path)
  local absent, other, tensor, count = nil, nil, nil, 0
  for _, target in ipairs(targets) do
    local named
    for _, t in ipairs(tensors) do named = named or is_named(target, t) and t end
    if named then count = count + 1 else absent = absent or target end
    if named and not fits_any(target, named.shape) and not other then other, tensor = target, named end
  end
  if 2 * count <= #targets then return end
  if other then
    errors.fail(1, "%s: its %s is %s, and %s is %s", path, printable.text(tensor.name), shape_text(tensor.shape),
      other.name, shapes_of(other))
  elseif absent then
    errors.fail(1, "%s has tensors of the names of %d parameters, and none that is called %s, which is %s", path, count,
      absent.name, shapes_of(absent))
  end
end

local function no_tensor_fits(target, tensors, path)
  local names = {}
  for i, t in ipairs(tensors) do names[i] = printable.text(t.name) .. " " .. shape_text(t.shape) end
  local more = #names > 6 and (" and %d more"):format(#names - 6) or ""
  errors.fail(1, "%s: no tensor in it fits %s, which is %s; it has %s%s", path, target.name, shapes_of(target),
    table.concat(names, ", ", 1, math.min(#names, 6)), more)
end

--- Copies the tensors (a list of { name =, shape =, tensor = }) into a built model. Returns the lines that say what
--- became of each, how they were matched ("name" or "order"), and the layout. Fails, and changes nothing, where a
--- parameter has no tensor, or where the order that PyTorch has is not known.
function M.into(model, tensors, path, asked)
  local targets, unknown = layouts.parameters(graphs.of(model))
  for _, target in ipairs(targets) do target.pytorch_shape = target.to_pytorch(target.tensor).shape end
  local how, found = "name", by_name(targets, tensors)
  if not found then how, found = "order", by_order(targets, tensors) end
  local lines, missing, used = {}, nil, {}
  for _, target in ipairs(targets) do
    local t = found[target]
    missing = missing or not t and target
    if t then
      used[t] = true
      lines[#lines + 1] = ("%s %s  from  %s %s"):format(target.name, shape_text(target.tensor.shape), t.name,
        shape_text(t.shape))
    end
  end
  if missing then
    name_what_is_missing(targets, tensors, path)
    no_tensor_fits(missing, tensors, path)
  end
  local layout = layout_of(targets, found, asked, path)
  if layout == "pytorch" and unknown then
    errors.fail(1, "%s: %s; if its weights are in Perilune's order, say --layout native", path, unknown)
  end
  for _, t in ipairs(tensors) do
    if not used[t] and not passed[t.name:match "[^.]*$"] then
      lines[#lines + 1] = ("not used: %s %s"):format(t.name, shape_text(t.shape))
    end
  end
  for _, target in ipairs(targets) do
    local t = found[target].tensor
    target.tensor:copy_(layout == "pytorch" and target.from_pytorch(t) or t)
  end
  return lines, how, layout
end

return M
