"""An operator keeps rules in a file, and undoes what a rule did, from a terminal."""

import pytest

from tests.cli.test_moderate import command, pending_comments, status_of
from tests.operations.test_operating import run, run_main

FILE = """\
[[rule]]
kind = "links"
match = "2"
effect = "hold"
note = "shops"
"""


@pytest.fixture
def rules_file(tmp_path):
    """A file with one rule."""
    file = tmp_path / "rules.toml"
    file.write_text(FILE, encoding="utf-8")
    return file


def test_an_operator_reviews_the_difference_then_applies_a_file_and_undoes_it(tmp_path, rules_file):
    seen = command(tmp_path, "rule", "apply", str(rules_file), "--dry-run").text.splitlines()
    assert '+match = "2"' in seen
    assert seen[-1] == (
        "Rules added: 1, changed: 0, deleted: 0, unchanged: 0. Nothing was changed. To apply it, leave out --dry-run."
    )
    assert command(tmp_path, "rule", "list").text == "No rules yet."
    done = command(tmp_path, "rule", "apply", str(rules_file)).text.splitlines()[-1]
    assert done.startswith("Rules added: 1, changed: 0, deleted: 0, unchanged: 0. Undo with: commentsvc undo ")
    assert command(tmp_path, "rule", "export", "--json").json() == {"text": FILE, "rules": 1, "left_out": 0}
    rules_file.write_text("", encoding="utf-8")
    refused = command(tmp_path, "rule", "apply", str(rules_file))
    assert (refused.code, "To delete them, add: --expect 1" in refused.errors) == (1, True)
    assert command(tmp_path, "rule", "apply", str(rules_file), "--dry-run").text.endswith("with --expect 1.")
    assert command(tmp_path, "rule", "apply", str(rules_file), "--expect", "1").code == 0
    assert command(tmp_path, "rule", "list").text == "No rules yet."
    typed = command(tmp_path, "rule", "apply", "-", typed=f"\ufeff{FILE}")  # as editors on Windows begin a file
    assert command(tmp_path, "undo", typed.text.split()[-1]).code == 0
    assert command(tmp_path, "rule", "list").text == "No rules yet."


def test_an_export_is_written_as_it_is_and_says_beside_it_what_is_left_out(tmp_path, rules_file):
    run_main(tmp_path, "migrate")
    for words in (["apply", str(rules_file)], ["add", "email", "mia@example.com"]):
        assert run_main(tmp_path, "rule", *words).returncode == 0
    done = run(tmp_path, "rule", "export")
    assert (done.returncode, done.stdout) == (0, FILE)
    assert "1 rule exported. Left out: 1 rule (bans of people, or expired)." in done.stderr
    assert "mia@example.com" in run(tmp_path, "rule", "export", "--contacts").stdout


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[[rule]]\nkind = 'links'\nmatch = 'many'", "rule 1, line 1, match: Enter a whole number of links"),
        ("[[rule]", "file: This is not valid TOML."),
        (None, "file: The file cannot be read"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_and_the_cure(tmp_path, text, error):
    file = tmp_path / "rules.toml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    done = command(tmp_path, "rule", "apply", str(file))
    assert (done.code, error in done.errors) == (1, True), done
    assert command(tmp_path, "rule", "list").text == "No rules yet."


def test_a_moderator_undoes_what_a_rule_did_once_they_know_how_much(tmp_path):
    rule = command(tmp_path, "rule", "add", "links", "0", "--effect", "spam", "--json").json()["id"]
    (spam,) = pending_comments(tmp_path, "https://docs.example") or [None]
    since = ("--since", "2000-01-01T00:00:00Z")
    counted = command(tmp_path, "rule", "undo", rule, *since, "--dry-run").text
    assert counted == "1 comment would be decided again, without the rule. Nothing was changed."
    unsure = command(tmp_path, "rule", "undo", rule, *since)
    assert (unsure.code, unsure.errors) == (1, "1 comment would be decided again, without the rule. Add: --expect 1")
    assert command(tmp_path, "rule", "undo", rule, *since, "--expect", "2").code == 1
    done = command(tmp_path, "rule", "undo", "rule:links", *since, "--yes").text
    assert done.startswith("1 comment decided again, without the rule. Undo with: commentsvc undo ")
    assert status_of(tmp_path, spam) == "pending"
    command(tmp_path, "undo", done.split()[-1])
    assert status_of(tmp_path, spam) == "spam"
    missing = command(tmp_path, "rule", "undo", "nothing", *since)
    assert (missing.code, missing.errors) == (1, "Rule not found. See: commentsvc rule list")
