#!/bin/sh
# Data flows one way: a module includes only modules to its left, base and kernels. Kernels know no module at all;
# only bind sees Lua, and nothing sees bind.
modules="tensor data layers graph loss optim train store"
base="base|api|error|alloc|shape|rng|math|threads|cpu|options|settings"   # the folder and its public headers
bad=0 n=0
check() { # description, file list that must be empty
  n=$((n + 1))
  if [ -z "$2" ]; then echo "ok $n - $1"; else echo "not ok $n - $1"; echo "$2" | sed 's/^/# /'; bad=1; fi
}
left="$base kernels model exec readers"   # headers that have no folder of their own: of graph, of data
for module in $modules; do
  left="$left $module"
  [ "$module" != store ] || left="$left saved"   # a public header of this folder
  allowed=$(echo "$left" | tr ' ' '|')
  check "$module includes only itself and what is to its left" \
    "$(grep -rnE '#include "' runtime/$module 2>/dev/null | grep -vE "\"(perilune/)?($allowed)(\.h|/)|#include \"[a-z_0-9]+\.(h|def)\"")"
done
check "base includes only base" "$(grep -rnE '#include "' runtime/base | grep -vE "\"(perilune/)?($base)(\.h|/)")"
check "kernels include only kernels and base" "$(grep -rnE '#include "' runtime/kernels | grep -vE "\"(perilune/($base)\.h|kernels[./].*|kernels\.def)\"")"
check "every public header can be included alone" "$(for h in include/perilune/*.h; do
  echo "#include \"${h#include/}\"" | ${CC:-cc} -std=c11 -Wall -Wextra -Werror -Iinclude -fsyntax-only -x c - 2>&1
done)"
check "cpu includes only kernels and base" "$(grep -rnE '#include "' runtime/cpu | grep -vE "\"(perilune/($base)\.h|kernels/.*)\"")"
check "only bind and main see Lua" "$(grep -rnE '#include .*(lua|lauxlib|lualib)\.h' runtime include | grep -vE '^runtime/(bind/|main\.c)')"
check "nothing sees bind" "$(grep -rnE '#include "bind/' runtime | grep -v '^runtime/bind/')"
check "every kernel is called by a test in C (an optimizer's step: through the optimizer)" \
  "$(grep '^KERNEL' runtime/kernels/kernels.def | grep -v 'pl_update' | sed 's/^KERNEL([^,]*, \([a-z0-9_]*\),.*/\1/' | while read -r name; do
       [ "$name" = descend ] || grep -qr "pl_kernel\.$name\>" tests/kernels tests/c || echo "$name"
     done)"
check "every kernel has its line in tests/bench/kernel_shapes.c" \
  "$(sed -n 's/^KERNEL([^,]*, \([a-z0-9_]*\),.*/\1/p' runtime/kernels/kernels.def | while read -r name; do
       grep -qE "\\((${name%_forward}|${name%_backward}|$name)[,)]" tests/bench/kernel_shapes.c || echo "$name"
     done)"
echo "1..$n"
exit $bad
