#!/bin/sh
# No line over 120 columns, no file over 400 lines; golden files aside.
cd "$(dirname "$0")/.." || exit 1
echo 1..1
if said=$(find runtime include lua experiments tests \( -name '*.c' -o -name '*.h' -o -name '*.def' -o -name '*.lua' \) \
  ! -path 'tests/golden/*' | LC_ALL=C sort | LC_ALL=C.UTF-8 xargs awk '
  function check() { if (lines > 400) { print name ": " lines " lines, at most 400"; bad = 1 } }
  FNR == 1 { check(); name = FILENAME }
  { lines = FNR }
  length($0) > 120 { print FILENAME ":" FNR ": over 120 columns"; bad = 1 }
  END { check(); exit bad }'); then
  echo "ok 1 - lines and files are short enough"
else
  echo "not ok 1 - lines and files are short enough"
  echo "$said" | sed 's/^/# /'
  exit 1
fi
