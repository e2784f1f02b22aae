# What the tests at a terminal share: sourced, with $name set. Sessions of the program in tmux; keys; what the screen must show.
perilune=$(pwd)/${BUILD:-build}/perilune
tmp=${TEST_TMP:-$(mktemp -d)}/${name}_tmux
if ! command -v tmux >/dev/null; then
  echo "ok 1 - a session in a terminal # SKIP tmux is not installed"
  echo "1..1"
  exit 0
fi
mkdir -p "$tmp/home"
TMUX_TMPDIR=$tmp
export TMUX_TMPDIR
unset TMUX
server=0   # one each session: a server that is ending takes no new one
t() { tmux -L "perilune$server" -f /dev/null "$@" 2>/dev/null; }
trap 't kill-server' EXIT
n=0 bad=0

start() {
  t kill-server
  server=$((server + 1))
  t new-session -d -x 100 -y 50 "HOME='$tmp/home' XDG_STATE_HOME='$tmp/home' NO_COLOR=1 LC_ALL=C.UTF-8 '$perilune' $*; echo left with status \$?; sleep 60"
}
screen() { t capture-pane -p; }
keys() { t send-keys "$@"; }
text() { t send-keys -l -- "$1"; }

# Waits until a line of the screen fits the pattern; shows the screen when none does in time.
shows() { # name, extended regular expression [, seconds]
  n=$((n + 1))
  tries=$((${3:-20} * 10))
  while [ "$tries" -gt 0 ]; do
    if screen | grep -qE -- "$2"; then echo "ok $n - $1"; return; fi
    tries=$((tries - 1))
    sleep 0.1
  done
  bad=1
  echo "not ok $n - $1"
  { echo "expected a line like: $2"; screen | grep -v '^$'; } | sed 's/^/# /'
}
# Clears the screen, types a line, and waits for what it must bring.
enter() { # name, line, pattern [, seconds]
  keys C-l
  text "$2"
  keys Enter
  shows "$1" "$3" "$4"
}
# The same for a statement that prints nothing.
does() { # name, line [, seconds]
  enter "$1" "$2 print 'done $n'" "^done $n\$" "$3"
}

