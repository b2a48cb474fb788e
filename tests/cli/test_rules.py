"""A moderator keeps the rules from a terminal, and an operator says who is held."""

import pytest

from tests.cli.test_moderate import command, waiting


def test_a_rule_is_kept_listed_taken_away_and_brought_back(tmp_path):
    kept = command(tmp_path, "rule", "add", "links", "2", "--note", "shops", "--json").json()
    assert (kept["kind"], kept["match"], kept["effect"], kept["site"]) == ("links", "2", "hold", None)
    line = f"{kept['id']}  links 2  hold  every site  shops"
    assert command(tmp_path, "rule", "list").text == line
    (held,) = waiting(tmp_path, "https://a.example https://b.example https://c.example")
    card = command(tmp_path, "queue", "--json").json()["comments"][0]
    assert held == card["id"]
    assert "rule:links" in {reason["rule"] for reason in card["reasons"]}

    gone = command(tmp_path, "rule", "remove", kept["id"])
    assert gone.text.startswith("The rule is gone. To bring it back: commentsvc undo ")
    assert command(tmp_path, "rule", "list").text == "None yet."
    assert command(tmp_path, "undo", gone.text.split()[-1]).text.startswith("1 taken back.")
    assert command(tmp_path, "rule", "list").text == line


def test_rules_stand_where_and_as_long_as_they_are_meant_to(tmp_path):
    command(tmp_path, "site", "add", "b", "--origin", "https://b.example")
    command(tmp_path, "moderator", "add", "Ada", "--site", "b")
    ban = command(
        tmp_path, "rule", "add", "network", "192.0.2.0/24", "--site", "b", "--effect", "spam",
        "--expires", "2099-01-31T00:00:00Z", "--as", "Ada",
    )  # fmt: skip
    assert ban.code == 0, ban.complaint
    rule = command(tmp_path, "rule", "list", "--json").json()["rules"][0]
    line = f"{rule['id']}  network 192.0.2.0/24  spam  b  until 2099-01-31T00:00:00.000Z"
    assert ban.text == f"{line}\nTo take it away: commentsvc rule remove {rule['id']}"
    assert command(tmp_path, "rule", "list", "--site", "b").text == line
    refused = command(tmp_path, "rule", "add", "links", "1", "--site", "blog", "--as", "Ada")
    assert (refused.code, refused.text) == (1, "")


def test_a_word_list_comes_from_a_file(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("".join(f"pills{number}\n" for number in range(100)), encoding="utf-8")
    assert command(tmp_path, "rule", "add", "words", "--file", str(words)).code == 0
    listed = command(tmp_path, "rule", "list").text
    assert "words pills0 pills1 pills2" in listed
    assert "… (789 characters)  hold  every site" in listed


def test_a_rule_is_tried_on_what_people_decided_before(tmp_path):
    good, shop, ham, other = waiting(tmp_path, "these pills", "buy pills", "hello", "cheap watches")
    command(tmp_path, "approve", good, ham)
    command(tmp_path, "spam", shop, other)
    tried = command(tmp_path, "rule", "test", "words", "pills")
    assert tried.code == 0
    lines = tried.text.splitlines()
    assert lines[:3] == [
        "It would have held 2 of the last 4 decided comments. People had rejected 1 of them.",
        "It leaves 1 alone that they rejected.",
        "People thought otherwise of:",
    ]
    assert lines[3].startswith(f"{good}  approved  Mia  these pills  It has “pills”")
    assert command(tmp_path, "rule", "test", "words", "pills", "--last", "2", "--json").json()["tried"] == 2
    assert command(tmp_path, "rule", "list").text == "None yet.", "nothing was changed"
    none = command(tmp_path, "rule", "test", "links", "5", "--effect", "refuse").text
    assert none.startswith("It would have refused 0 of the last 4 decided comments.")


def test_a_site_is_given_a_mode_and_its_old_one_back(tmp_path):
    said = command(tmp_path, "site", "mode", "blog", "none")
    assert said.text.startswith("blog has the mode none. To take it back: commentsvc undo ")
    assert command(tmp_path, "site", "mode", "blog", "none").text == "blog has the mode none."
    waiting(tmp_path, "shown at once")
    assert command(tmp_path, "queue").text == "There are none."
    command(tmp_path, "undo", said.text.split()[-1])
    assert command(tmp_path, "site", "list", "--json").json()[0]["mode"] is None
    command(tmp_path, "site", "mode", "blog", "trusted")
    assert command(tmp_path, "site", "mode", "blog", "default", "--json").json()["mode"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("rule add nonsense x", "must be one of"),
        ("rule add links many", "looks for"),
        ("rule add links 2 --site nowhere", "There is no site of this name"),
        ("rule add words pills --effect refuse", "can have the effect"),
        ("rule add email nobody", "not a valid email address"),
        ("rule add words pills --expires tomorrow", "A time looks like"),
        ("rule test words pills --last 5000", "from 1 to 1000"),
        ("rule remove nothing", "There is no such rule."),
        ("site mode nowhere all", "There is no site of this name"),
    ],
)
def test_what_cannot_be_done_is_said_and_the_exit_code_is_1(tmp_path, arguments, said):
    done = command(tmp_path, *arguments.split())
    assert (done.code, said in done.complaint) == (1, True), done


@pytest.mark.parametrize(
    "arguments", ["rule add", "rule add words --file /nowhere", "rule add words a --file b", "site mode blog some"]
)
def test_of_wrong_usage_the_exit_code_is_2(tmp_path, arguments):
    with pytest.raises(SystemExit) as left:
        command(tmp_path, *arguments.split())
    assert left.value.code == 2
