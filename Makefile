# hawser: `make help` lists the targets. Products go to build/; `make VARIANT=asan tests` builds beside them, in build/asan/.
# Variants: release (the default), test (gcc, asserts on), clang, asan (ASan + UBSan), tsan, fuzz, cover.

VERSION   := 0.1.0
SOVERSION := 0
PREFIX     ?= /usr/local
INCLUDEDIR ?= $(PREFIX)/include
LIBDIR     ?= $(PREFIX)/lib
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(PREFIX)/share/man
BUILD      ?= build
VARIANT    ?= release
JOBS       ?= $(shell nproc)
SEEDS      ?= 100000
SECONDS    ?= 60

O := $(BUILD)$(patsubst %,/%,$(filter-out release,$(VARIANT)))
MAKEFLAGS += --no-print-directory

# ---- flags ----
ifeq ($(origin CC),default)
CC := $(if $(filter clang fuzz,$(VARIANT)),clang,gcc)
endif
VARIANT_FLAGS_test  := -DHAWSER_DEBUG=1
VARIANT_FLAGS_clang := -DHAWSER_DEBUG=1
VARIANT_FLAGS_asan  := -DHAWSER_DEBUG=1 -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
VARIANT_FLAGS_tsan  := -DHAWSER_DEBUG=1 -O1 -fsanitize=thread -fno-omit-frame-pointer
VARIANT_FLAGS_fuzz  := -DHAWSER_DEBUG=1 -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
VARIANT_FLAGS_cover := -DHAWSER_DEBUG=1 -O0 --coverage

CFLAGS   ?= -O2 -g
WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
WARNINGS := $(if $(filter asan tsan cover,$(VARIANT)),-w,$(WARNINGS)) # instrumented, gcc warns of what is not there
override CPPFLAGS += -Iinclude -Isrc -D_GNU_SOURCE
override CFLAGS   += -std=gnu11 -fPIC -fvisibility=hidden $(WARNINGS) $(VARIANT_FLAGS_$(VARIANT))
override LDFLAGS  += $(filter -fsanitize=% --coverage,$(VARIANT_FLAGS_$(VARIANT)))
ifeq ($(VARIANT),asan) # tests/support/asan_fork.c needs the sanitizer's own functions
override LDFLAGS  += $(if $(findstring clang,$(CC)),,-static-libasan)
endif
LIBS := -luring -lpthread
TRACE_LIBS := -lbpf

# ---- programs for the kernel: clang alone, whatever compiles the rest ----
BPF_CLANG  ?= clang
BPF_ARCH   := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))
BPF_FLAGS  := -target bpf -mcpu=v3 -g -O2 -std=gnu11 -D__TARGET_ARCH_$(BPF_ARCH) -Iinclude -Ibpf -Wall -Wextra -Werror \
	-Wno-unused-parameter -Wno-unused-function

# ---- what there is ----
HEADERS    := $(wildcard include/hawser/*.h)
LIB_SRC    := $(wildcard src/*.c src/core/*.c src/engine/*.c src/net/*.c src/protocol/*.c)
TOOL_SRC   := $(wildcard tools/hawser*/*.c)
TRACE_SRC  := $(wildcard src/trace/*.c)
TEST_SRC   := $(wildcard tests/unit/test_*.c tests/net/test_*.c tests/trace/test_*.c)
THREAD_SRC := $(wildcard tests/thread/*.c)
EXAMPLE_PART := tests/examples/redis_client.c # of the example redis; tests use it, too
EXAMPLE_SRC := $(filter-out $(EXAMPLE_PART),$(wildcard tests/examples/*.c))
PROBED_SRC := $(wildcard tests/probes/*.c)
SIM_SRC    := $(wildcard tests/sim/*.c)
FUZZ_SRC   := $(wildcard tests/fuzz/fuzz_*.c)
SUPPORT_SRC := $(wildcard tests/support/*.c) $(EXAMPLE_PART)
C_FILES    := $(sort $(LIB_SRC) $(TRACE_SRC) $(TOOL_SRC) $(TEST_SRC) $(THREAD_SRC) $(EXAMPLE_SRC) $(PROBED_SRC) $(SIM_SRC) $(FUZZ_SRC) $(SUPPORT_SRC) $(wildcard tests/trace/*.c))
ALL_C      := $(sort $(shell find include src bpf tools tests -name '*.[ch]' 2>/dev/null))

objects     = $(patsubst %.c,$(O)/obj/%.o,$1)
TOOLS      := $(sort $(notdir $(patsubst %/,%,$(dir $(TOOL_SRC)))))
INSTALLED  := $(filter hawser hawser-host hawser-bench hawser-trace,$(TOOLS))
TEST_NAMES := $(sort $(basename $(notdir $(TEST_SRC))))
THREAD_NAMES := $(sort $(basename $(notdir $(THREAD_SRC))))
FUZZ_NAMES := $(sort $(basename $(notdir $(FUZZ_SRC))))
SIM_NAME   := $(if $(SIM_SRC),hawser-sim)
TEST_PROGRAMS := $(TEST_NAMES) $(basename $(notdir $(EXAMPLE_SRC))) $(SIM_NAME)
SO         := libhawser.so
SHARED     := $(O)/lib/$(SO).$(VERSION)
TRACE_SO   := libhawser-trace.so
TRACE_SHARED := $(O)/lib/$(TRACE_SO).$(VERSION)
BPF_OBJECT := $(O)/obj/bpf/hawser_trace.bpf.o
BPF_HISTOGRAMS := $(O)/obj/bpf/hawser_trace_histograms.bpf.o
BPF_NAMES  := $(O)/obj/bpf/hawser_names.bpf.o
BPF_OLDEST := $(O)/obj/bpf/hawser_trace_oldest.bpf.o
# For bpftool: the programs by the first kernel that an object is for (5.17 without io_uring), and iterators.
PLAIN_KERNELS := 5_17 6_1 6_4 6_14
PLAIN      := $(PLAIN_KERNELS:%=$(O)/lib/hawser/hawser_trace_%.bpf.o)
ITERATORS  := $(patsubst bpf/%.bpf.c,$(O)/lib/hawser/%.bpf.o,$(wildcard bpf/iterate_*.bpf.c))

MANUALS    := hawser-trace.1 hawser-trace-bpftool.7

# Quiet lines, unless V=1.
Q   := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),@:,@printf '  %-8s %s\n' '$1' '$2$(patsubst %, (%),$(filter-out release,$(VARIANT)))')

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all help lib tools tests threads fuzzers demo test test-kernels check sim fuzz behaviours tidy format install uninstall coverage clean tidy-format tidy-tree

# ---- the library and the tools ----
all: lib tools ## build the library and the tools (the default)
	@:

lib: $(O)/lib/libhawser.a $(O)/lib/$(SO) $(O)/lib/libhawser-trace.a $(O)/lib/$(TRACE_SO) ## build the libraries alone

tools: $(TOOLS:%=$(O)/bin/%) $(PLAIN) $(ITERATORS) ## build the tools alone

$(O)/obj/%.o: %.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The released archive hides what is not public, as the shared library does; tests link all of it.
$(O)/lib/libhawser.a: $(call objects,$(LIB_SRC))
	$(call say,AR,$@)
	@mkdir -p $(@D)
	@rm -f $@
ifeq ($(VARIANT),release)
	$(Q)$(LD) -r -o $(O)/obj/hawser.o $^
	$(Q)objcopy --localize-hidden $(O)/obj/hawser.o
	$(Q)$(AR) rcs $@ $(O)/obj/hawser.o
else
	$(Q)$(AR) rcs $@ $^
endif

$(SHARED): $(call objects,$(LIB_SRC)) src/hawser.map
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(CFLAGS) $(LDFLAGS) -Wl,-soname,$(SO).$(SOVERSION) -Wl,--version-script=src/hawser.map \
		-Wl,-z,defs -Wl,-z,relro -Wl,-z,now -o $@ $(filter %.o,$^) $(LIBS)

$(O)/lib/$(SO): $(SHARED)
	@ln -sf $(SO).$(VERSION) $(O)/lib/$(SO).$(SOVERSION)
	@ln -sf $(SO).$(SOVERSION) $@

# The tracer's library carries the programs inside, and is the only one that needs libbpf.
$(BPF_OBJECT): bpf/hawser_trace.bpf.c $(wildcard bpf/*.h) include/hawser/trace_record.h Makefile
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(BPF_CLANG) $(BPF_FLAGS) -c -o $@ $<

plain_version = $(shell printf '%d%02d' $(subst _, ,$1))
$(PLAIN): $(O)/lib/hawser/hawser_trace_%.bpf.o: bpf/hawser_trace_plain.bpf.c $(wildcard bpf/*.h) include/hawser/trace_record.h Makefile
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(BPF_CLANG) $(BPF_FLAGS) -DHAWSER_BPF_PLAIN=$(call plain_version,$*) -c -o $@ $<

$(ITERATORS): $(O)/lib/hawser/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) include/hawser/trace_record.h Makefile
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(BPF_CLANG) $(BPF_FLAGS) -c -o $@ $<

$(BPF_HISTOGRAMS): bpf/hawser_trace.bpf.c $(wildcard bpf/*.h) include/hawser/trace_record.h Makefile
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(BPF_CLANG) $(BPF_FLAGS) -DHAWSER_BPF_HISTOGRAMS -c -o $@ $<

# <bpf/usdt.bpf.h> wants headers that Debian keeps in a folder of the processor's.
$(BPF_NAMES): bpf/hawser_names.bpf.c bpf/step.h include/hawser/trace_record.h Makefile
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(BPF_CLANG) $(BPF_FLAGS) -idirafter /usr/include/$(shell uname -m)-linux-gnu -c -o $@ $<

$(O)/obj/src/trace/object.o $(O)/tidy/src/trace/object.ok: override CPPFLAGS += -DTRACE_OBJECT='"$(BPF_OBJECT)"' \
	-DTRACE_HISTOGRAMS_OBJECT='"$(BPF_HISTOGRAMS)"' -DTRACE_NAMES_OBJECT='"$(BPF_NAMES)"' -DTRACE_OLDEST_OBJECT='"$(BPF_OLDEST)"'
$(O)/obj/src/trace/object.o $(O)/tidy/src/trace/object.ok: $(BPF_OBJECT) $(BPF_HISTOGRAMS) $(BPF_NAMES) $(BPF_OLDEST)
$(BPF_OLDEST): bpf/hawser_trace.bpf.c $(wildcard bpf/*.h) include/hawser/trace_record.h Makefile
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(BPF_CLANG) $(BPF_FLAGS) -DHAWSER_BPF_OLDEST -c -o $@ $<


$(O)/lib/libhawser-trace.a: $(call objects,$(TRACE_SRC))
	$(call say,AR,$@)
	@mkdir -p $(@D)
	@rm -f $@
ifeq ($(VARIANT),release)
	$(Q)$(LD) -r -o $(O)/obj/hawser-trace.o $^
	$(Q)objcopy --localize-hidden $(O)/obj/hawser-trace.o
	$(Q)$(AR) rcs $@ $(O)/obj/hawser-trace.o
else
	$(Q)$(AR) rcs $@ $^
endif

$(TRACE_SHARED): $(call objects,$(TRACE_SRC)) src/hawser.map
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(CFLAGS) $(LDFLAGS) -Wl,-soname,$(TRACE_SO).$(SOVERSION) -Wl,--version-script=src/hawser.map \
		-Wl,-z,defs -Wl,-z,relro -Wl,-z,now -o $@ $(filter %.o,$^) $(TRACE_LIBS)

$(O)/lib/$(TRACE_SO): $(TRACE_SHARED)
	@ln -sf $(TRACE_SO).$(VERSION) $(O)/lib/$(TRACE_SO).$(SOVERSION)
	@ln -sf $(TRACE_SO).$(SOVERSION) $@

link = $(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^)

# hawser-host speaks the wire format by a codec of its own and does not link the library.
define tool_rule
$(O)/bin/$1: $(call objects,$(wildcard tools/$1/*.c)) $(if $(filter hawser-host,$1),,$(O)/lib/libhawser.a)
	$$(call say,LINK,$$@)
	$$(link) $(if $(filter hawser-host,$1),-lpthread,$(LIBS))
endef
$(foreach tool,$(filter-out hawser-bench hawser-demo hawser-trace,$(TOOLS)),$(eval $(call tool_rule,$(tool))))

$(O)/bin/hawser-bench $(O)/bin/hawser-demo: $(O)/lib/libhawser-trace.a $(O)/lib/libhawser.a
	$(call say,LINK,$@)
	$(link) $(LIBS) $(TRACE_LIBS)

$(O)/bin/hawser-bench: $(call objects,$(wildcard tools/hawser-bench/*.c))
$(O)/bin/hawser-demo: $(call objects,$(wildcard tools/hawser-demo/*.c))

$(O)/obj/tools/hawser-trace/main.o $(O)/tidy/tools/hawser-trace/main.ok: override CPPFLAGS += -DHAWSER_TRACE_TOOL_VERSION='"$(VERSION)"'
$(O)/bin/hawser-trace: $(call objects,$(wildcard tools/hawser-trace/*.c)) $(O)/lib/libhawser-trace.a
	$(call say,LINK,$@)
	$(link) $(TRACE_LIBS) -lmicrohttpd

# ---- the tests' programs ----
tests: ## build the tests' programs, in build/test unless VARIANT says otherwise
ifeq ($(VARIANT),release)
	$(Q)$(MAKE) VARIANT=test $@
else
tests: tools $(TEST_PROGRAMS:%=$(O)/bin/%)
endif

threads: $(THREAD_NAMES:%=$(O)/bin/%)

fuzzers: $(FUZZ_NAMES:%=$(O)/bin/%)

$(O)/bin/test_%: $(O)/obj/tests/unit/test_%.o $(call objects,$(SUPPORT_SRC)) $(O)/lib/libhawser.a
	$(call say,LINK,$@)
	$(link) -lcriterion $(LIBS)

$(O)/bin/test_%: $(O)/obj/tests/net/test_%.o $(call objects,$(SUPPORT_SRC)) $(O)/lib/libhawser.a
	$(call say,LINK,$@)
	$(link) -lcriterion $(LIBS)

$(O)/bin/test_trace_%: $(O)/obj/tests/trace/test_trace_%.o $(call objects,$(SUPPORT_SRC) tests/trace/tracing.c) \
		$(O)/lib/libhawser-trace.a $(O)/lib/libhawser.a
	$(call say,LINK,$@)
	$(link) -lcriterion $(LIBS) $(TRACE_LIBS)

$(O)/bin/test_host_codec: $(O)/obj/tools/hawser-host/codec.o
$(O)/bin/test_demo: $(O)/obj/tools/hawser-demo/table.o

METRICS_TESTS := $(patsubst %,$(O)/bin/test_trace_%,destination_names metrics metrics_live scrape waits)
$(METRICS_TESTS): $(call objects,$(wildcard tools/hawser-trace/metrics_*.c))
$(METRICS_TESTS): TRACE_LIBS += -lmicrohttpd

$(O)/bin/hawser-sim: $(call objects,$(SIM_SRC)) $(O)/lib/libhawser.a
	$(call say,LINK,$@)
	$(link) $(LIBS)

$(O)/bin/fuzz_%: $(O)/obj/tests/fuzz/fuzz_%.o $(O)/obj/tests/support/frame_writer.o $(O)/lib/libhawser.a
	$(call say,LINK,$@)
	$(link) -fsanitize=fuzzer $(LIBS)

$(O)/bin/%: $(O)/obj/tests/thread/%.o $(O)/lib/libhawser.a
	$(call say,LINK,$@)
	$(link) $(LIBS)

$(O)/bin/%: $(O)/obj/tests/examples/%.o $(O)/lib/libhawser.a
	$(call say,LINK,$@)
	$(link) $(LIBS)

# As most programs are: the probes are those of the shared library.
$(O)/bin/probed_client: $(O)/obj/tests/probes/probed_client.o $(O)/lib/$(SO)
	$(call say,LINK,$@)
	$(link) -L$(O)/lib -lhawser -Wl,-rpath,$(abspath $(O)/lib)

$(O)/bin/redis: $(call objects,$(EXAMPLE_PART))
$(O)/bin/test_redis_client: | $(O)/bin/redis # runs it
$(patsubst %,$(O)/bin/%,$(filter test_cli%,$(TEST_NAMES))): | $(O)/bin/hawser # run it
$(O)/bin/test_demo: | $(O)/bin/hawser-demo $(O)/bin/hawser-host

# README shows the examples: callbacks that name all they are given, and use what they need.
$(O)/obj/tests/examples/%.o: override CFLAGS += -Wno-unused-parameter

-include $(patsubst %.c,$(O)/obj/%.d,$(C_FILES))

# ---- running ----
demo: ## install what is missing, build, and show a client that keeps its services
	@tools/install-deps
	@$(MAKE) -j$(JOBS) all
	@$(O)/bin/hawser-demo

binaries = $(TEST_NAMES:%=$(BUILD)/$1/bin/%)
fuzz_job = '$1 for $2 s=$(BUILD)/fuzz/bin/$1 -artifact_prefix=$(BUILD)/test-logs/ -max_total_time=$2 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1'
sim_job  = $(if $(SIM_NAME),'simulator of $2 seeds ($1)=$(BUILD)/$1/bin/hawser-sim --seeds $2 $3')

# What these look at is in the kernel, or is time.
ASAN_LEAVES := test_trace_network test_trace_bench test_trace_cost

test: ## install what is missing, build all, run every test, and count
	@tools/install-deps test
	@$(MAKE) -j$(JOBS) all $(BUILD)/bin/probed_client
	@for variant in test asan clang; do $(MAKE) -j$(JOBS) VARIANT=$$variant tests || exit 1; done
	@$(MAKE) -j$(JOBS) VARIANT=tsan threads
	@$(MAKE) -j$(JOBS) VARIANT=fuzz fuzzers
	@tests/run --floor tests/floor 'tidy=$(MAKE) BUILD=$(BUILD) JOBS=1 tidy' \
		$(call binaries,test) $(filter-out $(ASAN_LEAVES:%=$(BUILD)/asan/bin/%),$(call binaries,asan)) \
		$(foreach name,$(THREAD_NAMES),'thread $(name) (tsan)=tests/thread/run $(BUILD)/tsan/bin/$(name)') \
		$(foreach name,$(FUZZ_NAMES),$(call fuzz_job,$(name),20)) \
		$(call sim_job,test,100000,--coverage) $(call sim_job,asan,10000) \
		$(if $(SIM_NAME),'same trace from gcc and clang=tests/sim/same-trace $(BUILD)/test/bin/hawser-sim $(BUILD)/clang/bin/hawser-sim') \
		$(if $(wildcard tests/planted/run),'planted bugs are found=env -u BUILD tests/planted/run') \
		'probes are those of the table=tests/probes/table $(BUILD)/lib/$(SO) $(BUILD)/lib/libhawser.a $(BUILD)/clang/lib/libhawser.a' \
		'bpftrace scripts=tests/probes/run $(BUILD)' \
		'outside program on an installed copy=BUILD=$(BUILD) tests/install/run' \
		'behaviours have tests=tests/behaviours'

# What takes seconds (networks, name servers, redis, hostile hosts) is left to `make test`.
CHECK_LEAVES := test_faults $(filter test_trace_%,$(TEST_NAMES)) test_redis test_redis_client test_resolver test_directories test_bench test_demo $(filter test_host_%,$(TEST_NAMES))
CHECK_RUNS    = $(patsubst %,$(BUILD)/test/bin/%,$(filter-out $(CHECK_LEAVES),$(TEST_NAMES)))

check: ## the fast part of test (under 45 s)
	@$(MAKE) -j$(JOBS) VARIANT=test $(CHECK_RUNS) $(BUILD)/test/bin/hawser-host $(BUILD)/test/bin/hawser-sim
	@TESTS_AT_ONCE=3 tests/run $(CHECK_RUNS) $(call sim_job,test,2000) 'tree=tools/check-tree'

# Machines without KVM take minutes a kernel, hence no part of `make test`.
test-kernels: ## run the trace tests on other kernels, in virtual machines: KERNELS="6.1 6.12 5.10", or packages
	@tools/install-deps kernels
	@$(MAKE) -j$(JOBS) VARIANT=test tests
	@BUILD=$(BUILD) tests/kernels/run $(BUILD)/test

sim: ## simulate SEEDS=n runs (100000), or replay one with its trace: SEED=k
	@$(MAKE) -j$(JOBS) VARIANT=test $(BUILD)/test/bin/hawser-sim
	@$(BUILD)/test/bin/hawser-sim $(if $(SEED),--seed $(SEED) --trace,--seeds $(SEEDS))

fuzz: ## feed mutated bytes to every decoder for SECONDS=n (60) each
	@$(MAKE) -j$(JOBS) VARIANT=fuzz fuzzers
	@tests/run $(foreach name,$(FUZZ_NAMES),$(call fuzz_job,$(name),$(SECONDS)))

behaviours: ## print which test holds which behaviour, and fail on a gap
	@tests/behaviours

coverage: ## how much of the library's lines and branches the tests and the simulator reach
	@$(MAKE) -j$(JOBS) VARIANT=cover tests
	@find $(BUILD)/cover -name '*.gcda' -delete
	@tests/run $(call binaries,cover) $(call sim_job,cover,1000)
	@find $(BUILD)/cover/obj/src -name '*.gcda' -exec gcov -n -b {} + 2>/dev/null | awk -F "[:']" ' \
		/^File/ { file = $$2 } /^Lines/ { lines = $$2 } \
		/^Taken/ && file ~ /^src\// { printf "  %-32s lines %-18s branches %s\n", file, lines, $$2 }' | sort

# ---- care of the tree ----
TIDY_OK := $(C_FILES:%.c=$(O)/tidy/%.ok)

tidy: ## clang-format, clang-tidy and the rules of the tree, without changing anything
	@$(MAKE) -k -j$(JOBS) tidy-format $(TIDY_OK) tidy-tree

tidy-format:
	$(call say,FORMAT,all C files)
	$(Q)clang-format --dry-run -Werror $(ALL_C) 2>&1 | \
		awk -F: '/error:/ && !seen[$$1]++ { print $$1 ":" $$2 ": not formatted: make format" } END { exit NR > 0 }'

tidy-tree:
	$(call say,CHECK,tree)
	$(Q)tools/check-tree

$(O)/tidy/%.ok: %.c .clang-tidy $(filter %.h,$(ALL_C))
	$(call say,TIDY,$<)
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet $< -- $(CPPFLAGS) -std=gnu11 -DHAWSER_DEBUG=1 >$@.log 2>&1 || \
		{ grep -A 2 error: $@.log; echo 'whole output: $@.log'; exit 1; }
	$(if $(filter src/% tools/%,$<),$(Q)gcc $(CPPFLAGS) -std=gnu11 -O2 -fanalyzer -Werror -c $< -o /dev/null)
	@touch $@

format: ## rewrite every C file as .clang-format says
	@clang-format -i $(ALL_C)

install: all ## install under PREFIX (/usr/local), inside DESTDIR when given
	@install -d $(DESTDIR)$(INCLUDEDIR)/hawser $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(LIBDIR)/hawser $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man7
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))
	$(Q)install -m 644 $(HEADERS) $(DESTDIR)$(INCLUDEDIR)/hawser
	$(Q)install -m 644 $(O)/lib/libhawser.a $(DESTDIR)$(LIBDIR)
	$(Q)install -m 755 $(SHARED) $(DESTDIR)$(LIBDIR)
	$(Q)cp -P $(O)/lib/$(SO).$(SOVERSION) $(O)/lib/$(SO) $(DESTDIR)$(LIBDIR)
	$(Q)install -m 644 $(O)/lib/libhawser-trace.a $(DESTDIR)$(LIBDIR)
	$(Q)install -m 755 $(TRACE_SHARED) $(DESTDIR)$(LIBDIR)
	$(Q)cp -P $(O)/lib/$(TRACE_SO).$(SOVERSION) $(O)/lib/$(TRACE_SO) $(DESTDIR)$(LIBDIR)
	$(Q)install -m 644 $(PLAIN) $(ITERATORS) $(DESTDIR)$(LIBDIR)/hawser
	$(Q)for page in $(MANUALS); do sed 's|/usr/local/lib|$(LIBDIR)|' tools/hawser-trace/$$page \
		>$(DESTDIR)$(MANDIR)/man$${page##*.}/$$page || exit 1; done
	$(Q)for name in hawser hawser-trace; do \
		sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
			-e 's|@VERSION@|$(VERSION)|' src/$$name.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/$$name.pc || exit 1; done
	$(Q)$(if $(INSTALLED),install -m 755 $(INSTALLED:%=$(O)/bin/%) $(DESTDIR)$(BINDIR),:)

uninstall: ## remove what install put there
	$(call say,REMOVE,$(DESTDIR)$(PREFIX))
	$(Q)rm -rf $(DESTDIR)$(INCLUDEDIR)/hawser $(DESTDIR)$(LIBDIR)/hawser
	$(Q)rm -f $(DESTDIR)$(MANDIR)/man1/hawser-trace.1 $(DESTDIR)$(MANDIR)/man7/hawser-trace-bpftool.7
	$(Q)rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,libhawser.a $(SO) $(SO).$(SOVERSION) $(SO).$(VERSION) pkgconfig/hawser.pc \
		libhawser-trace.a $(TRACE_SO) $(TRACE_SO).$(SOVERSION) $(TRACE_SO).$(VERSION) pkgconfig/hawser-trace.pc)
	$(Q)rm -f $(INSTALLED:%=$(DESTDIR)$(BINDIR)/%)

clean: ## remove build/
	@rm -rf $(BUILD)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo 'V=1 prints whole commands; BUILD=folder builds elsewhere; VARIANT=asan, tsan, clang: see the top of the Makefile.'
