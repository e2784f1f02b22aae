#!/bin/sh
# tests/run.sh: what counts as passed.
run=$PWD/tests/run.sh
tmp=${TEST_TMP:-$(mktemp -d)}/run
mkdir -p "$tmp/tests"
cd "$tmp" || exit 1
n=0 bad=0
says() { # name, what the test does, exit status, its line, the last line
  n=$((n + 1))
  printf '%s\n' "$2" >tests/inner_test.sh
  said=$(sh "$run" inner 2>&1)
  status=$?
  if [ "$status" = "$3" ] && printf '%s\n' "$said" | grep -qE -- "$4" && [ "$(printf '%s\n' "$said" | tail -1)" = "$5" ]; then
    echo "ok $n - $1"
  else
    bad=1
    echo "not ok $n - $1"
    printf '%s\n' "status $status" "$said" | sed 's/^/# /'
  fi
}
all='echo "ok 1 - a"; echo "ok 2 - b"'
says "tests that passed" "echo 1..2; $all" 0 '^  ok    tests/inner_test.sh +2$' '2 passed, 0 failed'
says "the plan at the end" "$all; echo 1..2" 0 '^  ok ' '2 passed, 0 failed'
says "two groups" "echo 1..2; $all; echo 1..1; echo 'ok 1 - c'" 0 '^  ok ' '3 passed, 0 failed'
says "skipped ones ran" "$all; echo 'not ok 3 # SKIP none here'; echo 1..3" 0 '^  ok ' '2 passed, 0 failed, 1 skipped'
says "more than planned, as of instruction sets that are not there" "$all; echo 'ok - x # SKIP'; echo 1..2" 0 '^  ok ' \
  '2 passed, 0 failed, 1 skipped'
says "a failed one" "$all; echo 'not ok 3 - c'; echo 1..3; exit 1" 1 '^  FAIL .* 1 of 3 failed \(exit status 1\)$' \
  '2 passed, 1 failed'
says "an end before the last, with status 0" "echo 1..19; $all; exit 0" 1 '^        \| 2 of 19 tests ran$' \
  '2 passed, 1 failed'
says "a group that is missing" "echo 1..2; $all; echo 1..2; echo 'ok 1 - c'" 1 '\| 3 of 4 tests ran$' '3 passed, 1 failed'
says "no plan" "$all" 1 '\| how many tests there are \(1..N\) is not said$' '2 passed, 1 failed'
says "no test" "exit 0" 1 'is not said$' '0 passed, 1 failed'
says "an exit status without a failed test" "$all; echo 1..2; exit 3" 1 ' 1 of 3 failed \(exit status 3\)$' \
  '2 passed, 1 failed'
echo "1..$n"
exit $bad
