#!/bin/sh
# The session fed from a pipe: no banner, no prompts, values printed, errors with their line, an exit status.
perilune=${BUILD:-build}/perilune
tmp=${TEST_TMP:-$(mktemp -d)}/repl_pipe
mkdir -p "$tmp"
n=0 bad=0
check() { # name, expected, found
  n=$((n + 1))
  if [ "$2" = "$3" ]; then echo "ok $n - $1"; return; fi
  bad=1
  echo "not ok $n - $1"
  printf 'expected:\n%s\nfound:\n%s\n' "$2" "$3" | sed 's/^/# /'
}
session() { printf '%s\n' "$@" | "$perilune" 2>"$tmp/errors"; }

check "values are printed, and nothing else" "4
tensor [2] f32
  1  2" "$(session '2 + 2' 'x = 3' 'pl.tensor { 1, 2 }' '' '-- a remark')"
check "several values, _ and =" "1
a
2" "$(session '1, "a"' '=_ + 1')"
check "a chunk over several lines" "1
2" "$(session 'for i = 1, 2 do' '  print(i)' 'end')"
check "local outlives its line" "5" "$(session 'local x <const>, y = 2, 3' 'x + y')"
check "quit leaves" "1" "$(session '1' 'quit' '2')"
check "exit() leaves" "1" "$(session '1' 'exit()' '2')"
check "unless it is a variable" "3
2" "$(session 'quit = 3' 'quit' '2')"
check "an error leaves the session alive" "after" "$(session 'error "first"' 'nothing.here' 'print "after"')"
check "errors name the line of the input" "stdin:2: first
stdin:3: attempt to index a nil value (global 'nothing')
stdin:5: unexpected symbol near '='" "$(session 'x = 1' 'error "first"' 'nothing.here' '' 'y = = 2' >/dev/null; cat "$tmp/errors")"
session 'error "x"' '1' >/dev/null
check "an error sets the exit status" 1 $?
session '1' >/dev/null
check "no error, no status" 0 $?
session 'print(1' >"$tmp/out"
check "input that ends in the middle is an error" "1 stdin:1: ')' expected near <eof>" "$? $(cat "$tmp/errors")"
check "traceback on request" "stdin:2: deep
stack traceback:
	[C]: in function 'error'
	stdin:2: in function 'g'
	stdin:3: in the session" "$(session 'traceback()' 'function g() error "deep" end' 'local v = g()' 'traceback()' | tail -n +2)"
printf 'a = 1\nlocal b = 2\nreturn { name = "it" }\n' >"$tmp/file.lua"
check "after a file: its globals, and e" "1
nil
it" "$(printf 'a\nb\ne.name\n' | "$perilune" -i "$tmp/file.lua")"
check "train, save, load, predict" "true
true
Linear(784 -> 10)
true	{ 20 }" "$(session 'train, test = data.digits { train = 1000, test = 200, seed = 1 }:splits()' \
  'model = nn.Sequential { nn.Flatten(), nn.Linear(784, 10) }' \
  'loss, opt = nn.CrossEntropy(), optim.Adam { lr = 0.01 }:bind(model)' \
  'for epoch = 1, 4 do' \
  '  for x, y in train:batches(50, { shuffle = true, seed = epoch }) do' \
  '    local value, grad = loss(model:forward(x), y)' \
  '    model:zero_grad() model:backward(grad) opt:step()' \
  '  end' 'end' \
  'model:evaluate(test).accuracy > 0.5' "model:save '$tmp/m.h5'" "local again = nn.load '$tmp/m.h5'" 'again[2]' \
  'x = test:tensors(1, 20)' 'print(again:predict(x):equal(model:predict(x)), "{ " .. #again:predict(x) .. " }")')"
check "help from the pipe" "nn.ReLU([options])" "$(session 'help "nn.relu"' | head -n 1)"
check "no colour, no escape sequences" "" "$(session 'help()' 'nn' 'pl.zeros(3, 3)' | grep "$(printf '\033')")"
echo "1..$n"
exit $bad
