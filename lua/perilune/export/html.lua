--- A page to draw on: one file that holds the network, shows probabilities and the outputs of the layers as one draws,
--- and loads nothing.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local escape = require "perilune.html.escape"
local graphs = require "perilune.export.graph"

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
#bars{flex:1 1 280px;min-width:240px}
#bars div{display:flex;align-items:center;gap:10px;height:27px}
#bars span{min-width:3ch;max-width:14ch;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;text-align:right}
#bars u{flex:1;height:14px;background:var(--block);border-radius:4px;overflow:hidden;text-decoration:none}
#bars i{display:block;height:100%;width:0;background:var(--muted)}
#bars b{width:8ch;font-weight:400;font-variant-numeric:tabular-nums;text-align:right}
#bars .most i{background:var(--most)}
#bars .most{font-weight:600}
h2{font-size:17px;margin:26px 0 6px}
#layers{display:flex;flex-wrap:wrap;gap:14px 18px}
figure{margin:0}
figcaption{font-size:13px;color:var(--muted);white-space:pre}
#layers canvas{image-rendering:pixelated;min-width:120px;max-width:100%;height:auto;border-radius:3px}
#rate{font-size:13px;color:var(--muted)}
]]

local thresholds = { logits = 0, ["independent logits"] = 0, ["log-probabilities"] = -math.log(2) }

--- The network for perilune.export.html_engine: { ops =, input =, output = }, and all weights as bytes.
function M.network(graph)
  local number, ops, blocks, at = { [graph.input] = 0 }, {}, {}, 0
  for i, op in ipairs(graph.ops) do
    number[op.output] = i
    local params = op.params
    if op.type == "BatchNorm" then
      local scale, shift = graphs.scale_and_shift(op)
      params = { scale = scale, shift = shift }
    end
    local names, weights, inputs = {}, {}, { n = #op.inputs }
    for name in pairs(params) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do
      local count = params[name]:count()
      weights[name] = { at, count }
      blocks[#blocks + 1] = core.bytes.of(params[name])
      at = at + count
    end
    for k, value in ipairs(op.inputs) do inputs[k] = number[value] end
    ops[i] = { type = op.type, label = op.label, shape = op.output.shape, inputs = inputs, weights = next(weights)
      and weights or nil, window = op.window, options = { slope = op.options.slope, alpha = op.options.alpha,
      approximate = op.options.approximate, count_include_pad = op.options.count_include_pad } }
  end
  ops.n = #ops
  return { ops = ops, input = graph.input.shape, output = number[graph.output] }, table.concat(blocks)
end

local known = { Conv2d = true, Linear = true, MaxPool2d = true, AvgPool2d = true, GlobalAvgPool2d = true,
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
    errors.fail(1, "html: the page shows scores of classes; this model's outputs are [%s]", table.concat(output, ", "))
  end
  for _, op in ipairs(graph.ops) do
    if not known[op.type] then graphs.refuse(op.label, "html") end
  end
  local prepare = require "perilune.export.prepare".of(about)
  local field = prepare.field or { input[1], input[2] }
  local page, weights = M.network(graph)
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
    "<script>" .. require "perilune.export.html_engine" .. require "perilune.export.html_script" .. "</script>",
    "</body>", "</html>", "" }, "\n")
end

return M
