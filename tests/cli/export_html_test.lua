-- perilune export --html: the network of the page in node, the page in a headless browser, with drawn strokes and with
-- images of a test set.
local lu = require "luaunit"
local support = dofile "tests/cli/support_export.lua"
local cli = support.cli
local pl = require "perilune"
local core = require "perilune.core"
local escape = require "perilune.html.escape"
local html = require "perilune.export.html"
local graphs = require "perilune.export.graph"

TestHtml = {}

local program = [[
const about = %s, weights = new Float32Array(Uint8Array.from(atob("%s"), c => c.charCodeAt(0)).buffer);
const fs = require("fs"), network = new Network(about, weights), bytes = fs.readFileSync("%s");
const x = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
const size = about.input.reduce((a, b) => a * b, 1), out = [];
if (network.tiles.vectors === (process.argv[2] === "plain")) throw "not what was asked for";
for (let at = 0; at < x.length; at += size) {
  const values = network.run(x.slice(at, at + size));
  for (const k of [%s]) out.push(...values[k]);
}
fs.writeFileSync("%s", new Uint8Array(Float32Array.from(out).buffer));
]]

-- The numbers of the values that are the outputs: several are named in their captions; the input has none.
local function outputs_of(about, count)
  local numbers = { about.output }
  for k = count > 1 and 1 or 2, count do
    numbers[k] = 0
    for i, op in ipairs(about.ops) do
      if (op.label .. ","):find((", output %d,"):format(k), 1, true) then numbers[k] = i end
    end
    lu.assertTrue(k > 1 or numbers[k] == about.output)
  end
  return table.concat(numbers, ", ")
end

-- With the browser's vectors, and as in a browser that has none.
function TestHtml:test_the_network_of_every_layer()
  if not os.execute "command -v node >/dev/null 2>&1" then lu.skip "no node is installed" end
  support.each(100, function(name, model, _, y, files)
    local graph = graphs.of(model)
    local about, weights, own = html.network(graph)
    local out = cli.folder .. "/out.f32"
    cli.write("network.js", 'if (process.argv[2] === "plain") WebAssembly = undefined;\n' ..
      require "perilune.export.html_engine" .. own .. program:format(escape.json(about),
      escape.base64(weights), files.x, outputs_of(about, #graph.outputs), out))
    for _, how in ipairs { "vectors", "plain" } do
      assert(os.execute(("node %s/network.js %s"):format(cli.quote(cli.folder), how)))
      local found = core.bytes.tensor("F32", y.shape, cli.read(out), 0)
      local difference = support.difference(found, y)
      lu.assertTrue(difference < 1e-5, ("%s, %s: %g"):format(name, how, difference))
    end
  end)
end

local experiment = [[
local pl = require "perilune"
local nn = pl.nn
return pl.experiment { name = "Small <b>", seed = 1, data = pl.data.digits { train = 4000, test = 200 },
  model = nn.Sequential { nn.Conv2d(1, 8, 5, { stride = 2, name = "first" }), nn.BatchNorm(8), nn.ReLU(),
    nn.MaxPool2d(2), nn.Flatten(), nn.Linear(288, 10, { name = "fc" }) },
  loss = nn.CrossEntropy(), optimizer = pl.optim.Adam { lr = 0.003 }, epochs = 4, batch_size = 32 }
]]

local function browser()
  for _, name in ipairs { "chromium", "chromium-browser", "google-chrome" } do
    if os.execute(("command -v %s >/dev/null 2>&1"):format(name)) then return name end
  end
  lu.skip "no chromium is installed"
end

-- The page with a script at its end that writes what it finds out into the body's attribute; what that says.
local function in_browser(page, script)
  local name = browser()
  local text = page:gsub("</body>", function() return "<script>{" .. script .. "}</script></body>" end)
  cli.write("test.html", text)
  local pipe = assert(io.popen(("timeout 300 %s --headless --no-sandbox --disable-gpu --enable-logging=stderr " ..
    "--virtual-time-budget=10000 --user-data-dir=%s --dump-dom file://%s/test.html 2>&1"):format(name,
    cli.quote(cli.folder .. "/browser"), cli.folder)))
  local said = pipe:read "a"
  pipe:close()
  local at = said:find("CONSOLE", 1, true)
  lu.assertNil(at and said:sub(at, at + 300))
  return said:match 'data%-found="([^"]*)"' or error(said:sub(-2000))
end

local made
local function page()
  if not made then
    cli.write("small.lua", experiment)
    lu.assertEquals(cli.run("run small.lua -q --threads 1 --out small").status, 0)
    local r = cli.run "export small --html page.html"
    lu.assertEquals({ r.err, r.status, r.out }, { "", 0, "page.html\n" })
    made = cli.read(cli.folder .. "/page.html")
  end
  return made
end

function TestHtml:test_images_of_the_test_set_get_the_same_labels()
  local x = pl.data.digits({ train = 4000, test = 200 }).test:tensors(1, 100)
  page()
  local model = assert(pl.nn.load(cli.folder .. "/small"))
  local found = in_browser(page(), ([[
    const bytes = Uint8Array.from(atob("%s"), c => c.charCodeAt(0)), x = new Float32Array(bytes.buffer), labels = [];
    for (let i = 0; i < 100; i++) labels.push(predict(x.slice(784 * i, 784 * (i + 1))).label);
    document.body.dataset.found = labels.join(" ");
  ]]):format(escape.base64(core.bytes.of(x))))
  lu.assertEquals(found, table.concat(model:predict(x):totable(), " "))
end

-- Strokes in parts of the square's width.
local strokes = [=[{
  "0": [[[0.5, 0.15], [0.33, 0.22], [0.25, 0.5], [0.33, 0.78], [0.5, 0.85], [0.67, 0.78], [0.75, 0.5], [0.67, 0.22],
         [0.5, 0.15]]],
  "1": [[[0.5, 0.15], [0.5, 0.5], [0.5, 0.85]]],
  "2": [[[0.27, 0.3], [0.4, 0.17], [0.6, 0.17], [0.72, 0.33], [0.6, 0.5], [0.27, 0.83], [0.75, 0.83]]],
  "3": [[[0.27, 0.2], [0.5, 0.15], [0.7, 0.28], [0.5, 0.47], [0.72, 0.65], [0.5, 0.86], [0.27, 0.78]]],
  "4": [[[0.6, 0.15], [0.25, 0.6], [0.78, 0.6]], [[0.62, 0.4], [0.62, 0.87]]],
  "6": [[[0.65, 0.15], [0.4, 0.35], [0.3, 0.65], [0.5, 0.85], [0.7, 0.68], [0.5, 0.52], [0.33, 0.62]]]
}]=]

local drawing = [[
  const box = pad.getBoundingClientRect();
  function point(type, at, kind) {
    pad.dispatchEvent(new PointerEvent(type, { pointerId: 1, pointerType: kind, bubbles: true, isPrimary: true,
      clientX: box.left + box.width * (SHIFT + ZOOM * at[0]),
      clientY: box.top + box.height * (SHIFT + ZOOM * at[1]) }));
  }
  function draw(strokes, kind) {
    document.getElementById("clear").click();
    for (const s of strokes) {
      point("pointerdown", s[0], kind);
      for (const at of s.slice(1)) point("pointermove", at, kind);
      point("pointerup", s[s.length - 1], kind);
    }
    update();
    return answer.textContent;
  }
]]

function TestHtml:test_strokes_are_read()
  for _, how in ipairs { { 0, 1, "mouse" }, { 0.5, 0.45, "touch" } } do        -- the whole square; small, in a corner
    local found = in_browser(page(), ("const SHIFT = %g, ZOOM = %g, STROKES = %s;"):format(how[1], how[2], strokes) ..
      drawing .. ([[
        const said = Object.keys(STROKES).map(name => name + draw(STROKES[name], "%s"));
        said.push(document.querySelectorAll("#bars b").length, document.querySelectorAll("#layers canvas").length);
        document.body.dataset.found = said.concat(network.tiles.vectors).join(" ");
      ]]):format(how[3]))
    lu.assertEquals(found, "00 11 22 33 44 66 10 5 true")
  end
end

-- Bars begin below each other whatever the labels are, and the square has the shape of the images.
function TestHtml:test_labels_of_any_length_and_images_that_are_not_square()
  local formats = require "perilune.export"
  local model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(16 * 24, 3) }
  model:build { 16, 24, 1 }
  model:initialize(1)
  assert(formats.write(model, "html", cli.folder .. "/labels.html", { labels = { "a", "quite a long label, this one",
    "middling" } }))
  local found = in_browser(cli.read(cli.folder .. "/labels.html"), [[
    const places = new Set([...document.querySelectorAll("#bars u")].map(u => {
      const box = u.getBoundingClientRect();
      return Math.round(box.left) + " " + Math.round(box.width);
    })), of = canvas => { const box = canvas.getBoundingClientRect(); return (box.width / box.height).toFixed(1); };
    document.body.dataset.found = [places.size, of(pad), of(seen)].join(" ");
  ]])
  lu.assertEquals(found, "1 1.5 1.5")
end

function TestHtml:test_the_page_is_whole_and_loads_nothing()
  local text = page()
  lu.assertStrContains(text, "<title>Small &lt;b&gt;</title>")
  lu.assertNil(text:find "https?://")
  lu.assertNil(text:find 'src=')
  lu.assertStrContains(text, "default-src 'none'")
end

-- Images of the test set, as they are in their file, through the page of a run whose data were resized and
-- standardized.
function TestHtml:test_data_that_were_prepared_are_prepared_in_the_page()
  local changed = 'test = 200 }:resize(20, 24):standardize { per = "pixel" }'
  cli.write("prepared.lua", (experiment:gsub("test = 200 }", changed):gsub("288", "160"):gsub("4000", "1000")))
  lu.assertEquals(cli.run("run prepared.lua -q --threads 1 --epochs 1 --out prepared").status, 0)
  local r = cli.run "export prepared --html prepared.html"
  lu.assertEquals({ r.err, r.status }, { "", 0 })
  local data = pl.data.digits { train = 1000, test = 200 }
  local raw = data.test:tensors(1, 20)
  local x = data:resize(20, 24):standardize({ per = "pixel" }).test:tensors(1, 20)
  local want = assert(pl.nn.load(cli.folder .. "/prepared")):infer(x)
  local found = in_browser(cli.read(cli.folder .. "/prepared.html"), ([[
    const bytes = Uint8Array.from(atob("%s"), c => c.charCodeAt(0)), x = new Float32Array(bytes.buffer), all = [];
    for (let i = 0; i < 20; i++) all.push(...predict(x.slice(784 * i, 784 * (i + 1))).outputs);
    document.body.dataset.found = all.join(" ");
  ]]):format(escape.base64(core.bytes.of(raw))))
  local numbers = {}
  for word in found:gmatch "%S+" do numbers[#numbers + 1] = tonumber(word) end
  -- pixels of the file are resized as bytes, and rounded; in the page they are not
  lu.assertTrue((pl.tensor(numbers):reshape(20, 10) - want):abs():max() < 0.02 * want:abs():max())
end

function TestHtml:test_the_steps_of_preparation()
  local prepare = require "perilune.export.prepare"
  lu.assertEquals(prepare.of { data = "mnist", recipe = "train: resize 32x30 | test: resize 32x30",
    preparation = { background = 0.9, standardize = { { mean = { 0.5 }, deviation = { 2.0 } } } } },
    { field = { 28, 28 }, steps = { { invert = true }, { resize = { 32, 30 } }, { mean = { 0.5 }, std = { 2.0 } } } })
  lu.assertErrorMsgContains("of an older program, does not keep by what", prepare.of,
    { data = "my.csv", recipe = "train: standardize per=all std=true" })
end

function TestHtml:test_what_cannot_be_drawn_is_said()
  local formats = require "perilune.export"
  local model = pl.nn.Sequential { pl.nn.Linear(4, 2) }
  model:build { 4 }
  lu.assertErrorMsgContains("html: the page draws grey images, [H, W, 1]; this model takes [4]", formats.write, model,
    "html", cli.folder .. "/x.html")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
