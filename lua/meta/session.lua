---@meta perilune.session

---The session that `perilune` opens, and `perilune -i FILE` after running a file.
---
---An expression is printed; `_` holds the last value. A chunk may take several lines: the prompt `>>` waits for the
---rest. `local x = 1` at the prompt makes a variable of the session, so that the next line still has it (locals inside
---blocks and functions stay what they are). `pl`, `nn`, `optim` and `data` are there from the start; after
---`perilune -i FILE` also the file's global variables, and `e` when it returned an experiment.
---
---`perilune -i RUN` opens it with a run that was trained: `run`, `model` (its final weights), `dataset`, and `e`, its
---experiment, where the script still lies as it was.
---
---Tab completes names, fields and methods; in `help "` the names that help knows. The arrows go through earlier lines
---that begin as the present one does, Ctrl-R searches them. Ctrl-C stops a running computation, or clears the line;
---Ctrl-D leaves. While an experiment trains (`e:run()`), Ctrl-C pauses it after its batch, saves it, and opens the
---prompt `paused>` inside it: `model`, `optimizer`, `ctx` and `history` can be looked at and changed, `resume()`
---continues, Ctrl-D ends the run, to be resumed later. What a rate set by hand will do under the schedule is said;
---`schedule = pl.schedule.constant { lr = x }` sets another one for this session. Changes by hand are noted in the
---run's files, where they changed a bit. Ctrl-C twice ends it at once. An error leaves the session as it was:
---`traceback()` says where it came from.
---
---```lua
---> model = nn.Sequential { nn.Flatten(), nn.Linear(784, 10) }
---> model[2].weight
---```
---@class perilune.session
local session = {}

---Describes a function, object, module or name; without an argument, lists the topics. Of a word that is no name it
---says which fields are called so, what it is called here, or where it occurs.
---
---```lua
---help(nn.Conv2d)
---help "tensor.reshape"
---help "conv"
---help "frozen"
---```
---@param topic? any (default: a list of the topics)
function help(topic) end

---Resumes the training that Ctrl-C paused. There is one at the prompt `paused>` only.
function resume() end

---Prints how the last error of the session came about, innermost call first.
function traceback() end
