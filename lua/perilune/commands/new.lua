--- perilune init NAME: a folder with a first experiment, and what an editor needs to know Perilune's names.
local core = require "perilune.core"
local errors = require "perilune.base.errors"
local script = require "perilune.script"
local sorted_keys = require "perilune.base.sorted_keys"
local store = core.store

local M = { summary = "a folder with a commented first experiment", usage = "NAME",
  description = "Makes the folder NAME with first.lua, an experiment to change and run, and .luarc.json, by which " ..
    "lua-language-server (in VS Code, Neovim, ...) knows Perilune's names, their arguments and what they do." }

function M.define(parser) parser:argument("name", "The folder, which must not be there yet.") end

local experiment = [=[
-- A first experiment. Look at it before anything is trained, train it, look at what came of it:
--   perilune check first.lua                 shapes, parameters, memory
--   perilune run first.lua                   trains; after Ctrl-C or a crash the same command resumes
--   perilune run first.lua lr=0.003          with another value of an argument
--   SHOW history, confusion matrix, precision and recall
-- perilune help nn.Conv2d explains a name, perilune -i first.lua is a prompt with the experiment in it.
local pl = require "perilune"
local nn, optim, data = pl.nn, pl.optim, pl.data

return pl.experiment {
  name = TITLE,
  seed = 1,                                  -- the same script, data and seed give the same bits

  -- Generated digits need no files; data.mnist() is the real thing (perilune data fetch mnist).
  data = data.digits { train = 10000, test = 2000 },

  -- Images are [N, 28, 28, 1]: batch, height, width, channels. Each layer says what it makes of that.
  model = nn.Sequential {
    nn.Conv2d(1, 8, 5, { padding = "same" }), nn.ReLU(), nn.MaxPool2d(2),      -- [N, 14, 14, 8]
    nn.Conv2d(8, 16, 5, { padding = "same" }), nn.ReLU(), nn.MaxPool2d(2),     -- [N, 7, 7, 16]
    nn.Dropout(0.2),
    nn.Flatten(),                                                              -- [N, 784]
    nn.Linear(16 * 7 * 7, 10, { name = "scores" }),
  },
  loss = nn.CrossEntropy(),                  -- of scores: no Softmax before it

  optimizer = optim.Adam { lr = pl.arg("lr", 0.001) },
  schedule = function(epoch, lr)             -- the rate of each epoch; or pl.schedule.cosine { ... }
    return epoch > 3 and lr / 2 or lr
  end,
  augment = pl.augment.affine { chance = 0.25, zoom = 0.1, rotate = 15, shift = 0.1 },

  validation = 0.1,                          -- a part of the training set, to decide by
  stopping = pl.stopping.patience { monitor = "val_loss", patience = 3 },
  epochs = 5,
  batch_size = 32,
  test = "end",                              -- the test set is looked at once
}
]=]

-- The path of this program: as it was called, or where the shell found it.
local function program_path()
  if script.program:find "/" then return script.program end
  for folder in (os.getenv "PATH" or ""):gmatch "[^:]+" do
    local path = folder .. "/" .. script.program
    if core.system.kind(path) == "file" then return path end
  end
end

-- The folder of the declarations that make install put beside the program; nil where it did not.
local function installed_meta()
  local prefix = (program_path() or ""):match "^(/.*)/bin/[^/]+$"
  local path = prefix and prefix .. "/share/perilune/meta"
  return path and core.system.kind(path) == "folder" and path or nil
end

local function must(ok, message)
  if not ok then errors.fail(1, "init: %s", message) end
end

-- The declarations for the editor: those that are installed, or a copy in the folder.
local function meta(folder)
  local path = installed_meta()
  if path then return path end
  must(store.mkdir(folder .. "/.perilune/meta"))
  local files = core.meta()
  for _, name in ipairs(sorted_keys(files)) do
    must(store.write_text(folder .. "/.perilune/meta/" .. name, files[name]))
  end
  return ".perilune/meta"
end

function M.run(options)
  local folder = options.name:gsub("(.)/+$", "%1")
  local name = folder:match "[^/]+$"
  if not name or name == "." or name == ".." then
    errors.fail(2, "init: '%s' is no name for a new folder", options.name)
  end
  if core.system.kind(folder) then errors.fail(1, "init: %s is there already; nothing was changed", folder) end
  must(store.mkdir(folder))
  local slug = require "perilune.run.folder".slug(name)
  local words = { SHOW = ("%-40s"):format(("perilune show runs/%s-s1"):format(slug)), TITLE = ("%q"):format(name) }
  local text = experiment:gsub("%u%u%u%u+", words)
  must(store.write_text(folder .. "/first.lua", text))
  must(store.write_text(folder .. "/.luarc.json", core.json.encode({ ["runtime.version"] = "Lua 5.4",
    ["workspace.library"] = { meta(folder) }, ["workspace.checkThirdParty"] = false }) .. "\n"))
  print(folder .. "/first.lua")
  print("next: " .. require "perilune.base.format".command { script.program, "run", folder .. "/first.lua" })
  return 0
end

return M
