-- Readers. Another program, h5py, opens the files of a training again and again while it runs and rewrites them many
-- times a second: no open fails, what is read is whole and fits together, and no epoch goes back.
local campaign = dofile "tests/campaigns/support.lua"

if campaign.shell "python3 -c 'import h5py'".status ~= 0 then campaign.skip "python3 has no h5py" end
local opens = campaign.count(5000, 300)

campaign.write("endless.lua", ("return dofile(%q):with { stopping = false }\n"):format(os.getenv "PWD"
  .. "/tests/campaigns/tiny_experiment.lua"))
campaign.write("reader.py", [[
import os, sys, time
import h5py

opens = int(sys.argv[1])
began = time.time()
while not os.path.exists("run/run.h5"):
    if time.time() - began > 60: sys.exit("no run.h5 after a minute")
    time.sleep(0.01)
seen = {"run/run.h5": [], "run/checkpoint.h5": []}
for i in range(opens):
    path = "run/checkpoint.h5" if i % 4 == 3 else "run/run.h5"
    try:
        with h5py.File(path, "r") as f:
            epoch, history = int(f["state"].attrs["epoch"]), f["history/epoch"][()]
            f["model/layers"].visititems(lambda name, item: item[()] if isinstance(item, h5py.Dataset) else None)
    except Exception as problem:
        sys.exit(f"open {i + 1}, {path}: {problem}")
    if len(history) != epoch or epoch > 0 and history[-1] != epoch:
        sys.exit(f"{path}: epoch {epoch}, but a history of {len(history)} rows")
    if seen[path] and epoch < seen[path][-1]: sys.exit(f"{path} went back from epoch {seen[path][-1]} to {epoch}")
    seen[path].append(epoch)
print(len(set(seen["run/run.h5"])), seen["run/run.h5"][-1])
]])
local r = campaign.shell(([[
  %s run endless.lua --out run --quiet --epochs 10000000 --checkpoint-every 0 >training 2>&1 & pid=$!
  timeout -s KILL 1200 python3 reader.py %d; status=$?
  kill -0 $pid || status=5; kill -9 $pid; wait $pid 2>/dev/null; exit $status]]):format(
  campaign.quote(campaign.program), opens))
campaign.check(r.status ~= 5, "the training ended meanwhile: %s", campaign.read(campaign.folder .. "/training"))
campaign.check(r.status == 0, "%s", r.err)
local epochs, last = r.out:match "(%d+) (%d+)"
campaign.check(tonumber(epochs) > 1, "the reader saw only one epoch")
campaign.green("%d opens by h5py during a training of %s epochs, %s of them seen: 0 failures, epoch never went back",
  opens, last, epochs)
