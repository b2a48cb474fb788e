"""Test what the doctor finds on the computer and in the database, and that it changes nothing."""

import hashlib
import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from commentsvc import app
from commentsvc.cli import MISCONFIGURED
from commentsvc.config.settings import Config
from commentsvc.domain.crypto import Keyring
from commentsvc.operations.doctor import examination
from commentsvc.operations.doctor.database import check_reader_role
from commentsvc.operations.doctor.findings import Level
from commentsvc.service import Service
from commentsvc.storage.postgres import PostgresDatabase
from tests.conftest import SECRET, post
from tests.delivery.smtp_server import mail_server
from tests.operations.test_operating import run_main

ADMIN_KEY = "YvX3mYk0oPz8Qq7nT5s2Wb6dLr9HcJfE1aGu4ViN"


async def examine(config, given=()):
    return await examination.examine_inside(config, given, lambda: app.open_service(config))


def bad(findings):
    return [one for one in findings if one.level is Level.FAULT]


def find(findings, check):
    return [one for one in findings if one.check == check]


@pytest.fixture
def installed(tmp_path):
    """The folder of a service that was set up, and is stopped."""
    assert run_main(tmp_path, "migrate").returncode == 0
    return tmp_path


def digest_of(folder: Path):
    """Return names, contents and times of all files."""
    return {
        file.relative_to(folder).as_posix(): (hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.endswith((".lock", "-shm"))
    }


def test_a_stopped_service_is_well_and_unchanged(installed):
    before = digest_of(installed)
    done = run_main(installed, "doctor", "--inside", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["faults"]) == (0, 0), done.stdout
    assert {"schema", "integrity", "secret key", "audit log"} <= {one["check"] for one in report["findings"]}
    assert digest_of(installed) == before


def test_without_a_database_it_says_so_and_creates_none(tmp_path):
    done = run_main(tmp_path, "doctor", "--inside")
    assert done.returncode == 1
    assert "There is no database at" in done.stdout
    assert "commentsvc migrate" in done.stdout
    assert not list(tmp_path.iterdir())


def test_wrong_settings_are_faults_each_with_its_cure(tmp_path):
    done = run_main(tmp_path, "doctor", "--inside", "--json", SITE="https://blog.example", PORT="many")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["findings"][0]["cure"] == "Did you mean COMMENTSVC_SITES?"
    assert report["faults"] == 2


def test_settings_without_effect_are_named(installed):
    done = run_main(installed, "doctor", "--inside", READ_LAG_MS="100", PROOF_COST="500")
    assert done.returncode == 0
    assert "COMMENTSVC_READ_LAG_MS does nothing: the database is SQLite." in done.stdout
    assert "COMMENTSVC_PROOF_COST does nothing: COMMENTSVC_PROOF_OF_WORK is off." in done.stdout


def test_a_file_that_everybody_can_read_is_a_fault(installed):
    (installed / "data" / "secret.key").chmod(0o644)
    done = run_main(installed, "doctor", "--inside")
    assert done.returncode == 1
    assert "chmod 600" in done.stdout


def test_another_key_is_a_fault(installed):
    done = run_main(installed, "doctor", "--inside", SECRET_KEY=SECRET)
    assert done.returncode == 1
    assert "lacks the key" in done.stdout


def test_a_clock_that_was_set_back_is_a_fault(installed):
    later = time.time() + 3600
    os.utime(installed / "data" / "commentsvc.db", (later, later))
    done = run_main(installed, "doctor", "--inside")
    assert "the clock was set back" in done.stdout
    assert done.returncode == 1


def test_a_flipped_page_of_the_file_is_found(installed):
    file = installed / "data" / "commentsvc.db"
    with file.open("r+b") as database:
        database.seek(4096 * 5)
        database.write(b"damaged!" * 512)
    done = run_main(installed, "doctor", "--inside")
    assert done.returncode == 1
    assert "damaged" in done.stdout


async def test_a_flipped_byte_of_a_comment_is_found(served, tmp_path):
    service = await served(public_url="http://localhost:8080")
    text = "A comment whose words somebody changes on the disk."
    found_id = await post(service, text)
    config = service.config
    assert not find(bad(await examine(config_of(config))), "integrity")
    await service.db._writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
    content = config.sqlite_path.read_bytes()
    at = content.rindex(text.encode()) + 20
    copy = tmp_path / "copy.db"
    copy.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
    [fault] = find(bad(await examine(config_of(config, copy))), "integrity")
    assert found_id in fault.says
    assert "commentsvc restore" in fault.cure


def config_of(config, file=None):
    url = f"sqlite:///{file}" if file else config.database_url
    return msgspec.structs.replace(config, secret_key=SECRET, database_url=url)


def test_a_backup_that_is_missing_or_old_is_a_fault(installed):
    folder = installed / "backups"
    missing = run_main(installed, "doctor", "--inside", BACKUP_FOLDER=str(folder))
    assert f"mkdir -p {folder}" in missing.stdout
    folder.mkdir()
    none = run_main(installed, "doctor", "--inside", BACKUP_FOLDER=str(folder))
    assert f"There is no backup in {folder}." in none.stdout
    assert f"commentsvc backup {folder}" in none.stdout
    assert run_main(installed, "backup", str(folder)).returncode == 0
    assert run_main(installed, "doctor", "--inside", BACKUP_FOLDER=str(folder)).returncode == 0
    [file] = folder.iterdir()
    earlier = time.time() - 3 * 86_400
    os.utime(file, (earlier, earlier))
    old = run_main(installed, "doctor", "--inside", BACKUP_FOLDER=str(folder))
    assert (none.returncode, old.returncode) == (1, 1)
    assert "is 3.0 days old" in old.stdout


def test_a_changed_audit_log_is_found(installed):
    assert run_main(installed, "site", "add", "blog", "--origin", "https://blog.example").returncode == 0
    with closing(sqlite3.connect(installed / "data" / "commentsvc.db")) as database, database:
        database.execute("UPDATE audit SET actor_name = 'Eve' WHERE seq = 1")
    done = run_main(installed, "doctor", "--inside")
    assert "The audit log is broken" in done.stdout


async def test_a_running_service_is_examined_on_both_engines(database_url, clock, service):
    await post(service, "A comment that waits.")
    config = Config(database_url=database_url, secret_key=SECRET, public_url="http://localhost:8080")
    found = await examine(config)
    if config.sqlite_path:
        assert find(found, "data folder")[0].level is Level.OK
    assert find(found, "integrity")
    assert not [one for one in bad(found) if one.check not in {"secret files", "reader role"}], found


async def test_without_a_role_for_readers_there_is_a_fault(postgres_url):
    keyring = Keyring(["a-secret-for-which-nobody-has-ever-made-a-role"])
    database = await PostgresDatabase.open(postgres_url, keyring)
    try:
        service = Service(db=database, config=Config(database_url=postgres_url), keyring=keyring)
        [fault] = [one async for one in check_reader_role(service)]
    finally:
        await database.close()
    assert fault.level is Level.FAULT
    assert "COMMENTSVC_READER_DATABASE_URL" in fault.cure


async def test_the_mail_server_is_greeted_and_gets_no_mail(installed):
    async with mail_server() as server:
        config = Config(
            database_url=f"sqlite:///{installed}/data/commentsvc.db",
            smtp_url=server.url,
            mail_from="comments@blog.example",
            public_url="http://localhost:8080",
        )
        found = await examine(config)
        assert find(found, "mail")[-1].level is Level.OK
        assert not server.mails
        assert set(server.commands) <= {"EHLO", "NOOP", "QUIT", "RSET"}
    found = await examine(config)
    assert find(found, "mail")[0].level is Level.FAULT


def test_config_prints_every_setting_and_no_secret(tmp_path):
    settings = tmp_path / "settings"
    settings.write_text("COMMENTSVC_PORT=8081\n")
    secret = tmp_path / "key"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    given = {
        "SETTINGS_FILE": str(settings),
        "SECRET_KEY_FILE": str(secret),
        "ADMIN_KEY": ADMIN_KEY,
        "DATABASE_URL": "postgresql://ada:p%40ss%2Fword@db.example/comments?password=other",
        "METRICS_TOKEN": "a-token-of-prometheus",
    }
    done = run_main(tmp_path, "config", "--json", **given)
    assert done.returncode == 0, done.stderr
    printed = {one["name"]: (one["value"], one["source"]) for one in json.loads(done.stdout)}
    assert set(printed) == {f"COMMENTSVC_{name.upper()}" for name in Config.__struct_fields__}
    assert printed["COMMENTSVC_PORT"] == (8081, "settings file")
    assert printed["COMMENTSVC_WORKERS"] == (1, "default")
    assert printed["COMMENTSVC_SECRET_KEY"] == ("(hidden)", "file")
    assert printed["COMMENTSVC_ADMIN_KEY"] == ("(hidden)", "environment")
    assert printed["COMMENTSVC_METRICS_TOKEN"] == ("(hidden)", "environment")
    assert printed["COMMENTSVC_DATABASE_URL"][0] == ("postgresql://ada:(hidden)@db.example/comments?password=(hidden)")
    plain = run_main(tmp_path, "config", **given)
    for text in (done.stdout, plain.stdout):
        assert not any(secret in text for secret in (SECRET, "p%40ss", "word@", "other", ADMIN_KEY, "a-token"))
    assert run_main(tmp_path, "config", PORT="x").returncode == MISCONFIGURED
