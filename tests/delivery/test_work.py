"""``serve`` sends mails itself; ``commentsvc work`` does it beside servers that do not."""

import re
import subprocess
import sys
from contextlib import contextmanager

from tests.conftest import SECRET
from tests.operations.test_operating import environment, run_main


@contextmanager
def worker(folder, **settings):
    process = subprocess.Popen(
        [sys.executable, "-m", "commentsvc", "work"],
        cwd=folder,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until(process, text):
    lines = ""
    while text not in lines:
        line = process.stderr.readline()
        assert line, lines
        lines += line
    return lines


def test_a_worker_starts_without_a_port_and_stops_in_order(tmp_path, database_url):
    assert run_main(tmp_path, "migrate", DATABASE_URL=database_url, SECRET_KEY=SECRET).returncode == 0
    with worker(tmp_path, DATABASE_URL=database_url, SECRET_KEY=SECRET) as process:
        read_until(process, "sending mails and calling webhooks")
        process.terminate()
        assert process.wait(20) == 0
        assert re.search("stopped", process.stderr.read())
