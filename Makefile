# make          build the programs into bin/ (the same as: make build)
# make test     all tests with the race detector; installs what they need first
# make demo     a whole mirror network on loopback, published and explained (demo/)
# make check    format, vet, staticcheck, tidy modules, shell scripts, import rule
# make bench    the figures of this machine beside other tools; fails below target
#               (make bench BENCH=. runs the Go benchmarks of all packages too)
# make fuzz     every fuzz target, 2 minutes or 10 each (scripts/fuzz); FUZZTIME=30s shortens
#               each, FUZZ='sign keys' chooses by package or name
# make defences every defence of docs/threats.md taken out in turn: the test named must fail
#               (DEFENCES='^B2' chooses rows)
# make soak     the long tests, with kills (TIDEMARK_SOAK=1, tests named *Soak*)
# make deps     install what the tests need (scripts/deps test)
# make clean    remove what was built, fetched and demonstrated
#
# GOFLAGS and the other variables of the go command are respected.

GO      ?= go
VERSION  = $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
TOOL     = $(GO) tool -modfile=tools/go.mod
SCRIPTS  = $(shell grep -lE '^\#!.*\b(ba)?sh\b' .ci/* scripts/* contrib/* 2>/dev/null)
DEMO    ?=
BENCH   ?=
FUZZ    ?=
DEFENCES ?=

export GO

.PHONY: all build test bench defences soak fuzz check demo deps clean

all: build

build:
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -tags urfave_cli_no_docs -ldflags '-s -w -X main.commit=$(VERSION)' -o bin/ ./cmd/...
	@ls -l bin | awk 'NR > 1 { printf "bin/%-18s %6.1f MB\n", $$NF, $$5 / 1e6 }'

test:
	@scripts/deps test
	@# one package more than processors: many tests wait for real servers. SQLite is C put into Go by a machine: the race
	@# detector makes it ten times as slow, and would look at nothing of ours in there
	CGO_ENABLED=1 $(GO) test -race -gcflags='modernc.org/...=-race=false' -p $$(($$(nproc) + 1)) -timeout 28m ./...

demo:
	@scripts/deps demo
	@$(MAKE) --no-print-directory build
	bin/tidemark-lab demo $(DEMO)

bench:
	@scripts/deps bench
	@$(MAKE) --no-print-directory build
	@$(TOOL) -n versitygw >/dev/null # built now: the bench runs where there is no network
	bin/tidemark-lab bench
	@test -z '$(BENCH)' || $(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

soak:
	@scripts/deps test
	TIDEMARK_SOAK=1 $(GO) test -count=1 -p 1 -timeout 60m -run Soak -v ./...

defences:
	@scripts/deps test
	TIDEMARK_SOAK=1 DEFENCES='$(DEFENCES)' $(GO) test -count=1 -timeout 120m -run TestSoakDefences -v ./internal/threats

fuzz:
	@scripts/fuzz $(FUZZ)

check:
	@scripts/deps check
	@files=$$(gofmt -l .) || exit 1; test -z "$$files" || { echo "run gofmt -w on:" $$files >&2; exit 1; }
	$(GO) vet ./...
	$(GO) mod tidy -diff
	cd tools && $(GO) mod tidy -diff
	shellcheck $(SCRIPTS)
	$(GO) test -count=1 ./internal/arch
	@test ! -d cmd/tidemark-mirror || deps=$$($(GO) list -deps ./cmd/tidemark-mirror) || exit 1; case "$$deps" in *github.com/aws/*) echo "cmd/tidemark-mirror links the AWS SDK" >&2; exit 1 ;; esac
	$(TOOL) staticcheck ./...

deps:
	@scripts/deps test

clean:
	rm -rf bin demo .deps
