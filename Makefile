# Commands for a checkout. pyproject.toml names the dependencies; requirements/ pins their versions and hashes.

PYTHON ?= python3
UV ?= uv
VENV ?= .venv
LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links

BABEL = $(VENV)/bin/pybabel --quiet
# Tests wait for processes and browsers: one worker more than processors.
WORKERS = $(shell expr $$(nproc) + 1)
MARKS ?= not slow
# English has no catalogue: its messages are in the code.
LANGUAGES = de fr es pt it nl pl uk ar he fa zh ja ko

# Each is a module of tests/attacks. N changes its size, such as the number of kills: make crash N=1000.
ATTACKS = crash mail powercut privacy timing authz xss fuzz slow cost erase outage rolling

export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Python keeps compiled modules: tests start the service hundreds of times.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help serve test check $(ATTACKS) bench generators lint format types words examples confusables wheel typescript sbom release lock

help:  ## list the commands
	@sed -n 's/^\([a-z]*\):.*  ## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

serve: $(VENV)/.runs  ## run the service on port 8080, with its data in ./data
	$(VENV)/bin/commentsvc serve

test: $(VENV)/.develops  ## run all tests but the slow ones (MARKS selects others)
	@scripts/debian-packages develop $(PYTHON)
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal -m "$(MARKS)"

check: $(VENV)/.clients  ## run the slow tests, and property tests with five times the examples
	@scripts/debian-packages develop $(PYTHON)
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal -m slow; slow=$$?; \
	COMMENTSVC_TEST_EXAMPLES=5 $(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal --timeout 900 \
		-m "hypothesis and not slow" tests/audit tests/moderation tests/rules tests/storage && exit $$slow

crash:  ## kill the service under load: it loses no accepted comment, and stores none twice
mail:  ## kill the service under load: each accepted comment is mailed, and none with two ids
powercut:  ## cut the power under load (needs root): it loses no accepted comment and no key
privacy:  ## change only hidden data: no public byte changes
timing:  ## time posts with known, banned and moderators' addresses: no difference is found
authz:  ## send every request with every credential: each gets the expected status
xss:  ## post hostile texts: no page, feed or widget runs or shows them as HTML
fuzz:  ## send generated requests, with a key and without: each answer is as documented
slow:  ## open slow connections: they are closed, and readers are served
cost:  ## ask from fifty clients for what costs most: readers still get quick answers
erase:  ## erase comments: nothing of them is left in any file, nor after a restore
outage:  ## fill the disk, stop the database, move the clock: the service says so, and recovers
rolling:  ## reload, restart and replace under load: no accepted comment is lost
$(ATTACKS): $(VENV)/.develops
	@scripts/debian-packages develop $(PYTHON)
	$(VENV)/bin/python -m tests.attacks.$@ $(if $(N),--number $(N))

bench: $(VENV)/.develops  ## measure speed and memory, and compare with the table (20 minutes; GROUPS=lag finds what blocks)
	@scripts/debian-packages bench $(PYTHON)
	$(VENV)/bin/python -m bench $(GROUPS)

generators: $(VENV)/.develops  ## build a blog with every generator of docs/embedding.md (20 minutes; needs npm)
	@scripts/debian-packages develop $(PYTHON)
	$(VENV)/bin/python -m tests.generators

lint: $(VENV)/.develops  ## check style, format and package layers
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports --no-cache

format: $(VENV)/.develops  ## format the code and apply ruff's fixes
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

types: $(VENV)/.develops  ## check types
	$(VENV)/bin/mypy

words: $(VENV)/.develops  ## extract translatable messages, update the catalogues and compile them
	$(BABEL) extract --mapping-file=pyproject.toml --keyword=translatable --keyword=translatable_plural:1,2 \
		--keyword=translatable_format --keyword=Plural:1,2 \
		--add-location=file --omit-header --output-file=$(VENV)/words.pot commentsvc
	for lang in $(LANGUAGES); do $(BABEL) update --locale=$$lang --init-missing --input-file=$(VENV)/words.pot \
		--domain=commentsvc --output-dir=commentsvc/web/locales --no-wrap --no-fuzzy-matching --ignore-obsolete \
		--ignore-pot-creation-date || exit; done
	$(BABEL) compile --domain=commentsvc --directory=commentsvc/web/locales

examples: $(VENV)/.develops  ## record the examples of the API reference from a running service
	COMMENTSVC_RECORD_EXAMPLES=1 $(VENV)/bin/python -m pytest -q tests/web/test_examples.py

confusables: $(VENV)/.runs  ## download Unicode's table of confusables and generate ours
	$(VENV)/bin/python scripts/generate_confusables.py

wheel: $(VENV)/.develops  ## build the wheel and the source archive into dist/
	rm -rf dist
	$(VENV)/bin/python -m hatchling build --target sdist --target wheel

typescript: $(VENV)/.clients  ## generate TypeScript types of the API into dist/
	mkdir -p dist
	$(VENV)/bin/commentsvc openapi >dist/openapi.json
	PATH="$(abspath $(VENV))/bin:$$PATH" $(VENV)/npm/node_modules/.bin/openapi-typescript dist/openapi.json --output dist/commentsvc.d.ts

sbom: $(VENV)/.develops  ## list the packages of the image, with versions and hashes, in dist/ (CycloneDX)
	mkdir -p dist
	$(VENV)/bin/cyclonedx-py requirements requirements/runtime.txt --pyproject pyproject.toml --mc-type application \
		--output-reproducible --output-format JSON --output-file dist/commentsvc.cdx.json

release: wheel typescript sbom  ## build all files of a release into dist/: wheel, source, OpenAPI, TypeScript types, SBOM
	cd dist && sha256sum * >SHA256SUMS

lock:  ## upgrade the dependencies and pin them in requirements/ (needs uv)
	$(LOCK) --extra postgres --extra disposable --extra archives --extra metrics pyproject.toml --output-file requirements/runtime.txt
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], "editables", sep="\n")' \
		| $(LOCK) - --output-file requirements/build.txt
	$(LOCK) --all-extras --group dev pyproject.toml requirements/build.txt --output-file requirements/dev.txt

# The checkout is installed as editable, so changed code needs no new installation.
$(VENV)/.runs: pyproject.toml requirements/runtime.txt requirements/build.txt
	@scripts/debian-packages run $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	$(VENV)/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.develops: $(VENV)/.runs requirements/dev.txt
	$(VENV)/bin/pip install --quiet --require-hashes -r requirements/dev.txt
	touch $@

# Tools in JavaScript that read the OpenAPI document. Node.js is a package of requirements/dev.txt.
$(VENV)/.clients: $(VENV)/.develops tests/clients/package-lock.json
	mkdir -p $(VENV)/npm
	cp tests/clients/package.json tests/clients/package-lock.json tests/clients/.npmrc $(VENV)/npm
	cd $(VENV)/npm && PATH="$(abspath $(VENV))/bin:$$PATH" npm ci --silent
	touch $@
