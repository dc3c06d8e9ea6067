# Lifeboat: `make` builds build/lifeboat.so; `make help` lists the rest.
#
# BUILD=dir       where everything that is made goes
# MINIMAL=1       only sqlite3 and zlib (and libpq for PostgreSQL): no ISA-L, zstd, xxhash
# SANITIZE=address|thread   instruments extension and unit tests

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc
PKG_CONFIG ?= pkg-config
MINIMAL ?= 0

VERSION := $(shell sed -n 's/^\#define LB_VERSION "\(.*\)"/\1/p' ext/core/version.h)

WARN   := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -fPIC -fvisibility=hidden -pthread -Iext -I$(BUILD)/gen $(WARN) $(FEATURES) $(CFLAGS)
LIBS   := -lz -lpthread -lm
# libpq is needed always, also with MINIMAL=1.
FEATURES := $(shell $(PKG_CONFIG) --cflags libpq)
LIBS += $(or $(shell $(PKG_CONFIG) --libs libpq),-lpq)

found = $(if $(filter 1,$(MINIMAL)),,$(shell $(PKG_CONFIG) --exists $(1) 2>/dev/null && echo yes))
ifeq ($(call found,libisal),yes)
  FEATURES += -DLB_WITH_ISAL $(shell $(PKG_CONFIG) --cflags libisal)
  LIBS += $(shell $(PKG_CONFIG) --libs libisal)
endif
ifeq ($(call found,libzstd),yes)
  FEATURES += -DLB_WITH_ZSTD $(shell $(PKG_CONFIG) --cflags libzstd)
  LIBS += $(shell $(PKG_CONFIG) --libs libzstd)
endif
ifeq ($(call found,libxxhash),yes)
  FEATURES += -DLB_WITH_XXHASH $(shell $(PKG_CONFIG) --cflags libxxhash)
endif
ifdef SANITIZE
  CFLAGS = -O1 -g1 -fno-omit-frame-pointer
  ALL_CFLAGS += -fsanitize=$(SANITIZE)
  LDFLAGS += -fsanitize=$(SANITIZE)
endif

SOURCES := $(wildcard ext/*.c ext/*/*.c)
OBJECTS := $(SOURCES:ext/%.c=$(BUILD)/obj/%.o)
# What the unit tests link: the extension's own objects but for the entry point; tests/routines.c takes its place.
TESTED := $(BUILD)/tests/lifeboat.a
UNIT ?= */test_*
UNIT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard $(UNIT:%=tests/%.c)))

.PHONY: all help demo check suite bench asan tsan fuzz lint install uninstall clean unit
.SECONDARY:

all: $(BUILD)/lifeboat.so

## make             builds build/lifeboat.so
## make demo        installs what is needed, builds, and shows a backup and a restore
## make check       installs what is needed, builds, runs all tests; the last line counts them
## make suite       runs the tests on the build that is there, without installing anything
## make asan, tsan  the tests under AddressSanitizer, ThreadSanitizer
## make fuzz        fuzzes the readers of backup files and of SQL scripts, each for FUZZ_SECONDS (60)
## make bench       measures against other tools (SIZE_MB=1000, ROUNDS=3)
## make bench-postgres   the same for PostgreSQL, against pg_dump, psql and pg_restore (SIZE_MB=950, ROUNDS=3)
## make lint        holds includes against the layers, and style
## make install     to PREFIX (/usr/local), below DESTDIR; make uninstall takes it away
## make clean       removes build/
help:
	@sed -n 's/^## //p' Makefile

V ?= @
say = @printf '%-5s %s\n' $(1) $@

$(BUILD)/lifeboat.so: $(OBJECTS)
	$(call say,LINK)
	$(V)$(CC) -shared $(LDFLAGS) -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete -o $@ $^ $(LIBS)

# Each sql/postgres/NAME.sql as a C string lb_sql_NAME in "sql/NAME.h"; lines that are comments stay behind.
SQL_HEADERS := $(patsubst sql/postgres/%.sql,$(BUILD)/gen/sql/%.h,$(wildcard sql/postgres/*.sql))
$(OBJECTS): | $(SQL_HEADERS)
$(BUILD)/gen/sql/%.h: sql/postgres/%.sql Makefile
	@mkdir -p $(@D)
	$(V){ echo '/* Made from $<. */'; echo 'static const char lb_sql_$*[] ='; \
	  sed -e '/^ *--/d' -e 's/[\\"]/\\&/g' -e 's/.*/  "&\\n"/' $<; echo '  "";'; } >$@.new && mv $@.new $@

$(BUILD)/obj/%.o: ext/%.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)
	$(V)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

unit: $(UNIT_TESTS)

$(TESTED): $(filter-out $(BUILD)/obj/lifeboat.o,$(OBJECTS)) $(BUILD)/tests/routines.o
	$(V)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/tests/%.o: tests/%.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)
	$(V)$(CC) $(ALL_CFLAGS) -DSQLITE_CORE -Itests -MMD -MP -c -o $@ $<

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(TESTED)
	$(call say,LINK)
	$(V)$(CC) $(LDFLAGS) -o $@ $< $(TESTED) $(LIBS) -lsqlite3 -lcmocka

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- what people run ----

demo:
	scripts/bootstrap.sh build
	@$(MAKE) -s all
	scripts/demo.sh

check:
	scripts/bootstrap.sh build
	@tests/check.sh

suite: all unit
	@tests/jobs.sh full | tests/queue.sh

asan:
	@$(MAKE) -s SANITIZE=address BUILD=build/asan all unit
	@tests/jobs.sh address | tests/queue.sh

tsan:
	@$(MAKE) -s SANITIZE=thread BUILD=build/tsan all build/tsan/tests/core/test_ring
	@tests/jobs.sh thread | tests/queue.sh

BENCH_TOOLS := $(patsubst %,$(BUILD)/tests/bench/%,generate bound writer peak)
bench:
	scripts/bootstrap.sh bench
	@$(MAKE) -s $(BUILD)/lifeboat.so $(BENCH_TOOLS)
	BUILD=$(BUILD) /usr/bin/python3 tests/bench/run.py

.PHONY: bench-postgres
bench-postgres:
	scripts/bootstrap.sh bench-postgres
	@$(MAKE) -s $(BUILD)/lifeboat.so $(BUILD)/tests/bench/peak
	BUILD=$(BUILD) /usr/bin/python3 tests/bench/postgres.py

FUZZ_FLAGS = $(ALL_CFLAGS) -O1 -g1 -DSQLITE_CORE -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
fuzzed = $(patsubst ext/%.c,$(BUILD)/fuzz/ext/%.o,$(wildcard $(1)))
FUZZ_READER = $(call fuzzed,ext/archive/*.c ext/codec/*.c ext/core/*.c)
FUZZ_SCRIPT = $(call fuzzed,ext/postgres/script*.c ext/postgres/ddl.c ext/postgres/tokens.c ext/postgres/copy_out.c \
  ext/postgres/copy_rows.c ext/postgres/wire*.c ext/core/buffer.c ext/core/error.c ext/core/utf8.c)
compile_fuzzed = @mkdir -p $(@D) && clang $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<
link_fuzzed = $(V)clang $(FUZZ_FLAGS) -o $@ $^ $(LIBS) -lsqlite3

$(BUILD)/fuzz/ext/%.o: ext/%.c Makefile
	$(compile_fuzzed)
$(BUILD)/fuzz/tests/%.o: tests/fuzz/%.c Makefile
	$(compile_fuzzed)

# The reader without one check of an index, that of a section's length: fuzzing has to find it.
PLANTED = if (n > len - at) return damaged
$(BUILD)/fuzz/planted.c: ext/archive/index.c Makefile
	@mkdir -p $(@D)
	$(V)grep -qF '$(PLANTED)' $<
	$(V)grep -vF '$(PLANTED)' $< >$@
$(BUILD)/fuzz/planted.o: $(BUILD)/fuzz/planted.c
	$(compile_fuzzed)

$(BUILD)/fuzz/reader: $(BUILD)/fuzz/tests/reader.o $(FUZZ_READER)
	$(call say,LINK)
	$(link_fuzzed)
$(BUILD)/fuzz/planted: $(BUILD)/fuzz/tests/reader.o $(BUILD)/fuzz/planted.o \
  $(filter-out $(BUILD)/fuzz/ext/archive/index.o,$(FUZZ_READER))
	$(call say,LINK)
	$(link_fuzzed)
$(BUILD)/fuzz/script: $(BUILD)/fuzz/tests/script.o $(FUZZ_SCRIPT)
	$(call say,LINK)
	$(link_fuzzed)

fuzz: all $(BUILD)/fuzz/reader $(BUILD)/fuzz/script $(BUILD)/fuzz/planted
	@tests/fuzz/run.sh $(BUILD)

lint:
	@scripts/lint.py

# ---- installing ----

LIBDIR = $(DESTDIR)$(PREFIX)/lib/lifeboat
BINDIR = $(DESTDIR)$(PREFIX)/bin
DATADIR = $(DESTDIR)$(PREFIX)/share/lifeboat
DOCDIR = $(DESTDIR)$(PREFIX)/share/doc/lifeboat

install: all
	install -d "$(LIBDIR)" "$(BINDIR)" "$(DATADIR)/sql" "$(DOCDIR)"
	install -m 755 $(BUILD)/lifeboat.so "$(LIBDIR)/lifeboat.so"
	install -m 755 scripts/db_backup.sh scripts/db_restore.sh "$(LIBDIR)/"
	install -m 644 scripts/lib.sh "$(LIBDIR)/"
	ln -sf ../lib/lifeboat/db_backup.sh "$(BINDIR)/db_backup.sh"
	ln -sf ../lib/lifeboat/db_restore.sh "$(BINDIR)/db_restore.sh"
	install -m 644 sql/*.sql "$(DATADIR)/sql/"
	install -m 644 scripts/lifeboat.cron scripts/lifeboat-backup.service scripts/lifeboat-backup.timer "$(DATADIR)/"
	install -m 644 README.md docs/*.md "$(DOCDIR)/"

uninstall:
	rm -f "$(BINDIR)/db_backup.sh" "$(BINDIR)/db_restore.sh"
	rm -rf "$(LIBDIR)" "$(DATADIR)" "$(DOCDIR)"

clean:
	rm -rf build
