# Everything there is to do here. `make help` explains each target.
SHELL       := /bin/bash
GO          ?= go
BIN         := bin
LDFLAGS     := -s -w -X github.com/mmm-ha/mmm/internal/version.version=$(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
export GOFLAGS := -buildvcs=false
# A missing part of the machine is a failure in tests, never a silent skip.
export MMM_REQUIRE ?= netns,mariadb,etcd,ed25519,mysql,clients
RUNS        ?= 10
KEEP        ?=
HOURS       ?= 1
# Of bench-router. SECONDS is a variable of bash, too, so it counts only when make is given it.
ROUNDS      ?= 10
EACH        := $(if $(filter command line,$(origin SECONDS)),$(SECONDS),0.5)
PROXYSQL    ?=

.DEFAULT_GOAL := help
.PHONY: help deps build demo demo-down test test-short check docs model model-full fuzz bench-failover bench-router bench-durability clean
.PHONY: chaos chaos-long reliability sim sim-year

help: ## Show this list.
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## Install the Debian packages that the demo needs (idempotent, starts no service).
	@scripts/install-deps.sh

build: ## Build mmmagent, mmmctl, mmmrouter and mmmlab into ./bin.
	@mkdir -p $(BIN)
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/...
	@ln -sf mmmctl $(BIN)/mmm_control

demo: deps build ## Tell the whole story on four real servers and two routers, with every acknowledged write checked. KEEP=1 leaves it running.
	@$(BIN)/mmmlab demo --bin $(BIN) $(if $(KEEP),--keep)

demo-down: ## End what `make demo KEEP=1` left running.
	@$(BIN)/mmmlab down

test: build ## Run every test: unit, property, golden, and integration on real servers.
	@scripts/install-deps.sh --tests
	@scripts/test.sh

test-short: ## Run the tests that need neither root nor servers.
	@MMM_REQUIRE= $(GO) test -short ./...

check: ## Format, vet, lint, and see that go.mod and the generated pages are fresh.
	@scripts/check.sh

docs: ## Write the generated pages (docs/states.md, docs/keys.md, docs/rules.md, docs/routing.md) anew.
	@$(GO) test . ./topology ./internal/store ./router/route -run 'Fresh|UpToDate' -rewrite

model: ## Explore the protocol: one fault at every moment, and its rules taken out one by one (under a minute).
	@$(GO) run ./cmd/mmmlab model $(if $(ONLY),--only '$(ONLY)' --trace)

model-full: ## The same with two faults (minutes, up to 5 GB).
	@$(GO) run ./cmd/mmmlab model --full

fuzz: ## Fuzz the parsers for a minute each.
	@for f in FuzzSetReadsWhatItWrites FuzzStateReadsWhatItWrites FuzzTwoSetsHaveOneOrder; do $(GO) test ./topology/gtid -run '^$$' -fuzz "$$f\$$" -fuzztime 60s || exit 1; done
	@$(GO) test ./internal/clusterfile -run '^$$' -fuzz FuzzParse -fuzztime 60s
	@$(GO) test ./vip -run '^$$' -fuzz FuzzAnswer -fuzztime 60s
	@$(GO) test ./router/session -run 'TestRandom(Sessions|Settings)' -timeout 30m -args -seed $$RANDOM -sessions 500
	@$(GO) test ./router/proxyproto -run '^$$' -fuzz FuzzRead -fuzztime 60s
	@for f in FuzzClassify FuzzDecideKnowsWhy FuzzRandomStatementsOfKnownTruth; do $(GO) test ./router/route -run '^$$' -fuzz "$$f\$$" -fuzztime 60s || exit 1; done
	@for f in FuzzScanner FuzzNormal; do $(GO) test ./router/lexer -run '^$$' -fuzz "$$f\$$" -fuzztime 60s || exit 1; done

bench-failover: ## Measure the write gap of each kind of failover, beside keepalived (RUNS=10 each); results under docs/benchmarks/.
	@scripts/install-deps.sh --bench
	@$(MAKE) --no-print-directory build
	@$(BIN)/mmmlab bench-failover --bin $(BIN) --runs $(RUNS) --out docs/benchmarks

bench-router: ## Measure what mmmrouter costs beside haproxy and MySQL Router (ROUNDS=10 SECONDS=0.5 PROXYSQL=path); results under docs/benchmarks/.
	@scripts/install-deps.sh --bench
	@$(MAKE) --no-print-directory build
	@$(BIN)/mmmlab bench-router --bin $(BIN) --rounds $(ROUNDS) --each $(EACH)s --mysql-router "$$(scripts/unpack.sh sid mysql-router)" --proxysql '$(PROXYSQL)' --out docs/benchmarks

bench-durability: ## Measure what it costs that an acknowledged write is safe; result: docs/benchmarks/durability.md.
	@$(MAKE) --no-print-directory build
	@$(BIN)/mmmlab bench-durability

chaos: deps build ## Strike real servers with a short seeded set of faults, everything watched and judged (at most 5 minutes).
	@MMM_BIN=$(CURDIR)/$(BIN) $(GO) test ./chaos/storm -run TestStormOfSeedViolatesNothing -count=1 -v -timeout 6m

chaos-long: deps build ## The same with new seeds for HOURS=n hours; results are added to docs/reliability/chaos.jsonl.
	@scripts/chaos-long.sh $(HOURS)

reliability: ## Write RELIABILITY.md from the results in docs/reliability.
	@$(GO) run ./cmd/mmmlab reliability

sim: ## Simulate 1000 clusters of five minutes dense with faults (SEEDS=n FROM=s); the result is kept in docs/reliability/sim.jsonl.
	@CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/mmmlab ./cmd/mmmlab
	@$(BIN)/mmmlab sim --seeds $(or $(SEEDS),1000) --from $(or $(FROM),1) --json docs/reliability/sim.jsonl

sim-year: ## Simulate a year in all, in days with minutes of calm between the faults; takes about an hour.
	@CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/mmmlab ./cmd/mmmlab
	@$(BIN)/mmmlab sim --calm --minutes 1440 --seeds $(or $(SEEDS),370) --from $(or $(FROM),1000001) --json docs/reliability/sim.jsonl

clean: ## Remove what was built.
	@rm -rf $(BIN)

.PHONY: mutants
mutants: deps ## Plant each known bug into a copy of the code and see that a test notices it; docs/mutants.md is the result.
	@$(GO) run ./cmd/mmmlab mutants
