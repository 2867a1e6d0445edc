# Stepline's targets; `make help` lists them.
GO      ?= go
LINT    := $(shell $(GO) env GOPATH)/bin/golangci-lint
LINTVER := v2.15.0

# The race detector needs a C compiler, everything else does without.
CC_FOUND := $(shell command -v $$($(GO) env CC) 2>/dev/null)
RACE     := $(if $(CC_FOUND),-race,)
CGO      := $(if $(CC_FOUND),1,0)

SEEDS ?= 5000
JSON  ?=
ARGS  ?=

# Of the functions: arm64 or x86_64, as template.yaml's Architecture.
ARCH   ?= arm64
LAMBDA_GOARCH := $(ARCH:x86_64=amd64)

# What the functions are built for; tests build for another.
TEMPLATE ?= template.yaml

.DEFAULT_GOAL := help
.PHONY: help run build test test-aws test-sam sam-inside ready deploy destroy lint check sim planted proof bench

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## run Stepline on this machine, with a sample (ARGS="-no-demo" for more flags)
	@CGO_ENABLED=0 $(GO) run ./infra/local $(ARGS)

build: ## build the program into bin/stepline
	@CGO_ENABLED=0 $(GO) build -trimpath -o bin/stepline ./infra/local

test: ## run all tests, with the race detector where a C compiler exists (ARGS for go test's flags)
	@test -n "$(RACE)" || echo "no C compiler ($$($(GO) env CC)) here: the tests run without the race detector"
	@command -v strace >/dev/null || echo "no strace here: the proof that an answer waits for the disk is left out"
	@command -v curl >/dev/null && command -v openssl >/dev/null || echo "no curl or no openssl here: README's commands are not tried"
	@CGO_ENABLED=$(CGO) $(GO) test $(RACE) $(ARGS) ./...

test-aws: ## test on DynamoDB Local and ElasticMQ, which it downloads and starts (Java, npm, Maven)
	@$(GO) run ./infra/standin sh -c '$(GO) test -tags aws -count=1 -timeout 20m $(ARGS) ./internal/table/dynamodb ./internal/queue/sqs ./infra/awsproof && \
		$(GO) test -tags aws -count=1 -timeout 20m -run "^Test(Case|Task)" $(ARGS) ./internal/runner'

test-sam: ## run the functions in SAM's containers, with every sample event and in whole flows (brings SAM CLI and Docker)
	@infra/sam/run.sh $(MAKE) -s sam-inside

# What test-sam runs once SAM CLI and the engine are there.
sam-inside:
	@$(GO) build -o bin/standin ./infra/standin
	@bin/standin -bind 127.0.0.1,$$STEPLINE_TEST_GATEWAY $(GO) test -tags sam -count=1 -timeout 30m -v -run '^TestSAM' ./functions

lint: ## check format, vet and lint
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not formatted:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	@$(GO) vet -tags aws ./...
	@$(LINT) version 2>/dev/null | grep -q '$(LINTVER:v%=%)' || GOBIN=$(dir $(LINT)) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINTVER)
	@$(LINT) run --allow-parallel-runners ./...

check: lint test ## lint and test: what a change must pass

sim: ## simulate SEEDS=5000 seeded runs with faults
	@$(GO) test ./internal/sim -count=1 -timeout 60m -v -run '^TestSim$$' -seeds $(SEEDS)

planted: ## build known bugs into the core, and demand that the simulation finds each
	@$(GO) test ./internal/sim -count=1 -timeout 60m -v -run '^TestPlanted' -planted

proof: ## the whole-process proofs at full size: ten times kill -9, strace, a full disk
	@$(GO) test ./infra/proof -count=1 -timeout 30m -v -rounds 10

bench: ## measure, beside what the machine can do at most (JSON=file for a copy)
	@CGO_ENABLED=0 $(GO) run ./infra/bench $(if $(JSON),-json $(JSON)) $(ARGS)

ready: ## build the functions, and show the size of each package and how fast it starts
	@CGO_ENABLED=0 $(GO) run ./infra/ready

deploy: ## deploy to AWS, as infra/samconfig.toml says (ENV=dev or prod, ARCH=arm64 or x86_64)
	@ARCH=$(ARCH) PARAMETERS='$(PARAMETERS)' infra/deploy.sh deploy $(ENV)

destroy: ## take a deployment away, all but its table (ENV=dev or prod)
	@infra/deploy.sh destroy $(ENV)

# The functions, as `sam build` asks for them: build-<LogicalId>. The names of
# their folders are the logical ids in lower case; solo is the worker again.
# Beside each lies where the template puts the calls of the API.
build-SoloFunction: binary = worker
build-%Function: binary = $(shell echo $* | tr A-Z a-z)
build-%Function:
	@CGO_ENABLED=0 GOOS=linux GOARCH=$(LAMBDA_GOARCH) $(GO) build -trimpath -tags lambda.norpc -ldflags "-s -w" -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/$(binary)
	@CGO_ENABLED=0 GOOS= GOARCH= $(GO) run ./infra/routes $(TEMPLATE) >"$(ARTIFACTS_DIR)/routes.json"
