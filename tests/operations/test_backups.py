"""An operator backs up while people comment, and gets everything back."""

import asyncio
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime

import pytest

from commentsvc.cli.backups import names_backup, restore_backup
from commentsvc.cli.parser import parse_arguments
from commentsvc.config.settings import Config
from commentsvc.domain.errors import ConfigurationError, Invalid, NotFound, Unavailable
from commentsvc.domain.models import Mode
from commentsvc.operations import backup, free_space, restore
from commentsvc.operations.backup import back_up, is_due, read_last
from commentsvc.storage import sqlite_backup, sqlite_inspection
from commentsvc.storage.backups import LastBackup
from tests.cli.test_moderate import pending_comments, with_service
from tests.comments.test_post import everything_in
from tests.conftest import SECRET, post
from tests.operations.test_operating import environment, run_main, serving


def texts_of(file):
    with closing(sqlite3.connect(file)) as database:
        return [row[0] for row in database.execute("SELECT text FROM comment ORDER BY id")]


def backups_in(folder):
    return sorted(folder.glob("commentsvc-*.db"))


def test_an_operator_backs_up_and_is_told_what_is_missing(tmp_path):
    pending_comments(tmp_path, "One", "Two")
    done = run_main(tmp_path, "backup", "kept", "--keep", "3")
    assert (done.returncode, done.stderr) == (0, "")
    (file,) = backups_in(tmp_path / "kept")
    assert sorted(texts_of(file)) == ["One", "Two"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in (tmp_path / "kept").iterdir()] == [file.name], "no log, no unfinished file"
    key = (tmp_path / "data" / "secret.key").read_text().split()[0]
    assert key.encode() not in file.read_bytes()
    fingerprint = file.stem.split("-")[-1]
    assert f"THE SECRET KEY {fingerprint} IS NOT IN THE BACKUP" in done.stdout
    assert f"{tmp_path}/data/secret.key" in done.stdout
    assert json.loads(run_main(tmp_path, "restore", str(file), "--check", "--json").stdout)["faults"] == []


def test_a_backup_makes_no_database_where_none_is(tmp_path):
    done = run_main(tmp_path, "backup", "kept")
    assert done.returncode == 78
    assert "There is no database" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keep", ["0", "-1", "4000"])
def test_a_backup_does_not_delete_all_backups(tmp_path, keep):
    pending_comments(tmp_path, "One")
    done = run_main(tmp_path, "backup", "kept", "--keep", keep)
    assert (done.returncode, done.stderr) == (1, "commentsvc: --keep: Give a number from 1 to 3650.\n")


async def test_only_our_own_older_backups_are_deleted(served, tmp_path, clock):
    service, folder = await served(), tmp_path / "kept"
    folder.mkdir()
    others = [
        "notes.txt",
        "commentsvc-20200101T000000Z-abcdef012345.db",
        "commentsvc-20200101.db",
        "other.db.unfinished",
    ]
    for name in others:
        (folder / name).touch()
    old = folder / f"commentsvc-20200101T000000Z-{service.keyring.fingerprints[0]}.db.unfinished"
    old.touch()
    os.utime(old, (0, 0))
    for number in range(4):
        clock.move(days=1)
        await post(service, f"Comment {number}")
        await back_up(service, folder, keep=2)
    assert {*others} == {one.name for one in folder.iterdir()} - {one.name for one in backups_in(folder)[-2:]}
    assert [len(texts_of(file)) for file in backups_in(folder)[-2:]] == [3, 4]


async def test_a_damaged_database_replaces_no_backup(served, tmp_path, clock):
    service, folder = await served(), tmp_path / "kept"
    await post(service, "Whole")
    await back_up(service, folder, keep=1)

    async def damage(statements):
        await statements.run("UPDATE comment SET text = 'Changed by an accident'")

    await service.db.write(damage)
    clock.move(days=1)
    with pytest.raises(Unavailable, match="does not match its digest"):
        await back_up(service, folder, keep=1)
    (file,) = folder.iterdir()
    assert texts_of(file) == ["Whole"]
    last = await read_last(service)
    assert last.file == str(file)
    assert "damaged" in last.failure
    assert last.failed_at > last.made_at


async def test_a_folder_that_cannot_be_written_to_is_named(served, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=f"{tmp_path}/file"):
        await back_up(await served(), tmp_path / "file")


async def test_a_backup_is_one_moment_while_people_comment(served, tmp_path):
    service = await served(moderation=Mode.NONE)
    for number in range(50):
        await post(service, f"Before {number} " * 300)
    running = asyncio.create_task(back_up(service, tmp_path / "kept"))
    number, slowest = 0, 0.0
    while not running.done():
        started = time.perf_counter()
        await post(service, f"During {number}")
        slowest, number = max(slowest, time.perf_counter() - started), number + 1
    await running
    (file,) = backups_in(tmp_path / "kept")
    found = texts_of(file)
    assert len([text for text in found if text.startswith("Before")]) == 50
    during = [text for text in found if text.startswith("During")]
    assert during == [f"During {at}" for at in range(len(during))], "no gap"
    assert number > 0
    assert slowest < 1


async def test_a_stop_does_not_wait_for_a_backup(served, tmp_path):
    service = await served()
    await post(service, "One")
    running = asyncio.create_task(back_up(service, tmp_path / "kept"))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not list(tmp_path.glob("kept/*.unfinished"))


async def test_a_copy_and_a_check_can_be_stopped(served, tmp_path):
    path, stop = (await served()).config.sqlite_path, threading.Event()
    sqlite_backup.copy_online(path, tmp_path / "whole.db", stop)
    stop.set()
    with pytest.raises(sqlite_inspection.Stopped):
        sqlite_backup.copy_online(path, tmp_path / "stopped.db", stop)
    with pytest.raises(sqlite_inspection.Stopped):
        sqlite_inspection.inspect(tmp_path / "whole.db", stop)


async def test_a_service_backs_up_every_day(served, tmp_path, clock, monkeypatch):
    monkeypatch.setattr(backup, "ROUND_SECONDS", 0.01)
    folder = tmp_path / "daily"
    service = await served(backup_folder=str(folder), backup_at="03:10", backup_keep=2)
    running = asyncio.create_task(backup.back_up_daily(service))
    try:
        for day in range(1, 4):
            async with asyncio.timeout(5):
                while (await read_last(service)).made_at < service.now():  # noqa: ASYNC110 -- it is in the database
                    await asyncio.sleep(0.01)
            assert len(backups_in(folder)) == min(day, 2)
            clock.move(days=1)
    finally:
        running.cancel()


def test_a_backup_is_due_once_a_day():
    now = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
    early, late = "2026-11-29T03:00:00.000Z", "2026-11-29T03:11:00.000Z"
    assert is_due(LastBackup(), now, "03:10")
    assert is_due(LastBackup(made_at=early), now, "03:10")
    assert not is_due(LastBackup(made_at=late), now, "03:10")
    assert not is_due(LastBackup(made_at=early), now, "13:00"), "yesterday at 13:00 is before it"
    assert not is_due(LastBackup(made_at=early, failed_at="2026-11-29T11:30:00.000Z"), now, "03:10")
    assert is_due(LastBackup(made_at=early, failed_at="2026-11-29T10:30:00.000Z"), now, "03:10")
    ahead = "2031-01-01T00:00:00.000Z"  # of a clock that was wrong
    assert is_due(LastBackup(made_at=ahead), now, "03:10")
    assert is_due(LastBackup(made_at=early, failed_at=ahead), now, "03:10")


def test_an_operator_with_postgresql_is_told_how_to_back_up(postgres_url, tmp_path):
    settings = {"DATABASE_URL": postgres_url, "SECRET_KEY": SECRET}
    assert run_main(tmp_path, "migrate", **settings).returncode == 0
    done = run_main(tmp_path, "backup", "kept", **settings)
    assert done.returncode == 78
    assert "pg_dump --format=custom" in done.stderr
    assert list(tmp_path.iterdir()) == []


# Kills itself at each call of the system that a restore makes, one after the other.
KILLER = """
import os, shutil, signal, sqlite3, sys
from commentsvc import app
from commentsvc.cli import backups, commands, keyboard, parser, writing  # once, not in each child
from commentsvc.cli.main import main

EVENTS = {"open", "os.rename", "os.link", "os.remove", "os.chmod", "os.chown", "sqlite3.connect"}
template, data, file = sys.argv[1:]

def restore(last):
    seen = 0

    def hook(event, arguments):
        nonlocal seen
        if event in EVENTS and data in str(arguments[0]):
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    os._exit(main(["restore", file]))

last, status = 0, signal.SIGKILL
while status == signal.SIGKILL:
    last += 1
    shutil.rmtree(data)
    shutil.copytree(template, data)
    child = os.fork()
    if not child:
        restore(last)
    status = os.waitpid(child, 0)[1]
    database = sqlite3.connect(f"{data}/commentsvc.db")
    (text,) = database.execute("SELECT text FROM comment").fetchone()
    (state,) = database.execute("PRAGMA integrity_check").fetchone()
    database.close()
    print(last, status, text, state, flush=True)
sys.exit(status != 0)
"""


@pytest.mark.slow
@pytest.mark.timeout(400)  # a process for each call of the file system
def test_a_kill_at_any_moment_of_a_restore_leaves_the_old_or_the_new_database(tmp_path):
    """The old database has a change that only its log has, as after a kill of the service."""
    pending_comments(tmp_path, "Backed up")
    assert run_main(tmp_path, "backup", "kept").returncode == 0
    (file,) = backups_in(tmp_path / "kept")
    data, template = tmp_path / "data", tmp_path / "template"
    with closing(sqlite3.connect(data / "commentsvc.db", isolation_level=None)) as database:
        database.execute("UPDATE comment SET text = 'Older'")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("UPDATE comment SET text = 'In the log'")
        shutil.copytree(data, template)
    (template / "commentsvc.db-shm").unlink()
    done = subprocess.run(
        [sys.executable, "-c", KILLER, template, data, file],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    ends = [line.split(" ", 2)[2] for line in done.stdout.splitlines() if line[0].isdigit()]
    assert {*ends} == {"In the log ok", "Backed up ok"}
    assert len(ends) > 20
    assert ends == sorted(ends, reverse=True), "once it is the new database, it stays the new one"
    (replaced,) = data.glob("commentsvc.db.replaced-*")
    assert texts_of(replaced) == ["In the log"]


def a_backup(folder, *texts):
    pending_comments(folder, *texts)
    assert run_main(folder, "backup", "kept").returncode == 0
    return backups_in(folder / "kept")[-1]


def test_an_operator_restores_and_finds_the_replaced_database(tmp_path):
    file = a_backup(tmp_path, "Backed up")
    with_service(tmp_path, lambda service: post(service, "Posted later"))
    done = run_main(tmp_path, "restore", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    data = tmp_path / "data"
    (replaced,) = data.glob("commentsvc.db.replaced-*")
    assert str(replaced) in done.stdout
    assert texts_of(data / "commentsvc.db") == ["Backed up"]
    assert sorted(texts_of(replaced)) == ["Backed up", "Posted later"]
    assert stat.S_IMODE((data / "commentsvc.db").stat().st_mode) == 0o600
    assert not [*data.glob("*-wal"), *data.glob("*-shm"), *data.glob("*.restoring")]
    assert with_service(tmp_path, lambda service: post(service, "Posted after the restore"))


def test_a_restore_of_a_backup_that_does_not_exist_creates_nothing(tmp_path):
    done = run_main(tmp_path, "restore", "nowhere.db")

    assert (done.returncode, "Cannot read the backup nowhere.db" in done.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_a_database_on_another_disk_stays(tmp_path, monkeypatch):
    file = a_backup(tmp_path, "Backed up")
    link, disk = tmp_path / "data" / "commentsvc.db", tmp_path / "disk"
    disk.mkdir()
    link.rename(disk / "comments.db")
    link.symlink_to(disk / "comments.db")
    config = Config(database_url=f"sqlite:///{link}")
    done = asyncio.run(restore.restore(config, file))
    monkeypatch.setattr(free_space, "LEAST_BYTES", 0)
    assert not asyncio.run(free_space.give_back(config)).waits
    assert link.readlink() == disk / "comments.db"
    assert texts_of(disk / "comments.db") == ["Backed up"]
    assert done.replaced.startswith(str(disk))


def test_a_restore_is_refused_while_a_server_runs(tmp_path):
    file = a_backup(tmp_path, "Backed up")
    with serving(tmp_path):
        done = run_main(tmp_path, "restore", str(file))
        assert done.returncode == 1
        assert "A server is running on the database" in done.stderr
        assert run_main(tmp_path, "restore", "--check", str(file)).returncode == 0


def test_a_damaged_backup_is_named_and_not_restored(tmp_path):
    file = a_backup(tmp_path, "Backed up", "Also backed up")
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("UPDATE comment SET text = 'Changed' WHERE text = 'Backed up'")
        database.execute("UPDATE comment SET name = 'Changed' WHERE text = 'Also backed up'")
    done = run_main(tmp_path, "restore", "--check", str(file))
    assert done.returncode == 1
    assert done.stdout.count("does not match its digest") == 2
    done = run_main(tmp_path, "restore", str(file))
    assert done.returncode == 1
    assert "was not restored" in done.stderr
    assert sorted(texts_of(tmp_path / "data" / "commentsvc.db")) == ["Also backed up", "Backed up"]


def test_a_file_that_is_no_backup_is_named(tmp_path):
    a_backup(tmp_path, "Backed up")
    (tmp_path / "notes.txt").write_text("no database " * 100)
    with closing(sqlite3.connect(tmp_path / "other.db")) as database:
        database.execute("CREATE TABLE other (id)")
    for name, words in {
        "missing.db": "No such file",
        "notes.txt": "file is not a database",
        "other.db": "no database of commentsvc",
        "data/commentsvc.db": "the database itself",
    }.items():
        done = run_main(tmp_path, "restore", name)
        assert (done.returncode, words in done.stderr) == (1, True), done.stderr


async def test_a_pipe_is_no_backup_and_nobody_waits_for_its_end(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for check in (restore.check_backup, restore.restore):
        with pytest.raises(NotFound, match="Not a regular file"):
            await check(Config(database_url=f"sqlite:///{tmp_path}/data.db"), tmp_path / "pipe")


@pytest.mark.parametrize("words", [["one.db", "two.db"], ["--check", "one.db", "two.db"]])
def test_of_two_backups_none_is_restored(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    for name in ("one.db", "two.db"):
        (tmp_path / name).touch()
    arguments = parse_arguments(["restore", *words])
    assert names_backup(arguments)
    with pytest.raises(Invalid, match="Name one backup"):
        asyncio.run(restore_backup(Config(), arguments))


def test_a_backup_of_a_newer_version_is_refused(tmp_path):
    file = a_backup(tmp_path, "Backed up")
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("INSERT INTO schema_step (number, applied_at) VALUES (99, '')")
    done = run_main(tmp_path, "restore", "--check", str(file))
    assert done.returncode == 1
    assert "its schema is 99" in done.stdout


@pytest.mark.parametrize("change", ["DELETE FROM schema_step", "UPDATE installation SET fingerprint = '../../\x1b[2J'"])
def test_a_file_without_a_version_or_with_a_strange_key_is_named(tmp_path, change):
    file = a_backup(tmp_path, "Backed up")
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute(change)
    done = run_main(tmp_path, "restore", "--check", str(file))
    assert done.returncode == 1
    assert "its first start did not finish" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_a_backup_without_its_key_is_restored_only_on_request(tmp_path):
    file = a_backup(tmp_path, "Backed up")
    key = tmp_path / "data" / "secret.key"
    key.rename(tmp_path / "kept.key")
    done = run_main(tmp_path, "restore", str(file))
    assert done.returncode == 1
    assert f"is not in {key}: put your copy of the key there" in done.stderr
    done = run_main(tmp_path, "restore", str(file), "--without-key")
    assert done.returncode == 0
    assert "Warning: its secret key" in done.stdout


def test_a_backup_is_restored_on_a_new_computer(tmp_path):
    file = a_backup(tmp_path, "Backed up")
    other = tmp_path / "other"
    (other / "data").mkdir(parents=True)
    shutil.copy(tmp_path / "data" / "secret.key", other / "data")
    done = run_main(other, "restore", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = with_service(other, lambda service: everything_in(service, "comment"))
    assert row["text"] == "Backed up"
