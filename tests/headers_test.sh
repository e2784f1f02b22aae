#!/bin/sh
# Every function and table of a public header has a comment directly above; at most three in a row share one.
cd "$(dirname "$0")/.." || exit 1
echo 1..2
status=0
result() { # number, title, what is wrong
  if [ -z "$3" ]; then echo "ok $1 - $2"; else
    echo "not ok $1 - $2"
    echo "$3" | sed 's/^/# /'
    status=1
  fi
}
# A line is a comment's, a declaration's (begun by PL_API, up to its semicolon), or neither, which ends what is shared.
result 1 "every public function is explained" "$(awk '
  FNR == 1 { explained = inside = declaring = 0 }
  inside { if (/\*\//) inside = 0; next }
  declaring { if (/;/) declaring = 0; next }
  /^ *\/\*/ {
    explained = /---- / ? 0 : 3
    if (!/\*\//) inside = 1
    next
  }
  /^PL_API / {
    if (explained-- <= 0) print FILENAME ":" FNR ": " $0
    if (!/;/) declaring = 1
    next
  }
  !/^#define / { explained = 0 }' include/perilune/*.h)"
result 2 "PL_API begins a line, so that the first test sees it" "$(grep -n 'PL_API' include/perilune/*.h |
  grep -vE ':PL_API |:#define PL_API')"
exit $status
