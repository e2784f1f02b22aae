#!/bin/sh
# Output that cannot be written is an error, for every command: standard output is a full disk here.
program=${BUILD:-build}/perilune
case $program in /*) ;; *) program=$PWD/$program;; esac
cd "${TEST_TMP:-$(mktemp -d)}" || exit 1
[ -w /dev/full ] || { echo "ok 1 - there is no /dev/full # SKIP"; echo "1..1"; exit 0; }
n=0 failed=0
lost() { # what, words...
  n=$((n + 1)); what=$1; shift
  message=$("$@" 2>&1 >/dev/full); status=$?
  case "$message" in *"cannot write standard output: "*) said=yes;; *) said=no;; esac
  if [ "$status" -ne 0 ] && [ "$said" = yes ]; then echo "ok $n - $what"; else echo "not ok $n - $what: exit status $status, '$message'"; failed=1; fi
}
cat >output.lua <<'L'
local pl = require "perilune"
return pl.experiment { name = "output", data = pl.data.digits { train = 64, test = 20 }, model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) },
  loss = pl.nn.CrossEntropy(), optimizer = pl.optim.SGD { lr = 0.1 }, epochs = 1, batch_size = 32 }
L
"$program" run output.lua --quiet --out output_run >/dev/null || exit 1
lost "show" "$program" show output_run
lost "show --csv" "$program" show output_run --csv
lost "show --json" "$program" show output_run --json
lost "verify" "$program" verify output_run
lost "runs" "$program" runs output_run
lost "check" "$program" check output.lua
lost "version" "$program" version
lost "help" "$program" help
lost "run" "$program" run output.lua --quiet --fresh --out output_run
lost "a script" "$program" -e 'print "text"'
echo 'for i = 1, 10000 do print(i) end' >much.lua
lost "a script that prints much" "$program" much.lua
[ "$("$program" much.lua | head -1)" = 1 ] && echo "ok $((n += 1)) - a reader that goes away" || { echo "not ok $n - a reader that goes away"; failed=1; }

# Where standard output is closed, no file that is opened is it.
message=$("$program" -e 'local file = io.open("opened", "w") print "text" file:close()' 2>&1 >&-); status=$?
n=$((n + 1))
if [ "$status" -ne 0 ] && [ -f opened ] && [ ! -s opened ]; then echo "ok $n - closed standard output"; else echo "not ok $n - closed standard output: exit status $status, '$message', '$(cat opened)'"; failed=1; fi

# A file that may not grow is a save that fails, not the end of the training.
message=$( (ulimit -f 1; "$program" run output.lua --quiet --fresh --out limited 2>&1 >/dev/null) ); status=$?
n=$((n + 1))
case "$status $message" in "1 "*"could not save: "*"File too large"*) echo "ok $n - a limit of a file's size";; *) echo "not ok $n - a limit of a file's size: exit status $status, '$message'"; failed=1;; esac
echo "1..$n"
exit $failed
