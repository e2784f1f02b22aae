-- The progress of a run: a line redrawn on a terminal, never wider than it; aligned rows elsewhere.
local lu = require "luaunit"
local Progress = require "perilune.train.progress"

local function capture()
  local out = { text = "" }
  function out:write(...)
    self.text = self.text .. table.concat { ... }
    return self
  end
  function out:flush() return self end
  return out
end

local columns = { "epoch", "step", "lr", "train_loss", "train_accuracy", "train_error", "val_loss", "val_error",
  "test_loss", "test_error", "my_norm",
  "seconds", "samples_per_second" }
local row = { epoch = 12, step = 999, lr = 1.53e-7, train_loss = 0.4361, train_accuracy = 0.9912, train_error = 0.0088,
  val_loss = 0.05, val_error = 0.01,
  test_loss = 0.03, test_error = 0.0097, my_norm = 3.14159, seconds = 8.13, samples_per_second = 7470.2 }

local function progress(width, more)
  local out = capture()
  local term = { tty = width ~= nil, width = width, utf8 = true, colour = false, paint = function(s) return s end }
  local options = { out = out, term = term, epochs = 150, columns = columns }
  for name, value in pairs(more or {}) do options[name] = value end
  return Progress.new(options), out
end

TestProgress = {}

-- A line as a terminal shows it: "\r" goes back to its beginning, "\27[K" clears what stands from there on.
local function on_terminal(line)
  local cells, at, i = {}, 0, 1
  while i <= #line do
    local c = line:sub(i, i)
    if line:sub(i, i + 2) == "\27[K" then
      for k = at + 1, #cells do cells[k] = nil end
      i = i + 2
    elseif c == "\r" then at = 0
    else
      at = at + 1
      cells[at] = c
    end
    i = i + 1
  end
  return table.concat(cells)
end

-- What a callback prints has lines of its own, whatever it is printed with, and whether it ends its line or not.
function TestProgress:test_prints_do_not_glue_to_the_line()
  local path = os.tmpname()
  local program = [[
    local own = print
    local Progress = require "perilune.train.progress"
    local p = Progress.new { out = io.stdout, epochs = 2, columns = { "epoch" },
      term = { tty = true, width = 60, utf8 = false, paint = function(s) return s end } }
    local function draw() p:update { epoch = 1, batch = 1, batches = 2 } end
    draw() print("one", 1)
    draw() io.write("two\n")
    draw() io.stdout:write("thr", "ee")
    draw() io.write "four" io.write ""
    p:note "five"
    draw() draw() p:finish()
    io.write "six" p:note "seven"
  ]]
  local file = io.popen(("%s - >%s"):format((os.getenv "BUILD" or "build") .. "/perilune", path), "w")
  file:write(program)
  file:close()
  local shown = {}
  for line in io.open(path):read "a":gmatch "[^\n]*" do shown[#shown + 1] = on_terminal(line) end
  os.remove(path)
  lu.assertEquals(table.concat(shown, "|"):gsub("|+", "|"), "one\t1|two|three|four|five|six|seven|")
end

function TestProgress:test_rows_are_aligned_under_their_titles()
  local p, out = progress()
  p:row(row, true)
  p:row(row, false)
  lu.assertEquals(out.text,
    "epoch  train loss   train acc  val loss  val error  test loss  test error         lr     time  samples/s    " ..
      "my norm\n   12      0.4361     99.12 %    0.0500     1.00 %     0.0300      0.97 %   1.53e-07    8.1 s     " ..
      " 7,470      3.142  best\n   12      0.4361     99.12 %    0.0500     1.00 %     0.0300      0.97 %   " ..
      "1.53e-07    8.1 s      7,470      3.142\n")
end

function TestProgress:test_metrics_of_a_scripts_own_are_shown_and_wide_numbers_stay_in_line()
  local p, out = progress(nil, { columns = { "epoch", "train_loss", "val_loss", "val_error", "val_accuracy",
    "top5_error", "val_top5_error", "my_norm" } })
  local numbers = { train_loss = 0.5, val_error = 1, val_accuracy = 0, top5_error = 0.125, val_top5_error = 0.25 }
  for i, loss in ipairs { 1000, 2, -1234.5 } do
    p:row(setmetatable({ epoch = i, val_loss = loss, my_norm = -1.234e-05 }, { __index = numbers }))
  end
  lu.assertEquals(out.text,
    "epoch  train loss   val loss  val error  top5 error  val top5 error     my norm\n" ..
    "    1      0.5000  1000.0000   100.00 %       0.125            0.25  -1.234e-05\n" ..
    "    2      0.5000     2.0000   100.00 %       0.125            0.25  -1.234e-05\n" ..
    "epoch  train loss    val loss  val error  top5 error  val top5 error     my norm\n" ..
    "    3      0.5000  -1234.5000   100.00 %       0.125            0.25  -1.234e-05\n")
end

function TestProgress:test_columns_that_do_not_fit_are_left_out()
  for width = 30, 140, 10 do
    local p, out = progress(width)
    p:row(row, true)
    for line in out.text:gmatch "[^\n]+" do lu.assertTrue(utf8.len(line) <= width, line) end
    lu.assertStrContains(out.text, "train loss")
  end
end

-- The monitored column stays, also one that is not shown otherwise; a last line names what is not there.
function TestProgress:test_the_monitored_column_is_never_left_out()
  for _, monitored in ipairs { "val_loss", "val_error", "test_loss", "my_norm", "train_error" } do
    for width = 40, 140, 10 do
      local p, out = progress(width, { monitored = monitored })
      p:row(row)
      p:row(row)
      p:finish()
      lu.assertStrContains(out.text:match "^[^\n]*", (monitored:gsub("_", " ")))
      for line in out.text:gmatch "[^\n]+" do lu.assertTrue(utf8.len(line) <= width, line) end
    end
  end
  local p, out = progress(80, { monitored = "val_loss" })
  p:row(row)
  p:finish()
  lu.assertEquals(out.text,
    "epoch  train loss   train acc  val loss  val error  test error    my norm\n" ..
    "   12      0.4361     99.12 %    0.0500     1.00 %      0.97 %      3.142\n" ..
    "no room for: samples/s, test loss, time, lr\n")
end

function TestProgress:test_very_large_numbers_are_short()
  local p, out = progress(nil)
  p:row(setmetatable({ train_loss = 1.234567e30, val_loss = -2e12, lr = 1e15, test_loss = 12345.678 },
    { __index = row }))
  lu.assertStrContains(out.text, "1.23e+30")
  lu.assertStrContains(out.text, "-2.00e+12")
  lu.assertStrContains(out.text, "1.23e+04")
  for line in out.text:gmatch "[^\n]+" do lu.assertTrue(#line <= 120, line) end
end

function TestProgress:test_the_moving_line_fits_and_is_redrawn_in_place()
  for width = 10, 120 do
    local p, out = progress(width)
    p:update { epoch = 3, batch = 120, batches = 250, loss = 0.071234, accuracy = 0.9781, rate = 7512.3, left = 3723 }
    p:update { epoch = 3, batch = 121, batches = 250, loss = 0.071234, accuracy = 0.9781, rate = 7512.3, left = 3723 }
    local lines = 0
    for line in out.text:gmatch "\r([^\r]*)" do
      lines = lines + 1
      line = line:gsub("\27%[K", "")
      lu.assertTrue(utf8.len(line) < width, line)
    end
    lu.assertEquals(lines, 2)
    lu.assertNotStrContains(out.text, "\n")
  end
  local p, out = progress(100)
  p:update { epoch = 3, batch = 125, batches = 250, loss = 0.071234, accuracy = 0.9781, rate = 7512.3, left = 3723 }
  local bar = ("━"):rep(15) .. ("─"):rep(15)
  lu.assertEquals(out.text, "\r3/150  " .. bar .. "   50 %  loss 0.0712  97.81 %  1:02:03 left  7,512 samples/s\27[K")
end

function TestProgress:test_a_row_takes_the_place_of_the_moving_line()
  local p, out = progress(150)
  p:update { epoch = 1, batch = 1, batches = 2 }
  p:row(row)
  p:finish()
  lu.assertStrContains(out.text, "\r\27[Kepoch")
  lu.assertEquals(out.text:sub(-1), "\n")
end

function TestProgress:test_without_a_terminal_nothing_moves_and_quiet_is_quiet()
  local p, out = progress()
  p:update { epoch = 1, batch = 1, batches = 2 }
  p:finish()
  lu.assertEquals(out.text, "")
  p, out = progress(80, { quiet = true })
  p:update { epoch = 1, batch = 1, batches = 2 }
  p:row(row)
  p:note "x"
  lu.assertEquals(out.text, "")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
