# Perilune. `make help` lists what can be done.

CC       ?= cc
BUILD    ?= build
PREFIX   ?= /usr/local
OPT      ?= -O3
WERROR   ?=
SANITIZE ?=
LUA      ?= lua5.4
ARGS     ?=

ifeq ($(origin CC),default)
CC := cc
endif

UNAME_M  := $(shell uname -m)
UNAME_S  := $(shell uname -s)
PACKAGES := lua5.4 hdf5 libedit libcjson libmd zlib libcurl
MODULES  := $(wildcard $(BUILD)/.deps)

WARN     := -Wall -Wextra -Wstrict-prototypes -Wvla $(if $(WERROR),-Werror)
PKG_CFLAGS = $(shell pkg-config --cflags $(PACKAGES))
# libhdf5 is loaded by name when the first file needs it (runtime/store/hdf5.h), not linked.
PKG_LIBS   = $(shell pkg-config --libs $(filter-out lua5.4 hdf5,$(PACKAGES)))
LUA_LIBS   = $(shell pkg-config --libs lua5.4)
# No contraction: every fused multiply-add is written, so that every compiler computes the same bits.
CFLAGS   += -std=c11 $(OPT) -g -fPIC -fopenmp -fno-math-errno -ffp-contract=off -fvisibility=hidden \
            $(WARN) $(SANITIZE) -D_GNU_SOURCE -Iinclude -Iruntime $(PKG_CFLAGS)
LDFLAGS  += -fopenmp $(SANITIZE)
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

KERNELS  := $(filter-out runtime/kernels/dispatch.c,$(wildcard runtime/kernels/*.c))
SOURCES  := $(filter-out $(KERNELS) runtime/main.c,$(wildcard runtime/*/*.c runtime/*/*/*.c))
LUAFILES := $(wildcard lua/perilune/*.lua lua/perilune/*/*.lua lua/meta/*.lua)

OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o) \
            $(foreach i,$(ISAS),$(KERNELS:runtime/kernels/%.c=$(BUILD)/runtime/kernels/%.$(i).o))
CORE     := $(filter-out $(BUILD)/runtime/bind/%,$(OBJECTS))
EMBED    := $(BUILD)/embedded.o
PROGRAM  := $(BUILD)/perilune
MODULE   := $(BUILD)/perilune.so

all: $(PROGRAM) $(MODULE)

$(PROGRAM): $(BUILD)/runtime/main.o $(OBJECTS) $(EMBED)
	$(CC) $(LDFLAGS) -o $@ $^ $(LUA_LIBS) $(LDLIBS)

# libgomp's threads outlive lua_close, which unloads modules: so this one is never unloaded.
$(MODULE): $(OBJECTS) $(EMBED)
	$(CC) $(LDFLAGS) -shared $(if $(filter Darwin,$(UNAME_S)),-undefined dynamic_lookup,-Wl,-z$(comma)nodelete) -o $@ $^ $(LDLIBS)
comma := ,

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# The name under which the linker would record libhdf5: that of a program linked with it.
$(BUILD)/runtime/store/hdf5.o: CFLAGS += -DPL_HDF5_LIBRARY='"$(shell mkdir -p $(BUILD)/runtime/store && \
  echo 'int main(void) { return 0; }' | $(CC) -x c - -o $(BUILD)/runtime/store/probe $(if $(filter Darwin,$(UNAME_S)),,-Wl$(comma)--no-as-needed) \
  $$(pkg-config --libs hdf5) && $(if $(filter Darwin,$(UNAME_S)),otool -L,objdump -p) $(BUILD)/runtime/store/probe | grep -o '[^ 	]*libhdf5[^ ]*' | head -1)"'

define KERNEL_RULE
$(BUILD)/runtime/kernels/%.$(1).o: runtime/kernels/%.c
	@mkdir -p $$(@D)
	@echo "  CC $$@"; $$(CC) $$(CFLAGS) $$(ISA_$(1)) -DPL_ISA=$(1) -DPL_ISA_$(1) -MMD -MP -c -o $$@ $$<
endef
$(foreach i,$(ISAS),$(eval $(call KERNEL_RULE,$(i))))

$(BUILD)/embedded.c: runtime/bind/embed.lua $(LUAFILES)
	@mkdir -p $(@D)
	$(LUA) runtime/bind/embed.lua $(LUAFILES) > $@.tmp && mv $@.tmp $@
$(EMBED): $(BUILD)/embedded.c
	$(CC) $(CFLAGS) -c -o $@ $<

# A C test is linked with the whole core and everything its own folder shares (tests/c/support*.c).
C_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/c/*_test.c tests/kernels/*_test.c))
$(BUILD)/tests/%: $(BUILD)/tests/%.o $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/c/support*.c)) $(CORE)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) $(shell pkg-config --libs cmocka)

test: all $(C_TESTS)
	@BUILD=$(BUILD) LUA=$(LUA) sh tests/run.sh $(ARGS)

clean:
	rm -rf $(BUILD)

.PHONY: all test clean
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
