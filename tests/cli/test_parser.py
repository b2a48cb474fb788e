"""The command line offers every value of each enumeration, and a help text for every word."""

import argparse

import pytest

from commentsvc.cli import commands, keys, moderate, moderators, rules, sites
from commentsvc.cli.parser import EPILOG, build_parser
from commentsvc.cli.secret import COMMANDS as SECRET_COMMANDS
from commentsvc.domain.models import ActionVerb, Effect, Mode, RuleKind, Scope, StatusFilter
from commentsvc.moderation.schemas import QueueQuery
from commentsvc.storage.comment_filter import CommentFilter
from tests.operations.test_operating import run_main


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
        ("queue", "status"): list(StatusFilter),
        ("queue", "order"): ["oldest", "newest"],
        ("rule add", "kind"): list(RuleKind),
        ("rule add", "effect"): list(Effect),
        ("rule test", "kind"): list(RuleKind),
        ("rule test", "effect"): list(Effect),
        ("key create", "scope"): list(Scope),
        ("site mode", "mode"): [*Mode, "default"],
        ("site email", "email"): ["required", "optional"],
    }


def test_every_action_of_a_moderator_is_a_command():
    names = {path[0] for path, _ in parsers(build_parser())}
    assert set(ActionVerb) <= names


def test_every_command_is_run_by_one_function():
    run_directly = {"serve", "migrate", "openapi", "healthcheck", "moderate"}
    offered = {(path[0], path[-1]) for path, _ in parsers(build_parser()) if path[0] not in run_directly}
    of_modules = [name for module in (keys, moderate, moderators, rules, sites) for name in module.COMMANDS]
    assert offered == {*commands.COMMANDS, *(("secret", name) for name in SECRET_COMMANDS)}
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
