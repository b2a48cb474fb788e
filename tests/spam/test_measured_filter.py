"""The filter on labelled comments: it catches what a site's people call spam, and loses few good comments."""

import statistics

import pytest

from bench import spam
from bench.spam_data import read_archives, read_labelled


def test_a_filter_that_learns_on_the_way_catches_most_of_the_spam_under_videos(shared):
    _, found, both = spam.judge_by_time(read_labelled(shared, "youtube"), keep=99.2)
    assert found.caught_share >= 0.7
    assert both.lost_share <= 0.008


@pytest.mark.slow
def test_memory_and_filter_catch_a_campaign_and_hold_no_good_comment(shared):
    comments = read_labelled(shared, "campaign")
    *_, both = spam.judge_by_time(comments, keep=99.9, start=len(comments) // 2)
    assert both.caught_share >= 0.95
    assert both.lost_share <= 0.001


def test_ten_spams_and_twenty_approvals_in_any_order_are_enough_to_catch_half_of_the_spam_of_a_blog(shared):
    comments, archives = read_labelled(shared, "blog"), [*read_archives(shared)]
    for order in spam.ORDERS:
        found = [spam.judge_draw(comments, archives, (10, 20), 99.5, seed, order) for seed in range(3)]
        assert statistics.median(own.caught_share for own, _ in found) >= 0.5, order
        for own, others in found:
            assert own.lost_share <= 0.005
            assert others.lost_share <= 0.005
