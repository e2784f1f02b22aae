#!/bin/sh
# A session at a terminal, driven through tmux: keys go in, the screen is compared with what it must show.
name=repl
. tests/cli/support_tmux.sh

start
shows "the banner" '^Perilune [0-9.]+, Lua 5\.4'
shows "says how to get help" '^help\(\) lists topics'
shows "the prompt" '^> *$'
enter "an expression is printed" '6 * 7' '^42$'
does "a model is built" 'model = nn.Sequential { nn.Flatten(), nn.Linear(784, 30, { name = "fc1" }), nn.ReLU(), nn.Linear(30, 10) }'
enter "its summary" 'model:summary { 28, 28, 1 }' '^total +23.?860'
enter "one weight" 'model[4].weight[1]' '^tensor \[10\] f32'
does "a local outlives its line" 'local w = model:find("fc1").weight'
enter "and is printed" 'w.shape' '^\{ 784, 30 \}$'
enter "a mistake is one line" 'model:infer(pl.zeros(1, 5))' '^stdin:1: the model was built for .* cannot take .N, 5.'
keys C-l
text 'for i = 1, 3 do'
keys Enter
shows "more lines are waited for" '^>> *$'
text '  x = i'
keys Enter
text 'end x'
keys BSpace BSpace
keys Enter
enter "the loop ran" 'x' '^3$'

keys C-l
text 'mod'
keys Tab
text ':summ'
keys Tab
shows "names and methods are completed" '^> model:summary$'
text '('
shows "what is typed is shown" '^> model:summary\($'
keys C-c
shows "Ctrl-C clears the line" '^> *$'
keys C-l
text 'pl.zero'
keys Tab Tab
text '(2)'
keys Enter
shows "and the session goes on" '^  0  0$'
keys C-l
text 'nn.conv'
keys Tab
shows "case is mended" '^> nn\.Conv2d$'
keys C-u
text 'help "nn.Max'
keys Tab
text '"'
keys Enter
shows "help" '^nn\.MaxPool2d\(kernel \[, options\]\)$'

keys C-l
text 'n = 0 print "in the loop" while true do n = n + 1 end'
keys Enter
shows "it runs" '^in the loop$'
keys C-c
shows "Ctrl-C stops a computation" '^(\^C)?interrupted$'
enter "and the session goes on" 'n > 0' '^true$'
enter "letters beyond ASCII" '"Grüße" .. utf8.len "ß"' '^Grüße1$'

# The whole way: data, some steps by hand, an interruption, more steps, the file and back.
does "data" 'train, test = data.digits { train = 2000, test = 200, seed = 1 }:splits()'
enter "a data set says what it is" '#train' '^2000$'
does "a loss and an optimizer" 'loss, opt = nn.CrossEntropy(), optim.SGD { lr = 0.1, momentum = 0.9 }:bind(model)'
keys C-l
text 'function epoch(n)'
keys Enter
text '  local value, grad'
keys Enter
text '  for x, y in train:batches(50, { shuffle = true, seed = n }) do'
keys Enter
text '    value, grad = loss(model:forward(x), y)'
keys Enter
text '    model:zero_grad() model:backward(grad) opt:step()'
keys Enter
text '  end return value'
keys Enter
text 'end x'
keys BSpace BSpace Enter
shows "a function over several lines" '^> *$'
does "an epoch" 'first = epoch(1)' 60
enter "has its steps" 'opt.steps' '^40$'
keys C-l
text 'n = 1 while true do n = n + 1 last = epoch(n) if n == 2 then print "in the loop" end end'
keys Enter
shows "it trains" '^in the loop$' 60
keys C-c
shows "Ctrl-C interrupts the training" '^(\^C)?interrupted$' 60
enter "steps were made" 'opt.steps > 40' '^true$'
does "and training goes on" 'last = epoch(n + 1)' 60
enter "and has helped" 'last < first, model:evaluate(test).accuracy > 0.5' '^true$'
enter "saved" "model:save '$tmp/digits.h5'" '^true$'
does "loaded" "again = nn.load '$tmp/digits.h5'"
enter "a model prints as its layers" 'again' '^  Linear "fc1"\(784 -> 30\)$'
does "some images" 'x, y = test:tensors(1, 8)'
enter "both predict the same" 'again:predict(x):equal(model:predict(x)), again:predict(x).shape' '^\{ 8 \}$'
keys C-l
text 'x:show { count = 1 }'
keys Enter
shows "an image" '(@@|%%|##)'

keys C-l
text 'n >'
keys Up
shows "an earlier line comes back by its beginning" '^> n > 0$'
keys C-u C-d
shows "Ctrl-D leaves" '^left with status 0$'
start
shows "a new session" '^> *$'
keys Up
shows "has the lines of the old one" '^> x:show'
keys C-u C-d
shows "and leaves" '^left with status 0$'
echo "1..$n"
exit $bad
