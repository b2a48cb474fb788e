"""A filter learns from decisions what a site calls spam, and says nothing before it knows enough."""

import os
import subprocess
import sys
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commentsvc.spam.features import Sample, weigh_features
from commentsvc.spam.filter import LEAST_GOOD, LEAST_SPAM, RECENT, SpamFilter

TOPICS = ("garden", "bicycle", "library", "bread", "river", "violin", "map", "lighthouse", "summer", "neighbour")
VERBS = ("like", "read", "visit", "remember", "describe", "miss", "explain", "wonder", "ask", "write")
LURES = ("casino", "bonus", "jackpot", "payday", "loans", "pills", "discount", "replica", "slots", "betting")


def a_chance(seed):
    return Random(seed)  # noqa: S311 -- the same each time


def good_comments(number, seed=1):
    """Write comments of readers."""
    chance = a_chance(seed)
    for _ in range(number):
        words = [chance.choice(VERBS), "the", chance.choice(TOPICS), "and", chance.choice(VERBS), chance.choice(TOPICS)]
        yield Sample(
            text=f"I {' '.join(words)} {chance.choice(TOPICS)}.", name=chance.choice(["Mia", "Bo", "Ada", "Noa"])
        )


def spam_comments(number, seed=2):
    """Write comments of people who sell something."""
    chance = a_chance(seed)
    for at in range(number):
        words = [chance.choice(LURES), chance.choice(TOPICS), chance.choice(LURES), chance.choice(VERBS)]
        yield Sample(
            text=f"Best {' '.join(words)} online now!",
            name=f"Cheap {chance.choice(LURES).title()}",
            website_host=f"{chance.choice(LURES)}-{at}.example",
            website_path="buy",
        )


def examples(good, spam, seed=3):
    """Mix decisions on good and spam comments, in an order that the seed decides."""
    found = [(weigh_features(one), False) for one in good_comments(good, seed)]
    found += [(weigh_features(one), True) for one in spam_comments(spam, seed + 1)]
    a_chance(seed).shuffle(found)
    return found


def taught(decisions):
    """Let a filter learn decisions."""
    made = SpamFilter()
    made.learn(decisions)
    return made


def count_held(learned, comments, keep=99.5):
    threshold = learned.threshold(keep)
    return sum(learned.score(weigh_features(one)) >= threshold for one in comments)


@pytest.mark.parametrize(("good", "spam"), [(0, 0), (LEAST_GOOD - 1, 50), (200, LEAST_SPAM - 1), (0, 50)])
def test_a_filter_with_few_decisions_holds_nothing(good, spam):
    learned = taught(examples(good, spam))
    assert not learned.is_ready
    assert count_held(learned, [*spam_comments(20, 9)], keep=90) == 0


def test_a_filter_with_twenty_approvals_and_ten_spams_holds_spam_of_new_hosts_and_no_good_comment():
    learned = taught(examples(20, 10))
    assert learned.is_ready
    assert count_held(learned, [*spam_comments(50, 8)]) >= 40
    assert count_held(learned, [*good_comments(200, 8)]) == 0


@pytest.mark.parametrize(("good", "spam"), [(2000, 10), (20, 600)])
def test_spam_may_be_rare_or_frequent(good, spam):
    learned = taught(examples(good, spam))
    assert count_held(learned, [*spam_comments(50, 8)]) >= 40
    assert count_held(learned, [*good_comments(200, 8)]) <= 1


def test_a_hundred_spams_in_a_row_do_not_make_good_comments_look_like_spam():
    learned = taught(examples(60, 20))
    flood = [(weigh_features(one), True) for one in spam_comments(300, 21)]
    learned.learn(flood)
    assert count_held(learned, [*good_comments(200, 8)]) == 0


def test_a_comment_that_resembles_none_before_is_not_held():
    learned = taught(examples(40, 20))
    strangers = [
        Sample(text="Buenas tardes, ¿alguien sabe cómo instalar esto en mi servidor?", name="José Luis"),
        Sample(text="これはとても役に立ちました。ありがとうございます。", name="さくら"),
        Sample(text="https://docs.example/page explains it", name="x", link_hosts=("docs.example",), links=1),
        Sample(text="+1", name="Anonymous", website_host="github.com", website_path="someone"),
    ]
    assert count_held(learned, strangers) == 0


def test_decisions_that_a_comment_is_good_lower_its_score():
    learned = taught(examples(40, 20))
    (odd,) = map(weigh_features, spam_comments(1, 99))
    scores = [learned.score(odd)]
    for _ in range(4):
        learned.learn([(odd, False)])
        scores.append(learned.score(odd))
    assert max(scores[1:]) < scores[0] / 2


def test_wrong_verdicts_are_healed_when_the_corrected_decisions_are_learned():
    decisions = examples(60, 60)
    wrong = {*a_chance(4).sample(range(len(decisions)), 50)}
    poisoned = taught((values, is_spam != (at in wrong)) for at, (values, is_spam) in enumerate(decisions))
    healthy = taught(decisions)
    fresh = [*spam_comments(50, 8)]
    assert count_held(poisoned, fresh) < count_held(healthy, fresh)
    corrected = [(dict(values), is_spam) for values, is_spam in decisions]
    assert taught(corrected).encode() == healthy.encode() != poisoned.encode()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 40), st.integers(0, 40), st.lists(st.integers(0, 80), max_size=4), st.integers(0, 5))
def test_a_filter_depends_on_decisions_and_not_on_when_they_were_learned_or_stored(good, spam, cuts, seed):
    decisions = examples(good, spam, seed)
    learned = SpamFilter()
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(decisions)], strict=True):
        learned.learn(decisions[start:end])
        learned = SpamFilter.decode(learned.encode())
    assert learned.encode() == taught(decisions).encode()
    assert (learned.good, learned.spam) == (good, spam)


def test_each_process_makes_the_same_filter():
    program = "from tests.spam.test_filter import *; print(taught(examples(30, 10)).encode())"
    made = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(made) == 1


numbers = st.dictionaries(st.integers(0, 50), st.floats(0.01, 1), min_size=1, max_size=8)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(numbers, st.booleans()), max_size=80), numbers)
def test_a_score_is_a_share_and_a_threshold_keeps_the_percentage_of_recent_good_comments(decisions, values):
    learned, scores = SpamFilter(), []
    for one, is_spam in decisions:
        if not is_spam:
            scores.append(learned.score(one))
        learned.learn([(one, is_spam)])
    assert 0 <= learned.score(values) <= 1
    thresholds = [learned.threshold(keep) for keep in (90, 95, 99, 99.5, 99.9, 100)]
    assert thresholds == sorted(thresholds)
    for keep, threshold in zip((90, 95, 99), thresholds, strict=False):
        recent = scores[-500:] if keep == 99 else scores[-5 * 100 // (100 - keep) :]
        # Logits are kept in half precision, so equal scores may differ by that.
        assert sum(score > threshold + 0.001 for score in recent) <= len(recent) * (1 - keep / 100)


def test_a_filter_that_has_seen_every_feature_fits_into_a_row_of_the_database():
    chance = a_chance(5)
    learned = SpamFilter()
    for _ in range(300):
        values = {chance.randrange(1 << 16): round(chance.uniform(0.03, 0.2), 6) for _ in range(600)}
        learned.learn([(values, chance.random() < 0.3)])
    scores = 2 * 2 * RECENT  # bytes: two for each
    assert len(learned.encode()) + scores * 5 / 4 < 400_000


def test_a_score_is_explained_by_what_the_comment_says_first():
    learned = taught(examples(60, 40))
    one = Sample(text="Best casino bonus online now!", name="Cheap Casino", website_host="casino-1.example")
    strongest = learned.strongest(one)
    assert len(strongest) == 5
    assert ("name_word", "cheap") in strongest
    values = [value for kind, value in strongest if kind in {"word", "words", "name_word"}]
    words = [word for value in values for word in value.split()]
    assert len(words) == len({word[:4] for word in words}), "near-duplicates"


def test_what_speaks_for_a_comment_is_explained_too():
    learned = taught(
        [*examples(40, 20), *((weigh_features(Sample(text="x", name="Bo", has_code=True)), False) for _ in range(9))]
    )
    one = Sample(text="casino bonus garden", name="Bo", has_code=True)
    assert ("code", "") in learned.strongest(one, 10, good=True)
    assert ("code", "") not in learned.strongest(one, 10)


def test_a_filter_that_has_learned_nothing_explains_nothing():
    assert SpamFilter().strongest(Sample(text="casino", name="Bo")) == []
