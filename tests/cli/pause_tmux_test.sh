#!/bin/sh
# Ctrl-C in a session pauses a training: looked at, changed and resumed at a prompt of its own.
name=pause
. tests/cli/support_tmux.sh

cat >"$tmp/slow.lua" <<'LUA'
local pl = require "perilune"
return pl.experiment { name = "Slow", data = pl.data.digits { train = 400, test = 40 }, epochs = 40, batch_size = 10,
  model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 16), pl.nn.ReLU(), pl.nn.Dropout(0.2), pl.nn.Linear(16, 10) },
  loss = pl.nn.CrossEntropy(), optimizer = pl.optim.Adam { lr = 0.001 },
  callbacks = { on_batch = function(ctx)
    ctx.state.sum = (ctx.state.sum or 0) + math.random()
    if os.getenv "FAST" then return end
    local wait = rawget(_G, "wait") or 0.01
    if wait > 1 then print "\na slow batch" end
    local t = os.clock() + wait
    while os.clock() < t do end
  end } }
LUA
cd_and() { (cd "$tmp" && NO_COLOR=1 LC_ALL=C.UTF-8 FAST=1 "$perilune" "$@" 2>&1); }
is() { # name, text, extended regular expression: an empty one would fit anything
  n=$((n + 1))
  [ -n "$3" ] || set -- "$1" "$2" 'no pattern to compare with'
  if printf '%s\n' "$2" | grep -qE -- "$3"; then echo "ok $n - $1"; else bad=1; echo "not ok $n - $1"; echo "expected a line like: $3, got: $2" | sed 's/^/# /'; fi
}
digest() { cd_and show "$1" | grep -oE 'SHA-256 [0-9a-f]+'; }

cd_and run slow.lua -q --out whole >"$tmp/whole.txt"

start -i "$tmp/slow.lua"
shows "the prompt" '^> *$'
text "r = e:run { out = '$tmp/paused', epochs = 40 }"
keys Enter
shows "it trains" '^ +2  '
keys C-c
shows "Ctrl-C pauses" '^paused (in epoch [0-9]+, batch [0-9]+ of 40|after epoch [0-9]+); all is saved in '
shows "and opens a prompt" '^paused> *$'
enter "the model is there" 'model[2].weight.shape' '^\{ 784, 16 \}$'
enter "the history" '#history >= 2, ctx.epoch == #history + 1' '^true$'
does "variables are the session's" 'w = model[2].weight:clone()'
enter "a mistake leaves it paused" 'model:infer(1)' '^stdin:1: '
enter "the model cannot be trained anew meanwhile" 'e:run()' 'this model is being trained already'
does "numbers drawn here are not the training's" 'math.random() pl.rand(3)'
keys C-l
text 'print "in the loop" while true do end'
keys Enter
shows "it runs" '^in the loop$'
keys C-c
shows "Ctrl-C stops a computation there" '^(\^C)?interrupted$'
is "what is saved is whole" "$(cd_and verify paused)" 'checkpoint.h5: whole'
keys C-l
text 'resume()'
keys Enter
shows "resume() continues" '^ +[0-9]+/40'
keys C-c
shows "and may be paused again" '^paused (in|after) epoch'
keys C-l
keys C-d
shows "leaving says how to go on" '^interrupted in epoch [0-9].*; saved in '
enter "the session is there still" 'r.ended, w.shape' '^\{ 784, 16 \}$'
keys C-d
shows "and left" '^left with status 0$'
cd_and run slow.lua -q --out paused >"$tmp/out.txt"
is "looking changes no bit" "$(digest paused)" "$(digest whole)"

start -i "$tmp/slow.lua"
shows "the prompt again" '^> *$'
text "r = e:run { out = '$tmp/edited' }"
keys Enter
shows "it trains again" '^ +1  '
keys C-c
shows "paused again" '^paused> *$'
does "the rate is changed" 'optimizer.lr = 0.0005'
enter "it is" 'ctx.optimizer.lr' '^0.0005'
keys C-l
keys C-d
shows "left" '^interrupted in epoch [0-9].*; saved in '
is "the change is noted" "$(cd_and show edited/checkpoint.h5)" '^edited +by hand: epoch [0-9]+(, batch [0-9]+)?: learning rate 0.001 to 0.0005; its script alone does not make these bits$'
is "the run goes on" "$(cd_and run slow.lua --out edited --epochs 6)" 'edited by hand \(epoch'
is "but the script does not make it again" "$(cd_and rerun edited)" 'this run was edited by hand \(epoch'
keys C-l
text "r = e:run { out = '$tmp/twice' }"
keys Enter
shows "it trains once more" '^ +1  '
keys C-c
shows "paused to make the batches slow" '^paused> *$'
keys C-l
text 'wait = 5 resume()'
keys Enter
shows "a slow batch has begun" '^a slow batch$'
keys C-c
sleep 0.5
keys C-c
shows "twice ends at once" '^(\^C)*interrupted$'
shows "and the session goes on" '^> *$'
is "with nothing torn" "$(cd_and verify twice)" 'run.h5: whole'

# A rate under a schedule that sets it before each step: it is said that it does nothing, and so it does.
sed 's/epochs = 40,/epochs = 40, schedule = pl.schedule.cosine { per = "step" },/' "$tmp/slow.lua" >"$tmp/steps.lua"
cd_and run steps.lua -q --epochs 6 --out steps-whole >"$tmp/whole.txt"
start -i "$tmp/steps.lua"
shows "the prompt" '^> *$'
text "r = e:run { out = '$tmp/steps' }"
keys Enter
shows "it trains" '^ +1  '
keys C-c
shows "paused under a schedule" '^paused> *$'
enter "what will happen is said" 'optimizer.lr = 0.5' '^the schedule \(pl.schedule.cosine\) sets the rate anew before the next step; to keep it: schedule = pl'
keys C-l
keys C-d
shows "left so" '^interrupted in epoch [0-9].*; saved in '
cd_and run steps.lua -q --out steps --epochs 6 >"$tmp/out.txt"
is "no bit is changed" "$(digest steps)" "$(digest steps-whole)"
is "so that it is not marked" "$(cd_and show steps | grep -c '^edited')" '^0$'
is "and the script makes it again" "$(cd_and rerun steps -q)" 'the same bits'

start -i "$tmp/steps.lua"
shows "the prompt again" '^> *$'
text "r = e:run { out = '$tmp/steps2', epochs = 4 }"
keys Enter
shows "it trains" '^ +1  '
keys C-c
shows "paused again" '^paused> *$'
enter "no schedule is refused" 'schedule = 3' '^a schedule is a function\(epoch, lr, ctx\)'
enter "another schedule" 'schedule = pl.schedule.constant { lr = 0.25 }' '^the rate is set by pl.schedule.constant \{ lr = 0.25 \} from the next epoch on; in this session'
keys C-l
text 'wait = 0 resume()'
keys Enter
shows "goes on to its end" '^test error'
enter "with that rate" 'r.history[4].lr' '^0.25$'
enter "and is marked" 'r.state.edited' '^"?epoch [0-9]+.*: schedule"?$'
enter "the experiment has its own still" 'tostring(e.schedule):match "cosine"' '^"?cosine"?$'

# The rate before an epoch, under a function that does not look at it, and one that does.
for rule in 'return 0.01' 'return lr * 0.5'; do
  sed "s/epochs = 40,/epochs = 40, schedule = function(epoch, lr, ctx) ctx.state.n = (ctx.state.n or 0) + math.random() $rule end,/" "$tmp/slow.lua" |
    sed 's/on_batch = /on_epoch = function(ctx) if ctx.epoch == 2 and not os.getenv "FAST" then io.popen("kill -INT " .. io.open "\/proc\/self\/stat":read "n"):close() end end, on_batch = /' >"$tmp/epochs.lua"
  cd_and run epochs.lua -q --epochs 4 --fresh --out epochs-whole >"$tmp/whole.txt"
  rm -rf "$tmp/epochs"
  start -i "$tmp/epochs.lua"
  shows "the prompt" '^> *$'
  text "wait = 0 r = e:run { out = '$tmp/epochs', epochs = 4 }"
  keys Enter
  shows "paused after an epoch" '^paused after epoch 2; '
  enter "what will happen is said" 'optimizer.lr = 0.5' '^the schedule \(a function\) sets the rate as epoch 3 begins, and is given 0.5 as the previous one; '
  keys C-l
  text 'resume()'
  keys Enter
  shows "goes on to its end" '^test error'
  case $rule in
  *lr*) is "a bit has changed, and it is marked" "$(cd_and show epochs)" '^edited +by hand: epoch 2: learning rate 0.00025 to 0.5; ';;
  *) is "no bit has changed" "$(digest epochs)" "$(digest epochs-whole)"
     is "and it is not marked" "$(cd_and show epochs | grep -c '^edited')" '^0$';;
  esac
done

echo "1..$n"
exit $bad
