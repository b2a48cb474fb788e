"""The features that made a filter score a comment high are stored as text and shown in words."""

import pytest

from commentsvc.domain.feature_wording import TEMPLATES, word_features, write_features
from commentsvc.domain.reasons import Reason, reason_text
from commentsvc.spam.features import Sample, list_traits

SPAM = Sample(
    text="CASINO 777 ✨ кaзино mоney wins",
    name="Best Slots 4 You",
    website_host="win.example",
    website_path="bonus/1",
    link_hosts=("cheap-pills.example",),
    links=1,
    has_code=True,
    thread_age_days=400,
)


def list_shown(sample):
    """List the features of a comment that people may read about."""
    return [trait.shown for trait in list_traits(sample)]


def test_a_moderator_reads_the_score_and_the_features_in_words():
    features = [("word", "casino"), ("name_words", "4"), ("link", "cheap-pills.example"), ("thread_age", "older")]
    reason = Reason("learned", {"score": 97, "features": write_features(features)})
    assert reason_text(reason) == (
        "Spam score 97%: “casino”, name with 4 words, link to cheap-pills.example, thread more than a year old."
    )


def test_every_feature_of_a_comment_has_words():
    kinds = {kind for kind, _ in list_shown(SPAM)}
    assert kinds <= TEMPLATES.keys()
    assert {"word", "words", "name_word", "link", "links", "website_is", "thread_age", "code"} <= kinds
    for feature in list_shown(SPAM):
        words = str(word_features(write_features([feature])))
        assert "_" not in words
        assert feature[0] == "website" or words != write_features([feature])


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("", "many weak signs"),
        ("novelty of a newer version", "novelty of a newer version"),
        ("thread_age soon", "thread_age soon"),
        ("links many", "links many"),
        ("word %(value)s", "“%(value)s”"),
    ],
)
def test_features_that_another_version_stored_do_not_stop_a_page(stored, shown):
    assert reason_text(Reason("learned", {"score": 90, "features": stored})) == f"Spam score 90%: {shown}."


def test_the_words_of_a_stranger_cannot_make_a_reason_long_or_add_features_to_it():
    written = write_features([("word", "x" * 5000), ("link", "a.example\nword good")])
    assert written == f"word {'x' * 60}…\nlink a.example word good"
