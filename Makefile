# The entry points of this repository. Each target is a script or a single command.

CARGO ?= cargo
IMAGE ?= comeback-servers:bookworm
# Number of drills at once. Drills in parallel slow each other down: 1 gives the most exact times.
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup drill test selftest soak bench bench-verify lint fmt image clean-machine

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make this machine ready: server images or server programs; safe to repeat
	@scripts/setup --all

drill: ## run the weekly suite of drills on throw-away servers
	@scripts/setup
	$(CARGO) run --release --package comeback -- run --suite weekly --jobs $(JOBS)

test: ## set-up, format, lints and every test
	@scripts/test

selftest: ## inject every damage into a drill, and check that its judge finds it; some minutes
	@scripts/setup --require local
	$(CARGO) run --release --package comeback -- selftest --substrate local

soak: ## the random tests at full length: recovery targets, kills, damaged RDB files, keyspaces, whole systems; about an hour
	@scripts/setup --require local
	COMEBACK_HISTORIES=110 COMEBACK_TARGETS=10 COMEBACK_KILLS=200 COMEBACK_REQUIRE=local \
		$(CARGO) test --release --package comeback --test integration -- --nocapture \
		random_targets kills after_a_kill_under_load
	COMEBACK_FUZZ_SECONDS=600 $(CARGO) test --release --package comeback-digest --lib rdb::mutations
	COMEBACK_REDIS_CASES=1000 COMEBACK_FLIPS=1000 $(CARGO) test --package comeback --test integration -- \
		redis_corpus::model redis_corpus::flips
	scripts/fuzz rdb 600
	$(CARGO) build --release --bin comeback
	@mkdir -p target && for round in $$(seq 20); do \
		target/release/comeback run dr/full-system --substrate local --evidence-dir target/soak >target/soak.log 2>&1 \
			|| { cat target/soak.log; exit 1; }; \
		echo "dr/full-system: $$round of 20"; \
	done
	scripts/clients_agree.py target/soak

bench: ## speed: computation in process, and restores of 1.2 GB against peers of the same run; about 35 minutes
	@scripts/setup --require local
	$(CARGO) bench --manifest-path benches/in_process/Cargo.toml --target-dir target/in-process
	$(CARGO) bench --package comeback

bench-verify: ## speed of `comeback verify` against the bare restore of the same 1 GB; as root, about 20 minutes
	@scripts/setup --require local
	$(CARGO) build --release --package comeback
	benches/verify.py

lint: ## format and lints only
	@scripts/lint

fmt: ## format the code
	$(CARGO) fmt --all

image: ## rebuild the server image from Debian packages, with today's updates
	@scripts/build-image $(IMAGE)

clean-machine: ## remove leftovers of drills and the images that set-up built; packages stay
	$(CARGO) run --release --package comeback -- clean
	for image in $(IMAGE) comeback-servers:trixie; do \
		if docker image inspect $$image >/dev/null 2>&1; then docker rmi $$image; fi; \
	done
