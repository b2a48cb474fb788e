"""A key file survives a power cut, and is refused with the cure if it is empty, weak or readable by others."""

import os
import re
import stat
import subprocess
import sys

import pytest

from commentsvc.config.environment import read_config
from commentsvc.domain.crypto import new_secret
from commentsvc.domain.errors import ConfigurationError
from commentsvc.domain.secret_strength import find_weakness
from tests.conftest import SECRET
from tests.operations.test_operating import environment, run_main, serving

DATABASE = "data/commentsvc.db"


def key_file(folder, text=None, mode=0o600):
    file = folder / "data" / "secret.key"
    if text is not None:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)
    return file


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("\n", "it is empty"),
        ("\0" * 64, "it contains zero bytes"),
        (SECRET[:20], "fewer than 32 characters"),
        (f"{SECRET[:-4]}\x07\x07\x07\x07", "characters that keys never have"),
    ],
)
@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
def test_an_operator_reads_what_happened_to_the_key_after_a_power_cut(tmp_path, text, reason, used):
    if used:
        run_main(tmp_path, "migrate")
    file = key_file(tmp_path, text)
    for command in ("serve", "migrate"):
        done = run_main(tmp_path, command, PORT="0")
        assert (done.returncode, done.stdout) == (78, "")
        assert f"The secret key {file} is damaged: {reason}" in done.stderr.replace("a key has ", "")
        assert "Restore this file from your backup." in done.stderr
    assert (tmp_path / DATABASE).exists() == used
    assert file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o640, 0o660, 0o602])
def test_a_key_file_of_others_is_refused_until_the_operator_types_the_cure(tmp_path, mode):
    run_main(tmp_path, "migrate")
    key_file(tmp_path).chmod(mode)
    for arguments in (("serve",), ("site", "list"), ("secret", "status")):
        done = run_main(tmp_path, *arguments, PORT="0")
        assert (done.returncode, "can be read by other users" in done.stderr) == (78, True)
    cure = re.search(r"Run: (chmod .*)", done.stderr)[1]
    subprocess.run(["sh", "-c", cure], check=True)
    assert run_main(tmp_path, "site", "list").returncode == 0


@pytest.mark.parametrize("name", ["SECRET_KEY", "ADMIN_KEY", "DATABASE_URL"])
def test_a_secret_in_a_file_that_others_can_read_is_refused(tmp_path, name):
    file = tmp_path / "kept"
    file.write_text(f"sqlite:///{tmp_path}/x.db" if name == "DATABASE_URL" else SECRET, encoding="utf-8")
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match=f"{name}_FILE names a file that can be read .* chmod 600"):
        read_config({f"COMMENTSVC_{name}_FILE": str(file)})
    file.chmod(0o600)
    read_config({f"COMMENTSVC_{name}_FILE": str(file)})


def test_a_file_of_settings_may_be_public_unless_it_has_a_secret(tmp_path):
    file = tmp_path / "settings"
    file.write_text("COMMENTSVC_WORKERS=2\n", encoding="utf-8")
    file.chmod(0o644)
    assert read_config({"COMMENTSVC_SETTINGS_FILE": str(file)}).workers == 2
    file.write_text(f"COMMENTSVC_SECRET_KEY={SECRET}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="SETTINGS_FILE names a file with a secret that can be read"):
        read_config({"COMMENTSVC_SETTINGS_FILE": str(file)})


WEAK = {
    "a" * 40: "too few different",
    "0123456789abcdefghijklmnopqrstuvwxyz": "alphabet",
    "qwertyuiopasdfghjklzxcvbnm1234567890": "keyboard",
    "f8Kq2Lw9ZxR4tY7uB1nM" * 2: "repeats itself",
    "please-change-me-to-something-random-32": "placeholder",
}


@pytest.mark.parametrize("text", WEAK)
def test_a_key_that_somebody_could_guess_is_refused(tmp_path, text):
    key_file(tmp_path, text)
    done = run_main(tmp_path, "migrate")
    assert (done.returncode, WEAK[text] in done.stderr, "openssl rand" in done.stderr) == (78, True, True)
    for name in ("SECRET_KEY", "ADMIN_KEY"):
        with pytest.raises(ConfigurationError, match=f"{name} is easy to guess.*{WEAK[text]}.*openssl rand"):
            read_config({f"COMMENTSVC_{name}": text})


def test_a_random_key_is_never_called_weak():
    secrets = (new_secret(), os.urandom(16).hex(), os.urandom(256).hex(), SECRET)
    assert [find_weakness(secret) for secret in secrets] == [None] * 4


def test_a_weak_key_that_was_in_use_still_opens_what_it_encrypted(tmp_path):
    weak = "a" * 40
    assert read_config({"COMMENTSVC_SECRET_KEY": f"{SECRET} {weak}"}).secret_key == f"{SECRET} {weak}"
    key_file(tmp_path, f"{SECRET}\n{weak}\n")
    assert run_main(tmp_path, "migrate").returncode == 0


def test_the_same_key_twice_or_for_two_purposes_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="SECRET_KEY has the same key twice"):
        read_config({"COMMENTSVC_SECRET_KEY": f"{SECRET} {SECRET}"})
    with pytest.raises(ConfigurationError, match="ADMIN_KEY must not be a secret key"):
        read_config({"COMMENTSVC_SECRET_KEY": SECRET, "COMMENTSVC_ADMIN_KEY": SECRET})
    key_file(tmp_path, f"{SECRET}\n{SECRET}\n")
    assert "the same secret key twice" in run_main(tmp_path, "migrate").stderr


def test_all_files_of_the_service_belong_to_its_user_alone(tmp_path):
    umask = os.umask(0o000)
    try:
        with serving(tmp_path):
            run_main(tmp_path, "moderator", "invite", "owner")
            files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "data").iterdir()}
    finally:
        os.umask(umask)
    assert {name: oct(mode) for name, mode in files.items() if mode & 0o077} == {}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert {"commentsvc.db", "commentsvc.db-wal", "secret.key"} <= set(files)


def test_a_restored_database_is_taken_from_other_users(tmp_path):
    run_main(tmp_path, "migrate")
    (tmp_path / DATABASE).chmod(0o664)
    assert run_main(tmp_path, "site", "list").returncode == 0
    assert stat.S_IMODE((tmp_path / DATABASE).stat().st_mode) == 0o660


def test_a_rotation_that_was_killed_leaves_no_key_for_others(tmp_path):
    run_main(tmp_path, "migrate")
    left = tmp_path / "data" / "secret.key.new"
    left.write_text("half a key", encoding="utf-8")
    left.chmod(0o644)
    assert run_main(tmp_path, "secret", "rotate").returncode == 0
    assert not left.exists()
    assert stat.S_IMODE(key_file(tmp_path).stat().st_mode) == 0o600


# Prints, in order, what reached the disk: files and folders that were synced, and names that files got.
TRACE = """
import os, runpy, sys
def note(event, name):
    print(event, os.path.relpath(name), file=sys.stderr)
fsync, rename, chosen = os.fsync, os.replace, {}
def traced_fsync(descriptor):
    fsync(descriptor)
    note("synced", os.readlink(f"/proc/self/fd/{descriptor}"))
def traced_rename(old, new, **more):
    rename(old, new, **more)
    note("named", new)
os.fsync, os.replace = traced_fsync, traced_rename
import pathlib
from commentsvc.operations import startup
prepare = startup.prepare_database
async def traced(service):
    note("preparing", ".")
    await prepare(service)
startup.prepare_database = traced
sys.argv = ["commentsvc", "migrate"]
runpy.run_module("commentsvc", run_name="__main__")
"""


def test_a_first_start_has_its_key_on_disk_before_it_prepares_the_database(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TRACE], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    events = done.stderr.splitlines()
    before = events[: events.index("preparing .")]
    assert before == ["synced .", "synced data/secret.key.new", "named data/secret.key", "synced data"]
    assert events[len(before) + 1 :] == ["synced data/commentsvc.db.lock", "synced data"]
