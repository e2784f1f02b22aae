--- The style sheet of a report: light and dark, wide and narrow, screen and paper.
local palette = require "perilune.plot.palette"
local sorted_keys = require "perilune.base.sorted_keys"

local function variables(colours)
  local out = {}
  for i, name in ipairs(sorted_keys(colours)) do out[i] = ("--%s:%s"):format(name, colours[name]) end
  return table.concat(out, ";")
end

-- Classes by which figures in a page take their colours: f-ink fills, s-ink strokes.
local function classes()
  local out = {}
  for _, name in ipairs(sorted_keys(palette.light)) do
    out[#out + 1] = (".f-%s{fill:var(--%s)}.s-%s{stroke:var(--%s)}"):format(name, name, name, name)
  end
  return table.concat(out)
end

local sheet = [[
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:1180px;padding:20px 16px 60px;background:var(--paper);color:var(--ink);
  font:15px/1.5 system-ui,sans-serif}
h1{font-size:26px;line-height:1.2;margin:0 0 4px}
h2{font-size:21px;margin:36px 0 6px;padding-top:14px;border-top:1px solid var(--grid)}
h3{font-size:16px;margin:26px 0 8px}
p{margin:6px 0;max-width:75ch}
.muted,.absent,figcaption,caption{color:var(--muted)}
.absent{font-size:14px}
h1,h2,h3,p,.facts td{overflow-wrap:anywhere}
td{max-width:44ch}
td:first-child{white-space:nowrap}
td.wide{min-width:16ch}
.tiles{display:flex;flex-wrap:wrap;gap:10px;margin:14px 0}
.tile{background:var(--block);border-radius:8px;padding:8px 14px;min-width:110px}
.tile b{display:block;font-size:20px;line-height:1.3;font-weight:600}
.tile span{color:var(--muted);font-size:13px}
.good{color:var(--c3)}.bad{color:var(--c2)}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:14px 22px;align-items:start}
figure{margin:0;position:relative;min-width:0}
figure svg{display:block;width:100%;height:auto;max-width:620px}
figure.natural{overflow-x:auto}
figure.natural svg{width:auto;max-width:100%}
.grid.small{grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr))}
.pics{display:flex;flex-wrap:wrap;gap:10px 12px;margin:8px 0}
.pics figure{width:76px;text-align:center}
.pics img{display:block;margin:0 auto;image-rendering:pixelated;background:var(--block)}
.pics figcaption{font-size:12px;line-height:1.3;color:var(--ink)}
.pics figcaption span{display:block;color:var(--muted);font-size:11.5px;white-space:nowrap}
figcaption{font-size:13px;margin:2px 0 6px}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-size:14px;margin:6px 0}
caption{text-align:left;font-size:13px;padding-bottom:4px}
th,td{padding:3px 12px 3px 0;text-align:left;vertical-align:top}
th{font-weight:600;color:var(--muted)}
thead th{border-bottom:1px solid var(--grid);white-space:nowrap}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tr.best td{font-weight:600}
th button{all:unset;cursor:pointer;font:inherit;color:inherit}
th button:focus-visible{outline:2px solid var(--c1)}
th button::after{content:" \2195";opacity:.45}
th[aria-sort=ascending] button::after{content:" \2191";opacity:1}
th[aria-sort=descending] button::after{content:" \2193";opacity:1}
pre{background:var(--block);border-radius:8px;padding:10px 12px;overflow-x:auto;
  font:13px/1.45 ui-monospace,monospace;margin:6px 0;tab-size:2}
code{font-family:ui-monospace,monospace;font-size:.93em}
details>summary{cursor:pointer;color:var(--muted);margin:8px 0}
.key{display:inline-block;width:18px;height:0;border-style:solid;border-width:3px 0 0;
  vertical-align:middle;margin-right:6px}
.tip{position:absolute;pointer-events:none;background:var(--paper);border:1px solid var(--muted);border-radius:6px;
  padding:5px 9px;
  font-size:12.5px;line-height:1.4;white-space:nowrap;display:none;z-index:2;max-width:100%;overflow:hidden}
.tip b{font-weight:600}
nav{font-size:14px;margin:10px 0}
nav a,a{color:var(--c1)}
nav a{margin-right:14px;white-space:nowrap}
footer{margin-top:40px;color:var(--muted);font-size:13px}
@media(max-width:520px){body{padding:14px 12px 40px;font-size:14px}h1{font-size:22px}th,td{padding-right:9px}}
@media print{
  :root{LIGHT;color-scheme:light}
  body{max-width:none;padding:0;font-size:11pt}
  nav,.tip{display:none!important}
  .scroll,pre{overflow:visible}
  pre{white-space:pre-wrap;overflow-wrap:anywhere}
  th button::after{content:""!important}
  figure,tr,.tile{break-inside:avoid}
  h2,h3{break-after:avoid}
  *{-webkit-print-color-adjust:exact;print-color-adjust:exact}
}
]]

local M = {}

--- The whole sheet.
function M.text()
  local light, dark = variables(palette.light), variables(palette.dark)
  local keys = {}
  for i = 1, palette.series do keys[i] = (".k-c%d{border-color:var(--c%d)}"):format(i, i) end
  return (":root{color-scheme:light dark;%s}@media(prefers-color-scheme:dark){:root{%s}}\n"):format(light, dark)
    .. classes() .. table.concat(keys)
    .. "\n" .. (sheet:gsub("LIGHT", light))
end

return M
