"""Check the documents: tables are compared with the program, commands are run, forms are sent."""

import argparse
import ast
import importlib
import itertools
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal, get_args, get_origin

import msgspec
import pytest
import yaml

import commentsvc
from commentsvc.audit import schemas
from commentsvc.cli import parser as cli_parser
from commentsvc.comments import schemas as comments_schemas
from commentsvc.config import PREFIX
from commentsvc.config.environment import SECRETS
from commentsvc.config.settings import Config
from commentsvc.domain import tracking, urls
from commentsvc.domain.errors import Invalid
from commentsvc.domain.models import ActionVerb, ActorKind, Mode, Scope, Status
from commentsvc.domain.reasons import TEMPLATES, Plural
from commentsvc.moderation import actions, bulk, wording
from commentsvc.rules import engine
from commentsvc.storage.comment_filter import PrivateCommentFilter
from commentsvc.web.api.openapi_schemas import schema_name
from commentsvc.web.mail.renderers import RENDERERS
from commentsvc.web.routes import ROUTES
from commentsvc.web.server import problems

ROOT = Path(__file__).parent.parent.parent
PACKAGE = Path(commentsvc.__file__).parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
SERVICE = "http://localhost:8080"  # the address in the documents
CHECKED = {"sh", "text", "json", "html", "sql"}
PASTED = {
    "astro",
    "caddyfile",  # tests/proxies.py runs it
    "go",
    "go-html-template",
    "handlebars",
    "jinja",
    "js",
    "jsx",
    "nginx",  # tests/proxies.py and tests/replicas.py run it
    "php",
    "python",
    "toml",
    "yaml",
}


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def named(path):
    return str(path.relative_to(ROOT))


@dataclass(frozen=True)
class Block:
    """A fenced block; ``shown_for`` is the line of the block directly above."""

    line: int
    kind: str
    text: str
    excuse: str | None
    shown_for: int | None


EXCUSE = re.compile(r"<!-- not run here: (.*) -->")


def blocks_of(path):
    found, lines, before = [], path.read_text(encoding="utf-8").splitlines(), (0, "")
    at = 0
    while at < len(lines):
        fence = re.fullmatch(r"```(\S*)", lines[at])
        if fence is None:
            if lines[at].strip():
                before = (0, lines[at])
            at += 1
            continue
        end = lines.index("```", at + 1)
        excuse = EXCUSE.fullmatch(before[1].strip())
        text = "\n".join(lines[at + 1 : end]) + "\n"
        found.append(Block(at + 1, fence[1], text, excuse and excuse[1], before[0] or None))
        before, at = (at + 1, ""), end + 1
    return found


def runnable(path):
    return [block for block in blocks_of(path) if block.kind == "sh" and not block.excuse]


def with_form(path):
    """Return the blocks with a form for a comment."""
    forms = [block for block in blocks_of(path) if block.kind == "html" and "<form" in block.text]
    return [block for block in forms if "/v1/subscriptions" not in block.text]


RUN = [path for path in DOCUMENTS if runnable(path)]
WITH_FORMS = [path for path in DOCUMENTS if with_form(path)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_readers_see_the_language_of_every_block(path):
    for block in blocks_of(path):
        assert block.kind in CHECKED | PASTED, f"{named(path)}:{block.line}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_readers_learn_why_a_block_is_not_run_and_its_names_exist(path):
    text = path.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))
    stacks = [yaml.safe_load(text_of(name)) for name in ("docker-compose.yml", "docker-compose.postgres.yml")]
    for block in blocks_of(path):
        if block.excuse is not None:
            assert len(block.excuse) > 10, f"{named(path)}:{block.line}"
            assert block.kind == "sh", f"{named(path)}:{block.line}"
    assert len(re.findall("not run here", text)) == len(EXCUSE.findall(text)), "an excuse is misspelt"
    commands = "\n".join(
        [*(block.text for block in blocks_of(path) if block.excuse), *re.findall(r"`([^`\n]+)`", text)]
    )
    for target in re.findall(r"\bmake ([a-z]+)\b", commands):
        assert target in targets, f"{named(path)} names make {target}"
    for service in re.findall(r"compose (?:--file \S+ )?(?:exec|up|run --rm|logs) (?:--\S+ )*([a-z][a-z-]*)", commands):
        assert all(service in stack["services"] for stack in stacks), f"{named(path)} names the container {service}"
    for file in re.findall(r"compose --file (\S+)", commands):
        assert (ROOT / file).is_file(), f"{named(path)} names {file}"


@pytest.mark.parametrize("path", RUN, ids=named)
def test_operators_who_forget_a_variable_delete_nothing_by_a_pasted_script(path):
    for block in runnable(path):
        if re.search(r"(DELETE|trash|erase|revoke|remove)[^\n]*\$\{?\w", block.text.replace("\\\n", " ")):
            assert block.text.startswith("set -eu\n"), f"{named(path)}:{block.line}"


@dataclass(frozen=True)
class Running:
    url: str
    folder: Path
    environment: dict[str, str]


@contextmanager
def serving(folder):
    """Start the service as an operator does, in an empty folder, with its command on the path."""
    program = f"#!{sys.executable}\nfrom commentsvc.cli.main import main\nraise SystemExit(main())\n"  # as pip makes it
    python = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n'
    for name, script in (("bin/python3", python), ("bin/commentsvc", program), (".venv/bin/commentsvc", program)):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(script, encoding="utf-8")
        file.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "COLUMNS"))}
    environment |= {"PATH": f"{folder}/bin:{environment['PATH']}", "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    with _started(folder, environment) as (process, port):
        try:
            yield Running(f"http://localhost:{port}", folder, environment | {"COMMENTSVC_PORT": str(port)})
        finally:
            process.kill()


@contextmanager
def _started(folder, environment):
    """Start on a free port; if another process takes it first, try another one."""
    for _ in range(5):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen(
                ["commentsvc", "serve"],
                cwd=folder,
                env=environment | {"COMMENTSVC_PORT": str(port)},
                stdout=subprocess.PIPE,
                stderr=log,
            ) as process,
        ):
            if process.stdout.readline().startswith(b"commentsvc is running at "):
                yield process, port
                return
            process.wait()
    pytest.fail((folder / "log").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", RUN, ids=named)
def test_only_the_operator_can_read_files_that_a_documented_command_writes(path):
    """Its answers have keys, links and private data."""
    pasted = "".join(block.text for block in runnable(path))
    before, written, _ = re.split(r"((?<![-2&>])> ?\"?[\w$]+\.\w+|$)", pasted, maxsplit=1)
    assert not written or "umask 077" in before


@pytest.mark.slow
@pytest.mark.parametrize("path", RUN, ids=named)
def test_operators_get_the_shown_output_from_every_command(path, tmp_path):
    """Run one script per document, so that a block can use variables of earlier blocks."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    with serving(tmp_path) as running:
        lines = "".join(f"printf '\\n@@ {block.line}\\n'\n{block.text}" for block in runnable(path))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", lines.replace(SERVICE, running.url)],
            cwd=tmp_path,
            env=running.environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    port = f"COMMENTSVC_PORT={running.environment['COMMENTSVC_PORT']} "  # readers have the default
    printed = _printed(done.stdout.replace(running.url, SERVICE).replace(port, ""))
    reached = max(printed, default=0)
    assert done.returncode == 0, f"{named(path)}:{reached}\n{printed.get(reached)}\n{done.stderr}"
    for block in blocks_of(path):
        if block.shown_for in printed and block.kind in {"text", "json"}:
            _compare(f"{named(path)}:{block.line}", block, printed[block.shown_for])


def _printed(output):
    """Return the output of each block, by its line."""
    parts = re.split(r"^@@ (\d+)\n", output, flags=re.MULTILINE)
    return {int(line): text for line, text in zip(parts[1::2], parts[2::2], strict=True)}


def _compare(where, block, printed):
    """Compare with the shown text, where ``…`` matches anything."""
    if block.kind == "text":
        assert _fits(block.text.strip(), printed.strip()), f"{where} shows\n{block.text}\nactual output:\n{printed}"
        return
    expected, actual = json.loads(block.text), json.loads(printed)
    assert _matches(expected, actual), f"{where} shows\n{block.text}\nactual output:\n{json.dumps(actual, indent=2)}"


def _fits(expected, actual):
    return re.fullmatch(re.escape(expected).replace("…", ".*"), actual, re.DOTALL) is not None


def _matches(expected, actual):
    if isinstance(expected, str):
        return expected == "…" or (isinstance(actual, str) and _fits(expected, actual))
    if isinstance(expected, dict):
        return (
            isinstance(actual, dict)
            and list(expected) == list(actual)
            and all(_matches(value, actual[name]) for name, value in expected.items())
        )
    if isinstance(expected, list):
        return (
            isinstance(actual, list)
            and len(expected) == len(actual)
            and all(_matches(one, other) for one, other in zip(expected, actual, strict=True))
        )
    return expected == actual


class Forms(HTMLParser):
    """Collect the forms of a page with their fields, and its links to the service."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.links = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "form":
            self.forms.append((given, {}))
        elif tag in {"input", "textarea"} and given.get("name") and self.forms:
            self.forms[-1][1][given["name"]] = given.get("value") or ""
        elif tag == "a" and given.get("href", "").startswith(SERVICE):
            self.links.append(given["href"])


@pytest.mark.parametrize("path", WITH_FORMS, ids=named)
def test_bloggers_can_paste_every_form_and_it_works_without_script(path, tmp_path):
    with serving(tmp_path) as running:
        for number, block in enumerate(with_form(path)):
            for form, fields in Forms(block.text).forms:
                assert form["method"] == "post"
                comment = f"Hello from form {number}."
                url, page = _send(running, form["action"], _fill(fields, comment))
                assert f"{running.url}/t?thread=" in url
                assert comment in page


def _fill(fields, comment):
    typed = {"author" if "author" in fields else "name": "Mia", "email": "mia@example.com", "comment": comment}
    assert set(typed) <= set(fields)
    return fields | typed


def _send(running, action, fields):
    """Send a form like a browser without script; return the final URL and its page."""
    request = urllib.request.Request(  # noqa: S310 -- our own service
        action.replace(SERVICE, running.url),
        data=urllib.parse.urlencode(fields).encode(),
        headers={"Accept": "text/html", "Origin": "http://localhost:4000", "Sec-Fetch-Mode": "navigate"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        return response.url, response.read().decode()


def test_bloggers_see_a_form_of_six_lines_in_the_readme():
    (form,) = with_form(ROOT / "README.md")
    assert len(form.text.splitlines()) == 6


def test_readers_find_a_page_behind_every_link_to_the_service(tmp_path):
    pages = [block.text for path in DOCUMENTS for block in blocks_of(path) if block.kind == "html"]
    links = {link for page in pages for link in Forms(page).links}
    assert links
    with serving(tmp_path) as running:
        for link in links:
            with urllib.request.urlopen(link.replace(SERVICE, running.url), timeout=10) as response:  # noqa: S310
                assert response.status == 200


def rows_of(name):
    return [line for line in text_of(name).splitlines() if line.startswith("|")]


def cells(row):
    return [cell.strip() for cell in row.strip("|").split(" | ")]


def _values_of(kind):
    """Describe the values of a setting in a few words."""
    base, meta = kind.__origin__, kind.__metadata__[0]
    if base is int:
        return f"{meta.ge} to {meta.le}"
    if base is Mode or get_origin(base) is Literal:
        return ", ".join(f"`{value}`" for value in (Mode if base is Mode else get_args(base)))
    return "text"


def test_operators_find_every_setting_in_the_table():
    rows = rows_of("docs/settings.md")
    for field in msgspec.structs.fields(Config):
        default = f"`{field.default}`" if field.default != "" else "none"
        description = field.type.__metadata__[0].description
        row = f"| `{PREFIX}{field.name.upper()}` | {default} | {_values_of(field.type)} | {description} |"
        assert row in rows, row
    documented = {match[1] for row in rows if (match := re.match(rf"\| `{PREFIX}(\w+)`", row))}
    assert documented == {field.name.upper() for field in msgspec.structs.fields(Config)}


def test_operators_learn_which_mails_are_sent():
    rows = re.findall(r"^\| `(\w+)` \|", _section("docs/mail.md", "## Mails that are sent"), re.MULTILINE)
    assert set(RENDERERS) <= set(rows)


def test_operators_learn_which_settings_can_be_in_a_file():
    documented = set(re.findall(rf"`{PREFIX}(\w+)_FILE`", text_of("docs/settings.md"))) - {"SETTINGS"}
    assert documented == {name.upper() for name in SECRETS}


def _access(route):
    if route.scope is not None:
        return f"key with `{route.scope.value}`"
    if route.session_scope is not None:
        return f"session with `{route.session_scope.value}`"
    if route.edit_token:
        return "edit token" if route.method != "GET" else "anyone; edit token"
    return "anyone"


def test_programmers_find_every_route_in_the_table():
    rows = rows_of("docs/api.md")
    for route in ROUTES:
        statuses = " ".join(map(str, route.status))
        row = f"| `{route.method} {route.path}` | {_access(route)} | {route.says()} | {statuses} |"
        assert row in rows, row
    documented = {match[1] for row in rows if (match := re.match(r"\| `([A-Z]+ /[^`]*)`", row))}
    assert documented == {f"{route.method} {route.path}" for route in ROUTES}


def test_programmers_find_every_error_in_the_table():
    ours = {(status, error.code, error.title) for error, status in problems.STATUS_OF_ERROR.items()}
    framework = {(status, code, title) for status, (code, title) in problems.FRAMEWORK.items()}
    rows = rows_of("docs/api.md")
    for status, code, title in sorted(ours | framework):
        start = f"| {status} | `{code}` | {title} | "
        assert [row for row in rows if row.startswith(start)], start
    documented = {(int(match[1]), match[2]) for row in rows if (match := re.match(r"\| (\d{3}) \| `(\w+)` \|", row))}
    assert documented == {(status, code) for status, code, _ in ours | framework}


# How a field error is made, and which argument is its code.
CODE_ARGUMENT = {"FieldError": 1, "InvalidValue": 0}


def _field_error_codes():
    """Yield the code of every field error in the program."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CODE_ARGUMENT:
                code = node.args[CODE_ARGUMENT[node.func.id]]
                if isinstance(code, ast.Constant):
                    yield code.value


def _section(name, heading):
    """Return the text under a heading, up to the next heading of the same or a higher rank."""
    rank = len(heading.partition(" ")[0])
    rest = text_of(name).split(f"\n{heading}\n")[1]
    return re.split(rf"^#{{1,{rank}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def test_programmers_find_every_field_error_in_the_table():
    documented = re.findall(r"^\| `(\w+)` \|", _section("docs/api.md", "### Field error codes"), re.MULTILINE)
    assert sorted(documented) == sorted(set(_field_error_codes()))


def test_moderators_find_every_result_code_of_an_action():
    (field,) = [field for field in msgspec.structs.fields(schemas.ActionItem) if field.name == "code"]
    codes = {code for part in get_args(field.type) for code in get_args(part)}
    documented = re.findall(r"^\| `(\w+)` \|", _section("docs/moderating.md", "### Result codes"), re.MULTILINE)
    assert sorted(documented) == sorted(codes)


def _schemas_of_the_api():
    """Return the schemas of all routes, those inside them, and those that a type names only by reference."""
    waiting = [
        comments_schemas.TreeComment,
        comments_schemas.Stub,
        PrivateCommentFilter,
        schemas.AuditBody,
        problems.Problem,
        problems.ProblemFault,
    ]
    for route in ROUTES:
        if not route.page:
            waiting += [route.asks, route.takes, *(get_args(route.gives) or (route.gives,))]
    found = []
    for schema in waiting:
        if isinstance(schema, type) and issubclass(schema, msgspec.Struct) and schema not in found:
            found.append(schema)
            types = str([field.type for field in msgspec.structs.fields(schema)])
            inside = re.findall(r"(commentsvc\.\w+\.(?:\w*schemas|models|comment_filter))\.(\w+)", types)
            waiting += [getattr(importlib.import_module(module), name) for module, name in inside]
    return found


@pytest.mark.parametrize("schema", _schemas_of_the_api(), ids=schema_name)
def test_programmers_find_every_field_of_a_schema(schema):
    """Accept ``**Name**`` with its fields, or ``**Name**, all of **Other** and`` with the other fields."""
    assert _documented_fields(schema_name(schema)) == {field.encode_name for field in msgspec.structs.fields(schema)}


def _documented_fields(name):
    lines = re.findall(rf"^- \*\*{name}\*\*(.*?)\.$", _section("docs/api.md", "## Schemas"), re.MULTILINE)
    assert len(lines) == 1, f"docs/api.md lists {name} {len(lines)} times"
    above = re.match(r", all of \*\*(\w+)\*\* and", lines[0])
    return set(re.findall(r"`(\w+)`", lines[0])) | (_documented_fields(above[1]) if above else set())


def test_programmers_find_only_schemas_that_exist():
    listed = set(re.findall(r"^- \*\*(\w+)\*\*", _section("docs/api.md", "## Schemas"), re.MULTILINE))
    used = {schema_name(parent) for schema in _schemas_of_the_api() for parent in schema.__mro__}
    assert listed <= used


def test_moderators_find_every_verb_status_scope_and_built_in_rule():
    text = text_of("docs/moderating.md")
    for value in (*ActionVerb, *Status, *Scope):
        assert f"`{value.value}`" in text, value
    rules = set(re.findall(r'"rule:(\w+)"', Path(engine.__file__).read_text(encoding="utf-8")))
    assert rules
    for rule in rules | set(wording.BUILT_IN_RULES):
        assert f"`{rule}`" in text, rule


def test_moderators_find_every_reason_code_with_its_text():
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", _section("docs/moderating.md", "### Reason codes"), re.MULTILINE)
    texts = {code: text.plural if isinstance(text, Plural) else text for code, text in TEMPLATES.items()}
    assert dict(rows) == {
        code: re.sub(r"%\((\w+)\)s", r"{\1}", text).replace("%%", "%") for code, text in texts.items()
    }
    assert len(rows) == len(texts)


def test_moderators_learn_the_true_limits_of_an_action():
    assert f"An action on more than {bulk.PIECE_SIZE} comments" in text_of("docs/moderating.md")
    assert f"select up to {actions.MAX_COMMENTS:,} comments by a filter" in text_of("docs/moderating.md")
    assert f"at most {bulk.PIECE_SIZE} comments" in text_of("docs/decisions/0036-bulk-actions-in-pieces.md")
    assert f"at most {bulk.PIECE_SIZE}" in text_of("ARCHITECTURE.md")


def test_programmers_find_every_kind_of_actor():
    documented = re.findall(r"^\| `(\w+)` \|", _section("docs/api.md", "### Actors"), re.MULTILINE)
    assert sorted(documented) == sorted(ActorKind)


def test_bloggers_find_every_dropped_query_parameter():
    section = _section("docs/embedding.md", "### Dropped query parameters")
    documented = re.findall(r"`([\w.\[\]-]+\*?)`", section)
    wanted = [*tracking.TRACKING, *(f"{prefix}*" for prefix in tracking.TRACKING_PREFIXES)]
    assert sorted(documented) == sorted(wanted)
    assert set(re.findall(r"`(\w+)=`", section)) == tracking.TIMED


def test_bloggers_see_the_true_thread_name_of_an_address():
    section = _section("docs/embedding.md", "## Thread names")
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", section, re.MULTILINE)
    assert len(rows) >= 6
    for address, name in rows:
        assert urls.parse_thread(address).name == name, address
    with pytest.raises(Invalid):
        urls.parse_thread("http://")


def _commands(parser, path=()):
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield path, parser
    for group in groups:
        for name, inner in group.choices.items():
            yield from _commands(inner, (*path, name))


def test_operators_find_every_command_and_option():
    text = "".join(text_of(f"docs/{name}.md") for name in ("operating", "backups", "moderating", "mail"))
    for path, parser in _commands(cli_parser.build_parser()):
        assert f"commentsvc {' '.join(path)}" in text, path
        for action in parser._actions:
            for option in action.option_strings:
                assert option in {"-h", "--help"} or option in text, (path, option)


def test_operators_find_every_exit_code():
    documented = re.findall(r"^\| (\d+) \|", _section("docs/operating.md", "## Exit codes"), re.MULTILINE)
    assert documented == re.findall(r"^  (\d+) +[a-z]", cli_parser.EPILOG.partition("Exit codes:")[2], re.MULTILINE)


def _tree():
    """Return the modules that the tree in ARCHITECTURE.md names, by the path of their folder."""
    modules, folders = {}, []
    for line in _section("ARCHITECTURE.md", "## The tree").splitlines():
        if re.match(r"\w", line):
            continue  # beside the package
        if branch := re.match(r"([│ ]*)[├└]── (?:(\w+)/)?", line):
            folders = folders[: len(branch[1]) // 4] + ([branch[2]] if branch[2] else [])
        folder = "/".join(folders)
        modules.setdefault(folder, set()).update(re.findall(r"(?<![\w/])\w+\.py\b", line))
    return modules


def test_readers_find_every_module_in_the_tree():
    existing = {}
    for path in PACKAGE.rglob("*.py"):
        folder = path.parent.relative_to(PACKAGE).as_posix().removeprefix(".")
        existing.setdefault(folder, set())
        if path.name != "__init__.py":
            existing[folder].add(path.name)
    assert {folder: names for folder, names in _tree().items() if folder in existing or names} == existing


def test_readers_find_every_script_in_the_tree():
    (line,) = [line for line in _section("ARCHITECTURE.md", "## The tree").splitlines() if line.startswith("scripts/")]
    scripts = {path.name for path in (ROOT / "scripts").iterdir() if path.is_file()}
    assert {name for name in re.split(r"[\s,]+", re.sub(r"\([^)]*\)", "", line))[1:] if name} == scripts


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_readers_find_every_file_that_a_document_names(name):
    for file in re.findall(r"\b[\w/]+/\w+\.(?:py|sql|toml)\b", text_of(name)):
        assert (PACKAGE / file).exists() or (ROOT / file).exists(), file


def test_readers_find_the_code_and_the_test_of_every_security_promise():
    rows = [cells(row) for row in rows_of("SECURITY.md")]
    promises = [row for row in rows if len(row) == 3]
    attacks = {re.match("`make ([a-z]+)`", row[0])[1] for row in rows if row[0].startswith("`make")}
    modules = (ROOT / "tests" / "attacks").glob("*.py")
    assert attacks == {path.stem for path in modules if "  run(attack, " in path.read_text(encoding="utf-8")}
    for _, code, tests in promises[2:]:
        assert all((PACKAGE / file).exists() for file in re.findall(r"`([^`]+)`", code)), code
        assert all((ROOT / "tests" / file).exists() for file in re.findall(r"`([^`]+)`", tests)), tests


def test_readers_find_the_reason_for_every_dependency():
    whole = tomllib.loads(text_of("pyproject.toml"))
    project, groups = whole["project"], {**whole["project"]["optional-dependencies"], **whole["dependency-groups"]}
    required = {_name(line) for line in itertools.chain(project["dependencies"], *groups.values())}
    (decision,) = [path for path in DECISIONS if path.name.startswith("0002")]
    documented = set(re.findall(r"^\| ([a-z][\w-]*) \|", decision.read_text(encoding="utf-8"), re.MULTILINE))
    assert documented - {"package"} == required


def _name(requirement):
    return re.match(r"[\w-]+", requirement)[0]


@pytest.mark.parametrize("path", DECISIONS, ids=named)
def test_readers_learn_context_and_consequences_of_every_decision(path):
    text = path.read_text(encoding="utf-8")
    parts = re.findall(r"^\*\*([^*]+)\.\*\*", text, re.MULTILINE)
    assert parts == ["Context", "Decision", "Consequences", "Revisit when"]
    number = path.name.partition("-")[0]
    assert text.startswith(f"# {number}. ")
    title = text.partition("\n")[0].removeprefix(f"# {number}. ")
    superseded = re.search(r"^(Superseded(?: in part)?) by \[(\d{4})\]", text, re.MULTILINE)
    status = f"{superseded[1].lower()} by {superseded[2]}" if superseded else "accepted"
    assert f"| [{number}]({path.name}) | {title} | {status} |" in text_of("docs/decisions/README.md")


def test_readers_find_no_gap_between_decisions():
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_operators_find_this_version_in_the_changelog():
    assert commentsvc.__version__ in text_of("CHANGELOG.md")


def _slug(heading):
    """Return the anchor of a heading, as GitHub makes it."""
    plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def _anchors(path):
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {_slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_readers_find_a_heading_behind_every_link(path):
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{named(path)} links to {link}"
        assert not anchor or anchor in _anchors(target), f"{named(path)} links to {link}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_nobody_finds_their_address_in_a_document(path):
    for address in re.findall(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)", path.read_text(encoding="utf-8")):
        assert address in {"example.com", "example.org", "example.net"}, f"{named(path)} names one at {address}"


def test_readers_reach_every_document_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        links = re.findall(r"\]\(([^)#\s]+\.md)", path.read_text(encoding="utf-8"))
        waiting += [(path.parent / link).resolve() for link in links if "://" not in link]
    assert reached >= set(DOCUMENTS)


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_readers_meet_no_trace_of_a_merge(path):
    assert not re.search(r"^(<<<<<<<|=======$|>>>>>>>)", path.read_text(encoding="utf-8"), re.MULTILINE)
