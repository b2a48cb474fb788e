"""An operator takes everything along: to a file and back, and to another database."""

import stat

import pytest

from tests.operations.test_operating import run, run_main, serving


def read_key(folder):
    return (folder / "data" / "secret.key").read_text().strip()


def test_an_operator_moves_to_another_computer_by_a_file(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    run_main(here, "migrate")
    run_main(here, "site", "add", "photos", "--origin", "https://photos.example")
    done = run_main(here, "export", "--output", "all.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Exported to all.jsonl. Comments: 0. Threads: 0. Sites: 2.\n"
    file = here / "all.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run_main(here, "export", "--output", "all.jsonl").returncode == 1
    run_main(there, "migrate")
    run_main(there, "import", "auto", str(file))
    run_main(here, "export", "--contacts", "clear", "--output", "clear.jsonl")
    again = run(there, "export", "--contacts", "clear")
    assert again.stdout == (here / "clear.jsonl").read_text()
    assert run_main(there, "audit", "verify").returncode == 0


def test_an_operator_copies_to_a_new_database_but_never_over_another(tmp_path):
    run_main(tmp_path, "migrate")
    target = f"sqlite:///{tmp_path}/copy/new.db"
    done = run_main(tmp_path, "copy", "--to", target)
    assert done.returncode == 0, done.stderr
    assert "The audit log is intact" in done.stdout
    secret = {"SECRET_KEY": read_key(tmp_path), "DATABASE_URL": target}
    assert run_main(tmp_path, "audit", "verify", **secret).returncode == 0
    assert run_main(tmp_path, "site", "list", **secret).stdout == run_main(tmp_path, "site", "list").stdout
    again = run_main(tmp_path, "copy", "--to", target)
    assert (again.returncode, "is not empty" in again.stderr) == (78, True)


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite:///data/commentsvc.db", ""])
def test_an_operator_reads_why_nothing_is_copied_there(tmp_path, url):
    run_main(tmp_path, "migrate")
    done = run_main(tmp_path, "copy", "--to", url)
    assert done.returncode in {1, 2}
    assert "to" in done.stderr


def test_nothing_is_copied_over_the_database_of_a_running_server(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    run_main(here, "migrate")
    with serving(there):
        done = run_main(here, "copy", "--to", f"sqlite:///{there}/data/commentsvc.db")
    assert (done.returncode, "A server is running" in done.stderr) == (1, True)
