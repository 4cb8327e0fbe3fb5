# make check   before every commit, under two minutes when warm
# make test    everything that go test finds
# make ci      what decides about a merge, about an hour
# make api     records the exported API after it changed
# make fuzz    each fuzz target for FUZZTIME
# make bench   the benchmarks, in a form that benchstat reads

GOBIN    := $(or $(shell go env GOBIN),$(shell go env GOPATH)/bin)
FUZZTIME ?= 30s
COUNT    ?= 6
# Packages that compile the Graph SDK take minutes; they are left to make test.
LIGHT     = $$(go list ./... | grep -vE '/(entra/graphentra|examples/entra-setup|internal/it)(/|$$)')
FILES     = $$(git ls-files -co --exclude-standard '*.go')

.PHONY: check fmt lint test race ci api fuzz bench tools

check:
	@bad=$$($(GOBIN)/gofumpt -l $(FILES)) && [ -z "$$bad" ] || { echo "not formatted, run make fmt: $$bad"; exit 1; }
	go vet $(LIGHT)
	$(MAKE) lint
	go test -short $(LIGHT)

fmt:
	$(GOBIN)/gofumpt -w $(FILES)

lint:
	$(GOBIN)/golangci-lint run $$(echo $(LIGHT) | sed "s|$$(go list -m)|.|g")

test:
	go test ./...

race:
	go test -race $(LIGHT)

ci:
	.ci/run

api:
	@mkdir -p api
	go run ./internal/apilist >api/mspkit.txt.new && mv api/mspkit.txt.new api/mspkit.txt

fuzz:
	MSPKIT_FUZZTIME=$(FUZZTIME) .ci/run fuzz

bench:
	go test -run='^$$' -bench=. -benchmem -count=$(COUNT) $$(go list ./... | grep -vE '/(entra/graphentra|examples|internal/it/(graphsdk|browser|kill))(/|$$)')

# The versions of .ci/run.
tools:
	go install mvdan.cc/gofumpt@v0.12.0
	go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
