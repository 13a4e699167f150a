# wsgid-fleet: see README.md. Every target works on a machine with Go, git and
# make; what else it needs it installs (Debian and Ubuntu, sudo where not root).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
PREFIX   ?= /usr/local
BIN      := bin
CACHE    := $(CURDIR)/.cache
PYTHON   := $(firstword $(wildcard /usr/bin/python3) python3)
LINT     := v2.15.0
LDFLAGS  := -s -w

# Where git will not speak of this checkout (another owner, no git), the
# programs are built without the commit in their version.
ifneq ($(shell git -C '$(CURDIR)' rev-parse --verify -q HEAD >/dev/null 2>&1 && echo yes),yes)
export GOFLAGS := $(GOFLAGS) -buildvcs=false
endif

# Packages whose goroutines share state: their tests run under the race
# detector. A race in a process that a test has started, a master or a
# daemon, is in a file of RACES and fails the run as well.
RACE  := ./appspec/... ./fleet/... ./runner/bridge ./runner/evloop ./runner/latch ./runner/static ./runner/applog ./runner/unread ./runner/mongrel2/link
RACES := $(CACHE)/race
# It would sleep for a second at the end of every process that it watches.
RACED  = GORACE='log_path=$(RACES)/report atexit_sleep_ms=0' $(GOTEST) -race
# What counts messages by the pace of both sides, which the detector slows down:
# this one runs without it.
PACED := ^TestMessagesOfAResponse$$

# Of package runner, those whose goroutines beside the loop are at work: control
# socket, log, TLS, hand-off. All of them would take an hour under the detector.
RACE_RUNNER := ^Test(Journal|MasterReopensItsLog|MasterServesOnAFullDisk|Rotation|LogChangesLive|AccessLogOf|TLS|StatusWaitsForNews|ScalesInPlace|Replace|Successor|RolloutOutlivesAKill|BackoffAndRetry|AdoptCutOff|\w+OverTLS|StopLetsInWhoHasComeByTLS)

# How often make kills kills the gate.
KILLS ?= 1000

# Seconds of make chaos, and its seed (0: a new one, printed). With CLUSTER=1 it is
# three hosts and three members of etcd that are disturbed, FAULTS times.
CHAOS_TIME ?= 1h
SEED       ?= 0
FAULTS     ?= 200
CLUSTER    ?=

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: build
build: deps-build pages ## build wsgid-fleet, wsgid and wsgid-master into bin/
	@mkdir -p $(BIN)
	CGO_ENABLED=1 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/wsgid-fleet ./cmd/wsgid ./cmd/wsgid-master

# What the console's pages need in a browser, from npm: just what the lock file says, and
# with the sums that it has. It is embedded where it lies; without it the console tells its
# visitors why its pages do not follow.
CONSOLE := fleet/console
MODULES := $(CONSOLE)/web/static/npm
.PHONY: modules pages
modules: $(MODULES)/morphdom.js
$(MODULES)/morphdom.js: $(CONSOLE)/npm/package-lock.json
	@command -v npm >/dev/null || { echo 'modules: there is no npm; apt-get install npm' >&2; exit 1; }
	@mkdir -p $(MODULES) && got=$$(mktemp -d) && trap 'rm -rf "$$got"' EXIT && cp $(CONSOLE)/npm/package.json $< "$$got" && { \
		(cd "$$got" && timeout 120 npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null) || { \
			echo 'modules: cannot get from npm what $< names' >&2; exit 1; } } && \
	install -m 0644 "$$got/node_modules/morphdom/LICENSE" $(MODULES)/morphdom.LICENSE && \
	install -m 0644 "$$got/node_modules/morphdom/dist/morphdom-esm.js" "$$got/ready" && mv "$$got/ready" $@
pages:
	@$(MAKE) -s --no-print-directory modules || echo 'build: going on without; pages of the console will be loaded anew every 10 s, where they would follow' >&2

.PHONY: demo
demo: deps-demo build ## run the three apps of examples/quickstart until Ctrl-C
	@examples/quickstart/run

.PHONY: cluster
cluster: deps-cluster build ## three hosts of one fleet on this machine, and a page to kill them on, until Ctrl-C
	@$(if $(filter 0,$(shell id -u)),,sudo) examples/cluster/run.py

# The tests wait for other programs more than they calculate: where there are few cores, more
# of them at a time than go test starts by itself end a third sooner.
AT_ONCE := $(shell n=$$(nproc); n=$$((n > 4 ? n : 4)); echo -p $$n -parallel $$((2 * n)))

# go test, and at its end one line with the tests that were left out, and why.
GOTEST = GO='$(GO)' $(GO) run ./.ci/gotest

# What starts no master, Python, mongrel2 or container: each harness leaves its
# test out with -short, so that a new test is here by itself. The time limit,
# for each package, keeps it so.
.PHONY: unit
unit: ## the tests that start no processes: half a minute, no root, nothing to install
	$(GOTEST) -short -timeout 60s ./... ./.ci/gotest

.PHONY: test
test: deps-test build browser etcd configurations ## everything CI checks
	find runner examples -name '*.py' -print0 | xargs -0 -r $(PYTHON) -c 'import ast, sys; [ast.parse(open(f, encoding="utf-8").read(), f, feature_version=(3, 8)) for f in sys.argv[1:]]'
	find runner examples -name '*.py' -print0 | xargs -0 -r $(PYTHON) -m pyflakes
	@unformatted=$$(gofmt -l .ci appspec cmd fleet runner); test -z "$$unformatted" || { printf 'not formatted: %s\n' $$unformatted >&2; exit 1; }
	$(GO) vet ./... ./.ci/gotest
	@rm -rf $(RACES) && mkdir -p $(RACES) && chmod 1777 $(RACES)
	$(RACED) $(AT_ONCE) -timeout 20m -skip '$(PACED)' $(RACE) || { find $(RACES) -type f -exec cat {} + >&2; exit 1; }
	$(RACED) $(AT_ONCE) -timeout 10m -run '$(RACE_RUNNER)' ./runner || { find $(RACES) -type f -exec cat {} + >&2; exit 1; }
	@! compgen -G '$(RACES)/*' >/dev/null || { find $(RACES) -type f -exec cat {} + >&2; exit 1; }
	$(GOTEST) -run '$(PACED)' ./runner/mongrel2/link
	$(GOTEST) $(AT_ONCE) -timeout 40m $$($(GO) list ./... ./.ci/gotest | grep -vxFf <($(GO) list $(RACE)))

.PHONY: lint
lint: deps-build $(CACHE)/bin/golangci-lint-$(LINT) ## golangci-lint with .golangci.yml
	$(CACHE)/bin/golangci-lint-$(LINT) run ./...

$(CACHE)/bin/golangci-lint-$(LINT):
	@mkdir -p $(CACHE)/bin
	GOBIN=$(CACHE)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT)
	mv $(CACHE)/bin/golangci-lint $@

.PHONY: bench
bench: $(if $(CLUSTER),deps-cluster,deps-bench) build $(if $(CLUSTER),,browser) ## measure against uWSGI, gunicorn and mongrel2 (many machines: CLUSTER=1); write the tables into its README
	$(GO) build -o $(CACHE)/bin/bench ./cmd/wsgid-fleet/bench
	$(if $(CLUSTER),$(if $(filter 0,$(shell id -u)),,sudo)) $(CACHE)/bin/bench -fleet $(BIN)/wsgid-fleet -readme cmd/wsgid-fleet/bench/README.md $(if $(CLUSTER),-cluster) $(BENCH)

# What drives a browser, from npm: just what the lock file says.
BROWSER := cmd/wsgid-fleet/e2e/browser
.PHONY: browser
browser: $(if $(findstring chromium,$(WSGID_TEST_SKIP)),,$(CACHE)/browser/ready)
$(CACHE)/browser/ready: $(BROWSER)/package-lock.json
	@rm -rf $(@D) && mkdir -p $(@D) && cp $(BROWSER)/package.json $< $(@D)/
	@cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null || { \
		echo 'browser: cannot get what drives a browser from npm; to go on without those tests: make test WSGID_TEST_SKIP=chromium' >&2; exit 1; }
	@touch $@

# The newest etcd server, for tests beside the one of Debian: a module of its own. Where
# its modules cannot be had those tests say that they are left out.
NEWEST := fleet/cluster/etcd/etcdtest/newest
.PHONY: etcd
etcd: $(CACHE)/bin/etcd-newest
$(CACHE)/bin/etcd-newest: $(wildcard $(NEWEST)/*)
	@mkdir -p $(@D)
	@$(GO) -C $(NEWEST) build -trimpath -ldflags '$(LDFLAGS)' -o $@ . || echo 'etcd: the newest server cannot be built; its tests are left out' >&2

# What Debian's packages configure, for the tests of the import. Where they cannot be had
# those tests say that they are left out.
.PHONY: configurations
configurations: $(CACHE)/configurations/ready
$(CACHE)/configurations/ready: .ci/configurations
	@.ci/configurations $(@D) || echo 'configurations: none of them can be had; their tests are left out' >&2

.PHONY: chaos
chaos: deps-test build ## an hour of disturbances under load (CHAOS_TIME=, SEED=); of hosts and etcd: CLUSTER=1
ifeq ($(CLUSTER),)
	$(GO) test ./cmd/wsgid-fleet/e2e -run '^TestChaos$$' -count 1 -v -timeout 0 -args -chaos.time $(CHAOS_TIME) -chaos.seed $(SEED)
else
	$(GO) test ./cmd/wsgid-fleet/e2e -run '^TestClusterStorm$$' -count 1 -v -timeout 0 -args -cluster.faults $(FAULTS) -cluster.seed $(SEED)
endif

.PHONY: kills
kills: deps-test build ## kill the gate a thousand times under load (KILLS=)
	$(GO) test ./cmd/wsgid-fleet/e2e -run '^TestAGateIsKilledOverAndOver$$' -count 1 -v -timeout 0 -args -gate.kills $(KILLS)

.PHONY: large
large: deps-test ## unpack a repository of 100,000 files and one of 2 GiB
	$(GO) test ./fleet/deploy/source -run '^TestUnpackLarge$$' -count 1 -v -timeout 0 -args -large

# Manual pages, from the help texts and the reference page of the language.
MAN := $(CACHE)/man
.PHONY: man
man: build
	@rm -rf $(MAN) && mkdir -p $(MAN)
	$(GO) build -tags man -o $(CACHE)/bin/man ./cmd/wsgid-fleet
	$(CACHE)/bin/man man $(MAN) examples/specs/README.md $(BIN)/wsgid

# Where make install puts things; the package has units in another place.
SHARE    = $(PREFIX)/share
UNITDIR ?= $(PREFIX)/lib/systemd/system
ZSHDIR  ?= $(SHARE)/zsh/site-functions
# What it puts there; make uninstall removes it, and folders that are empty then.
# What lies in /etc is its owner's: it is not overwritten and not removed.
INSTALLED = $(addprefix $(PREFIX)/bin/,wsgid-fleet wsgid) $(PREFIX)/libexec/wsgid-fleet $(SHARE)/doc/wsgid-fleet \
	$(addprefix $(UNITDIR)/,wsgid-fleet.service wsgid.slice) $(PREFIX)/lib/sysusers.d/wsgid-fleet.conf $(PREFIX)/lib/tmpfiles.d/wsgid-fleet.conf \
	$(SHARE)/bash-completion/completions/wsgid-fleet $(ZSHDIR)/_wsgid-fleet $(SHARE)/fish/vendor_completions.d/wsgid-fleet.fish \
	$(SHARE)/man/man8/wsgid-fleet*.8 $(SHARE)/man/man1/wsgid.1 $(SHARE)/man/man5/wsgid.d.5

# What the pages link to is installed beside them, but for the findings, which stay in the
# source: their names are told.
DOC = $(DESTDIR)$(SHARE)/doc/wsgid-fleet

.PHONY: install
install: build man ## install programs, units, manual pages, completions and examples below PREFIX (/usr/local)
	cd $(DESTDIR)/ && install -d $(addprefix $(DESTDIR),$(sort $(dir $(INSTALLED))) $(PREFIX)/libexec/wsgid-fleet $(SHARE)/doc/wsgid-fleet /etc/default /etc/wsgid.d)
	install -m 0755 $(BIN)/wsgid-master $(DESTDIR)$(PREFIX)/libexec/wsgid-fleet/
	install -m 0755 $(BIN)/wsgid-fleet $(BIN)/wsgid $(DESTDIR)$(PREFIX)/bin/
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|' examples/systemd/wsgid-fleet.service >$(DESTDIR)$(UNITDIR)/wsgid-fleet.service
	install -m 0644 examples/systemd/wsgid.slice $(DESTDIR)$(UNITDIR)/
	install -m 0644 .debian/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/wsgid-fleet.conf
	install -m 0644 .debian/tmpfiles.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/wsgid-fleet.conf
	$(BIN)/wsgid-fleet completion bash >$(DESTDIR)$(SHARE)/bash-completion/completions/wsgid-fleet
	$(BIN)/wsgid-fleet completion zsh >$(DESTDIR)$(ZSHDIR)/_wsgid-fleet
	$(BIN)/wsgid-fleet completion fish >$(DESTDIR)$(SHARE)/fish/vendor_completions.d/wsgid-fleet.fish
	install -m 0644 $(MAN)/*.8 $(DESTDIR)$(SHARE)/man/man8/
	install -m 0644 $(MAN)/*.1 $(DESTDIR)$(SHARE)/man/man1/
	install -m 0644 $(MAN)/*.5 $(DESTDIR)$(SHARE)/man/man5/
	rm -rf $(DOC)/examples && cp -R examples $(DOC)/
	install -D -m 0644 -t $(DOC) README.md SECURITY.md ARCHITECTURE.md CONTRIBUTING.md LICENSE
	install -D -m 0644 -t $(DOC)/cmd/wsgid-fleet/bench cmd/wsgid-fleet/bench/README.md
	find $(DOC) -name __pycache__ -prune -exec rm -rf {} +
	find $(DOC) -name '*.md' -exec sed -i -E 's|\[([^]]*)\]\((\.\./)*findings/[^)]*\)|\1|g' {} +
	test -e $(DESTDIR)/etc/default/wsgid-fleet || install -m 0644 .debian/default $(DESTDIR)/etc/default/wsgid-fleet
	test -e $(DESTDIR)/etc/wsgid.d/README || install -m 0644 .debian/README.wsgid.d $(DESTDIR)/etc/wsgid.d/README

.PHONY: uninstall
uninstall: ## remove what make install has put below PREFIX; specs and what the fleet knows stay
	rm -rf $(addprefix $(DESTDIR),$(INSTALLED))

# The version of the package, from the one of the program and the commit's date: a
# build of a later commit is a newer package.
DEBVERSION = $(word 2,$(shell $(BIN)/wsgid-fleet version))+git$(shell git log -1 --format=%cd --date=format:%Y%m%d%H%M%S 2>/dev/null || echo 0)
DEBTREE   := $(CACHE)/deb/wsgid-fleet
DEB       ?= $(BIN)/

# One at a time: the tree that a package is made of lies in one place.
.PHONY: deb debpackage
deb: deps-deb ## build the Debian package into bin/
	@mkdir -p $(CACHE)
	@flock $(CACHE)/deb.lock $(MAKE) --no-print-directory debpackage
debpackage: modules build man
	@rm -rf $(CACHE)/deb && mkdir -p $(DEBTREE)/debian $(DEBTREE)/tree
	cp .debian/control .debian/rules .debian/postinst .debian/postrm $(DEBTREE)/debian/
	sed 's/^$$/./;s/^/ /' LICENSE | cat .debian/copyright - >$(DEBTREE)/debian/copyright
	sed 's/^$$/./;s/^/ /' $(MODULES)/morphdom.LICENSE | { printf '\nLicense: MIT\n'; cat; } >>$(DEBTREE)/debian/copyright
	printf 'wsgid-fleet (%s) unstable; urgency=medium\n\n  * See /usr/share/doc/wsgid-fleet/NEWS.md.gz.\n\n -- wsgid-fleet authors <wsgid-fleet@packages.invalid>  %s\n' \
		'$(DEBVERSION)' "$$(git log -1 --format=%cD 2>/dev/null || date -R)" >$(DEBTREE)/debian/changelog
	$(MAKE) --no-print-directory install DESTDIR=$(DEBTREE)/tree PREFIX=/usr UNITDIR=/lib/systemd/system ZSHDIR=/usr/share/zsh/vendor-completions
	install -m 0644 CHANGELOG.md $(DEBTREE)/tree/usr/share/doc/wsgid-fleet/NEWS.md
	cd $(DEBTREE)/tree/usr/share/doc/wsgid-fleet && rm LICENSE && sed -i 's|](LICENSE)|](copyright)|' README.md
	cd $(DEBTREE) && dpkg-buildpackage -b -us -uc -d >$(CACHE)/deb/log 2>&1 || { cat $(CACHE)/deb/log >&2; exit 1; }
	mv $(CACHE)/deb/wsgid-fleet_*.deb $(DEB)

.PHONY: deps-build deps-demo deps-cluster deps-test deps-bench deps-deb
deps-build:
	@.ci/deps build
deps-demo:
	@.ci/deps build demo
deps-cluster:
	@.ci/deps build cluster
deps-test:
	@.ci/deps build test deb
deps-bench:
	@.ci/deps build bench deb
deps-deb:
	@.ci/deps build deb
