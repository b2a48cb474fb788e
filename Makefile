# What is done with this checkout. Versions and hashes stand in requirements/, their wishes in pyproject.toml.

PYTHON ?= python3
UV ?= uv
VENV ?= .venv
LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links

BABEL = $(VENV)/bin/pybabel --quiet
# English needs no catalogue: it stands in the code.
LANGUAGES = de fr es pt it nl pl uk ar he fa zh ja ko

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help serve test generators lint format types words wheel lock

help:  ## say what there is
	@sed -n 's/^\([a-z]*\):.*  ## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 14

serve: $(VENV)/.runs  ## run the service on port 8080, its data in ./data
	$(VENV)/bin/commentsvc serve

test: $(VENV)/.develops  ## run every test
	$(VENV)/bin/python -m pytest -n auto

generators: $(VENV)/.develops  ## build a blog with every generator of docs/embedding.md (needs npm; slow)
	$(VENV)/bin/python -m tests.generators

lint: $(VENV)/.develops  ## look for mistakes and for untidiness
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: $(VENV)/.develops  ## tidy up
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

types: $(VENV)/.develops  ## check the types
	$(VENV)/bin/mypy

words: $(VENV)/.develops  ## find the words of the interface, add them to every language, compile
	$(BABEL) extract --mapping-file=pyproject.toml --keyword=marked --add-location=file --omit-header \
		--output-file=$(VENV)/words.pot commentsvc/web
	for lang in $(LANGUAGES); do $(BABEL) update --locale=$$lang --init-missing --input-file=$(VENV)/words.pot \
		--domain=commentsvc --output-dir=commentsvc/web/locales --no-wrap --no-fuzzy-matching --ignore-obsolete \
		--ignore-pot-creation-date || exit; done
	$(BABEL) compile --domain=commentsvc --directory=commentsvc/web/locales

wheel: $(VENV)/.develops  ## build the wheel into dist/
	rm -rf dist
	$(VENV)/bin/python -m hatchling build --target wheel

lock:  ## write requirements/ anew, everything as new as pyproject.toml allows (needs uv)
	$(LOCK) --extra postgres --extra disposable pyproject.toml --output-file requirements/runtime.txt
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], "editables", sep="\n")' \
		| $(LOCK) - --output-file requirements/build.txt
	$(LOCK) --all-extras pyproject.toml requirements/build.txt --output-file requirements/dev.txt

# The checkout itself is installed too, so that a change of its code needs no new installation.
$(VENV)/.runs: pyproject.toml requirements/runtime.txt requirements/build.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	$(VENV)/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.develops: $(VENV)/.runs requirements/dev.txt
	$(VENV)/bin/pip install --quiet --require-hashes -r requirements/dev.txt
	touch $@
