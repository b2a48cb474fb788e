"""Keep words out that make a text hard to read: in documents, pages, errors, reasons, help and the OpenAPI document."""

import argparse
import ast
import re
from pathlib import Path

import pytest

from commentsvc.cli.parser import build_parser
from commentsvc.web.api.openapi import document
from commentsvc.web.routes import ROUTES
from tests.project.test_documents import DOCUMENTS, PACKAGE, named

PAGES = sorted(path for path in PACKAGE.rglob("*") if path.suffix in {".html", ".js"} and "locales" not in path.parts)
MODULES = sorted([*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "bench").glob("*.py")])
# The docstring of an attack is the help of its command.
ATTACKS = sorted((PACKAGE.parent / "tests" / "attacks").glob("*.py"))
# A reader at level B1 does not know these words, or reads the sentence twice. CONTRIBUTING.md shows better ones.
HARD = re.compile(
    r"\b(?i:meanwhile|whoever|whomever|whatsoever|whence|thereof|hereby|herein|henceforth|hearken|heed|anew|thrice)\b"
    r"|\b(?i:(?:is|are|was|were) none|of use|of ours|of yours|one's own|in force|for good|on the past|gravest|veiled)\b"
    r"|\b(?i:becom(?:e|es|ing) of|became of|comes? of|came of|takes? no more|taken here|may no more|stands?)\b"
    # A sentence opens with its subject. "That was the last comment." has one.
    r"|(?:^|[.:;] )(?:What|Who|Whose|Whoever|Of|That(?! (?:is|was)\b)) [a-z]"
)
# Texts that keep such words, and why.
EXCEPTIONS = {
    'tab == "any" or tab is none': "a condition of a template, not a text",
}


def hard_words(text: str) -> list[str]:
    for exception in EXCEPTIONS:
        text = text.replace(exception, "")
    return [match[0] for line in text.splitlines() for match in HARD.finditer(line)]


def lines_of(path: Path) -> str:
    """Return a document without code and without its examples of bad texts."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^\| bad \|(?:.*\n\|)*.*$", "", text, flags=re.MULTILINE)


def strings_of(path: Path) -> list[str]:
    """Return the strings of a module without docstrings: messages, reasons, verbs, help, descriptions, log lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [node.value for node in constants if id(node) not in docstrings]


def docstrings_of(path: Path) -> list[str]:
    """Return the docstrings of a module. ``None`` in them is a value, not a word."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, kinds))
    return [text.replace("None", "nothing") for node in nodes if (text := ast.get_docstring(node))]


def helps(parser: argparse.ArgumentParser) -> list[str]:
    """Return the help of a command, and of the commands below it."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    inner = [text for group in below for command in group.choices.values() for text in helps(command)]
    return [parser.description or "", *(str(action.help) for action in parser._actions), *inner]


def strings_in(value: object) -> list[str]:
    """Return every string inside JSON."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [text for part in value for text in strings_in(part)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_readers_meet_plain_english(path):
    assert hard_words(lines_of(path)) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_readers_and_moderators_see_plain_english_on_every_page(path):
    text = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)

    assert hard_words(text) == []


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_people_get_every_message_in_plain_english(path):
    assert [text for text in strings_of(path) if hard_words(text)] == []


@pytest.mark.parametrize("path", MODULES + ATTACKS, ids=named)
def test_programmers_read_docstrings_in_plain_english(path):
    opening = re.compile(r"(?:What|Who|Whose|Whoever|Where|How|Of|That) ")
    assert [text for text in docstrings_of(path) if hard_words(text) or opening.match(text)] == []


def test_operators_get_help_in_plain_english():
    assert [text for text in helps(build_parser()) if hard_words(text)] == []


def test_programmers_read_the_openapi_document_in_plain_english():
    assert [text for text in strings_in(document(ROUTES)) if hard_words(text)] == []


def test_nobody_is_told_that_email_addresses_never_come_out_because_moderators_read_them():
    texts = {path: path.read_text(encoding="utf-8") for path in [*PAGES, *MODULES, *DOCUMENTS]}
    assert [path for path, text in texts.items() if re.search(r"never\s+comes?\s+out", text)] == []
    assert "Only moderators can read email addresses." in document(ROUTES)["info"]["description"]


def test_writers_learn_of_a_hard_word():
    assert hard_words("Somebody decided meanwhile.") == ["meanwhile"]
    assert hard_words("Its place stands. What becomes of it?") == ["stands", ". What b"]
    assert hard_words("Nobody knows what becomes of it.") == ["becomes of"]
    assert hard_words("That was the last comment. Use a key of your own.") == []


@pytest.mark.parametrize("text", EXCEPTIONS)
def test_exceptions_are_still_needed(text):
    sources = "\n".join(path.read_text(encoding="utf-8") for path in [*PAGES, *MODULES, *DOCUMENTS])

    assert text in sources
    assert HARD.search(text)
    assert len(EXCEPTIONS[text]) > 10
