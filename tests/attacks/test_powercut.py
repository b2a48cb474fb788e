"""Power cuts cost no acknowledged comment and no key."""

import os

import pytest

from tests.attacks import powercut
from tests.attacks.disks import DiskUnavailable, check_reason, disk


@pytest.mark.slow
@pytest.mark.parametrize("kind", powercut.KINDS)
async def test_no_comment_and_no_key_is_lost_when_the_power_fails(kind):
    try:
        figures = await powercut.attack(3, (kind,))
    except DiskUnavailable as refused:  # without root, without the programs of xfs, in some containers
        check_reason(refused)
    else:
        assert not powercut.is_broken(figures), figures
        assert figures["acknowledged"] >= 10


def test_an_operator_who_is_not_root_reads_what_is_missing(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(DiskUnavailable, match="needs root"), disk("ext4"):
        pass


def test_an_operator_without_the_programs_of_a_file_system_reads_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DiskUnavailable, match="apt-get install xfsprogs"), disk("xfs"):
        pass
