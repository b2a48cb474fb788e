"""A replay judges each comment as the filter would have done at the time."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commentsvc.spam.features import Sample, weigh_features
from commentsvc.spam.filter import LEAST_GOOD, LEAST_SPAM, SpamFilter
from commentsvc.spam.replay import SHARES, Decided, ReplayTooSlow, replay_decisions
from tests.moderation.test_properties import often

WORDS = ("garden", "bread", "casino", "bonus", "river", "pills", "thanks", "win")
COMMENTS = st.tuples(st.booleans(), st.lists(st.sampled_from(WORDS), min_size=1, max_size=4))


def a_history(comments, site="blog"):
    """Return decided comments: enough for a filter that speaks, then these, each whether it is spam and its words."""
    first = [(False, [WORDS[at % 2], WORDS[4]]) for at in range(LEAST_GOOD)] + [(True, ["casino"])] * LEAST_SPAM
    return [
        Decided(
            comment_id=f"{site} {at}", site_id=site, sample=Sample(text=" ".join(words), name="Mia"), is_spam=is_spam
        )
        for at, (is_spam, words) in enumerate([*first, *comments])
    ]


def judge_alone(history, at, shares):
    """Return what a filter says about a comment that has learned the decisions before it, and nothing else."""
    known = SpamFilter()
    known.learn((weigh_features(one.sample), one.is_spam) for one in history[:at])
    score = known.score(weigh_features(history[at].sample))
    return score, sum(score >= known.threshold(share) for share in shares)


@given(st.lists(COMMENTS, min_size=1, max_size=25), st.sampled_from([90.0, 98.0, 99.5, 100.0]))
@often(30)
def test_each_comment_is_judged_only_by_decisions_made_before_it(comments, keep):
    history = a_history(comments)
    shares = sorted({*SHARES, keep})
    replayed = replay_decisions(history, len(comments), 60, shares)
    start = LEAST_GOOD + LEAST_SPAM
    expected = [judge_alone(history, at, shares) for at in range(start, len(history))]
    assert [(one.score, one.caught_shares) for one in replayed.judged] == expected
    for spam in (True, False):
        assert len(replayed.list_caught(keep, spam=spam)) == sum(
            caught > shares.index(keep) and one.is_spam is spam
            for (_, caught), one in zip(expected, history[start:], strict=True)
        )
    assert replayed.good + replayed.spam == len(history)


@given(st.lists(COMMENTS, min_size=2, max_size=25), st.integers(1, 24))
@often(20)
def test_later_decisions_change_no_earlier_judgement(comments, number):
    history = a_history(comments)
    whole = replay_decisions(history, len(comments), 60).judged
    earlier = history[: LEAST_GOOD + LEAST_SPAM + min(number, len(comments))]
    assert whole[: min(number, len(comments))] == replay_decisions(earlier, number, 60).judged[-number:]


def test_a_wave_of_spam_is_caught_only_after_its_first_comments():
    wave = [(True, ["pills", "win"])] * 12
    judged = replay_decisions(a_history(wave), len(wave), 60).judged
    assert judged[0].caught_shares == 0, "nobody had decided on such a comment yet"
    assert judged[-1].caught_shares > SHARES.index(99.5)


def test_nothing_is_judged_before_a_filter_knows_enough():
    history = a_history([])
    replayed = replay_decisions(history, len(history), 60)
    assert (replayed.judged, replayed.good, replayed.spam) == ([], LEAST_GOOD, LEAST_SPAM)


def test_each_site_has_a_filter_of_its_own():
    comments = [(True, ["casino", "bonus"])] * 6 + [(False, ["bread"])] * 6
    one, other = a_history(comments, "one"), a_history([(not is_spam, words) for is_spam, words in comments], "other")
    mixed = list(itertools.chain(*zip(one, other, strict=True)))
    judged = replay_decisions(mixed, len(mixed), 60).judged
    alone = [judged for site in (one, other) for judged in replay_decisions(site, len(site), 60).judged]
    assert sorted(judged, key=lambda one: one.comment_id) == sorted(alone, key=lambda one: one.comment_id)


def test_the_strongest_features_are_those_that_decide_most_often():
    history = a_history([(True, ["casino", "pills"]), (False, ["bread", "thanks"])] * 20)
    replayed = replay_decisions(history, 40, 60)
    assert ("word", "casino") in replayed.spam_features or ("word", "pills") in replayed.spam_features
    assert not set(replayed.spam_features) & set(replayed.good_features)


def test_a_replay_stops_after_its_time():
    seconds = itertools.count()
    with pytest.raises(ReplayTooSlow):
        replay_decisions(a_history([]), 10, 5, clock=lambda: next(seconds))
