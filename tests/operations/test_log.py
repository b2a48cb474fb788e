"""An operator chooses what the service logs."""

import json
import re
import signal

import pytest

from tests.conftest import fields_of
from tests.operations.test_operating import call, port_of, run_main, serving


def log_of(folder, **settings):
    """Return the log of a service that answered one comment and ten requests for it."""
    with serving(folder, LOG_FORMAT="json", **settings) as (process, printed):
        assert call(port_of(printed), "POST", "/v1/comments", fields_of())[0] == 202
        for _ in range(10):
            call(port_of(printed), "GET", "/v1/comments?thread=/a-post")
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        return [json.loads(line) for line in process.stderr.read().splitlines()]


def requests_in(log):
    return [line for line in log if line["logger"] == "commentsvc.access"]


@pytest.mark.slow
def test_an_operator_reads_how_long_a_quick_request_took(tmp_path):
    times = [line["milliseconds"] for line in requests_in(log_of(tmp_path))]
    assert len(times) == 11
    assert any(time != int(time) for time in times)
    assert all(re.fullmatch(r"\d+\.\d", str(time)) for time in times)


@pytest.mark.slow
def test_an_operator_turns_off_the_access_log(tmp_path):
    log = log_of(tmp_path, ACCESS_LOG="off")
    assert requests_in(log) == []
    assert [line["level"] for line in log if line["message"].startswith("listening")] == ["info"]


def test_an_operator_logs_problems_only(tmp_path):
    assert log_of(tmp_path, LOG_LEVEL="warning", SLOW_UNIT_MS="60000") == []


@pytest.mark.slow
def test_an_operator_sees_every_unit_of_work_with_its_time(tmp_path):
    log = log_of(tmp_path, LOG_LEVEL="debug")
    units = [line for line in log if line["level"] == "debug"]
    assert {"comments.post.post_comment", "comments.read.list_comments"} & {line["unit"] for line in units}
    assert {line["message"] for line in units} == {"unit of work"}
    assert all(line["logger"].startswith("commentsvc") for line in log)
    assert len(requests_in(log)) == 11


@pytest.mark.parametrize(("name", "value"), [("LOG_LEVEL", "DEBUG"), ("LOG_LEVEL", "verbose"), ("ACCESS_LOG", "true")])
def test_a_wrong_choice_is_named(tmp_path, name, value):
    done = run_main(tmp_path, "serve", **{name: value})
    assert (done.returncode, f"COMMENTSVC_{name} must be one of: " in done.stderr) == (78, True)
