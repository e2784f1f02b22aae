---@meta perilune.experiment

---@class perilune.ExperimentFields
---@field name string names the folder of its runs: "P09 convolution" is runs/p09-convolution-s1
---@field data perilune.Dataset such as `pl.data.mnist()`; is not read before the training
---@field model perilune.Layer its weights begin anew, from the seed, with every run; each run keeps a copy of its own
---@field loss perilune.Loss|fun(output: perilune.Tensor, target: perilune.Tensor): number, perilune.Tensor one of
---  `pl.nn`, or a function: the mean loss of the batch, and its gradient for the output
---@field optimizer perilune.Optimizer
---@field check_gradients? boolean hold a loss in Lua and layers in Lua against finite differences, in `perilune check`
---  and before the first step (default true; false: they are meant to differ)
---@field start? string where the weights come from: "new" (drawn from the seed; the default), "keep" (those that the
---  model has when the experiment is made), or a file or a run's folder, all of whose weights must fit. Part of the
---  run's identity. A model that has weights of its own needs it: all or a part of it was loaded, trained by hand, or
---  set by the script
---@field epochs integer at most so many passes over the training set
---@field batch_size integer samples a step
---@field seed? integer of the initial weights, the order of the samples, augmentation, dropout (default 1)
---@field schedule? perilune.Schedule|fun(epoch: integer, previous: number, ctx: perilune.Context): number the learning
---  rate
---@field augment? table|perilune.Augmentation|perilune.Compose|fun(x: perilune.Tensor, y: perilune.Tensor, ctx:
---  perilune.Context): perilune.Tensor?, perilune.Tensor? one or a list of them; functions come after those of
---  `pl.augment`, are given each batch, and return what replaces it, of the same shape and type
---@field stopping? perilune.StoppingRule|fun(ctx: perilune.Context): boolean? early stopping: a rule, and then the
---  weights of the best epoch are restored whatever ended the run; or a function that is asked after each epoch, and
---  returns true to stop
---@field validation? number|perilune.ValidationOptions the fraction of the training set that becomes the validation
---  set, shuffled and stratified, or options such as { fraction = 0.1, order = "last" } (default 0)
---@field test? "epoch"|"end"|false evaluate the test set after each epoch, at the end, or not (default "epoch")
---@field metrics? table names ("macro_f1", "weighted_recall", ...: of each evaluated split) and `name = function(ctx)
---  return number end`, shown as it was returned; loss, accuracy and error of labels, and mae, rmse and r2 of targets,
---  are always measured; a name that begins with "test_" is computed only when the test set is evaluated
---@field callbacks? perilune.Callbacks
---@field statistics? { every: "epoch"|integer } keep moments and histograms of weights, gradients and outputs of each
---  layer, dead units and sizes of updates in the run file, after each epoch or every so many; the bits do not depend
---  on it (default: none)
---@field shuffle? boolean a new order of the samples each epoch (default true)
---@field drop_last? boolean leave out a last, smaller batch (default false)
---@field nonfinite? "stop"|"skip" a loss or gradient that is not finite stops the run, naming epoch, batch, layer and
---  parameter; or its batch is skipped as if it had not been there, and counted in the history's column `skipped`
---  (default "stop")
---@field documented? perilune.Documented a number to compare with
---@field description? string

---@class perilune.Callbacks
---@field on_start? fun(ctx: perilune.Context) before the first step; also when a run is resumed (`ctx.resumed`), and it
---  then draws the same random numbers; weights or a rate that it sets then mark the run as edited
---@field on_batch? fun(ctx: perilune.Context) after each step
---@field on_epoch? fun(ctx: perilune.Context) after each epoch, when its row of the history is there
---@field on_end? fun(ctx: perilune.Context) at the end, when the best weights are back; where it changes them, the
---  results are measured again

---@class perilune.Documented
---@field error? number the test error, as a fraction; compared with what was measured, but on data.digits
---@field source? string where it is written
---@field metric? string the metric that it is the value of (default "test_error")
---@field note? string
---@field seconds? number how long it took there
---@field epochs? integer

---What users' functions are given. Keep what must be remembered in `state`: it is saved in every checkpoint, so that a
---run that is killed and resumed ends with the same bits. A run whose functions (also a loss, a layer or a stopping
---rule in Lua) change a captured or global variable instead, a number, string, boolean, or table, object or module of
---these, cannot be resumed: a warning after the first epoch, and then an error, name the variable. Of a tensor that is
---no weight there is the warning only, as it may be there to be worked with.
---
---```lua
---metrics = { test_top3 = function(ctx)
---  local x, label = ctx.data.test:tensors()
---  local _, best = ctx.model:probabilities(x):topk(3)      -- [N, 3], counted from 1
---  return (best - 1):eq(label:reshape(-1, 1)):any(2):to("f32"):mean()
---end },
---```
---@class perilune.Context
---@field epoch integer from 1; 0 before the first
---@field epochs integer how many there will be at most
---@field step integer steps taken, over all epochs
---@field batch integer in this epoch, from 1 (in on_batch and augment)
---@field batches integer in an epoch
---@field lr number the learning rate of this epoch or step
---@field loss number mean training loss of this epoch so far (in on_batch)
---@field model perilune.Layer
---@field optimizer perilune.Optimizer its `lr` may be set
---@field data perilune.Dataset
---@field history perilune.History
---@field row table<string, number> this epoch's row of the history (in metrics and on_epoch)
---@field train table result of the epoch, as `val` but without confusion
---@field val? table result of the last evaluation of the validation set, as model:evaluate gives it; with labels also
---  `predictions`, i32 [N], and until the epoch ends `probabilities`, f32 [N]: of the predicted class alone. Those of
---  all classes, [N, K], are `ctx.model:probabilities(x)`, and the labels `ctx.data.test:tensors()` has
---@field test? table result of the last evaluation of the test set, as `val`
---@field base_lr number the learning rate that the optimizer was made with
---@field experiment perilune.Experiment
---@field state table yours: numbers, strings, booleans and tables of them
---@field seed integer
---@field resumed boolean was the run continued?
---@field stop fun(reason?: string) ends the run after this step or epoch

---What is trained, on what, and how. All fields are checked at once, the shapes of model, loss and data too, without
---reading the data. `perilune run FILE` trains the experiment that FILE returns; `experiment:run()` does so from Lua.
---
---```lua
---return pl.experiment {
---  name = "A first network", data = pl.data.mnist(),
---  model = nn.Sequential { nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10) },
---  loss = nn.CrossEntropy(), optimizer = optim.Adam { lr = pl.arg("lr", 0.001) },
---  stopping = pl.stopping.patience { monitor = "val_loss", patience = 3 }, validation = 0.1,
---  epochs = 20, batch_size = 32,
---}
---```
---@param fields perilune.ExperimentFields
---@return perilune.Experiment
function pl.experiment(fields) end

---An argument of the command line: `perilune run FILE lr=0.01` and, in FILE, `pl.arg("lr", 0.1)`. It has the type of
---the default: number (whole if the default is), string, boolean, or a list of these written 1,2,3. Without a default
---it is a string that must be given. An argument that no `pl.arg` asked for is an error that names the nearest.
---@param name string
---@param default? number|string|boolean|table (default: none, and it must be given)
---@param choices? table the values that are allowed (default: any)
---@return any
function pl.arg(name, default, choices) end

---What `pl.experiment` returns; its fields can be read.
---@class perilune.Experiment : perilune.ExperimentFields
local Experiment = {}

---@class perilune.RunOptions
---@field epochs? integer (default: the experiment's)
---@field seed? integer (default: the experiment's)
---@field threads? integer (default: as many as OMP_NUM_THREADS says, or cores)
---@field out? string|false the run's folder; false writes nothing (default runs/<name>-s<seed>, with -2, -3 once a
---  finished one is there)
---@field quiet? boolean print nothing (default false)
---@field silent? boolean print no result at the end (default false)
---@field fresh? boolean start anew where an unfinished run lies, or in `out` any run; it stays until the new one is
---  saved first (default false)
---@field force? boolean resume it though script, arguments, data or algorithm changed; the run is marked as edited
---  (default false)
---@field checkpoint_every? number seconds between checkpoints inside an epoch (default 30); also one after each epoch,
---  unless saving would take more than a twentieth of the time
---@field confusion? boolean print the confusion matrix of the test set at the end (default false)
---@field pause_after? integer end after this epoch with all saved; the same call without it resumes, to the same bits
---  (default: none)
---@field leave? fun(): boolean asked between steps; when it returns true the run ends with all saved, as when
---  interrupted (default: none)
---@field watch? boolean curves in a full screen while it trains; q leaves the view, and the run goes on (default false)
---@field interruptible? boolean end with all saved when Ctrl-C, SIGTERM or SIGHUP was noted; `perilune run` and a
---  session do (default false)

---Trains, or continues an unfinished run that lies in the folder. Error: data that is missing, a folder that cannot be
---written, an unfinished run that differs, a loss that is not finite (the last saved weights are then restored).
---
---```lua
---local run = e:run { epochs = 3, out = false }
---print(run, run.history.test_error)
---```
---@param options? perilune.RunOptions
---@return perilune.Run
function Experiment:run(options) end

---A copy with some fields changed, or left out: `e:with { stopping = false }`. The model is shared. Errors as those of
---pl.experiment.
---
---```lua
---for _, lr in ipairs { 0.1, 0.01 } do e:with { name = "lr " .. lr, optimizer = optim.SGD { lr = lr } }:run() end
---```
---@param changes perilune.ExperimentFields
---@return perilune.Experiment
function Experiment:with(changes) end

---The layers as `model:rows` gives them, for a sample of the experiment's data.
---@return table[]
function Experiment:rows() end

---The run in a folder, or in one of its files (best.h5 has the weights of the best epoch): the same object that
---`experiment:run` returns. Its weights are read when `run.model` is asked for.
---
---```lua
---local run = assert(pl.run "runs/a-first-network-s1")
---print(run, run.arguments.lr, run.test.error, run.history.val_loss)
---print(run:model():evaluate(pl.data.mnist().test:read()).accuracy)
---```
---@param path string
---@return perilune.Run? run nil and a message when there is none, or it cannot be read
---@return string? message
function pl.run(path) end

---All runs below a folder, sorted by folder. A filter is a function(run), or a text of conditions that all hold: a name
---that `run:value` knows, one of `= != < <= > >= ~` (contains) `!~`, and a value: a number (or `5%`), true or false, or
---text, in quotes where it holds an operator. Of what has no such value, only `!=` and `!~` hold. Error: a text that is
---no filter, a name that no run has.
---
---```lua
---for _, run in ipairs(pl.runs("runs", "lr>=1e-3 state=finished name~lenet")) do
---  print(run.path, run:value "test_error")
---end
---```
---@param path? string (default "runs")
---@param filter? string|fun(run: perilune.Run): boolean (default: all)
---@return perilune.Run[]? runs nil and a message when there is no such folder
---@return table|string problems { path =, message = } of each run that could not be read
function pl.runs(path, filter) end

---@class perilune.SweepOptions
---@field script string a file that returns an experiment; its `pl.arg`s are what varies
---@field arguments? table name to values: a list, a text such as "1..5", "lin:0..1", "log:1e-4..1e-1", or one value
---  (default: none vary)
---@field seeds? integer each combination with seeds 1 to this (default 1)
---@field trials? integer draw so many combinations at random (default: all of them)
---@field sampling_seed? integer what they are drawn from (default 1)
---@field jobs? integer so many trials at a time (default 1)
---@field threads? integer of all trials together (default: as many as OMP_NUM_THREADS says, or cores)
---@field epochs? integer at most so many epochs a trial (default: the experiment's)
---@field out? string the sweep's folder (default runs/sweep-<script>)
---@field halving? boolean successive halving (default false)
---@field select? string "validation" (default), a column of the history, "test", or "none"; a metric of your own
---  that reads ctx.test is to be called test_...: else the test set chooses unnoticed
---@field mode? string "max" or "min": which is better (default: known of all measures but metrics of your own)
---@field fail_fast? boolean stop when a trial fails (default false)
---@field retry? boolean train again what is marked as failed (default false)
---@field memory? integer bytes that each trial may hold (default: no limit)
---@field quiet? boolean print nothing (default true)

---Trains every combination of arguments, each trial in a process and a folder of its own, as `perilune sweep` does;
---what is trained
---already is not trained again. Returns { folder, metric, configurations (the best first: { arguments, runs, val_error
---= { mean, std, min, max, n }, ... }), best, runs, failed, stopped, data_note (a text where not all runs were trained
---on the same data; where those of one configuration were not, none is the best) }. Error: a script or argument that is
---not there, a folder of another sweep; a trial that fails is counted, and the others go on.
---
---```lua
---local s = pl.sweep { script = "my.lua", arguments = { lr = { 1e-3, 1e-2 }, width = "16..18" }, seeds = 3, jobs = 2 }
---print(s.best.arguments.lr, s.best.val_error.mean)
---```
---@param options perilune.SweepOptions
---@return table
function pl.sweep(options) end

---What differs between two runs (or groups of seeds), in settings and results, and what may be said of it: `words`, and
---`claimed`, whether that is a difference. Two runs on the same test set: McNemar's exact test { kind = "mcnemar",
---first_only, second_only, both_wrong, count, p }; two groups: { kind = "difference", metric, difference, low, high,
---level, p, test, df, seeds } of their mean test errors (of values: RMSE), with a bootstrapped interval and Welch's
---t-test (the exact permutation test where neither side has spread); both must tell a difference, and each run must
---have a finite result, before one is claimed. Else { kind = "none" }. And `settings`, `results`. A copy of a run
---does not count again. Error: there is no such run.
---
---```lua
---print(pl.compare("runs/a-s1", "runs/b-s1").words)
---print(pl.compare(pl.runs("runs", "name~wide"), pl.runs("runs", "name~narrow")).words)
---```
---@param a perilune.Run|string|table a run, its folder, or a list of these
---@param b perilune.Run|string|table
---@param options? { seed: integer, level: number, metric: string } of the bootstrap (1), of interval and tests (0.95),
---  what is compared of groups ("test_error")
---@return table
function pl.compare(a, b, options) end

---@class perilune.FindLrOptions
---@field from? number the smallest rate (default 1e-6)
---@field to? number the largest rate (default 10)
---@field steps? integer (default 200)
---@field seed? integer (default: the experiment's)

---The learning-rate range test: trains copies of model and optimizer for some steps, each with a larger rate, until the
---loss diverges; draws the curve and suggests a rate. The experiment's model and optimizer stay as they are, to the
---bit.
---
---```lua
---e:find_lr()
---e:find_lr({ to = 1 }).suggestion
---```
---@param options? perilune.FindLrOptions
---@return perilune.Shown result { lr, loss, smooth, suggestion, steepest, least }
function Experiment:find_lr(options) end

---A run that was trained: what `experiment:run` and `pl.run` return.
---@class perilune.Run
---@field name string the experiment's
---@field arguments table<string, any> what its script asked for with `pl.arg`: the values by name
---@field history perilune.History
---@field model perilune.Layer with the final weights, its own; `run:model()` is the same
---@field path string? its folder
---@field test table? the final evaluation, as model:evaluate gives it: with labels accuracy, error, confusion; with
---  targets mae, rmse, r2
---@field val table? the same of the validation set
---@field predictions perilune.Tensor? labels predicted for the test set, where they were stored
---@field evaluation table of the splits: { test, val, metrics }
---@field best table? { epoch, value, monitor }: whose weights were restored
---@field ended "epochs"|"stopping"|"callback"|"interrupted"
---@field seed integer
---@field threads integer
---@field labels string[]? names of the classes
---@field documented perilune.Documented? a number to compare with
---@field epochs integer the most epochs that it was to train
---@field seconds number of training, over all sessions
---@field created string? when its file was written (UTC)
local Run = {}

---One number or word by its name: a field ("name", "seed", "ended", "state" (finished, unfinished or failed), "epoch",
---"path", "best_epoch", "seconds", "created", "when" or "tags"), an argument ("lr"; `run.arguments` holds them all),
---"epochs" or "data", a result of the final weights ("test_error", "val_loss", a metric), or a column of the last epoch
---("train_loss").
---@param name string
---@return any value nil where there is none
function Run:value(name) end

---The names of which `run:value` has a value, sorted.
---@param all? boolean also fields that this run has no value of, such as "tags" (default false)
---@return string[] names
function Run:values(all) end

---The result in one line: test error, and how it compares with the documented one.
---@return string
function Run:line() end

---How the run ended, and which epoch's weights these are.
---@return string
function Run:ending() end

---Where an interrupted run is kept, and how it goes on.
---@return string
function Run:kept() end

---@class perilune.ReportOptions
---@field confusion? boolean also the confusion matrix of the test set (default false)

---Prints the result, where the files are and what to try next.
---@param options? perilune.ReportOptions
function Run:report(options) end

---One row an epoch. `history.test_error[3]`, `history[3].test_error`, `#history`, `print(history)`.
---@class perilune.History
---@field columns string[] their names, in order
---@field rows table<string, number>[]
local History = {}

---Draws a metric, or several, over the epochs: `run.history:plot "test_error"`. Error: it has no such column.
---@param metric string|string[]
---@param options? perilune.PlotOptions
function History:plot(metric, options) end

---A column of a history, by epoch; what was not measured is nil. `print(column)` shows it in a line.
---@class perilune.Column
local Column = {}
