"""The short form of ``make rolling``."""

import pytest

from tests.attacks import rolling


@pytest.mark.slow
def test_no_request_fails_during_reloads(tmp_path):
    figures = rolling.reload_under_load(tmp_path, 3)
    assert not rolling.is_broken(figures), figures


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.slow
def test_nobody_is_refused_while_systemd_restarts_the_service(tmp_path, workers):
    figures = rolling.restart_under_load(tmp_path, 3, workers=workers)
    assert not rolling.is_broken(figures), figures


@pytest.mark.slow
def test_no_comment_is_lost_while_a_container_is_replaced(tmp_path):
    figures = rolling.replace_under_load(tmp_path, 2)
    assert not rolling.is_broken(figures), figures
