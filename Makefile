# Commands for a checkout. pyproject.toml names the dependencies; requirements/ pins their versions and hashes.

PYTHON ?= python3
UV ?= uv
VENV ?= .venv
LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links

BABEL = $(VENV)/bin/pybabel --quiet
# English has no catalogue: its messages are in the code.
# Tests wait for processes and browsers: one worker more than processors.
WORKERS = $(shell expr $$(nproc) + 1)
# Tests that search for unexpected inputs.
PROPERTIES = tests/moderation/test_properties.py tests/rules/test_word_list.py tests/rules/test_engine.py
LANGUAGES = de fr es pt it nl pl uk ar he fa zh ja ko

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help serve test check generators lint format types words confusables wheel lock

help:  ## list the commands
	@sed -n 's/^\([a-z]*\):.*  ## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

serve: $(VENV)/.runs  ## run the service on port 8080, with its data in ./data
	$(VENV)/bin/commentsvc serve

test: $(VENV)/.develops  ## run all tests but the slow ones
	@scripts/debian-packages develop $(PYTHON)
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow"

check: $(VENV)/.develops  ## run the slow tests, and property tests with more examples
	@scripts/debian-packages develop $(PYTHON)
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal -m slow
	COMMENTSVC_TEST_EXAMPLES=5 $(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal --timeout 900 $(PROPERTIES)

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
		--add-location=file --omit-header --output-file=$(VENV)/words.pot commentsvc
	for lang in $(LANGUAGES); do $(BABEL) update --locale=$$lang --init-missing --input-file=$(VENV)/words.pot \
		--domain=commentsvc --output-dir=commentsvc/web/locales --no-wrap --no-fuzzy-matching --ignore-obsolete \
		--ignore-pot-creation-date || exit; done
	$(BABEL) compile --domain=commentsvc --directory=commentsvc/web/locales

confusables: $(VENV)/.runs  ## download Unicode's table of confusables and generate ours
	$(VENV)/bin/python scripts/generate_confusables.py

wheel: $(VENV)/.develops  ## build the wheel into dist/
	rm -rf dist
	$(VENV)/bin/python -m hatchling build --target wheel

lock:  ## upgrade the dependencies and pin them in requirements/ (needs uv)
	$(LOCK) --extra postgres --extra disposable pyproject.toml --output-file requirements/runtime.txt
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
