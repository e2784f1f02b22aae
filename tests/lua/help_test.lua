-- Help: the declarations are read, found by name and by value, and printed.
local lu = require "luaunit"
local pl = require "perilune"
local help = require "perilune.help"
local parse = require "perilune.help.parse"

TestParse = {}

local declarations = [[
---@meta x

---Pictures. They have pixels.
---@class perilune.Picture : userdata
---@field size integer[] rows and columns
---@operator add(perilune.Picture): perilune.Picture
local Picture = {}

---@class perilune.PaintOptions
---@field ink? "black"|"white" what is painted
---  with (default "black")

---Paints a line.
---
---```lua
---p:paint(1, 2)
---```
---@param from integer first pixel
---@param to? integer
---@param options? { a: integer, b: string } a table type
---@param ... number
---@return perilune.Picture painted the same picture
---@return string? message
function Picture:paint(from, to, options, ...) end

---A free function.
function pl.data.picture() end
]]

function TestParse:test_everything_is_read()
  local list = parse.parse(declarations)
  lu.assertEquals(#list, 4)
  local class, options, paint, free = list[1], list[2], list[3], list[4]
  lu.assertEquals({ class.kind, class.class, class.module, class.text },
    { "class", "perilune.Picture", "picture", { "Pictures. They have pixels." } })
  lu.assertEquals(class.fields, { { name = "size", optional = false, type = "integer[]", text = "rows and columns" } })
  lu.assertEquals(class.operators, { "add" })
  lu.assertEquals({ options.class, options.module }, { "perilune.PaintOptions", nil })
  lu.assertEquals(options.fields[1].text, 'what is painted with (default "black")')
  lu.assertEquals({ paint.kind, paint.module, paint.name, paint.method }, { "function", "picture", "paint", true })
  lu.assertEquals(paint.arguments, { "from", "to", "options", "..." })
  lu.assertEquals(paint.params[2], { name = "to", optional = true, type = "integer", text = "" })
  lu.assertEquals(paint.params[3].type, "{ a: integer, b: string }")
  lu.assertEquals(paint.returns[1], { type = "perilune.Picture", name = "painted", text = "the same picture" })
  lu.assertEquals(paint.text[3], "```lua")
  lu.assertEquals({ free.module, free.name, free.method }, { "data", "picture", false })
end

TestHelp = {}

function TestHelp:test_a_function_is_described_by_name_and_by_value()
  local page = help.text "nn.Conv2d"
  lu.assertStrContains(page, "nn.Conv2d(inputs, outputs, kernel [, options])")
  lu.assertStrContains(page, "2-D convolution")
  lu.assertStrContains(page, "padding?")
  lu.assertStrContains(page, '(default "valid")')
  lu.assertStrContains(page, 'nn.Conv2d(1, 8, 5, { padding = "same" })')
  for _, topic in ipairs { "Conv2d", "conv2d", "pl.nn.Conv2d", "nn.conv2d(1, 8)", pl.nn.Conv2d } do
    lu.assertEquals(help.text(topic), page)
  end
end

function TestHelp:test_objects_rooms_and_the_list_of_topics()
  local layer = help.text "layer"
  lu.assertStrContains(layer, "layer:forward")
  lu.assertEquals(help.text(pl.nn.ReLU()), layer)
  lu.assertStrContains(help.text(pl.nn), "nn.BatchNorm")
  lu.assertEquals(help.text(pl.nn), help.text "nn")
  lu.assertStrContains(help.text(pl.nn.ReLU().forward), "layer:forward(x)")
  for _, module in ipairs { "layer", "nn", "session", "system" } do
    lu.assertStrContains(help.text(), "\n  " .. module)
  end
end

function TestHelp:test_options_that_a_class_extends()
  local page = help.text "optim.Nadam"
  for _, option in ipairs { "momentum_decay", "betas", "weight_decay", "groups" } do
    lu.assertStrContains(page, "\n  " .. option .. "?")
  end
end

-- What a layer is made of, by the name that a table of options and a field of the layer have.
function TestHelp:test_every_option_of_a_layer_is_named()
  for type, example in pairs(require "perilune.core".nn.examples()) do
    local page = help.text("nn." .. type)
    for _, option in ipairs(pl.nn[type](table.unpack(example.arguments)):options()) do
      local listed = page:find("\n  " .. option.name .. "[? ]") or page:find("`" .. option.name .. "`", 1, true)
      lu.assertNotNil(listed, ("%s: %s"):format(type, option.name))
    end
  end
end

function TestHelp:test_what_says_how_many_threads_there_are()
  for _, name in ipairs { "system.threads", "experiment:run", "pl.sweep" } do
    lu.assertStrContains(help.text(name), "OMP_NUM_THREADS")
  end
end

function TestHelp:test_an_unknown_name_gets_the_nearest()
  local page, why = help.text "Conv3d"
  lu.assertNil(page)
  lu.assertEquals(why, 'help knows no "Conv3d"; nearest is nn.Conv2d')
  lu.assertStrContains(select(2, help.text "xyzzyxyzzy"), "help() lists the topics")
  lu.assertStrContains(select(2, help.text(print)), "function is not part of Perilune")
  lu.assertStrContains(select(2, help.text {}), "table is not part of Perilune")
end

-- A word that is no name: what it is called here, the fields called so, where it occurs.
function TestHelp:test_words_are_looked_for()
  lu.assertStrContains(help.text "frozen", "OptimGroup.frozen  its parameters never move")
  lu.assertStrContains(help.text "metrics", "ExperimentFields.metrics")
  lu.assertStrContains(help.text "checkpoints", "optimizer:counters")
  lu.assertStrContains(help.text "lr", "OptimOptions.lr")
  for word, words in pairs { freeze = "frozen = true", freezing = "frozen = true", clip = "t:clamp(low, high)",
    ["class weights"] = "weights of classes are the loss's", class_weight = "help nn.define_loss",
    mixup = "augment = function",
    transfer = "nn.load", view = "t:reshape(sizes)" } do
    local page, why = help.text(word)
    lu.assertNil(page, word)
    lu.assertStrContains(why, words)
  end
end

function TestHelp:test_what_is_meant_by_part_of_a_name()
  lu.assertStrContains(help.text "glob", "nn.GlobalAvgPool2d(")
  local page = help.text "relu"
  lu.assertStrContains(page, '2 names fit "relu":')
  for _, name in ipairs { "nn.ReLU ", "tensor:relu " } do lu.assertStrContains(page, name) end
end

function TestHelp:test_lines_fit_the_width()
  for _, width in ipairs { 60, 80, 100 } do
    for _, name in ipairs(help.names()) do
      for line in help.text(name, width):gmatch "[^\n]+" do
        lu.assertTrue(#line <= width or not line:match "%S%s+%S", name .. ": " .. line)
      end
    end
  end
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
