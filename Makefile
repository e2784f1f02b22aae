# Perilune. `make help` lists what can be done.

UNAME_S  := $(shell uname -s)

# Apple's clang has no OpenMP: on macOS Homebrew's GCC is taken, or its libomp beside Apple's clang.
ifeq ($(origin CC),default)
CC := cc
ifeq ($(UNAME_S),Darwin)
BREW   := $(shell brew --prefix 2>/dev/null)
MAC_CC := $(lastword $(sort $(wildcard $(BREW)/bin/gcc-1[1-9])))
ifneq ($(MAC_CC),)
CC := $(MAC_CC)
else ifneq ($(wildcard $(BREW)/opt/libomp/lib/libomp.*),)
OPENMP_CFLAGS := -Xpreprocessor -fopenmp -I$(BREW)/opt/libomp/include
OPENMP_LIBS   := -L$(BREW)/opt/libomp/lib -lomp
else ifeq ($(filter deps help clean run test campaign,$(MAKECMDGOALS)),)
$(error Apple's compiler has no OpenMP: brew install gcc (or libomp), or give CC=; `make deps` does it)
endif
endif
endif
OPENMP_CFLAGS ?= -fopenmp
OPENMP_LIBS   ?= -fopenmp
BUILD    ?= build
# The lists of headers (*.d) name what is built by this path: the same one however it was given.
override BUILD := $(patsubst $(CURDIR)/%,%,$(BUILD))
PREFIX   ?= /usr/local
override PREFIX := $(abspath $(PREFIX))
OPT      ?= -O3
WERROR   ?=
SANITIZE ?=
SANITIZE_KERNELS ?= $(SANITIZE)
LUA      ?= $(shell command -v lua5.4 || command -v lua54 || echo lua)
ARGS     ?=

UNAME_M  := $(shell uname -m)

# Asked once, and only when something is compiled: before `make deps` there may be no pkg-config.
once       = $(eval $(1) := $(2))$($(1))
LUA_PC     = $(call once,LUA_PC,$(shell for p in lua5.4 lua-5.4 lua54 lua; do pkg-config --exists $$p && echo $$p && break; done))
HDF5_PC    = $(call once,HDF5_PC,$(shell for p in hdf5 hdf5-serial; do pkg-config --exists $$p && echo $$p && break; done))
LIBRARIES := libedit libcjson libmd zlib libcurl
PKG_CFLAGS = $(call once,PKG_CFLAGS,$(shell pkg-config --cflags $(LUA_PC) $(HDF5_PC) $(LIBRARIES)))
# Loaded by name when first needed, not linked: libhdf5 (runtime/store/hdf5.h), libcurl, libpng, libturbojpeg (runtime/data).
PKG_LIBS   = $(call once,PKG_LIBS,$(shell pkg-config --libs $(filter-out libcurl,$(LIBRARIES))))
LUA_LIBS   = $(call once,LUA_LIBS,$(shell pkg-config --libs $(LUA_PC)))
TEST_LIBS  = $(call once,TEST_LIBS,$(shell pkg-config --libs cmocka))

WARN     := -Wall -Wextra -Wstrict-prototypes -Wvla $(if $(WERROR),-Werror)
# No contraction: every fused multiply-add is written, so that every compiler computes the same bits.
CFLAGS   += -std=c11 $(OPT) -g -fPIC $(OPENMP_CFLAGS) -fno-math-errno -ffp-contract=off -fvisibility=hidden \
            $(WARN) $(SANITIZE) -D_GNU_SOURCE -Iinclude -Iruntime $(PKG_CFLAGS)
LDFLAGS  += $(OPENMP_LIBS) $(SANITIZE)
LDLIBS    = $(PKG_LIBS) -lm -ldl -lpthread

ifeq ($(UNAME_M),x86_64)
ISAS := baseline avx2 avx512
else ifneq ($(filter arm64 aarch64,$(UNAME_M)),)
ISAS := neon
else
ISAS := baseline
endif
ISA_baseline :=
ISA_avx2     := -march=x86-64-v3
ISA_avx512   := -march=x86-64-v4 -mprefer-vector-width=512
ISA_neon     :=

KERNELS  := $(wildcard runtime/kernels/*.c)
SOURCES  := $(filter-out $(KERNELS) runtime/main.c,$(wildcard runtime/*/*.c runtime/*/*/*.c))
LUAFILES := $(wildcard lua/perilune/*.lua lua/perilune/*/*.lua lua/meta/*.lua)

OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o) \
            $(foreach i,$(ISAS),$(KERNELS:runtime/kernels/%.c=$(BUILD)/runtime/kernels/%.$(i).o))
CORE     := $(filter-out $(BUILD)/runtime/bind/%,$(OBJECTS))
EMBED    := $(BUILD)/embedded.o
PROGRAM  := $(BUILD)/perilune
MODULE   := $(BUILD)/perilune.so
# The C library: its interface is what the public headers mark. The first number of the version is that of the interface.
VERSION  := $(shell sed -n 's/^.define PL_VERSION "\(.*\)"/\1/p' include/perilune/api.h)
INTERFACE := $(firstword $(subst ., ,$(VERSION)))
ifeq ($(UNAME_S),Darwin)
SHARED   := libperilune.dylib
SONAME   := libperilune.$(INTERFACE).dylib
LIBRARY  := $(BUILD)/libperilune.$(VERSION).dylib
SHARED_FLAGS = -install_name $(PREFIX)/lib/$(SONAME)
else
SHARED   := libperilune.so
SONAME   := $(SHARED).$(INTERFACE)
LIBRARY  := $(BUILD)/$(SHARED).$(VERSION)
SHARED_FLAGS = -Wl,-soname,$(SONAME) -Wl,--version-script=$(BUILD)/libperilune.map -Wl,-z,nodelete
endif

all: $(PROGRAM) $(MODULE)

$(PROGRAM): $(BUILD)/runtime/main.o $(OBJECTS) $(EMBED)
	@echo "  LD $@"; $(CC) $(LDFLAGS) -o $@ $^ $(LUA_LIBS) $(LDLIBS)

# libgomp's threads outlive lua_close, which unloads modules: so this one is never unloaded.
$(MODULE): $(OBJECTS) $(EMBED)
	@echo "  LD $@"; $(CC) $(LDFLAGS) -shared $(if $(filter Darwin,$(UNAME_S)),-undefined dynamic_lookup,-Wl,-z$(comma)nodelete) -o $@ $^ $(LDLIBS)
comma := ,

$(LIBRARY): $(CORE)
	@echo '{ global: pl_*; local: *; };' >$(BUILD)/libperilune.map
	@echo "  LD $@"; $(CC) $(LDFLAGS) -shared $(SHARED_FLAGS) -o $@ $^ $(filter-out -ledit,$(LDLIBS))

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/runtime/data/readers/png.o:  CFLAGS += $(shell pkg-config --cflags libpng)
$(BUILD)/runtime/data/readers/jpeg.o: CFLAGS += $(shell pkg-config --cflags libturbojpeg)

# The name under which the linker would record libhdf5: that of a program linked with it.
$(BUILD)/runtime/store/hdf5.o: CFLAGS += -DPL_HDF5_LIBRARY='"$(shell mkdir -p $(BUILD)/runtime/store && \
  echo 'int main(void) { return 0; }' | $(CC) -x c - -o $(BUILD)/runtime/store/probe $(if $(filter Darwin,$(UNAME_S)),,-Wl$(comma)--no-as-needed) \
  $$(pkg-config --libs $(HDF5_PC)) && $(if $(filter Darwin,$(UNAME_S)),otool -L,objdump -p) $(BUILD)/runtime/store/probe | grep -o '[^ 	]*libhdf5[^ ]*' | head -1)"'

define KERNEL_RULE
$(BUILD)/runtime/kernels/%.$(1).o: runtime/kernels/%.c
	@mkdir -p $$(@D)
	@echo "  CC $$@"; $$(CC) $$(filter-out $$(SANITIZE),$$(CFLAGS)) $$(SANITIZE_KERNELS) $$(ISA_$(1)) -DPL_ISA=$(1) -DPL_ISA_$(1) -MMD -MP -c -o $$@ $$<
endef
$(foreach i,$(ISAS),$(eval $(call KERNEL_RULE,$(i))))

$(BUILD)/embedded.c: runtime/bind/embed.lua $(LUAFILES)
	@mkdir -p $(@D)
	@echo "  LUA $@"; $(LUA) runtime/bind/embed.lua $(LUAFILES) > $@.tmp && mv $@.tmp $@
$(EMBED): $(BUILD)/embedded.c
	@echo "  CC $@"; $(CC) $(CFLAGS) -c -o $@ $<

# GCC 12 for arm64 has an internal error in the vectorizer, at -O3, in some tests.
ifneq ($(filter arm64 aarch64,$(UNAME_M)),)
$(BUILD)/tests/%.o: OPT := -O1
endif

# A C test is linked with the whole core and everything its own folder shares (tests/c/support*.c).
C_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/c/*_test.c tests/kernels/*_test.c))
$(BUILD)/tests/%: $(BUILD)/tests/%.o $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/c/support*.c)) $(CORE)
	@echo "  LD $@"; $(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) $(TEST_LIBS)

# Tests of the binding are hosts of Lua states.
$(BUILD)/tests/c/bind_%_test: $(BUILD)/tests/c/bind_%_test.o $(OBJECTS) $(EMBED)
	@echo "  LD $@"; $(CC) $(LDFLAGS) -o $@ $^ $(LUA_LIBS) $(LDLIBS) $(TEST_LIBS)

# A harness of fuzzing, with the whole library: for the tests with a main that runs its corpus, and mutations of it, through it;
# for the campaign with libFuzzer, in a build of its own.
FUZZ      := $(patsubst tests/fuzz/%_fuzz.c,$(BUILD)/tests/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_WITH  = $(BUILD)/tests/fuzz/support.o $(OBJECTS) $(EMBED)
$(BUILD)/tests/fuzz/%_fuzz_test: $(BUILD)/tests/fuzz/%_fuzz.o $(BUILD)/tests/fuzz/replay.o $(FUZZ_WITH)
	@echo "  LD $@"; $(CC) $(LDFLAGS) -o $@ $^ $(LUA_LIBS) $(LDLIBS)
$(BUILD)/tests/fuzz/%_fuzzer: $(BUILD)/tests/fuzz/%_fuzz.o $(FUZZ_WITH)
	@echo "  LD $@"; $(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LUA_LIBS) $(LDLIBS)
with-libfuzzer: $(FUZZ:%=%_fuzzer)
# Clang's packages for OpenMP and its sanitizers are not among the dependencies: only this needs them.
CLANG     ?= clang
can-fuzz:
	@printf '%s\n' '#include <omp.h>' '#include <stddef.h>' 'int LLVMFuzzerTestOneInput(const char *at, size_t n) {' \
	 '  return at == NULL && omp_get_max_threads() < (int)n;' '}' | \
	 $(CLANG) -fopenmp -fsanitize=fuzzer,address,undefined -x c -o /dev/null - 2>/dev/null || { \
	 v=$$($(CLANG) -dumpversion 2>/dev/null | sed 's/\..*//; s/^/-/'); \
	 echo "The fuzzers need clang with OpenMP and libFuzzer, which $(CLANG) has not:" \
	 "Debian: apt install clang libomp$$v-dev libclang-rt$$v-dev" >&2; exit 1; }
fuzzers: can-fuzz
	@$(MAKE) --no-print-directory $(JOBS) with-libfuzzer BUILD=$(BUILD)-fuzz CC=$(CLANG) OPT="-O1" SANITIZE_KERNELS= \
	 SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"

# The program that campaigns make fail: one in which the system calls of saves obey the environment.
CAMPAIGNS := $(BUILD)/campaigns/perilune $(BUILD)/campaigns/allocations
$(BUILD)/campaigns/perilune: $(BUILD)/runtime/main.o $(OBJECTS) $(EMBED) $(BUILD)/tests/campaigns/syscalls.o
	@mkdir -p $(@D)
	@echo "  LD $@"; $(CC) $(LDFLAGS) -o $@ $^ $(LUA_LIBS) $(LDLIBS)

$(BUILD)/campaigns/allocations: $(OBJECTS) $(EMBED) $(BUILD)/tests/campaigns/allocations.o
	@mkdir -p $(@D)
	@echo "  LD $@"; $(CC) $(LDFLAGS) -o $@ $^ $(LUA_LIBS) $(LDLIBS)

# What is installed on the way is only seen by a new make. It builds on all cores unless -j says otherwise.
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell getconf _NPROCESSORS_ONLN))
run: deps
	@$(MAKE) --no-print-directory $(JOBS) all
	@$(PROGRAM) experiments/first.lua $(ARGS)

test: deps
	@$(MAKE) --no-print-directory $(JOBS) tests

tests: all $(C_TESTS) $(BUILD)/tests/bench/kernels $(FUZZ:%=%_fuzz_test) $(CAMPAIGNS)
	@BUILD=$(BUILD) LUA=$(LUA) CC="$(CC)" SANITIZE="$(SANITIZE)" sh tests/run.sh $(ARGS)

# What takes minutes to hours: tests/campaigns (ARGS="kill power": only those). PLANT=name, or all: in short form, with a
# planted fault that must be found.
campaign: deps
	@$(MAKE) --no-print-directory $(JOBS) campaign-programs
	@BUILD=$(BUILD) LUA=$(LUA) CC="$(CC)" OPT="$(OPT)" MAKE="$(MAKE)" PLANT="$(PLANT)" $(PROGRAM) tests/campaigns/run.lua $(ARGS)

campaign-programs: all $(FUZZ:%=%_fuzz_test) $(CAMPAIGNS)

# Nothing else should run meanwhile. ARGS="P12 limits": only these; PEER=cached: PyTorch as measured last, PEER=none: without.
bench: all
	@BUILD=$(BUILD) PEER="$(PEER)" SECONDS="$(SECONDS)" REPEAT="$(REPEAT)" COMPILE="$(COMPILE)" PYTHON="$(PYTHON)" \
	 $(PROGRAM) tests/bench/run.lua $(ARGS)

# ARGS="gemm adam": only the kernels with these words in their names.
bench-kernels: $(BUILD)/tests/bench/kernels
	@$< $(ARGS)

$(BUILD)/tests/bench/kernels: $(BUILD)/tests/bench/kernels.o $(BUILD)/tests/bench/kernel_shapes.o $(CORE)
	@echo "  LD $@"; $(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

deps:
	@sh .ci/deps $(LUA)

# Every test under AddressSanitizer and UndefinedBehaviorSanitizer; and what runs on several threads under ThreadSanitizer.
SANITIZED = BUILD=$(BUILD)-asan OPT="-O1" SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
asan:
	@LSAN_OPTIONS=suppressions=tests/leaks.txt:print_suppressions=0 \
	 ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	 $(MAKE) --no-print-directory $(JOBS) tests $(SANITIZED)
asan-program:
	@$(MAKE) --no-print-directory $(JOBS) all $(SANITIZED)

tsan:
	@TSAN_OPTIONS=halt_on_error=1:ignore_noninstrumented_modules=1 \
	 $(MAKE) --no-print-directory $(JOBS) tests BUILD=$(BUILD)-tsan OPT="-O1" SANITIZE="-fsanitize=thread"

# Unused names, slips and shadowing in Lua; paths through C on which something is leaked, freed twice, or used before it is
# set. The latter are to be judged (GCC takes a loop that always runs for one that may not); only luacheck's decide.
ANALYZE = $(if $(findstring clang,$(shell $(CC) --version)),--analyze,-fanalyzer -Wno-analyzer-shift-count-overflow -S) -o /dev/null
lint:
	@sh tests/lines_test.sh
	@for f in $(wildcard runtime/*.c runtime/*/*.c runtime/*/*/*.c); do \
	  $(CC) $(CFLAGS) -O1 $(ANALYZE) -DPL_ISA=baseline -DPL_ISA_baseline -DPL_HDF5_LIBRARY='""' $$f; done
	@if command -v luacheck >/dev/null; then luacheck --no-color -q lua tests experiments; else echo "luacheck is not there (Debian: lua-check)"; fi

install: all $(LIBRARY)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/lua/5.4 $(DESTDIR)$(PREFIX)/lib/pkgconfig \
	  $(DESTDIR)$(PREFIX)/include/perilune $(DESTDIR)$(PREFIX)/share/perilune/meta
	install -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/perilune
	install -m 755 $(MODULE) $(DESTDIR)$(PREFIX)/lib/lua/5.4/perilune.so
	install -m 755 $(LIBRARY) $(DESTDIR)$(PREFIX)/lib/
	ln -sf $(notdir $(LIBRARY)) $(DESTDIR)$(PREFIX)/lib/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(PREFIX)/lib/$(SHARED)
	install -m 644 include/perilune/*.h $(DESTDIR)$(PREFIX)/include/perilune/
	printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$${prefix}/lib' 'includedir=$${prefix}/include' '' 'Name: perilune' \
	  'Description: Small neural networks' 'Version: $(VERSION)' 'Cflags: -I$${includedir}' \
	  'Libs: -L$${libdir} -lperilune' >$(DESTDIR)$(PREFIX)/lib/pkgconfig/perilune.pc
	install -m 644 lua/meta/*.lua $(DESTDIR)$(PREFIX)/share/perilune/meta/
	cp -R experiments $(DESTDIR)$(PREFIX)/share/perilune/

# Program and module for lua/perilune-dev-1.rockspec, which says the folders: luarocks make lua/perilune-dev-1.rockspec
install-rock: all
	install -d $(BINDIR) $(LIBDIR)
	install -m 755 $(PROGRAM) $(BINDIR)/perilune
	install -m 755 $(MODULE) $(LIBDIR)/perilune.so

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz

help:
	@echo "make run        installs what is missing, builds, trains the convolutional experiment P09 for a few epochs"
	@echo "make test       installs what is missing, builds, runs every test (ARGS=part-of-a-path: only some)"
	@echo "make            builds $(PROGRAM), and $(MODULE) for lua5.4"
	@echo "make deps       installs what building and testing need (apt, dnf, pacman or brew)"
	@echo "make asan       every test under AddressSanitizer and UndefinedBehaviorSanitizer"
	@echo "make tsan       every test under ThreadSanitizer"
	@echo "make campaign   kills, power cuts, full disks, other compilers, ...: long (ARGS=names: some; PLANT=all: faults planted)"
	@echo "make bench      speed, beside PyTorch where it is importable (ARGS=networks; PEER=cached|none): build/bench/table.md"
	@echo "make bench-kernels  each kernel alone, against the processor's peak (ARGS: only some)"
	@echo "make lint       lines of 120 columns, files of 400 lines, luacheck, and the compiler's analysis of paths through the C code"
	@echo "make install    puts program, module, C library and experiments under PREFIX (now $(PREFIX)); DESTDIR is respected"
	@echo "make clean      removes what was built"
	@echo "Settings: CC=$(CC) BUILD=$(BUILD) OPT=$(OPT) PREFIX=$(PREFIX) LUA=$(LUA) WERROR=1 (warnings are errors)"

.PHONY: all run test tests bench bench-kernels campaign campaign-programs deps asan asan-program fuzzers can-fuzz with-libfuzzer tsan lint install install-rock clean help
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
