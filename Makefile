# `make run` shows what ramet does; `make test` runs every test. Both need Go only.

GO       ?= go
BIN      := bin/ramet
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# The race detector needs cgo, and so a C compiler.
RACE     := $(shell [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v "$$($(GO) env CC)" >/dev/null 2>&1 && echo -race)
PKGS     := ./...
DEMO     ?=

.PHONY: all build run test unit race loopback cross soak bench bench-failover lint fuzz clean

all: build lint test

build:
	@echo "building $(BIN); the first build takes half a minute or more (SQLite is 9 MB of Go)"
	@mkdir -p bin
	@$(GO) build -o $(BIN) ./cmd/ramet

run: build
	@$(BIN) demo $(DEMO)

# All tests. Ends with one line for each suite that could not run, and why.
# With REQUIRE_ALL=1 such a line is a failure.
test: build cross unit race loopback
	@$(if $(RACE),echo "all suites ran",echo "NOT RUN: race detector: needs a C compiler (Debian: apt-get install gcc)"; [ -z "$(REQUIRE_ALL)" ])

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

# darwin and windows compile; they are not run.
cross:
	GOOS=darwin GOARCH=arm64 $(GO) vet $(PKGS)
	GOOS=windows GOARCH=amd64 $(GO) vet $(PKGS)

# The full counts; about half an hour.
soak: build
	RAMET_RACE_ROUNDS=200 $(GO) test -count=1 -timeout 60m -run 'Race' ./kernel/systest
	$(BIN) demo --kills 100 --stops 20 --duration 10m

bench: build
	$(BIN) bench read
	$(BIN) bench start
	$(BIN) bench failover

# Write gap after SIGKILL, beside the floor F measured in the same run.
bench-failover: build
	$(BIN) bench failover --kills 200 --instances 3

lint:
	@test -z "$$(gofmt -s -l . | tee /dev/stderr)"
	$(GO) vet $(PKGS)
	$(GO) run $(STATICCHECK) $(PKGS)

fuzz:
	$(GO) test -fuzz=Fuzz -fuzztime=60s ./sdk/wire
	$(GO) test -fuzz=Fuzz -fuzztime=60s ./plugins/transport-unix/unix

clean:
	rm -rf bin
