# For those who use the library from C: builds it with cargo, and the examples with $(CC).

CARGO ?= cargo
PREFIX ?= /usr/local
libdir ?= $(PREFIX)/lib
includedir ?= $(PREFIX)/include
CFLAGS ?= -O2 -Wall -Wextra
# They are meant for the examples: cargo would compile the C code of its crates with them.
unexport CFLAGS CPPFLAGS LDFLAGS

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
LIBRARY := target/release/libglacier_mp.so
SONAME := libglacier_mp.so.0
EXAMPLES := $(patsubst bindings/c/examples/%.c,target/examples-c/%,$(wildcard bindings/c/examples/*.c))

.PHONY: all library examples demo test test-python test-clients models fuzz check header bench install clean

all: library examples

# cargo skips link-time optimisation when a library is built as cdylib and rlib at once, so it is built as cdylib alone.
library:
	$(CARGO) rustc --release --lib --crate-type cdylib
	ln -sf libglacier_mp.so target/release/$(SONAME)

examples: $(EXAMPLES)

target/examples-c/%: bindings/c/examples/%.c $(wildcard bindings/c/examples/*.h) include/glacier_mp.h | library
	@mkdir -p $(@D)
	$(CC) -std=c99 $(CPPFLAGS) $(CFLAGS) -Iinclude -o $@ $< $(LDFLAGS) -Ltarget/release -lglacier_mp -pthread \
		-Wl,-rpath,'$$ORIGIN/../release'

# make demo FILE=any-file [PART_SIZE=1M] [WORKERS=8] [MEMORY=256M] [TLS=1] [STORAGE=disk|hashes]
export PART_SIZE WORKERS MEMORY TLS STORAGE
demo: check-file all
	$(CARGO) build --release -p glacier-emulator
	@bindings/c/examples/demo.sh target/release/glacier-emulator target/examples-c '$(subst ','\'',$(FILE))'

# make emulator [EMULATOR_FLAGS="--vault my-vault"]: a local Glacier for your own programs. Prints the variables to set.
.PHONY: emulator
emulator:
	$(CARGO) build --release -p glacier-emulator
	@exec target/release/glacier-emulator --print-exports $(EMULATOR_FLAGS)

.PHONY: check-file
check-file:
	@[ -n '$(subst ','\'',$(FILE))' ] || { echo "make demo needs the file to upload: make demo FILE=any-file" >&2; exit 2; }
	@[ -f '$(subst ','\'',$(FILE))' ] || { echo "make demo:" '$(subst ','\'',$(FILE))' "is not a file" >&2; exit 2; }

test: test-python test-clients models
	$(CARGO) test --workspace

# What threads share, under a model checker. Its types are compiled in, so it has a target directory of its own; its
# dependencies need not be fast.
models:
	RUSTFLAGS="--cfg shuttle" $(CARGO) test --lib --target-dir target/shuttle \
		--config 'profile.dev.package."*".opt-level=1' models::

# Random inputs, FUZZ_SECONDS for each target; needs a C++ compiler. What led to code that nothing had led to before is kept,
# and tried first the next time. The flags are those of cargo-fuzz, which stable Rust takes too; with --target they are
# not for what runs at build time.
FUZZ_SECONDS ?= 60
FUZZ_FLAGS := --cfg fuzzing -Cpasses=sancov-module $(addprefix -Cllvm-args=-sanitizer-coverage-,level=4 \
	inline-8bit-counters pc-table trace-compares)
fuzz: fuzz-answers fuzz-hashes

.PHONY: fuzz-answers fuzz-hashes
fuzz-answers fuzz-hashes: fuzz-%:
	@mkdir -p target/fuzz/corpus/$*
	RUSTFLAGS="$(FUZZ_FLAGS)" $(CARGO) run --locked --release --manifest-path tests/fuzz/Cargo.toml \
		--target $(shell rustc -vV | sed -n 's/^host: //p') --target-dir target/fuzz --bin $* -- \
		-max_total_time=$(FUZZ_SECONDS) -artifact_prefix=target/fuzz/ target/fuzz/corpus/$*

# With what cargo builds for the other tests: nothing is compiled twice.
PYTHON ?= python3
VENV := target/python-venv
test-python: $(VENV)/ready
	$(CARGO) test --workspace --no-run
	cd bindings/python && $(CURDIR)/$(VENV)/bin/ruff check . && $(CURDIR)/$(VENV)/bin/ruff format --check . \
		&& $(CURDIR)/$(VENV)/bin/mypy .
	cd tests/python && $(CURDIR)/$(VENV)/bin/ruff check . ../support && $(CURDIR)/$(VENV)/bin/ruff format --check . ../support \
		&& $(CURDIR)/$(VENV)/bin/mypy . \
		&& GLACIER_MP_LIBRARY=$(CURDIR)/target/debug/deps/libglacier_mp.so $(CURDIR)/$(VENV)/bin/pytest

# boto3 and the AWS CLI against the local Glacier, alone and together with the library.
CLIENTS := target/clients-venv
test-clients: $(CLIENTS)/ready
	$(CARGO) test --workspace --no-run
	cd benches/python && $(CURDIR)/$(CLIENTS)/bin/ruff check . && $(CURDIR)/$(CLIENTS)/bin/ruff format --check .
	cd tests/clients && $(CURDIR)/$(CLIENTS)/bin/ruff check . && $(CURDIR)/$(CLIENTS)/bin/ruff format --check . \
		&& GLACIER_MP_LIBRARY=$(CURDIR)/target/debug/deps/libglacier_mp.so $(CURDIR)/$(CLIENTS)/bin/python -m pytest

target/%-venv/ready: tests/%/requirements.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

check:
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path benches/compare/Cargo.toml --all --check
	$(CARGO) fmt --manifest-path tests/fuzz/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --lib --features test-panics -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps
	$(CARGO) test --test header --test symbols

# Writes include/glacier_mp.h from the sources.
header:
	UPDATE_HEADER=1 $(CARGO) test --test header header_is_up_to_date

# What the library costs, beside others that do the same: hashes, then whole uploads to a local Glacier, in some 35 minutes.
# BENCH_QUICK=1 shows in a few minutes that it works.
# make bench [BENCH_BYTES=4294967296] [BENCH_REPETITIONS=3] [BENCH_QUICK=1]
export BENCH_BYTES BENCH_REPETITIONS BENCH_QUICK
COMPARE := --locked --release --manifest-path benches/compare/Cargo.toml --target-dir target/compare
bench: examples target/bench-c/watched $(CLIENTS)/ready
	$(CARGO) build --release -p glacier-emulator
	$(CARGO) build $(COMPARE) --no-default-features -p compare -p sdk
	@if pkg-config --exists openssl; then $(CARGO) run $(COMPARE) --bin hashes $(if $(BENCH_QUICK),1); \
		else echo "bench: the hashes are left out: beside them stand those of OpenSSL, which need libssl-dev"; fi
	@target/compare/release/uploads

target/bench-c/%: benches/c/%.c include/glacier_mp.h | library
	@mkdir -p $(@D)
	$(CC) -std=c99 $(CPPFLAGS) $(CFLAGS) -Iinclude -o $@ $< $(LDFLAGS) -Ltarget/release -lglacier_mp -pthread \
		-Wl,-rpath,'$$ORIGIN/../release'

install: library
	install -d "$(DESTDIR)$(libdir)/pkgconfig" "$(DESTDIR)$(includedir)"
	install -m 755 $(LIBRARY) "$(DESTDIR)$(libdir)/libglacier_mp.so.$(VERSION)"
	ln -sf libglacier_mp.so.$(VERSION) "$(DESTDIR)$(libdir)/$(SONAME)"
	ln -sf $(SONAME) "$(DESTDIR)$(libdir)/libglacier_mp.so"
	install -m 644 include/glacier_mp.h "$(DESTDIR)$(includedir)/glacier_mp.h"
	sed -e 's|@prefix@|$(PREFIX)|' -e 's|@libdir@|$(libdir)|' -e 's|@includedir@|$(includedir)|' \
		-e 's|@version@|$(VERSION)|' bindings/c/glacier_mp.pc.in >"$(DESTDIR)$(libdir)/pkgconfig/glacier_mp.pc"
	chmod 644 "$(DESTDIR)$(libdir)/pkgconfig/glacier_mp.pc"

clean:
	$(CARGO) clean
