"""Lists in the terminal fit its width and lose nothing that can be copied."""

import re

import pytest

from commentsvc.cli.tables import Column, cut_text, format_table
from commentsvc.cli.terminal import Terminal
from commentsvc.domain.columns import text_width
from tests.cli.test_moderate import COMMAND, command, pending_comments, screen, started
from tests.operations.test_operating import run_main

ID = "01a224c2-9022-7000-b2d6-f1274fa5ccc7"
ROWS = [
    (ID, "blog", "Mia", "Thank you"),
    (ID, "a site", "漢字かな交じり文の名前", "とても良い記事をありがとうございます。" * 9),
    (ID, "blog", "e\u0323\u0302" * 40, "🐝" * 200),
    (ID, "blog", "\x1b[31mred", "\u202e" * 30),
]
TABLE = tuple(
    (column, lambda row, at=at: row[at])
    for at, column in enumerate((Column("ID"), Column("SITE", 6, optional=True), Column("NAME", 6), Column("TEXT", 12)))
)


def terminal(columns, *, interactive=False):
    return Terminal(print, print, list, None, lambda: 80, interactive=interactive, table_columns=lambda: columns)


@pytest.mark.parametrize("columns", [36, 40, 50, 61, 72, 80, 100, 133, 400])
def test_a_list_fits_a_terminal_of_any_width_and_its_columns_are_aligned(columns):
    lines = format_table(TABLE, ROWS, terminal(columns, interactive=True))
    assert max(map(text_width, lines)) <= columns
    assert sum(ID in line for line in lines) == len(ROWS), "what can be copied is never cut"
    assert len(lines) == (len(ROWS) + 1) * (1 if columns >= 61 else 2)
    starts = {text_width(line.partition(name)[0]) for line in lines for name in ("NAME", "Mia", "漢字") if name in line}
    assert len(starts) == 1
    assert all(character.isprintable() for line in lines for character in line)


def test_a_program_reads_whole_cells_and_no_titles():
    assert format_table(TABLE, ROWS[:1], terminal(None)) == [f"{ID}  blog  Mia  Thank you"]
    assert format_table(TABLE, [(ID, "", "Mia", "x" * 999)], terminal(None)) == [f"{ID}  Mia  {'x' * 999}"]
    assert format_table(TABLE, [], terminal(None, interactive=True)) == []


def test_a_text_is_cut_between_whole_letters():
    assert [cut_text("漢字漢字", width) for width in (8, 7, 6, 5, 2, 1, 0)] == [
        "漢字漢字", "漢字漢…", "漢字…", "漢字…", "…", "…", ""
    ]  # fmt: skip
    assert cut_text("e\u0301e\u0301e\u0301", 2) == "e\u0301…"


def test_a_moderator_reads_the_queue_with_titles_on_a_terminal_and_within_its_width_elsewhere(tmp_path, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    (one,) = pending_comments(tmp_path, "とても良い記事をありがとうございます。" * 9)
    with screen(tmp_path, "queue") as seen:
        seen.wait_for("…")
    title, row = seen.shown.replace("\r", "").splitlines()[:2]
    assert re.fullmatch(r"ID +AGE +(SITE +)?PAGE +NAME +COMMENT", title)
    assert row.startswith(one)
    assert text_width(row) <= 80
    assert title.index("AGE") == row.index(re.search(r"now|\d+ min", row)[0])
    found = run_main(tmp_path, "queue").stdout
    assert text_width(found.splitlines()[0]) > 100, "a pipe has no width"
    narrow = started(tmp_path, *COMMAND, "queue", COLUMNS="70").stdout
    assert max(map(text_width, narrow.splitlines())) <= 70


def test_an_operator_reads_who_did_what(tmp_path):
    one, two = pending_comments(tmp_path, "one", "two")
    command(tmp_path, "spam", one, two, "--note", "a shop")
    done = command(tmp_path, "audit", "list", "--limit", "1")
    number, time, rest = re.fullmatch(r"(\d+)  (\S+ \S+)  (.*)\nMore: --cursor \S+", done.text).groups()
    action = re.fullmatch(r"operator  marked 2 comments as spam  blog  a shop  (\S+)", rest)[1]
    assert command(tmp_path, "undo", action).code == 0
    entries = command(tmp_path, "audit", "list", "--json").json()["entries"]
    assert (entries[0]["verb"], entries[1]["seq"], entries[1]["created_at"][:10]) == ("undo", int(number), time[:10])
    assert command(tmp_path, "audit", "list", "--since", "2999-01-01T00:00:00Z").text == "No activity yet."
    refused = command(tmp_path, "audit", "list", "--site", "nowhere")
    assert (refused.code, "site: " in refused.errors) == (1, True)
