#!/bin/sh
# No line over 120 columns, no file over 400 lines. usage: tests/lines.sh [--write]
# tests/lines_exceptions.txt lists the files that still have more: "path lines long-lines". They may only become better: a file
# that is worse than its entry, or has none, is an error; --write writes the list anew from what is there.
cd "$(dirname "$0")/.." || exit 1
list=tests/lines_exceptions.txt

files() {
  find runtime include lua experiments tests \( -name '*.c' -o -name '*.h' -o -name '*.def' -o -name '*.lua' \) ! -path 'tests/golden/*' | LC_ALL=C sort
}
# "path lines long-lines" of each file that breaks a rule
faults() { files | LC_ALL=C.UTF-8 xargs awk '
  function say() { if (name != "" && (long > 0 || n > 400)) print name, n, long + 0 }
  FNR == 1 { say(); name = FILENAME; n = long = 0 }
  { n = FNR; if (length($0) > 120) long++ }
  END { say() }'; }

if [ "${1:-}" = --write ]; then faults >"$list"; exit; fi
faults | awk -v list="$list" '
  BEGIN { while ((getline line < list) > 0) { split(line, f, " "); lines[f[1]] = f[2]; long[f[1]] = f[3] } }
  {
    most = lines[$1] > 400 ? lines[$1] : 400
    if ($2 > most) { print $1 ": " $2 " lines, at most " most; bad = 1 }
    if ($3 > long[$1] + 0) { print $1 ": " $3 " lines over 120 columns, at most " long[$1] + 0; bad = 1 }
    if ($2 < lines[$1] && lines[$1] > 400 || $3 < long[$1]) better++
  }
  END {
    if (better) print better " files are better than " list " says: sh tests/lines.sh --write"
    exit bad
  }'
