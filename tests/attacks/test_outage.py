"""Readers notice no outage, no comment is lost in one, and the service recovers by itself."""

import pytest

from tests.attacks.disks import DiskUnavailable, check_reason
from tests.attacks.outage import OUTAGES


@pytest.mark.slow
@pytest.mark.parametrize("outage", OUTAGES)
def test_readers_go_on_and_no_comment_is_lost_in_an_outage(outage):
    try:
        watch = OUTAGES[outage]()
    except DiskUnavailable as refused:  # without root, or without a program
        check_reason(refused)
    else:
        assert not watch.wrong
        assert watch.acknowledged
