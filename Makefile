# Builds the library (cargo) and the C examples ($(CC)).

CARGO ?= cargo
PYTHON ?= python3
PREFIX ?= /usr/local
bindir ?= $(PREFIX)/bin
libdir ?= $(PREFIX)/lib
includedir ?= $(PREFIX)/include
datadir ?= $(PREFIX)/share
mandir ?= $(PREFIX)/share/man
docdir ?= $(PREFIX)/share/doc/libglacier_mp
CFLAGS ?= -O2 -Wall -Wextra
# Apply to the C examples only. Keep them out of cargo's build scripts.
unexport CFLAGS CPPFLAGS LDFLAGS
export CARGO PYTHON

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SONAME := libglacier_mp.so.0

# The target directory of cargo, from CARGO_TARGET_DIR or cargo's configuration files. It may contain spaces, so no file in
# it is a target of make. If cargo is not in the PATH (under sudo, for example), the default is used.
TARGET_DIR := $(shell $(CARGO) metadata --format-version 1 --no-deps --offline 2>/dev/null \
	| sed -n 's/.*"target_directory":"\(\([^"\\]\|\\.\)*\)".*/\1/p')
TARGET_DIR := $(or $(TARGET_DIR),$(CARGO_TARGET_DIR),$(CARGO_BUILD_TARGET_DIR),$(CURDIR)/target)

# The commands below contain these directories between double quotes, where a shell replaces some characters.
empty :=
tab := $(empty)	$(empty)
define newline


endef
has_special = $(strip $(foreach character,\ " ` $$,$(findstring $(character),$(1))) $(if $(findstring $(tab),$(1)),tab) \
	$(if $(findstring $(newline),$(1)),newline))
$(foreach name,CURDIR CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR TARGET_DIR PREFIX DESTDIR bindir libdir includedir datadir \
	mandir docdir,$(if $(call has_special,$($(name))),$(error $(name) is "$($(name))": a shell would replace \
	characters of it: use a directory whose name has no \, no ", no `, no $$, no tab and no newline)))

BUILD_DIR := $(TARGET_DIR)$(addprefix /,$(CARGO_BUILD_TARGET))
RELEASE := $(BUILD_DIR)/release
DEBUG := $(BUILD_DIR)/debug
EXAMPLES := $(BUILD_DIR)/examples-c

# Compiles the C program $(2) into the directory $(1), a sibling of the directory of the library.
define compile_c
	$(CC) -std=c99 $(CPPFLAGS) $(CFLAGS) -Iinclude -o "$(1)/$(basename $(notdir $(2)))" $(2) $(LDFLAGS) -L"$(RELEASE)" \
		-lglacier_mp -pthread -Wl,-rpath,'$$ORIGIN/../release'

endef

.PHONY: all library examples command build-emulator header install uninstall clean

all: library examples

# Prints the targets.
define HELP
  all                builds the library and the C examples: the default
  command            builds the command glacier-mp, its manual pages and completions
  build-emulator     builds the local Glacier for make install
  install            copies what was built: PREFIX, DESTDIR, libdir and more
  uninstall          removes what make install copied with the same variables
  demo               FILE=any-file: uploads a file to a local Glacier, is killed, resumes
  emulator           runs a local Glacier for other programs

  test               test-rust, test-python, test-clients, models
  test-rust          tests in Rust, C and C++
  test-python        tests in Python
  test-clients       tests boto3 and the AWS CLI with the local Glacier
  models             checks interleavings of threads
  check              checks formats, lints, documentation, header and ABI
  test-node          tests the Node.js package
  test-docs          builds the manual and runs its programs
  test-dask          uploads from Dask clusters whose workers are killed
  test-languages     builds and runs the programs of examples/
  test-install       builds programs with an installed library
  test-wheel         tests the wheel with each installed Python
  test-deb           installs, uses and removes the Debian packages; needs root
  test-reproducible  compares two builds of the release library
  test-aarch64       tests the library for 64-bit ARM under qemu
  stress             repeats the tests under adverse conditions
  stress-one         TEST=part-of-a-name: repeats some tests 200 times
  fuzz               runs each fuzz target for FUZZ_SECONDS=60
  bench              compares the CPU time with that of other programs

  wheel              builds a Python wheel
  deb                builds the Debian packages
  docs               builds the manual
  screens            draws the pictures of the command

  header             writes include/glacier_mp.h
  abi                adds new functions to abi/
  notices            writes THIRD-PARTY-NOTICES
  clean              removes what was built
endef
.PHONY: help
help:
	@: $(info $(HELP))

# Optimized builds: the same sources, toolchain and Cargo.lock give the same file in each directory.
RELEASE_FLAGS = --locked --release --config "$$(scripts/remap-paths "$(TARGET_DIR)")"

# Builds the cdylib only: cargo skips link-time optimization if it builds an rlib too.
library:
	$(CARGO) rustc $(RELEASE_FLAGS) --lib --crate-type cdylib
	ln -sf libglacier_mp.so "$(RELEASE)/$(SONAME)"

# Builds the command glacier-mp, its manual pages and its completion scripts.
COMMAND_MAN := $(RELEASE)/glacier-mp-man
COMMAND_COMPLETIONS := $(RELEASE)/glacier-mp-completions
command:
	$(CARGO) build $(RELEASE_FLAGS) -p glacier-mp
	"$(RELEASE)/glacier-mp" man "$(COMMAND_MAN)"
	@mkdir -p "$(COMMAND_COMPLETIONS)"
	for shell in bash zsh fish; do \
		"$(RELEASE)/glacier-mp" completions $$shell >"$(COMMAND_COMPLETIONS)/$$shell" || exit 1; \
	done

# Builds the local Glacier for make install. make emulator runs it.
build-emulator:
	$(CARGO) build $(RELEASE_FLAGS) -p glacier-emulator

examples: library
	@mkdir -p "$(EXAMPLES)"
	$(foreach source,$(wildcard bindings/c/examples/*.c),$(call compile_c,$(EXAMPLES),$(source)))

# These targets first check that the required tools are installed.
CHECKED := demo emulator test test-rust test-python test-clients test-install test-dask test-languages test-node docs test-docs screens models check abi stress stress-one bench fuzz
# Python packages and other processors.
CHECKED += wheel test-wheel test-aarch64
# Installation and packages.
CHECKED += deb test-deb test-reproducible
.PHONY: $(CHECKED) $(CHECKED:%=run-%) check-file build-tests
$(CHECKED):
	@[ $@ != stress-one ] || [ -n "$(TEST)" ] || { echo "make stress-one needs TEST=part-of-a-name" >&2; exit 2; }
	@scripts/prerequisites $@
	@$(MAKE) --no-print-directory run-$@

# make demo FILE=any-file [PART_SIZE=1M] [WORKERS=8] [MEMORY=256M] [TLS=1] [STORAGE=disk|hashes]
export PART_SIZE WORKERS MEMORY TLS STORAGE
demo: check-file
run-demo: all build-emulator
	@bindings/c/examples/demo.sh "$(RELEASE)/glacier-emulator" "$(EXAMPLES)" '$(subst ','\'',$(FILE))'

check-file:
	@[ -n '$(subst ','\'',$(FILE))' ] || { echo "make demo needs a file to upload: make demo FILE=any-file" >&2; exit 2; }
	@[ -f '$(subst ','\'',$(FILE))' ] || { echo "make demo:" '$(subst ','\'',$(FILE))' "is not a file" >&2; exit 2; }

# make emulator [EMULATOR_FLAGS="--vault my-vault"]
# Runs a local Glacier for other programs. Prints the environment variables to set.
# Standard output has these commands only.
run-emulator:
	@$(MAKE) --no-print-directory build-emulator >&2
	@echo "Run the following lines in another terminal. The local Glacier has the vault examplevault, unless EMULATOR_FLAGS names others. Ctrl-C stops it." >&2
	@exec "$(RELEASE)/glacier-emulator" --print-exports $(EMULATOR_FLAGS)

run-test: run-test-rust run-test-python run-test-clients run-models

# The tests wait for local Glaciers and other processes half of the time, so two tests run for each processor.
run-test-rust: export RUST_TEST_THREADS ?= $(shell echo $$((2 * $$(nproc))))
run-test-rust:
	$(CARGO) test --workspace

# Programs in C and C++ that find an installed tree with pkg-config, CMake and meson. make test-rust has those with plain -l.
run-test-install:
	$(CARGO) test --test install -- --include-ignored

# Two builds of the release library in different directories are the same file.
run-test-reproducible:
	scripts/test-reproducible "$(TARGET_DIR)"

# Debian packages in $(TARGET_DIR)/debian, checked by lintian. Options of dpkg-buildpackage: DEB_FLAGS="-d"
export DEB_FLAGS
run-deb:
	scripts/build-deb "$(TARGET_DIR)/debian"

# Installs the Debian packages in a new Debian system in a directory, uses and removes them. Needs root.
run-test-deb: run-deb
	scripts/test-deb "$(TARGET_DIR)/debian"

# Model checks of the code that threads share. The feature replaces locks and atomics by those of the model checker. With
# --workspace, cargo uses the dependencies that it built for the other tests.
run-models:
	$(CARGO) test --workspace --exclude glacier-mp-test-panics --lib --features glacier_mp/test-models model_tests::threads::

build-tests:
	$(CARGO) test --workspace --no-run

# Each test has its own local Glacier, and waits for it or for other processes half of the time.
TWO_AT_A_TIME := --numprocesses 2

# The Python tests use the library and the emulator that cargo built for the Rust tests.
export RUFF_CACHE_DIR := $(TARGET_DIR)/ruff
export MYPY_CACHE_DIR := $(TARGET_DIR)/mypy
run-test-python run-test-clients: export GLACIER_MP_LIBRARY := $(DEBUG)/deps/libglacier_mp.so
run-test-python run-test-clients: export GLACIER_EMULATOR := $(DEBUG)/glacier-emulator

run-test-python: PYTHON_TESTS := "$(TARGET_DIR)/python-venv/bin/python" -m
run-test-python: build-tests
	scripts/venv tests/python/requirements.txt "$(TARGET_DIR)/python-venv"
	cd bindings/python && $(PYTHON_TESTS) ruff check . && $(PYTHON_TESTS) ruff format --check . && $(PYTHON_TESTS) mypy .
	cd tests/python && $(PYTHON_TESTS) ruff check . ../support ../../scripts \
		&& $(PYTHON_TESTS) ruff format --check . ../support ../../scripts \
		&& $(PYTHON_TESTS) mypy . && $(PYTHON_TESTS) pytest $(TWO_AT_A_TIME)
	cd tests/wheel && $(PYTHON_TESTS) ruff check . && $(PYTHON_TESTS) ruff format --check . && $(PYTHON_TESTS) mypy .

# Builds a Python wheel for Linux with glibc 2.17 or later, and prints its path.
WHEEL := $(TARGET_DIR)/wheel
run-wheel: run-wheel-venv
	scripts/build-wheel "$(WHEEL)" "$(WHEEL)/venv"

.PHONY: run-wheel-venv
run-wheel-venv:
	@mkdir -p "$(WHEEL)"
	scripts/venv tests/wheel/requirements.txt "$(WHEEL)/venv"

# Tests this wheel with each Python from 3.9 to 3.13 and PyPy that is installed, and installs the package in all other ways.
run-test-wheel: export WHEEL_DIRECTORY := $(WHEEL)
run-test-wheel: export GLACIER_EMULATOR := $(DEBUG)/glacier-emulator
run-test-wheel: run-wheel-venv
	$(CARGO) build -p glacier-emulator
	GLACIER_MP_WHEEL=$$(scripts/build-wheel "$(WHEEL)" "$(WHEEL)/venv") && export GLACIER_MP_WHEEL \
		&& cd tests/wheel && "$(WHEEL)/venv/bin/python" -m pytest

# Tests the library for 64-bit ARM under qemu. Builds for 5 to 15 minutes at the first run.
run-test-aarch64:
	$(CARGO) build -p glacier-emulator
	scripts/test-aarch64 "$(TARGET_DIR)/aarch64" "$(DEBUG)/glacier-emulator"

# Tests boto3 and the AWS CLI against the local Glacier, alone and together with the library.
CLIENTS := "$(TARGET_DIR)/clients-venv/bin/python" -m
run-test-clients: build-tests
	scripts/venv tests/clients/requirements.txt "$(TARGET_DIR)/clients-venv"
	cd benches/python && $(CLIENTS) ruff check . && $(CLIENTS) ruff format --check .
	cd tests/clients && $(CLIENTS) ruff check . && $(CLIENTS) ruff format --check . && $(CLIENTS) pytest $(TWO_AT_A_TIME)

# Builds the manual. A warning, such as a link that leads nowhere, is an error.
DOCS := $(TARGET_DIR)/manual
define build_docs
	scripts/venv docs/requirements.txt "$(TARGET_DIR)/docs-venv"
	"$(TARGET_DIR)/docs-venv/bin/python" -m sphinx --fail-on-warning --keep-going --quiet -b html docs "$(DOCS)"

endef
run-docs: export GLACIER_MP_LIBRARY := $(RELEASE)/libglacier_mp.so
run-docs: library
	$(build_docs)
	@echo "the manual is in $(DOCS)/index.html"

# Builds the manual, and runs the programs in it.
run-test-docs: DOCS_TESTS := "$(TARGET_DIR)/python-venv/bin/python" -m
run-test-docs: export GLACIER_MP_LIBRARY := $(DEBUG)/deps/libglacier_mp.so
run-test-docs: export GLACIER_EMULATOR := $(DEBUG)/glacier-emulator
run-test-docs: build-tests
	$(build_docs)
	scripts/venv tests/python/requirements.txt "$(TARGET_DIR)/python-venv"
	cd tests/docs && $(DOCS_TESTS) ruff check . && $(DOCS_TESTS) ruff format --check . && $(DOCS_TESTS) mypy . \
		&& $(DOCS_TESTS) pytest

# Writes the pictures of the command in docs/screens.
run-screens: build-emulator
	$(CARGO) build $(RELEASE_FLAGS) -p glacier-mp
	scripts/venv docs/manual/screens-requirements.txt "$(TARGET_DIR)/screens-venv"
	"$(TARGET_DIR)/screens-venv/bin/python" docs/manual/screens.py "$(RELEASE)/glacier-mp" "$(RELEASE)/glacier-emulator"

# Tests uploads from several workers on local Dask clusters of processes, whose workers are killed at random.
# make test-dask [GLACIER_DASK_KILLS=20] [GLACIER_DASK_SEED=number]
DASK := "$(TARGET_DIR)/dask-venv/bin/python" -m
run-test-dask: export GLACIER_MP_LIBRARY := $(DEBUG)/libglacier_mp.so
run-test-dask: export GLACIER_EMULATOR := $(DEBUG)/glacier-emulator
run-test-dask:
	$(CARGO) build -p glacier_mp --lib
	$(CARGO) build -p glacier-emulator
	scripts/venv tests/dask/requirements.txt "$(TARGET_DIR)/dask-venv"
	cd tests/dask && $(DASK) ruff check . && $(DASK) ruff format --check . && $(DASK) pytest

# Tests the Node.js package with the library and the emulator that cargo built for the Rust tests.
run-test-node: export GLACIER_MP_LIBRARY := $(DEBUG)/deps/libglacier_mp.so
run-test-node: export GLACIER_EMULATOR := $(DEBUG)/glacier-emulator
run-test-node: build-tests
	cd bindings/node && npm ci --ignore-scripts --no-audit --no-fund && npm run check && npm test

# Builds and runs the programs of examples/ with an installed library.
LANGUAGES := $(TARGET_DIR)/languages
run-test-languages: LANGUAGE_TESTS := "$(TARGET_DIR)/python-venv/bin/python" -m
run-test-languages: export GLACIER_PREFIX := $(LANGUAGES)/prefix
run-test-languages: export GLACIER_EMULATOR := $(DEBUG)/glacier-emulator
run-test-languages: library
	$(CARGO) build -p glacier-emulator
	@$(MAKE) --no-print-directory install PREFIX="$(LANGUAGES)/prefix" >/dev/null
	scripts/venv tests/python/requirements.txt "$(TARGET_DIR)/python-venv"
	cd tests/languages && $(LANGUAGE_TESTS) ruff check . && $(LANGUAGE_TESTS) ruff format --check . \
		&& $(LANGUAGE_TESTS) mypy . && $(LANGUAGE_TESTS) pytest

# Runs the test suites repeatedly under adverse conditions. scripts/stress.py describes the variables.
# make stress [STRESS_RUNS=1] [STRESS_CONDITIONS="load umask+tmpdir"] [STRESS_SUITES="rust c python clients"]
# make stress-one TEST=part-of-a-name [N=200]
export STRESS_RUNS STRESS_CONDITIONS STRESS_SUITES TEST
N ?= 200
run-stress-one: STRESS_RUNS := $(N)
run-stress run-stress-one: export STRESS_TARGET_DIR := $(TARGET_DIR)
run-stress run-stress-one: export GLACIER_MP_LIBRARY := $(DEBUG)/deps/libglacier_mp.so
run-stress run-stress-one: export GLACIER_EMULATOR := $(DEBUG)/glacier-emulator
run-stress run-stress-one: build-tests
	scripts/venv tests/python/requirements.txt "$(TARGET_DIR)/python-venv"
	scripts/venv tests/clients/requirements.txt "$(TARGET_DIR)/clients-venv"
	$(PYTHON) scripts/stress.py

# The options are in .clang-format and bindings/cpp/.clang-format. Other versions of clang-format format differently.
CLANG_FORMAT ?= clang-format-14
export CLANG_FORMAT
C_SOURCES := $(wildcard $(addprefix bindings/,c/examples/*.[ch] cpp/*.hpp cpp/examples/*.cpp) \
	$(addprefix tests/,c/*.[ch] cpp/*.[ch]pp abi/*.c data/abi-0/*.c install/consumer/*.c*) benches/c/*.c)
run-check:
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path benches/compare/Cargo.toml --all --check
	$(CARGO) fmt --manifest-path tests/fuzz/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings -D clippy::incompatible_msrv
	@scripts/check-msrv "$(TARGET_DIR)/msrv"
	$(PYTHON) scripts/check_imports.py
	$(PYTHON) scripts/check_imports.py cli/src
	$(CLANG_FORMAT) --dry-run -Werror $(C_SOURCES)
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps
	$(CARGO) test --test header --test symbols
	scripts/abi check "$(TARGET_DIR)/abi"
	mandoc -T lint -W warning $(MAN_PAGES)

# Writes THIRD-PARTY-NOTICES: the licenses of the crates inside the library and the command.
.PHONY: notices
notices:
	$(PYTHON) scripts/notices.py

# Writes include/glacier_mp.h from the sources.
header:
	UPDATE_HEADER=1 $(CARGO) test --test header header_is_up_to_date

# Adds new functions to abi/symbols.txt, and writes the ABI of the header to abi/glacier_mp.abi.
run-abi:
	UPDATE_SYMBOLS=1 $(CARGO) test --test symbols lists_every_function
	scripts/abi update "$(TARGET_DIR)/abi"

# Runs each fuzz target for FUZZ_SECONDS. Inputs that reach new coverage are kept in the corpus and replayed first. The
# flags are those of cargo-fuzz. Stable Rust accepts them. Because of --target, they do not apply to build scripts.
FUZZ_SECONDS ?= 60
FUZZ_FLAGS := --cfg fuzzing -Cpasses=sancov-module $(addprefix -Cllvm-args=-sanitizer-coverage-,level=4 \
	inline-8bit-counters pc-table trace-compares)
FUZZ_DIR := $(TARGET_DIR)/fuzz
FUZZ_TARGETS := $(addprefix fuzz-,json hashes responses profiles credentials dates proxies)
run-fuzz: $(FUZZ_TARGETS)

.PHONY: $(FUZZ_TARGETS)
$(FUZZ_TARGETS): fuzz-%:
	@mkdir -p "$(FUZZ_DIR)/corpus/$*"
	RUSTFLAGS="$(FUZZ_FLAGS)" $(CARGO) run --locked --release --manifest-path tests/fuzz/Cargo.toml \
		--target $(shell rustc -vV | sed -n 's/^host: //p') --target-dir "$(FUZZ_DIR)" --bin $* -- \
		-max_total_time=$(FUZZ_SECONDS) -artifact_prefix="$(FUZZ_DIR)/" "$(FUZZ_DIR)/corpus/$*"

# Compares the CPU time of the library with that of other programs: hashes, then uploads to a local Glacier. Takes about 35
# minutes. BENCH_QUICK=1 takes a few minutes and only shows that the benchmark works.
# make bench [BENCH_BYTES=4294967296] [BENCH_REPETITIONS=3] [BENCH_QUICK=1]
export BENCH_BYTES BENCH_REPETITIONS BENCH_QUICK
COMPARE := --locked --release --manifest-path benches/compare/Cargo.toml --target-dir "$(TARGET_DIR)/compare"
run-bench: examples build-emulator
	@mkdir -p "$(BUILD_DIR)/bench-c"
	$(call compile_c,$(BUILD_DIR)/bench-c,benches/c/watched.c)
	scripts/venv tests/clients/requirements.txt "$(TARGET_DIR)/clients-venv"
	$(CARGO) build $(COMPARE) -p compare -p sdk
	$(CARGO) run $(COMPARE) --bin hashes $(if $(BENCH_QUICK),1)
	CARGO_TARGET_DIR="$(TARGET_DIR)" "$(TARGET_DIR)/compare/release/uploads"

# What make install copies besides the library. PROGRAMS are files of the release directory, which are copied if they were
# built, by make command and make build-emulator.
PROGRAMS := glacier-mp glacier-emulator
BUILT_PROGRAMS = $(shell cd "$(RELEASE)" 2>/dev/null && for file in $(PROGRAMS); do [ ! -f $$file ] || echo $$file; done)
HEADERS := include/glacier_mp.h bindings/cpp/glacier_mp.hpp
MAN_PAGES := $(wildcard docs/man/*.[1-9])
DOCUMENTS := LICENSE-APACHE LICENSE-MIT THIRD-PARTY-NOTICES README.md CHANGELOG.md
CMAKE_FILES := glacier_mp-config.cmake glacier_mp-config-version.cmake

# The directory of the manual page $(1), such as man3 for name.3.
man_directory = $(DESTDIR)$(mandir)/man$(patsubst .%,%,$(suffix $(1)))
cmake_directory = $(DESTDIR)$(libdir)/cmake/glacier_mp

# The installed files except the library and its links.
define installed_files
"$(DESTDIR)$(libdir)/pkgconfig/glacier_mp.pc" $(foreach file,$(CMAKE_FILES),"$(cmake_directory)/$(file)") \
	$(foreach file,$(HEADERS),"$(DESTDIR)$(includedir)/$(notdir $(file))") \
	$(foreach file,$(PROGRAMS),"$(DESTDIR)$(bindir)/$(file)") \
	$(foreach file,$(MAN_PAGES),"$(call man_directory,$(file))/$(notdir $(file))") \
	$(foreach file,$(DOCUMENTS),"$(DESTDIR)$(docdir)/$(notdir $(file))")
endef

# Copies the file $(2) to $(3), with the mode $(1).
define copy
	install -m $(1) "$(2)" "$(3)"

endef

# Writes the file $(2) from the template $(1).
define fill
	scripts/fill-template bindings/c/$(1).in "$(2)" "$(RELEASE)/libglacier_mp.so"

endef

# The directories of the completion scripts.
BASH_COMPLETIONS = $(DESTDIR)$(datadir)/bash-completion/completions
ZSH_COMPLETIONS = $(DESTDIR)$(datadir)/zsh/site-functions
FISH_COMPLETIONS = $(DESTDIR)$(datadir)/fish/vendor_completions.d

# Installs the manual pages and the completion scripts of glacier-mp, if make command built them.
.PHONY: install-command
install-command:
	@if [ -d "$(COMMAND_COMPLETIONS)" ]; then set -ex; \
		install -d "$(DESTDIR)$(mandir)/man1" "$(BASH_COMPLETIONS)" "$(ZSH_COMPLETIONS)" "$(FISH_COMPLETIONS)"; \
		install -m 644 "$(COMMAND_MAN)"/*.1 "$(DESTDIR)$(mandir)/man1"; \
		install -m 644 "$(COMMAND_COMPLETIONS)/bash" "$(BASH_COMPLETIONS)/glacier-mp"; \
		install -m 644 "$(COMMAND_COMPLETIONS)/zsh" "$(ZSH_COMPLETIONS)/_glacier-mp"; \
		install -m 644 "$(COMMAND_COMPLETIONS)/fish" "$(FISH_COMPLETIONS)/glacier-mp.fish"; \
	fi

# Copies the built files. It builds nothing, so it can run as root and without cargo.
install: export PREFIX := $(PREFIX)
install: export libdir := $(libdir)
install: export includedir := $(includedir)
install: export VERSION := $(VERSION)
install: export SONAME := $(SONAME)
install: check-directories
	@[ -f "$(RELEASE)/libglacier_mp.so" ] || { echo "make install: $(RELEASE)/libglacier_mp.so does not exist: run make first," \
		"with the same CARGO_TARGET_DIR" >&2; exit 2; }
	@install -d "$(DESTDIR)$(libdir)/pkgconfig" "$(cmake_directory)" "$(DESTDIR)$(includedir)" "$(DESTDIR)$(docdir)" \
		$(if $(BUILT_PROGRAMS),"$(DESTDIR)$(bindir)") $(foreach file,$(MAN_PAGES),"$(call man_directory,$(file))")
	install -m 755 "$(RELEASE)/libglacier_mp.so" "$(DESTDIR)$(libdir)/libglacier_mp.so.$(VERSION)"
	ln -sf libglacier_mp.so.$(VERSION) "$(DESTDIR)$(libdir)/$(SONAME)"
	ln -sf $(SONAME) "$(DESTDIR)$(libdir)/libglacier_mp.so"
	$(foreach file,$(HEADERS),$(call copy,644,$(file),$(DESTDIR)$(includedir)/$(notdir $(file))))
	$(call fill,glacier_mp.pc,$(DESTDIR)$(libdir)/pkgconfig/glacier_mp.pc)
	$(foreach file,$(CMAKE_FILES),$(call fill,cmake/$(file),$(cmake_directory)/$(file)))
	$(foreach file,$(BUILT_PROGRAMS),$(call copy,755,$(RELEASE)/$(file),$(DESTDIR)$(bindir)/$(file)))
	$(foreach file,$(MAN_PAGES),$(call copy,644,$(file),$(call man_directory,$(file))/$(notdir $(file))))
	$(foreach file,$(DOCUMENTS),$(call copy,644,$(file),$(DESTDIR)$(docdir)/$(notdir $(file))))
	$(if $(filter glacier-mp,$(BUILT_PROGRAMS)),@$(MAKE) --no-print-directory install-command)
	@$(if $(DESTDIR),,scripts/check-pkg-config-path "$(libdir)/pkgconfig")
	@$(if $(DESTDIR),,scripts/refresh-linker-cache "$(libdir)")

# Removes the files that make install with the same variables installs.
uninstall: check-directories
	rm -f "$(DESTDIR)$(libdir)/libglacier_mp.so.$(VERSION)" "$(DESTDIR)$(libdir)/$(SONAME)" \
		"$(DESTDIR)$(libdir)/libglacier_mp.so" $(installed_files)
	rm -f "$(DESTDIR)$(mandir)/man1/glacier-mp.1" "$(DESTDIR)$(mandir)/man1/"glacier-mp-*.1 \
		"$(BASH_COMPLETIONS)/glacier-mp" "$(ZSH_COMPLETIONS)/_glacier-mp" "$(FISH_COMPLETIONS)/glacier-mp.fish"
	@rmdir "$(cmake_directory)" "$(DESTDIR)$(docdir)" 2>/dev/null || true
	@$(if $(DESTDIR),,[ ! -d "$(libdir)" ] || scripts/refresh-linker-cache "$(libdir)" >/dev/null)

# The files for pkg-config and CMake contain the directories.
.PHONY: check-directories
check-directories:
	@for directory in $(foreach name,PREFIX libdir includedir,"$(name)=$($(name))"); do \
		case $$directory in *=/*) ;; *) echo "make: $$directory is not an absolute path" >&2; exit 2 ;; esac; \
	done

clean:
	$(CARGO) clean
