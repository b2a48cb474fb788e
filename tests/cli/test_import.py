"""An operator imports an archive: the books are printed, an import can be killed, and a server goes on beside it."""

import json
import subprocess
import sys
import threading
import time

import pytest

from commentsvc.archives.formats.registry import FORMATS
from tests.archives.made import write_wxr
from tests.operations.test_operating import call, environment, port_of, run_main, serving


def books_of(done):
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def ready(tmp_path):
    assert run_main(tmp_path, "migrate").returncode == 0
    return tmp_path


def test_an_operator_tries_an_import_then_does_it_then_does_it_again(ready):
    archive = write_wxr(ready, comments=30, spam=2)
    tried = run_main(ready, "import", "auto", archive, "--dry-run")
    assert "Dry run: nothing was changed." in tried.stdout
    assert run_main(ready, "thread", "list", "--json").stdout.count('"id"') == 0
    done = run_main(ready, "import", "wxr", archive)
    assert done.returncode == 0, done.stderr
    assert "  32 = 30 + 0 + 0 + 2\n" in done.stdout
    assert books_of(run_main(ready, "import", "auto", archive, "--json")) | {"repairs": {}} == {
        "read": 32,
        "imported": 0,
        "statuses": {},
        "merged": 0,
        "existing": 30,
        "left_out": {"spam": 2},
        "repairs": {},
        "threads": 0,
        "threads_without_comments": 0,
    }
    assert books_of(run_main(ready, "import", "auto", archive, "--keep-spam", "--json"))["imported"] == 2
    assert run_main(ready, "audit", "verify").returncode == 0


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["nothing"], f"Name one of: auto, jsonl, {FORMATS[0].name}"),
        (["wxr", "--zone", "Nowhere"], "zone: Name a time zone"),
        (["wxr", "--site", "nowhere"], "site: There is no site of this name."),
        (["wxr", "--map", "missing.csv"], "map: missing.csv cannot be read"),
        (["wxr", "--map", "broken.csv"], "map: Line 2 of broken.csv must have two columns"),
    ],
)
def test_an_operator_reads_what_is_wrong(ready, words, refusal):
    (ready / "broken.csv").write_text("1,/a/\n2\n", encoding="utf-8")
    name, *options = words
    done = run_main(ready, "import", name, write_wxr(ready, comments=1), *options)
    assert done.returncode == 1
    assert refusal in done.stderr


def test_a_file_without_a_comment_is_no_success(ready):
    done = run_main(ready, "import", "wxr", write_wxr(ready, comments=0))
    assert done.returncode == 1
    assert "No comment was read." in done.stderr


def test_a_file_of_another_format_is_named(ready):
    done = run_main(ready, "import", "disqus", write_wxr(ready, comments=1), "--dry-run")
    assert (done.returncode, "looks like the format wxr" in done.stderr) == (1, True)


def test_an_empty_file_is_called_empty(ready):
    (ready / "empty.xml").touch()
    done = run_main(ready, "import", "auto", "empty.xml")
    assert (done.returncode, "empty.xml is empty." in done.stderr) == (1, True)


def test_nothing_is_left_of_an_import_but_its_comments(ready):
    run_main(ready, "import", "wxr", write_wxr(ready, comments=3))
    assert not list(ready.rglob("*.staging"))


def importing(folder, archive):
    words = [sys.executable, "-m", "commentsvc", "import", "wxr", archive, "--json"]
    return subprocess.Popen(
        words, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def count_comments(folder):
    listed = json.loads(run_main(folder, "thread", "list", "--json").stdout)["threads"]
    return sum(thread["count"] for thread in listed)


@pytest.mark.slow
def test_an_import_that_was_killed_can_be_run_again(ready):
    archive = write_wxr(ready, comments=4000, threads=40)
    process = importing(ready, archive)
    while not count_comments(ready):
        assert process.poll() is None, process.stderr.read()
    process.kill()
    process.communicate()
    before = count_comments(ready)
    assert not list(ready.rglob("*.staging"))
    books = books_of(run_main(ready, "import", "wxr", archive, "--json"))
    assert (books["imported"] + books["existing"], count_comments(ready)) == (4000, 4000)
    assert 0 < before < 4000
    assert run_main(ready, "audit", "verify").returncode == 0


@pytest.mark.slow
def test_what_was_erased_stays_erased_after_an_older_backup_and_another_import(ready):
    archive, settings = write_wxr(ready, comments=4), {"ERASURE_JOURNAL": str(ready / "erasures.log")}
    assert run_main(ready, "backup", "backups", **settings).returncode == 0
    [backup] = (ready / "backups").iterdir()
    assert run_main(ready, "import", "wxr", archive, **settings).returncode == 0
    cards = json.loads(run_main(ready, "queue", "--status", "approved", "--json", **settings).stdout)["comments"]
    address = next(card["email"] for card in cards if card["email"])
    erased = json.loads(run_main(ready, "person", "erase", address, "--yes", "--json", **settings).stdout)
    assert erased["before"]["comments"] > 0
    assert run_main(ready, "restore", str(backup), **settings).returncode == 0

    books = books_of(run_main(ready, "import", "wxr", archive, "--json", **settings))

    assert books["imported"] == 4
    found = json.loads(run_main(ready, "queue", "--status", "any", "--json", **settings).stdout)["comments"]
    assert len(found) == 4 - erased["before"]["comments"]


@pytest.mark.slow
def test_people_comment_while_an_archive_is_imported(ready):
    archive = write_wxr(ready, comments=4000, threads=40)
    with serving(ready, RATE_LIMIT="off") as (_, printed):
        port, waits, numbers = port_of(printed), [], iter(range(100_000))
        process = importing(ready, archive)

        def post():
            while process.poll() is None:
                number, started = next(numbers), time.monotonic()
                body = {"thread": "/post-1/", "name": f"Mia {number}", "email": "m@example.com", "comment": f"{number}"}
                status, _, answer = call(port, "POST", "/v1/comments", body)
                assert status in {201, 202}, answer
                waits.append(time.monotonic() - started)

        posting = threading.Thread(target=post)
        posting.start()
        books, errors = process.communicate(timeout=50)
        posting.join()
        assert json.loads(books)["imported"] == 4000, errors
        assert len(waits) > 10
        assert sorted(waits)[len(waits) // 2] < 0.5
        assert count_comments(ready) == 4000  # those of the others wait for a moderator
