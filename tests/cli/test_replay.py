"""A moderator tests the learned filter from a terminal."""

from commentsvc.domain.models import ActionVerb
from tests.cli.test_moderate import command, with_service
from tests.spam.teaching import GOOD, SPAM, decide, teach, write_comments


async def decide_later(service):
    await teach(service)
    spam = await write_comments(service, SPAM, 10, thread="/later/")
    await decide(service, ActionVerb.SPAM, spam)
    good = await write_comments(service, GOOD, 10, thread="/later/")
    like_spam = await write_comments(service, SPAM, 1, thread="/last/")
    await decide(service, ActionVerb.APPROVE, good + like_spam)
    return like_spam[0]


def test_a_moderator_reads_the_numbers_and_the_curve_as_rows(tmp_path):
    lost = with_service(tmp_path, decide_later)
    lines = command(tmp_path, "rule", "test", "learned", "99").text.splitlines()
    assert lines[:4] == [
        "Learned filter, from 35 good and 18 spam decisions.",
        "Replayed 24 in order: each comment was judged only by decisions made before it.",
        "At 99% it catches 13 of 13 spam and 1 of 11 good comments.",
        "98.0%   13 of 13  1 of 11",
    ]
    assert lines[23].startswith("100.0%  "), "a row for each tenth of a percent"
    assert any(line.startswith("Speaks for spam: ") for line in lines)
    assert lines[-2] == "Disagreements, newest first:"
    assert lines[-1].startswith(f"{lost}  approved  Reader 0  ")
    last = command(tmp_path, "rule", "test", "learned", "--last", "5", "--json").json()
    assert (last["tried"], last["learned"]["keep"]) == (5, 99.5)
    assert command(tmp_path, "rule", "list").text == "No rules yet."


def test_before_it_knows_enough_it_says_what_is_missing(tmp_path):
    text = command(tmp_path, "rule", "test", "learned").text
    assert text.splitlines() == [
        "Learned filter, from 0 good and 0 spam decisions.",
        "It needs 20 more good and 5 more spam decisions.",
        "There are no later decisions to test it on yet.",
    ]
