"""The command line offers every value of each enumeration, and a help text for every word."""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from commentsvc.archives.export_schemas import ExportFormat
from commentsvc.archives.schemas import Contacts
from commentsvc.cli import commands, keys, moderate, moderators, rules, sites
from commentsvc.cli.mail import COMMANDS as MAIL_COMMANDS
from commentsvc.cli.parser import EPILOG, SECTIONS, build_parser
from commentsvc.cli.secret import COMMANDS as SECRET_COMMANDS
from commentsvc.delivery.webhook_schemas import WebhookEvent
from commentsvc.domain.deliveries import Channel, MailMode, ParcelState
from commentsvc.domain.models import ActionVerb, Effect, Mode, RuleKind, Scope, StatusFilter
from commentsvc.moderation.schemas import QueueQuery
from commentsvc.moderation.statistics_schemas import Span
from commentsvc.rules.kinds import KINDS
from commentsvc.storage.comment_filter import CommentFilter
from tests.operations.test_operating import environment, run, run_main

ROOT = Path(__file__).parent.parent.parent


def parsers(parser, path=()):
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield path, parser
    for group in groups:
        for name, inner in group.choices.items():
            yield from parsers(inner, (*path, name))


def test_an_operator_can_choose_every_value_of_each_enumeration():
    offered = {
        (" ".join(path), action.dest): list(action.choices)
        for path, parser in parsers(build_parser())
        for action in parser._actions
        if action.choices is not None
    }
    assert offered == {
        ("moderate", "status"): list(StatusFilter),
        ("moderate", "order"): ["oldest", "newest", "score"],
        ("queue", "status"): list(StatusFilter),
        ("queue", "order"): ["oldest", "newest", "score"],
        ("search", "status"): list(StatusFilter),
        ("search", "order"): ["oldest", "newest", "score"],
        ("ban", "kind"): ["network", "author", "email", "email_domain", "website"],
        ("ban", "effect"): list(Effect),
        ("rule add", "kind"): list(RuleKind),
        ("rule add", "effect"): list(Effect),
        ("rule test", "kind"): list(RuleKind),
        ("rule test", "effect"): list(Effect),
        ("key create", "scope"): list(Scope),
        ("site mode", "mode"): [*Mode, "default"],
        ("moderator mail", "mode"): list(MailMode),
        ("site email", "email"): ["required", "optional"],
        ("site form", "website"): ["shown", "hidden"],
        ("site form", "consent"): ["required", "off"],
        ("webhook add", "event"): list(WebhookEvent),
        ("export", "format"): list(ExportFormat),
        ("export", "contacts"): list(Contacts),
        ("stats", "by"): list(Span),
        ("delivery list", "channel"): list(Channel),
        ("delivery list", "state"): list(ParcelState),
        ("delivery retry-dead", "channel"): list(Channel),
    }


def test_every_action_of_a_moderator_is_a_command():
    names = {path[0] for path, _ in parsers(build_parser())}
    assert set(ActionVerb) <= names


def test_the_help_lists_each_command_in_one_section():
    listed = [name for names in SECTIONS.values() for name in names]
    assert sorted(listed) == sorted({path[0] for path, _ in parsers(build_parser())})
    help_text = build_parser().format_help()
    assert all(f"\n    {name}" in help_text for name in listed)


def test_the_table_of_commands_names_every_command_and_no_other():
    table = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8").partition("\n## Commands\n")[2]
    cells = [line.split("|")[1] for line in table.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    offered = {" ".join(path) for path, _ in parsers(build_parser())}
    written = set()
    for cell in cells:
        names = [re.sub("^commentsvc | [A-Z].*", "", name) for name in re.findall("`([^`]+)`", cell)]
        written |= {name if name in offered else f"{names[0].split()[0]} {name}" for name in names}
    assert written == offered


def test_every_command_is_run_by_one_function():
    run_directly = {"serve", "work", "migrate", "openapi", "healthcheck", "moderate", "prune", "doctor", "config"}
    of_settings = {*(("secret", name) for name in SECRET_COMMANDS), *(("mail", name) for name in MAIL_COMMANDS)}
    offered = {(path[0], path[-1]) for path, _ in parsers(build_parser()) if path[0] not in run_directly}
    of_modules = [name for module in (keys, moderate, moderators, rules, sites) for name in module.COMMANDS]
    assert offered == {*commands.load_commands(), *of_settings}
    assert len(of_modules) == len(set(of_modules))


def test_an_operator_finds_help_for_every_command_and_option():
    for path, parser in parsers(build_parser()):
        assert parser.description, path
        for action in parser._actions:
            assert action.help, (path, action.dest)


@pytest.mark.parametrize("words", ["--help", "rule --help", "rule add --help", "moderate --help", "healthcheck --help"])
def test_an_operator_reads_help_and_the_exit_code_is_0(tmp_path, words):
    done = run_main(tmp_path, *words.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: commentsvc")
    assert (EPILOG in done.stdout) == (words == "--help")


def test_an_operator_reads_help_in_a_terminal_without_unicode(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "commentsvc", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=environment() | {"PYTHONIOENCODING": "latin-1"},
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert "Exit codes:" in done.stdout


def test_an_operator_reads_that_the_service_is_not_running(tmp_path):
    done = run(tmp_path, "healthcheck", PORT="1")
    assert (done.returncode, done.stderr) == (1, "commentsvc: commentsvc is not running at 127.0.0.1:1.\n")


@pytest.mark.parametrize(
    ("words", "shown"), [("", "check that the service"), ("rule", "test a rule on past decisions")]
)
def test_an_operator_who_names_no_command_reads_the_list_of_commands(tmp_path, words, shown):
    done = run_main(tmp_path, *words.split())
    assert (done.returncode, shown in " ".join(done.stdout.split()), done.stderr) == (0, True, "")


def test_an_operator_reads_every_kind_scope_and_mode_where_they_choose_one(tmp_path):
    for command, names in (
        ("rule add", [*RuleKind, *Effect]),
        ("key create", Scope),
        ("site mode", [*Mode, "default"]),
    ):
        text = run_main(tmp_path, *command.split(), "--help").stdout
        for name in names:
            assert re.search(rf"^  {name} +\w", text, re.MULTILINE), (command, name)
    others = {RuleKind.TRUST: Effect.APPROVE, RuleKind.LEARNED: Effect.NOTE}
    for kind, known in KINDS.items():
        assert known.effects[0] is others.get(kind, Effect.HOLD), "the help says so"


@pytest.mark.parametrize(
    ("words", "exit_code", "code", "field"),
    [
        ("--json queue --limit 0", 1, "invalid", "limit"),
        ("undo nothing --json", 1, "not_found", None),
        ("approve nothing --json", 1, "partly_refused", None),
        ("queue --json --limit many", 2, "usage", None),
        ("rule --json nonsense", 2, "usage", None),
        ("rule --json", 2, "usage", None),
        ("--json", 2, "usage", None),
        ("erasures apply nowhere --json", 1, "not_found", None),
    ],
)
def test_a_program_reads_errors_as_json(tmp_path, words, exit_code, code, field):
    run_main(tmp_path, "migrate")
    done = run_main(tmp_path, *words.split())
    error = json.loads(done.stderr)
    assert (done.returncode, error["exit_code"], error["code"]) == (exit_code, exit_code, code)
    assert [one["field"] for one in error["errors"]] == ([field] if field else [])
    assert error["detail"]


def test_a_program_reads_wrong_settings_as_json(tmp_path):
    for settings, code in (({}, "misconfigured"), ({"PORT": "eighty"}, "misconfigured")):
        done = run_main(tmp_path, "queue", "--json", **settings)
        assert (done.returncode, json.loads(done.stderr)["code"]) == (78, code)


@pytest.mark.parametrize(("command", "shape"), [("moderate", CommentFilter), ("queue", QueueQuery)])
def test_a_moderator_can_use_every_filter_in_the_terminal(tmp_path, command, shape):
    words = " ".join(run_main(tmp_path, command, "--help").stdout.split())
    for name in shape.__struct_fields__:
        assert f" --{name.replace('_', '-')} " in words, name
    assert "--site NAME only comments on this site --thread" in words
    assert "--since TIME only comments written at or after this time" in words
    assert ("maximum number of results, 1 to 200 (default: 50)" in words) == (command == "queue")


def test_an_operator_who_mistypes_a_choice_reads_the_plain_values(tmp_path):
    done = run_main(tmp_path, "key", "create", "x", "--scope", "write")
    assert (done.returncode, "'read', 'moderate', 'admin'" in done.stderr) == (2, True), done.stderr
