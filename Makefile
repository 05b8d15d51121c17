# `make run` shows what ramet does; `make test` runs every test. Both need Go only.

GO       ?= go
BIN      := bin/ramet
SQLC     := github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# The race detector needs cgo, and so a C compiler.
RACE     := $(shell [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v "$$($(GO) env CC)" >/dev/null 2>&1 && echo -race)
PKGS     := ./...
DEMO     ?=
# Where tests note that they lack a right or a program (sdktest.NotRun). It lies in
# the tree, so that go test does not take the noting test's result from its cache.
export RAMET_NOT_RUN := $(CURDIR)/bin/not-run

# Generators of the protocol's Go code, pinned in a module of their own.
BUF      := $(GO) tool -modfile=../../tools/go.mod buf

.PHONY: all build plugins proto proto-check proto-baseline run test forget unit race loopback external zmq node compat compat-generate cross soak bench bench-failover lint fuzz clean

all: build lint test

build:
	@echo "building $(BIN); the first build takes half a minute or more (SQLite is 9 MB of Go)"
	@mkdir -p bin
	@$(GO) build -o $(BIN) ./cmd/ramet
	@$(MAKE) -s plugins

# Each plugin as a program. Stripped: they load and hash faster.
plugins:
	@mkdir -p bin/plugins
	@$(GO) build -trimpath -ldflags "-s -w" -o bin/plugins/ ./plugins/store-sqlite ./plugins/transport-unix ./plugins/transport-zmq ./plugins/failover-lease

run: build
	@$(BIN) demo $(DEMO)

# All tests. Ends with one line for each suite that could not run, and why.
# With REQUIRE_ALL=1 such a line is a failure.
test: forget build cross unit race loopback external zmq compat
	@$(if $(RACE),,echo "race detector: needs a C compiler (Debian: apt-get install gcc)" >>$(RAMET_NOT_RUN))
	@if [ -s $(RAMET_NOT_RUN) ]; then sort -u $(RAMET_NOT_RUN) | sed 's/^/NOT RUN: /'; [ -z "$(REQUIRE_ALL)" ]; else echo "all suites ran"; fi

forget:
	@mkdir -p bin
	@rm -f $(RAMET_NOT_RUN)

unit:
	$(GO) vet $(PKGS)
	$(GO) test -timeout 15m $(PKGS)

# The race detector on everything; the heavy counts are taken down by -short.
race:
	$(if $(RACE),$(GO) test -race -short -timeout 20m $(PKGS))

# The kernel's suite once more, with every argument, result and error of every
# stage passed through the encoding.
loopback:
	RAMET_TEST_MODE=loopback $(GO) test -short -count=1 -timeout 15m ./kernel/systest

# And once more with every plugin as a program: each node of a test has three, and
# the start race 48.
external:
	RAMET_TEST_MODE=external $(GO) test -short -count=1 -timeout 15m ./kernel/systest

# The SQL libraries of others on ramet's handle; a module of its own.
compat:
	cd compat && GOFLAGS=-mod=mod $(GO) vet ./... && GOFLAGS=-mod=mod $(GO) test -count=1 -timeout 10m .

# Minutes: sqlc is built first.
compat-generate:
	cd compat/internal/sqlcshop && $(GO) run $(SQLC) generate
	cd compat/internal/entshop && $(GO) generate ./...
	cd compat && $(GO) test -count=1 -run TestGeneratedCodeIsFresh . -update

# The kernel's suite once more, on the other transport: its sockets, and TCP.
zmq:
	RAMET_TEST_TRANSPORT=zmq $(GO) test $(RACE) -short -count=1 -timeout 15m ./kernel/systest
	RAMET_TEST_TRANSPORT=zmq-tcp $(GO) test -short -count=1 -timeout 15m ./kernel/systest

# What the Node client needs.
node:
	cd plugins/transport-zmq/interop/node && npm ci --ignore-scripts

# darwin and windows compile; they are not run.
cross:
	GOOS=darwin GOARCH=arm64 $(GO) vet $(PKGS)
	GOOS=windows GOARCH=amd64 $(GO) vet $(PKGS)

# The full counts; about half an hour.
soak: build
	RAMET_RACE_ROUNDS=200 $(GO) test -count=1 -timeout 60m -run 'Race' ./kernel/systest
	RAMET_TEST_MODE=external RAMET_RACE_ROUNDS=100 $(GO) test -count=1 -timeout 60m -run 'Race|Programs' ./kernel/systest
	$(BIN) demo --kills 100 --stops 20 --duration 10m

bench: build
	$(BIN) bench read
	$(BIN) bench start
	$(BIN) bench transport
	$(BIN) bench start --external
	$(BIN) bench remote
	$(BIN) bench failover
	$(BIN) bench failover --external

# Write gap after SIGKILL, beside the floor F measured in the same run.
bench-failover: build
	$(BIN) bench failover --kills 200 --instances 3

lint:
	@test -z "$$(gofmt -s -l . | tee /dev/stderr)"
	$(GO) vet $(PKGS)
	$(GO) run $(STATICCHECK) $(PKGS)
	$(GO) test -run 'Documented|NoSilentSkip|Arrows' .

# The Go code of sdk/proto. Works offline after "go mod download" in tools.
proto:
	cd sdk/proto && $(BUF) generate -o ..

# The code is what the protocol files give, and they break no program of the last
# release, whose protocol is baseline.binpb.
proto-check:
	cd sdk/proto && $(BUF) lint
	cd sdk/proto && $(BUF) breaking --against baseline.binpb
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && \
	cd sdk/proto && $(BUF) generate -o "$$tmp" && diff -r "$$tmp/internal/pb" ../internal/pb

# Part of a release: what proto-check compares with from then on.
proto-baseline:
	cd sdk/proto && $(BUF) build -o baseline.binpb

fuzz:
	$(GO) test -fuzz=Fuzz -fuzztime=60s ./sdk/wire
	$(GO) test -fuzz=Fuzz -fuzztime=60s ./sdk/remote
	$(GO) test -fuzz=Fuzz -fuzztime=60s ./plugins/transport-unix/unix
	$(GO) test -fuzz=Fuzz -fuzztime=60s ./plugins/internal/stream
	$(GO) test -fuzz=Fuzz -fuzztime=60s ./plugins/transport-zmq/zmq
	$(GO) test -fuzz=Fuzz -fuzztime=60s ./assembly

clean:
	rm -rf bin
