#!/bin/sh
# Runs every test program; each prints TAP. Shows failures, then "N passed, N failed". Exit status is the verdict.
# A test is one whose source is there, whatever was built from others; it has TEST_SECONDS (600) to end.
# usage: tests/run.sh [pattern]     only the tests whose path contains the pattern
BUILD=${BUILD:-build}
LUA=${LUA:-lua5.4}
pattern=${1:-}
export BUILD LUA CMOCKA_MESSAGE_OUTPUT=TAP
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
export TEST_TMP="$scratch"
# What tests train is noted in the scratch folder, not in the home of who runs them; data sets are looked for where they were.
export PERILUNE_DATA="${PERILUNE_DATA:-${XDG_DATA_HOME:-$HOME/.local/share}/perilune}" XDG_DATA_HOME="$scratch/.local"
seconds=${TEST_SECONDS:-600}
passed=0 failed=0 skipped=0
skipped_line='^(not )?ok .*# *skip'

# Where there is no timeout(1), a watch ends the test, though not what that has started.
limited() { # command...
  for t in timeout gtimeout; do
    if command -v $t >/dev/null; then
      $t -k 5 "$seconds" "$@"
      return
    fi
  done
  rm -f "$scratch/late"
  "$@" &
  test=$!
  (
    left=$seconds
    while [ "$left" -gt 0 ] && kill -0 "$test"; do sleep 1; left=$((left - 1)); done
    [ "$left" -gt 0 ] || { : >"$scratch/late"; kill -KILL "$test"; }
  ) >/dev/null 2>&1 &
  watch=$!
  wait "$test"
  late=$?
  kill "$watch" 2>/dev/null
  wait "$watch" 2>/dev/null
  [ ! -f "$scratch/late" ] || late=124
  return $late
}

run() { # name, command...
  name=$1; shift
  case "$name" in *"$pattern"*) ;; *) return;; esac
  limited "$@" >"$scratch/out" 2>&1 </dev/null
  status=$?
  [ "$status" -ne 124 ] || echo "did not end within $seconds seconds" >>"$scratch/out"
  # cmocka 1.1 says "not ok" of a test that was skipped
  skip=$(grep -ciE "$skipped_line" "$scratch/out")
  ok=$(grep -viE "$skipped_line" "$scratch/out" | grep -c '^ok '); bad=$(grep -viE "$skipped_line" "$scratch/out" | grep -c '^not ok ')
  # a program that ends early with status 0 has run fewer than it said; one that says nothing may have
  plan=$(sed -n 's/^1\.\.\([0-9][0-9]*\)$/\1/p' "$scratch/out" | awk '{ n += $1 } END { print n + 0 }') ran=$((ok + bad + skip))
  if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
  if [ "$status" -eq 0 ] && { [ "$plan" -eq 0 ] || [ "$ran" -lt "$plan" ]; }; then
    bad=$((bad + 1))
    [ "$plan" -eq 0 ] && echo "how many tests there are (1..N) is not said" >>"$scratch/out" || echo "$ran of $plan tests ran" >>"$scratch/out"
  fi
  passed=$((passed + ok)); failed=$((failed + bad)); skipped=$((skipped + skip))
  if [ "$bad" -eq 0 ]; then
    printf '  ok    %-44s %3d' "$name" "$ok"
    [ "$skip" -gt 0 ] && printf ', %d skipped' "$skip"
    echo
    [ "$skip" -gt 0 ] && grep -B1 -iE "$skipped_line" "$scratch/out" | grep -vE '^ok [^#]*$|^--$|^1\.\.' | sed 's/^/          /'
  else
    printf '  FAIL  %-44s %3d of %d failed (exit status %d)\n' "$name" "$bad" "$((ok + bad))" "$status"
    sed 's/^/        | /' "$scratch/out" | grep -vE '^        \| ok ' | head -60
  fi
}

for t in tests/c/*_test.c tests/kernels/*_test.c; do [ -f "$t" ] && run "${t%.c}" "$BUILD/${t%.c}"; done
for t in tests/fuzz/*_fuzz.c; do [ -f "$t" ] && run "${t%.c}_test" "$BUILD/${t%.c}_test"; done
for t in tests/lua/*_test.lua tests/cli/*_test.lua; do [ -f "$t" ] && run "$t" "$BUILD/perilune" "$t"; done
for t in tests/*_test.sh tests/cli/*_test.sh; do [ -f "$t" ] && run "$t" sh "$t"; done
for t in tests/campaigns/*.lua; do
  case "$t" in *_*|*/run.lua|*/support.lua|*/plants.lua) ;; *) CAMPAIGN_SHORT=1 run "$t" "$BUILD/perilune" "$t";; esac
done
[ -f tests/layering.sh ] && run tests/layering.sh sh tests/layering.sh

if [ "$skipped" -gt 0 ]; then echo "$passed passed, $failed failed, $skipped skipped"; else echo "$passed passed, $failed failed"; fi
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
