--- A page to draw on: one file that holds the network, shows probabilities and the outputs of the layers as one draws,
--- and loads nothing.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local escape = require "perilune.html.escape"
local graphs = require "perilune.export.graph"
local loops = require "perilune.export.loops"
local sorted_keys = require "perilune.base.sorted_keys"

local M = {}

local POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; " ..
  "script-src 'unsafe-inline' 'wasm-unsafe-eval'"

local style = [[
:root{--paper:#fff;--ink:#1c1e21;--muted:#666c75;--block:#f1f3f5;--most:#2563c9}
@media (prefers-color-scheme:dark){:root{--paper:#15171a;--ink:#e6e8eb;--muted:#9aa1ab;--block:#23262b;--most:#6ea1f5}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1100px;padding:16px;background:var(--paper);color:var(--ink);
  font:15px/1.45 system-ui,sans-serif}
h1{font-size:22px;margin:0 0 2px}
p{margin:2px 0 12px;color:var(--muted)}
main{display:flex;flex-wrap:wrap;gap:20px 28px;align-items:flex-start}
#pad{width:min(280px,90vw);aspect-ratio:1;background:#fff;border:1px solid var(--muted);border-radius:6px;
  touch-action:none;cursor:crosshair;display:block}
#seen{width:84px;height:84px;image-rendering:pixelated;background:#000;border-radius:4px}
#side{display:flex;gap:14px;align-items:center;margin-top:10px}
#answer{font-size:56px;line-height:1;min-width:1.2ch;font-weight:600}
button{font:inherit;padding:6px 16px;border-radius:6px;border:1px solid var(--muted);background:var(--block);
  color:inherit}
#bars{flex:1 1 280px;min-width:240px;display:grid;grid-template-columns:minmax(3ch,max-content) 1fr 8ch;
  grid-auto-rows:27px;align-items:center;column-gap:10px}
#bars div{display:contents}
#bars span{max-width:14ch;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;text-align:right}
#bars u{height:14px;background:var(--block);border-radius:4px;overflow:hidden;text-decoration:none}
#bars i{display:block;height:100%;width:0;background:var(--muted)}
#bars b{font-weight:400;font-variant-numeric:tabular-nums;text-align:right}
#bars .most i{background:var(--most)}
#bars .most{color:var(--most)}
h2{font-size:17px;margin:26px 0 6px}
#layers{display:flex;flex-wrap:wrap;gap:14px 18px}
figure{margin:0}
figcaption{font-size:13px;color:var(--muted);white-space:pre}
#layers canvas{image-rendering:pixelated;outline:1px solid var(--block);
  min-width:120px;max-width:100%;height:auto;border-radius:3px}
#rate{font-size:13px;color:var(--muted)}
]]

local thresholds = { logits = 0, ["independent logits"] = 0, ["log-probabilities"] = -math.log(2) }

-- Lists of what is in the page: operations, weights, functions of formulas' operations.
local Page = {}
Page.__index = Page

-- The place of weights: the same for all uses of a layer.
function Page:block(key, tensor)
  if not self.places[key] then
    self.places[key] = { self.at, tensor:count() }
    self.blocks[#self.blocks + 1] = core.bytes.of(tensor)
    self.at = self.at + tensor:count()
  end
  return self.places[key]
end

function Page:add(value, op)
  self.ops[#self.ops + 1] = op
  self.number[value] = #self.ops
end

-- The number of a value; a parameter or constant of a formula is an operation without inputs.
function Page:number_of(value, op)
  if value.tensor and not self.number[value] then
    local key = value.owner and value.owner .. "." .. value.name or value
    self:add(value, { type = "Constant", label = op.label, shape = { n = #value.shape, table.unpack(value.shape) },
      inputs = { n = 0 }, weights = { value = self:block(key, value.tensor) }, options = {} })
  end
  return self.number[value]
end

function Page:weights_of(op)
  local params, weights = op.params, {}
  if op.type == "BatchNorm" then
    local scale, shift = graphs.scale_and_shift(op)
    params = { scale = scale, shift = shift }
  end
  for _, name in ipairs(sorted_keys(params)) do weights[name] = self:block(op.owner .. "." .. name, params[name]) end
  return next(weights) and weights or nil
end

-- The name of a function of the page for an operation of a formula.
function Page:function_of(op)
  local names = { "y" }
  for k = 1, #op.inputs do names[k + 1] = loops.input(k) end
  self.functions[#self.functions + 1] = ("%s(%s) {\n  %s\n}"):format(op.name, table.concat(names, ", "),
    table.concat(loops.lines(op, loops.javascript), "\n  "))
  return op.name
end

local layer_of = { softmax = "Softmax", log_softmax = "LogSoftmax", reshape = "Reshape" }

--- The network for perilune.export.html_engine: { ops =, input =, output = (the first; the others are shown among the
--- layers) }, all weights as bytes, and the functions
--- of its formulas as JavaScript.
function M.network(graph)
  local page = setmetatable({ ops = {}, number = { [graph.input] = 0 }, places = {}, blocks = {}, at = 0,
    functions = {} }, Page)
  for i, op in ipairs(graph.ops) do
    local inputs, known = { n = #op.inputs }, M.known[op.type] and op.type or layer_of[op.type]
    for k, value in ipairs(op.inputs) do inputs[k] = page:number_of(value, op) end
    local next_op = graph.ops[i + 1]
    local inside = op.kind == "formula" and next_op and next_op.kind == "formula" and next_op.label == op.label
    page:add(op.output, { type = known or "Formula", code = not known and page:function_of(op) or nil, label = op.label,
      shape = { n = #op.output.shape, table.unpack(op.output.shape) }, inputs = inputs,
      shown = not inside and op.type ~= "Flatten" and op.type ~= "Reshape" or nil, weights = page:weights_of(op),
      window = op.window, options = { slope = op.options.slope, alpha = op.options.alpha,
      approximate = op.options.approximate, count_include_pad = op.options.count_include_pad } })
  end
  for k, value in ipairs(#graph.outputs > 1 and graph.outputs or {}) do
    local op = page.ops[page.number[value]]
    if op then op.label, op.shown = ("%s, output %d"):format(op.label, k), true end
  end
  page.ops.n = #page.ops
  return { ops = page.ops, input = graph.input.shape, output = page.number[graph.output] }, table.concat(page.blocks),
    "const formulas = {\n" .. table.concat(page.functions, ",\n") .. "\n};\n"
end

M.known = { Conv2d = true, Linear = true, MaxPool2d = true, AvgPool2d = true, GlobalAvgPool2d = true,
  BatchNorm = true, Flatten = true, Reshape = true, Add = true, ReLU = true, LeakyReLU = true, ELU = true, Tanh = true,
  Sigmoid = true, SiLU = true, Mish = true, GELU = true, Softmax = true, LogSoftmax = true }

local function names_of(about, count)
  local names = { n = math.max(count, about.outputs ~= "values" and 2 or 1) }
  for i = 1, names.n do
    local label = about.labels and about.labels[i]
    names[i] = label ~= nil and tostring(label) or tostring(i - 1)
  end
  return names
end

--- The text of the page. about: name, labels, outputs, recipe, data.
function M.encode(graph, about)
  local input, output = graph.input.shape, graph.output.shape
  if #input ~= 3 or input[3] ~= 1 then
    errors.fail(1, "html: the page draws grey images, [H, W, 1]; this model takes [%s]", table.concat(input, ", "))
  end
  if #output ~= 1 then
    errors.fail(1, "html: the page shows scores of classes; this model's %s [%s]", #graph.outputs > 1
      and "first output is" or "outputs are", table.concat(output, ", "))
  end
  for _, op in ipairs(graph.ops) do
    if op.kind == "layer" and not M.known[op.type] then graphs.refuse(op.label, "html") end
  end
  local prepare = require "perilune.export.prepare".of(about)
  local field = prepare.field or { input[1], input[2] }
  local page, weights, formulas = M.network(graph)
  local steps = { n = #prepare.steps, table.unpack(prepare.steps) }
  page.outputs, page.field, page.steps, page.names = about.outputs, field, steps, names_of(about, output[1])
  page.threshold = thresholds[about.outputs] or 0.5
  local T = escape.text
  return table.concat({ "<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    ('<meta http-equiv="Content-Security-Policy" content="%s">'):format(POLICY),
    ("<title>%s</title>"):format(T(about.name)), '<link rel="icon" href="data:,">',
    "<style>" .. style .. "</style>", "</head>", "<body>", ("<h1>%s</h1>"):format(T(about.name)),
    "<p>Draw into the white square; the network reads it as you draw. Escape clears it.</p>",
    '<main><div><canvas id="pad"></canvas><div id="side">',
    '<canvas id="seen" title="what the network sees"></canvas><div id="answer"></div>',
    '<button id="clear">Clear</button></div><div id="rate"></div></div><div id="bars"></div></main>',
    '<h2>Outputs of the layers</h2><div id="layers"></div>',
    ('<script type="application/json" id="about">%s</script>'):format(escape.json(page)),
    ('<script type="text/plain" id="weights">%s</script>'):format(escape.base64(weights)),
    "<script>" .. require "perilune.export.html_engine", formulas .. require "perilune.export.html_script",
    "</script>",
    "</body>", "</html>", "" }, "\n")
end

return M
