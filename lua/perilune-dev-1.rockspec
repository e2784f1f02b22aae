-- At the top of the source: luarocks make lua/perilune-dev-1.rockspec
-- Libraries are found by pkg-config, as in any other build (make deps installs them).
rockspec_format = "3.0"
package = "perilune"
version = "dev-1"
source = { url = "file://." }
description = { summary = "A small, fast runtime for neural-network experiments, in C",
  detailed = "The module perilune for Lua 5.4, and the program of the same name.", license = "MIT" }
supported_platforms = { "linux", "macosx" }
dependencies = { "lua >= 5.4, < 5.5" }
build = { type = "make", build_target = "all", install_target = "install-rock",
  install_variables = { BINDIR = "$(BINDIR)", LIBDIR = "$(LIBDIR)" } }
