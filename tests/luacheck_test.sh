#!/bin/sh
# luacheck has nothing to say: unused names, slips, shadowing, globals.
echo 1..1
if ! command -v luacheck >/dev/null; then
  echo "ok 1 - luacheck # SKIP it is not installed (Debian: lua-check)"
elif said=$(luacheck --no-color -q lua tests experiments 2>&1); then
  echo "ok 1 - luacheck"
else
  echo "not ok 1 - luacheck"
  echo "$said" | sed 's/^/# /'
  exit 1
fi
