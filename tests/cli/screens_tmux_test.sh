# No line of what the commands print wraps, in terminals from 60 to 250 columns; the monitored column is there in each.
name=screens
. tests/cli/support_tmux.sh
ln -sf "$perilune" "$tmp/p"
ln -sf "$PWD/experiments" "$tmp/experiments"
cat >"$tmp/x.lua" <<'EOF'
local pl = require "perilune"
local nn = pl.nn
return pl.experiment { name = "Look", data = pl.data.digits { train = 300, test = 100 }, loss = nn.CrossEntropy(),
  model = nn.Sequential { nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 12 * 12, 10, { name = "out" }) },
  optimizer = pl.optim.Adam {}, epochs = 2, batch_size = 32, validation = 0.1, metrics = { "macro_f1" },
  stopping = pl.stopping.patience { monitor = "val_macro_f1", patience = 3 }, documented = { error = 0.03, source = "nowhere, section 9.5" } }
EOF
long="runs/a folder with a name that is quite long, so that no table has room for it"
for seed in 1 2; do (cd "$tmp" && ./p run x.lua -q --seed $seed --out "$long $seed" >/dev/null); done
for width in 60 80 140 250; do
  for command in "run x.lua --fresh" "show runs/look-s1" "check x.lua" "help" "help nn.Conv2d" \
    runs "compare runs/*" "show '$long 1'" reproduce "data list"; do
    t kill-server
    server=$((server + 1))
    t new-session -d -x "$width" -y 150 "cd '$tmp' && NO_COLOR=1 LC_ALL=C.UTF-8 ./p $command; echo left with status \$?; sleep 60"
    shows "$command at $width columns ends" '^left with status' 30
    n=$((n + 1))
    wrapped=$(t capture-pane -pJ | awk -v w="$width" 'length($0) > w' | grep -v '^ *\(another seed\|by hand\|look closer\)')
    if [ -z "$wrapped" ]; then echo "ok $n - $command at $width columns does not wrap"
    else echo "not ok $n - $command at $width columns does not wrap"; echo "$wrapped" | sed 's/^/# /'; bad=1; fi
    case $command in "run "*|show*) shows "$command at $width columns shows what is monitored" 'val macro f1';; esac
  done
done

# Long labels are cut, and the numbers of the confusion matrix are there.
cat >"$tmp/named.lua" <<'EOF'
local pl = require "perilune"
local data, labels = pl.data.digits { train = 300, test = 100 }, {}
for i = 1, 10 do labels[i] = "number " .. i end
data.labels = labels
return pl.experiment { name = "Named", data = data, model = pl.nn.Sequential { pl.nn.Flatten(), pl.nn.Linear(784, 10) },
  loss = pl.nn.CrossEntropy(), optimizer = pl.optim.Adam {}, epochs = 1, batch_size = 32 }
EOF
(cd "$tmp" && ./p run named.lua -q >/dev/null)
t kill-server
server=$((server + 1))
t new-session -d -x 80 -y 150 "cd '$tmp' && NO_COLOR=1 LC_ALL=C.UTF-8 ./p show runs/named-s1; sleep 60"
shows "a confusion matrix of long labels has its numbers" '^ *number 10( +([0-9]+|·)){10}$'

# Groups that do not fit beside each other are below, none is left out.
sed 's/pl.nn.Linear(784, 10)/pl.nn.Linear(784, pl.arg("units", 4)), pl.nn.Linear(pl.arg("units", 4), 10)/' "$tmp/named.lua" >"$tmp/w.lua"
for units in 1 2 3 4 5 6; do (cd "$tmp" && ./p run w.lua -q units=$units --out w/$units >/dev/null); done
t kill-server
server=$((server + 1))
t new-session -d -x 60 -y 150 "cd '$tmp' && NO_COLOR=1 LC_ALL=C.UTF-8 ./p compare w/*; echo left with status \$?; sleep 60"
shows "six groups are compared at 60 columns" '^left with status 0' 30
n=$((n + 1))
if [ "$(t capture-pane -p | grep -cE '^ .* F$')" -eq 2 ] && ! t capture-pane -p | grep -q 'no room'; then
  echo "ok $n - each has its settings and its results"
else echo "not ok $n - each has its settings and its results"; t capture-pane -p | sed 's/^/# /'; bad=1; fi
echo "1..$n"
exit $bad
