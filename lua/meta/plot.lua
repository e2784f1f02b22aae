---@meta perilune.plot

---@class perilune.PlotOptions
---@field log? boolean a logarithmic axis (default false)
---@field bands? boolean runs that differ only in their seed as one curve: mean, and a band from the least to the
---  largest (default false)
---@field out? string write a figure instead: a path that ends in .svg, .png or .pdf (the latter two take rsvg-convert)
---  (default: draws in the terminal)
---@field title? string (default: what is drawn)
---@field width? integer of the drawing in the terminal, in columns (default: the terminal's)
---@field height? integer of the drawing in the terminal, in lines (default 16)
---@field from? number low end of the axis (default: that of the values)
---@field to? number high end of the axis (default: that of the values)

---Draws a metric of runs over their epochs, in the terminal or as a figure. Error: no such run or metric, or the file
---cannot be written.
---
---```lua
---pl.plot("runs/my-first-s1", "train_loss", { log = true })
---pl.plot({ "runs/a-s1", "runs/b-s1" }, "test_error", { out = "errors.svg" })
---```
---@param runs any folders of runs, runs that were trained, or a list of these
---@param metric string|string[] columns of their histories
---@param options? perilune.PlotOptions
function pl.plot(runs, metric, options) end

---@class perilune.FigureFields
---@field kind? "lines"|"points"|"bars"|"histogram"|"heat"|"images"|"network" what is drawn (default "lines")
---@field title? string
---@field x? string what the horizontal axis shows
---@field y? string what the vertical axis shows
---@field log? boolean|"x"|"y"|"xy" logarithmic axes; true is "y" (default false)
---@field percent? boolean values are fractions, shown as percentages (default false)
---@field legend? boolean (default: where there are several lines)
---@field width? number (default 480)
---@field height? number (default 300)
---@field values? any of a histogram: a tensor or a list; of bars: a list
---@field bins? integer of a histogram (default 64)
---@field matrix? any of a heat map: rows of numbers, or a tensor of two axes
---@field rows? table labels of the rows of a heat map, or of bars
---@field columns? table|integer labels of the columns of a heat map; how many images or panels a row has
---@field images? perilune.Tensor `[N, H, W]` or `[N, H, W, C]`
---@field captions? table a text an image
---@field count? integer images that are drawn (default 64)
---@field model? perilune.Layer of a drawing of its architecture
---@field panels? table several figures in one

---A figure. Lines and points are given as items: lists of numbers, tensors of one axis, columns of a history, or
---`{ name =, x =, y =, low =, high =, colour = "c1".."c8" or "#rrggbb" }`, where low and high make a band.
---
---```lua
---local f = pl.figure { title = "Loss", x = "epoch", y = "loss", log = true,
---  { name = "training", y = run.history.train_loss }, { name = "test", y = run.history.test_loss } }
---f:show()
---f:save "loss.svg"
---pl.figure { kind = "network", model = model }:save "network.svg"
---```
---@param fields perilune.FigureFields
---@return perilune.Figure
function pl.figure(fields) end

---What `pl.figure` returns.
---@class perilune.Figure
local Figure = {}

---Draws it in the terminal.
function Figure:show() end

---The text of an SVG file.
---@return string
function Figure:svg() end

---Writes it to a path that ends in .svg, or in .png or .pdf where rsvg-convert is installed. Error: that is not there,
---or the file cannot be written.
---@param path string
function Figure:save(path) end

---What is drawn, as a list: see lua/perilune/plot/display.lua.
---@return table
function Figure:display() end

---Writes one self-contained HTML page about runs, from their files alone: it loads nothing and can be sent. Error: no
---such run, or the file cannot be written.
---
---```lua
---pl.report("runs/my-first-s1", "report.html")
---pl.report({ "runs/a-s1", "runs/b-s1" }, "compared.html")
---```
---@param runs any folders of runs, runs that were trained, or a list of these
---@param path string
function pl.report(runs, path) end

---A list that draws itself: at the prompt by being the result, in a script by `:show()` or `print`.
---@class perilune.Shown
local Shown = {}

---Prints the drawing.
function Shown:show() end
