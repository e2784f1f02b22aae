#!/bin/sh
# Runs every test program; each prints TAP. Shows failures, then "N passed, N failed". Exit status is the verdict.
# usage: tests/run.sh [pattern]     only the tests whose path contains the pattern
BUILD=${BUILD:-build}
LUA=${LUA:-lua5.4}
pattern=${1:-}
export BUILD LUA CMOCKA_MESSAGE_OUTPUT=TAP
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
export TEST_TMP="$scratch"
passed=0 failed=0 skipped=0

run() { # name, command...
  name=$1; shift
  case "$name" in *"$pattern"*) ;; *) return;; esac
  "$@" >"$scratch/out" 2>&1 </dev/null
  status=$?
  ok=$(grep -c '^ok ' "$scratch/out"); bad=$(grep -c '^not ok ' "$scratch/out")
  skip=$(grep -ciE '^ok .*# *skip' "$scratch/out")
  if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
  if [ "$status" -eq 0 ] && [ "$((ok + bad))" -eq 0 ]; then bad=1; echo "no test ran in $name"; fi
  passed=$((passed + ok - skip)); failed=$((failed + bad)); skipped=$((skipped + skip))
  if [ "$bad" -eq 0 ]; then
    printf '  ok    %-44s %3d' "$name" "$((ok - skip))"
    [ "$skip" -gt 0 ] && printf ', %d skipped' "$skip"
    echo
    grep -iE '^ok .*# *skip' "$scratch/out" | sed 's/^/          /'
  else
    printf '  FAIL  %-44s %3d of %d failed (exit status %d)\n' "$name" "$bad" "$((ok + bad))" "$status"
    sed 's/^/        | /' "$scratch/out" | grep -vE '^        \| ok ' | head -60
  fi
}

for t in "$BUILD"/tests/c/*_test "$BUILD"/tests/kernels/*_test; do [ -x "$t" ] && run "${t#"$BUILD"/}" "$t"; done
for t in tests/lua/*_test.lua tests/cli/*_test.lua; do [ -f "$t" ] && run "$t" "$BUILD/perilune" "$t"; done
for t in tests/*_test.sh tests/cli/*_test.sh; do [ -f "$t" ] && run "$t" sh "$t"; done
[ -f tests/layering.sh ] && run tests/layering.sh sh tests/layering.sh

if [ "$skipped" -gt 0 ]; then echo "$passed passed, $failed failed, $skipped skipped"; else echo "$passed passed, $failed failed"; fi
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
