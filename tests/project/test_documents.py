"""What the documents say is so: tables are compared with the program, commands are run, forms are sent."""

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
from commentsvc.cli import main
from commentsvc.comments import schemas as comments_schemas
from commentsvc.config import PREFIX, SECRETS, Config
from commentsvc.domain import urls
from commentsvc.domain.errors import Invalid
from commentsvc.domain.models import ActionVerb, Mode, Scope, Status
from commentsvc.moderation import schemas as moderation_schemas
from commentsvc.rules import engine
from commentsvc.web.routes import ROUTES
from commentsvc.web.server import problems

ROOT = Path(__file__).parent.parent.parent
PACKAGE = Path(commentsvc.__file__).parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
SERVICE = "http://localhost:8080"  # as the documents call it
SHOWN = {"sh", "text", "json", "html", "sql"}
PASTED = {"astro", "go-html-template", "handlebars", "jinja", "js", "jsx", "php", "python", "toml", "yaml"}


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def named(path):
    return str(path.relative_to(ROOT))


@dataclass(frozen=True)
class Block:
    """A fenced block; ``shown_for`` is the line of the one above it, if nothing stands between them."""

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
    return [block for block in blocks_of(path) if block.kind == "html" and "<form" in block.text]


RUN = [path for path in DOCUMENTS if runnable(path)]
WITH_FORMS = [path for path in DOCUMENTS if with_form(path)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_block_says_what_it_is(path):
    for block in blocks_of(path):
        assert block.kind in SHOWN | PASTED, f"{named(path)}:{block.line}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_what_is_not_run_has_a_reason_and_names_what_exists(path):
    text = path.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))
    stack = yaml.safe_load(text_of("docker-compose.yml"))
    for block in blocks_of(path):
        if block.excuse is not None:
            assert len(block.excuse) > 10, f"{named(path)}:{block.line}"
            assert block.kind == "sh", f"{named(path)}:{block.line}"
    assert len(re.findall("not run here", text)) == len(EXCUSE.findall(text)), "an excuse is misspelt"
    said = "\n".join([*(block.text for block in blocks_of(path) if block.excuse), *re.findall(r"`([^`\n]+)`", text)])
    for target in re.findall(r"\bmake ([a-z]+)\b", said):
        assert target in targets, f"{named(path)} names make {target}"
    for service in re.findall(r"compose (?:--profile \S+ )?(?:exec|up|run --rm|logs) ([a-z-]+)", said):
        assert service in stack["services"], f"{named(path)} names the container {service}"
    for profile in re.findall(r"--profile (\S+)", said):
        assert profile in {one for service in stack["services"].values() for one in service.get("profiles", [])}


@dataclass(frozen=True)
class Running:
    url: str
    folder: Path
    environment: dict[str, str]


@contextmanager
def serving(folder):
    """The service as an operator starts it, in an empty folder; its command stands on the path."""
    commands = {"bin/python3": "", "bin/commentsvc": "-m commentsvc", ".venv/bin/commentsvc": "-m commentsvc"}
    for name, module in commands.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module} "$@"\n', encoding="utf-8")
        file.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {"PATH": f"{folder}/bin:{environment['PATH']}", "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    with _started(folder, environment) as (process, port):
        try:
            yield Running(f"http://localhost:{port}", folder, environment | {"COMMENTSVC_PORT": str(port)})
        finally:
            process.kill()


@contextmanager
def _started(folder, environment):
    """On a port that was free a moment ago; where somebody else took it meanwhile, on another."""
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
            if process.stdout.readline().startswith(b"commentsvc is at "):
                yield process, port
                return
            process.wait()
    pytest.fail((folder / "log").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", RUN, ids=named)
def test_every_command_does_what_is_shown(path, tmp_path):
    """One script a document, so that what one block sets the next can use."""
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
    printed = _printed(done.stdout.replace(running.url, SERVICE))
    reached = max(printed, default=0)
    assert done.returncode == 0, f"{named(path)}:{reached}\n{printed.get(reached)}\n{done.stderr}"
    for block in blocks_of(path):
        if block.shown_for in printed and block.kind in {"text", "json"}:
            _compare(f"{named(path)}:{block.line}", block, printed[block.shown_for])


def _printed(output):
    """What each block printed, by its line."""
    parts = re.split(r"^@@ (\d+)\n", output, flags=re.MULTILINE)
    return {int(line): text for line, text in zip(parts[1::2], parts[2::2], strict=True)}


def _compare(where, block, printed):
    """``…`` stands for anything."""
    if block.kind == "text":
        assert _fits(block.text.strip(), printed.strip()), f"{where} shows\n{block.text}\nbut this came:\n{printed}"
        return
    expected, came = json.loads(block.text), json.loads(printed)
    assert _alike(expected, came), f"{where} shows\n{block.text}\nbut this came:\n{json.dumps(came, indent=2)}"


def _fits(expected, came):
    return re.fullmatch(re.escape(expected).replace("…", ".*"), came, re.DOTALL) is not None


def _alike(expected, came):
    if isinstance(expected, str):
        return expected == "…" or (isinstance(came, str) and _fits(expected, came))
    if isinstance(expected, dict):
        return (
            isinstance(came, dict)
            and list(expected) == list(came)
            and all(_alike(value, came[name]) for name, value in expected.items())
        )
    if isinstance(expected, list):
        return (
            isinstance(came, list)
            and len(expected) == len(came)
            and all(_alike(one, other) for one, other in zip(expected, came, strict=True))
        )
    return expected == came


class Forms(HTMLParser):
    """The forms of a page, with the fields they send, and where its links lead."""

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
def test_every_form_can_be_pasted_and_works_without_script(path, tmp_path):
    with serving(tmp_path) as running:
        for number, block in enumerate(with_form(path)):
            for form, fields in Forms(block.text).forms:
                assert form["method"] == "post"
                words = f"Hello from form {number}."
                where, page = _sent(running, form["action"], _filled(fields, words))
                assert f"{running.url}/t?thread=" in where
                assert words in page


def _filled(fields, words):
    typed = {"author" if "author" in fields else "name": "Mia", "email": "mia@example.com", "comment": words}
    assert set(typed) <= set(fields)
    return fields | typed


def _sent(running, action, fields):
    """As a browser without script sends it from a page of this machine; where it led, and what is shown there."""
    request = urllib.request.Request(  # noqa: S310 -- our own service
        action.replace(SERVICE, running.url),
        data=urllib.parse.urlencode(fields).encode(),
        headers={"Accept": "text/html", "Origin": "http://localhost:4000", "Sec-Fetch-Mode": "navigate"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        return response.url, response.read().decode()


def test_the_form_of_the_readme_has_six_lines():
    (form,) = with_form(ROOT / "README.md")
    assert len(form.text.splitlines()) == 6


def test_every_link_to_the_service_leads_somewhere(tmp_path):
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
    """What a setting may be, in a few words; empty for free text."""
    base, meta = kind.__origin__, kind.__metadata__[0]
    if base is int:
        return f"{meta.ge} to {meta.le}"
    if base is Mode or get_origin(base) is Literal:
        return ", ".join(f"`{value}`" for value in (Mode if base is Mode else get_args(base)))
    return "text"


def test_every_setting_has_its_row():
    rows = rows_of("docs/settings.md")
    for field in msgspec.structs.fields(Config):
        default = f"`{field.default}`" if field.default != "" else "none"
        description = field.type.__metadata__[0].description
        row = f"| `{PREFIX}{field.name.upper()}` | {default} | {_values_of(field.type)} | {description} |"
        assert row in rows, row
    told = {match[1] for row in rows if (match := re.match(rf"\| `{PREFIX}(\w+)`", row))}
    assert told == {field.name.upper() for field in msgspec.structs.fields(Config)}


def test_the_settings_that_may_stand_in_a_file_are_named():
    told = set(re.findall(rf"`{PREFIX}(\w+)_FILE`", text_of("docs/settings.md")))
    assert told == {name.upper() for name in SECRETS}


def _who(route):
    if route.scope is not None:
        return f"key with `{route.scope.value}`"
    if route.session_scope is not None:
        return f"session with `{route.session_scope.value}`"
    if route.edit_token:
        return "edit token" if route.method != "GET" else "anybody; edit token"
    return "anybody"


def test_every_route_has_its_row():
    rows = rows_of("docs/api.md")
    for route in ROUTES:
        statuses = " ".join(map(str, route.status))
        row = f"| `{route.method} {route.path}` | {_who(route)} | {route.says()} | {statuses} |"
        assert row in rows, row
    told = {match[1] for row in rows if (match := re.match(r"\| `([A-Z]+ /[^`]*)`", row))}
    assert told == {f"{route.method} {route.path}" for route in ROUTES}


def test_every_problem_has_its_row():
    ours = {(status, error.code, error.title) for error, status in problems.STATUS_OF_ERROR.items()}
    framework = {(status, code, title) for status, (code, title) in problems.FRAMEWORK.items()}
    rows = rows_of("docs/api.md")
    for status, code, title in sorted(ours | framework):
        start = f"| {status} | `{code}` | {title} | "
        assert [row for row in rows if row.startswith(start)], start
    told = {(int(match[1]), match[2]) for row in rows if (match := re.match(r"\| (\d{3}) \| `(\w+)` \|", row))}
    assert told == {(status, code) for status, code, _ in ours | framework}


def _fault_codes():
    """The code of every Fault and Unfit that is raised anywhere."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"Fault", "Unfit"}:
                code = node.args[1 if node.func.id == "Fault" else 0]
                if isinstance(code, ast.Constant):
                    yield code.value


def _section(name, heading):
    """A document's part under a heading, up to the next of the same rank or of a higher one."""
    rank = len(heading.partition(" ")[0])
    rest = text_of(name).split(f"\n{heading}\n")[1]
    return re.split(rf"^#{{1,{rank}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def test_every_fault_of_a_field_has_its_row():
    told = re.findall(r"^\| `(\w+)` \|", _section("docs/api.md", "### What is wrong with a field"), re.MULTILINE)
    assert sorted(told) == sorted(set(_fault_codes()))


def test_every_outcome_of_an_action_has_its_row():
    (field,) = [field for field in msgspec.structs.fields(schemas.ActionItem) if field.name == "code"]
    codes = {code for part in get_args(field.type) for code in get_args(part)}
    told = re.findall(r"^\| `(\w+)` \|", _section("docs/moderating.md", "### What became of each"), re.MULTILINE)
    assert sorted(told) == sorted(codes)


def _shapes_that_travel():
    """Those of the routes, those inside them, and those that a type names by reference alone."""
    waiting = [
        comments_schemas.TreeComment,
        comments_schemas.Stub,
        moderation_schemas.Where,
        problems.Problem,
        problems.ProblemFault,
    ]
    for route in ROUTES:
        if not route.page:
            waiting += [route.asks, route.takes, *(get_args(route.gives) or (route.gives,))]
    found = []
    for shape in waiting:
        if isinstance(shape, type) and issubclass(shape, msgspec.Struct) and shape not in found:
            found.append(shape)
            types = str([field.type for field in msgspec.structs.fields(shape)])
            inside = re.findall(r"(commentsvc\.\w+\.schemas)\.(\w+)", types)
            waiting += [getattr(importlib.import_module(module), name) for module, name in inside]
    return found


@pytest.mark.parametrize("shape", _shapes_that_travel(), ids=lambda shape: shape.__name__)
def test_every_shape_is_told_field_by_field(shape):
    """``**Name**`` and its fields, or ``**Name**, all of **Other** and`` the rest of them."""
    told = _fields_told(shape.__name__)
    assert told == {field.encode_name for field in msgspec.structs.fields(shape)}


def _fields_told(name):
    (line,) = re.findall(rf"^- \*\*{name}\*\*(.*?)\.$", _section("docs/api.md", "## Shapes"), re.MULTILINE)
    above = re.match(r", all of \*\*(\w+)\*\* and", line)
    return set(re.findall(r"`(\w+)`", line)) | (_fields_told(above[1]) if above else set())


def test_the_words_that_may_be_said_are_told():
    text = text_of("docs/moderating.md")
    for word in (*ActionVerb, *Status, *Scope):
        assert f"`{word.value}`" in text, word
    for rule in re.findall(r'"(rule:\w+)"', Path(engine.__file__).read_text(encoding="utf-8")):
        assert f"`{rule}`" in text, rule


def test_every_tracking_parameter_is_published():
    section = _section("docs/embedding.md", "### What is dropped from an address")
    told = re.findall(r"`(\w+\*?)`", section)
    wanted = [*urls.TRACKING, *(f"{prefix}*" for prefix in urls.TRACKING_PREFIXES)]
    assert sorted(told) == sorted(wanted)


def test_addresses_have_the_canonical_form_that_is_shown():
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", text_of("docs/embedding.md"), re.MULTILINE)
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


def test_every_command_and_every_option_is_told():
    text = text_of("docs/operating.md") + text_of("docs/moderating.md")
    for path, parser in _commands(main._parser()):
        assert f"commentsvc {' '.join(path)}" in text, path
        for action in parser._actions:
            for option in action.option_strings:
                assert option in {"-h", "--help"} or option in text, (path, option)


def test_every_exit_code_is_told():
    told = re.findall(r"^\| (\d+) \|", _section("docs/operating.md", "## Exit codes"), re.MULTILINE)
    assert told == re.findall(r"(\d+) [a-z]", main.EPILOG.partition("Exit codes:")[2])


def test_every_module_stands_in_the_tree():
    tree = text_of("ARCHITECTURE.md")
    for path in PACKAGE.rglob("*.py"):
        name = path.parent.name + "/" if path.name == "__init__.py" else path.name
        assert re.search(rf"(?<![\w/]){re.escape(name)}(?!\w)", tree), path
    for name in re.findall(r"\b(\w+\.py)\b", tree):
        assert [*PACKAGE.rglob(name), *(ROOT / "tests").glob(name)], f"{name} is not there"


def test_every_dependency_says_why_it_is_here():
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    wanted = {_name(line) for line in itertools.chain(project["dependencies"], *extras.values())}
    (decision,) = [path for path in DECISIONS if path.name.startswith("0002")]
    told = set(re.findall(r"^\| ([a-z][\w-]*) \|", decision.read_text(encoding="utf-8"), re.MULTILINE))
    assert told - {"package"} == wanted - {"commentsvc"}


def _name(requirement):
    return re.match(r"[\w-]+", requirement)[0]


@pytest.mark.parametrize("path", DECISIONS, ids=named)
def test_a_decision_is_short_and_says_what_would_change_our_mind(path):
    text = path.read_text(encoding="utf-8")
    parts = re.findall(r"^\*\*([^*]+)\.\*\*", text, re.MULTILINE)
    assert parts == ["Context", "Decision", "Consequences", "What would change our mind"]
    number = path.name.partition("-")[0]
    assert text.startswith(f"# {number}. ")
    title = text.partition("\n")[0].removeprefix(f"# {number}. ")
    assert f"| [{number}]({path.name}) | {title} |" in text_of("docs/decisions/README.md")


def test_decisions_are_numbered_without_a_gap():
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_the_changes_name_this_version():
    assert commentsvc.__version__ in text_of("CHANGELOG.md")


def _slug(heading):
    """How a heading is addressed: as GitHub and most others do it."""
    plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def _anchors(path):
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {_slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_link_leads_somewhere(path):
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{named(path)} links to {link}"
        assert not anchor or anchor in _anchors(target), f"{named(path)} links to {link}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_no_document_names_anybodys_address(path):
    for address in re.findall(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)", path.read_text(encoding="utf-8")):
        assert address in {"example.com", "example.org", "example.net"}, f"{named(path)} names one at {address}"


def test_from_the_readme_every_document_is_reached():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        links = re.findall(r"\]\(([^)#\s]+\.md)", path.read_text(encoding="utf-8"))
        waiting += [(path.parent / link).resolve() for link in links if "://" not in link]
    assert reached >= set(DOCUMENTS)
