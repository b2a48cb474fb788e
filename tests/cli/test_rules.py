"""A moderator manages rules from a terminal, and an operator sets moderation modes."""

import pytest

from commentsvc.moderation.verbs import DONE
from tests.cli.test_moderate import command, pending_comments


def test_a_moderator_adds_lists_deletes_and_restores_a_rule(tmp_path):
    rule = command(tmp_path, "rule", "add", "links", "2", "--note", "shops", "--json").json()
    assert (rule["kind"], rule["match"], rule["effect"], rule["site"]) == ("links", "2", "hold", None)
    line = f"{rule['id']}  links 2  hold  all sites  shops"
    assert command(tmp_path, "rule", "list").text == line
    (held,) = pending_comments(tmp_path, "https://a.example https://b.example https://c.example")
    card = command(tmp_path, "queue", "--json").json()["comments"][0]
    assert held == card["id"]
    assert ("rule", rule["id"], "links") in {tuple(reason["actor"].values()) for reason in card["reasons"]}

    deleted = command(tmp_path, "rule", "remove", rule["id"])
    assert deleted.text.startswith("Rule deleted. Undo with: commentsvc undo ")
    assert command(tmp_path, "rule", "list").text == "No rules yet."
    assert command(tmp_path, "undo", deleted.text.split()[-1]).text.startswith(f"1 {DONE['undo']}.")
    assert command(tmp_path, "rule", "list").text == line


def test_a_moderator_limits_a_rule_to_a_site_and_a_time(tmp_path):
    command(tmp_path, "site", "add", "b", "--origin", "https://b.example")
    command(tmp_path, "moderator", "add", "Ada", "--site", "b")
    ban = command(
        tmp_path, "rule", "add", "network", "192.0.2.0/24", "--site", "b", "--effect", "spam",
        "--expires", "2099-01-31T00:00:00Z", "--as", "Ada",
    )  # fmt: skip
    assert ban.code == 0, ban.errors
    rule = command(tmp_path, "rule", "list", "--json").json()["rules"][0]
    line = f"{rule['id']}  network 192.0.2.0/24  spam  b  until 2099-01-31T00:00:00.000Z"
    assert ban.text == f"{line}\nDelete with: commentsvc rule remove {rule['id']}"
    assert command(tmp_path, "rule", "list", "--site", "b").text == line
    refused = command(tmp_path, "rule", "add", "links", "1", "--site", "blog", "--as", "Ada")
    assert (refused.code, refused.text) == (1, "")


def test_a_moderator_adds_a_word_list_from_a_file(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("".join(f"pills{number}\n" for number in range(100)), encoding="utf-8")
    assert command(tmp_path, "rule", "add", "words", "--file", str(words)).code == 0
    listed = command(tmp_path, "rule", "list").text
    assert "words pills0 pills1 pills2" in listed
    assert "… (789 characters)  hold  all sites" in listed


def test_a_moderator_tests_a_rule_on_past_decisions(tmp_path):
    good, shop, ham, other = pending_comments(tmp_path, "these pills", "buy pills", "hello", "cheap watches")
    command(tmp_path, "approve", good, ham)
    command(tmp_path, "spam", shop, other)
    tried = command(tmp_path, "rule", "test", "words", "pills")
    assert tried.code == 0
    lines = tried.text.splitlines()
    assert lines[:3] == [
        "Would have held 2 of the last 4 decided comments: 1 that moderators rejected, 1 that they approved.",
        "Misses 1 that moderators rejected.",
        "Disagreements, newest first:",
    ]
    assert lines[3].startswith(f"{good}  approved  Mia  these pills  ")
    assert lines[3].endswith("Words not allowed: pills.")
    assert command(tmp_path, "rule", "test", "words", "pills", "--last", "2", "--json").json()["tried"] == 2
    assert command(tmp_path, "rule", "list").text == "No rules yet.", "a test saves no rule"
    none = command(tmp_path, "rule", "test", "links", "5", "--effect", "refuse").text
    assert none.startswith("Would have rejected 0 of the last 4 decided comments: ")


def test_an_operator_sets_and_resets_the_moderation_mode_of_a_site(tmp_path):
    changed = command(tmp_path, "site", "mode", "blog", "none")
    assert changed.text.startswith("Moderation mode of blog: none. Undo with: commentsvc undo ")
    assert command(tmp_path, "site", "mode", "blog", "none").text == "Moderation mode of blog: none."
    pending_comments(tmp_path, "shown at once")
    assert command(tmp_path, "queue").text == "No comments found."
    command(tmp_path, "undo", changed.text.split()[-1])
    assert command(tmp_path, "site", "list", "--json").json()[0]["mode"] is None
    command(tmp_path, "site", "mode", "blog", "trusted")
    default = command(tmp_path, "site", "mode", "blog", "default")
    assert default.text.startswith("Moderation mode of blog: all (default). Undo with: ")
    assert command(tmp_path, "site", "mode", "blog", "default", "--json").json()["mode"] is None


def test_an_operator_makes_the_email_address_optional(tmp_path):
    changed = command(tmp_path, "site", "email", "blog", "optional")
    assert changed.text.startswith("Email addresses on blog: optional. Undo with: commentsvc undo ")
    assert command(tmp_path, "site", "email", "blog", "optional").text == "Email addresses on blog: optional."
    assert command(tmp_path, "site", "list", "--json").json()[0]["email_required"] is False
    command(tmp_path, "undo", changed.text.split()[-1])
    assert command(tmp_path, "site", "email", "blog", "required", "--json").json()["email_required"] is True


def test_an_operator_sets_what_the_form_of_a_site_shows(tmp_path):
    shown = command(tmp_path, "site", "form", "blog", "--website", "shown", "--privacy-url", "blog.example/privacy")
    assert shown.text.startswith(
        "Form of blog: website shown, consent off, privacy link https://blog.example/privacy. Undo with: "
    )
    assert "consent required" in command(tmp_path, "site", "form", "blog", "--consent", "required").text
    assert command(tmp_path, "site", "form", "blog").text.endswith("privacy link https://blog.example/privacy.")
    hidden = command(tmp_path, "site", "form", "blog", "--privacy-url", "none", "--website", "hidden", "--json").json()
    assert (hidden["website_field"], hidden["privacy_url"], hidden["consent_required"]) == (False, None, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("site form blog --privacy-url javascript:alert(1)", "privacy_url: "),
        ("rule add links many", "match: "),
        ("rule add links 2 --site nowhere", "site: "),
        ("rule add words pills --effect refuse", "effect: "),
        ("rule add email nobody", "match: "),
        ("rule add words pills --expires tomorrow", "expires_at: "),
        ("rule test words pills --last 5000", "last: "),
        ("rule remove nothing", "Rule not found. See: commentsvc rule list"),
        ("site mode nowhere all", "Site not found. See: commentsvc site list"),
    ],
)
def test_a_refused_command_says_why_and_exits_with_1(tmp_path, arguments, message):
    done = command(tmp_path, *arguments.split())
    assert (done.code, message in done.errors) == (1, True), done


@pytest.mark.parametrize(
    "arguments",
    [
        "rule add",
        "rule add nonsense x",
        "rule add words --file /nowhere",
        "rule add words a --file b",
        "site mode blog some",
    ],
)
def test_wrong_usage_exits_with_2(tmp_path, arguments):
    with pytest.raises(SystemExit) as left:
        command(tmp_path, *arguments.split())
    assert left.value.code == 2


def test_an_operator_chooses_the_mails_of_a_moderator(tmp_path):
    command(tmp_path, "moderator", "add", "Ada")
    assert (
        command(tmp_path, "moderator", "mail", "Ada", "digest", "--minutes", "90").text == "Changed the mails of Ada."
    )
    (ada,) = [one for one in command(tmp_path, "moderator", "list", "--json").json() if one["name"] == "Ada"]
    assert ada["mail"] == {"mode": "digest", "minutes": 90}
    changed = command(tmp_path, "moderator", "mail", "Ada", "off", "--json").json()
    assert changed["mail"] == {"mode": "off", "minutes": None}
    assert command(tmp_path, "moderator", "mail", "Bo", "off").code != 0
    refused = command(tmp_path, "moderator", "mail", "Ada", "now", "--minutes", "0")
    assert refused.code != 0
    assert "minutes" in refused.errors
