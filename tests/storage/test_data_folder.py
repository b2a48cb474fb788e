"""An operator gives the service a folder in which SQLite cannot keep its files."""

import os
import shlex
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from commentsvc.storage import data_folder
from tests.operations.test_operating import run_main

NOBODY = 65534
LOCAL = "22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/sda1 rw"


@pytest.fixture
def folder():
    """A folder that every user can reach, unlike ``tmp_path``."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def without_root():
    """Act as a user who may not do everything; under another user than root nothing changes."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield os.geteuid()
    finally:
        os.seteuid(user)


def migrate(path, **settings):
    return run_main("/", "migrate", DATABASE_URL=f"sqlite:///{path}", **settings)


def fault_of(done):
    """Return the only line that the command printed."""
    assert (done.returncode, done.stdout) == (78, "")
    (line,) = done.stderr.splitlines()
    return line.removeprefix("commentsvc: COMMENTSVC_DATABASE_URL: ")


def test_an_operator_mounts_a_folder_of_another_user(folder):
    assert migrate(folder / "warm-up.db").returncode == 0  # loads what another user may not read
    data = folder / "data"
    data.mkdir(mode=0o555)
    with without_root() as user:
        line = fault_of(migrate(data / "comments.db"))

    assert line.startswith(f"user {user} cannot write to {data}. As root, run: chown {user}:")
    assert shlex.split(line.partition("run: ")[2])[2] == str(data)
    assert list(data.iterdir()) == []


def test_an_operator_ran_a_command_as_root_before(folder):
    path = folder / "comments.db"
    assert migrate(path).returncode == 0
    folder.chmod(0o777)
    for name in ("comments.db", "comments.db-wal", "secret.key"):
        (folder / name).touch()
        (folder / name).chmod(0o444 if name != "secret.key" else 0o000)
    with without_root():
        line = fault_of(migrate(path))

    words = shlex.split(line.partition("run: ")[2])
    assert words[0] == "chown"
    assert words[2:4] == [str(path), f"{path}-wal"]
    assert str(folder / "secret.key") in words[4:]
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


def test_an_operator_names_a_file_in_a_folder_that_cannot_be_made(folder):
    assert migrate(folder / "warm-up.db").returncode == 0
    folder.chmod(0o555)
    with without_root():
        for path in ("new/comments.db", "new/deep/comments.db"):
            line = fault_of(migrate(folder / path))
            assert line.startswith(f"user {os.geteuid()} cannot create or open {folder / path}"[: -len("/comments.db")])
            assert f"Let this user write to {folder}," in line


@pytest.mark.parametrize("path", ["deep/comments.db", "deep/deeper/comments.db"])
def test_an_operator_names_a_file_below_a_folder_that_cannot_be_entered(folder, path):
    assert migrate(folder / "warm-up.db").returncode == 0
    closed = folder / "closed"
    (closed / path).parent.mkdir(parents=True)
    closed.chmod(0o600)
    with without_root():
        assert f"Let this user write to {closed}," in fault_of(migrate(closed / path))
    closed.chmod(0o700)


def test_an_operator_names_a_file_below_a_file(folder):
    (folder / "data").touch()
    assert fault_of(migrate(folder / "data" / "comments.db")).startswith(f"{folder / 'data'} is not a folder.")


def test_an_operator_leaves_only_the_key_or_only_the_lock_to_another_user(folder):
    path = folder / "comments.db"
    assert migrate(path).returncode == 0
    folder.chmod(0o777)
    path.chmod(0o666)
    lock, key = folder / "comments.db.lock", folder / "secret.key"
    lock.chmod(0o444)
    with without_root() as user:
        assert shlex.split(fault_of(migrate(path)).partition("run: ")[2])[:3] == [
            "chown",
            f"{user}:{os.getegid()}",
            str(lock),
        ]
    lock.chmod(0o666)
    key.chmod(0o000)
    with without_root() as user:
        for arguments in (("migrate",), ("secret", "status"), ("site", "list")):
            done = run_main("/", *arguments, DATABASE_URL=f"sqlite:///{path}")
            assert (done.returncode, done.stdout) == (78, "")
            assert done.stderr.endswith(f"As root, run: chown {user}:{os.getegid()} {key}.\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_creates_belongs_to_the_user_of_the_service(folder):
    path = folder / "comments.db"
    assert migrate(path).returncode == 0
    for file in folder.iterdir():
        os.chown(file, NOBODY, NOBODY)
    (folder / "comments.db.lock").unlink()
    (folder / "comments.db.turn").unlink()
    assert run_main("/", "secret", "rotate", DATABASE_URL=f"sqlite:///{path}").returncode == 0
    assert {file.name: file.stat().st_uid for file in folder.iterdir()} == dict.fromkeys(
        ["comments.db", "comments.db.lock", "comments.db.turn", "secret.key"], NOBODY
    )


@pytest.mark.parametrize("target", ["comments.db", "/proc/nowhere/comments.db"])
def test_an_operator_reads_one_line_if_the_file_cannot_be_opened(folder, target):
    path = folder / "comments.db"
    path.symlink_to(target)
    assert "could not open the database" in fault_of(migrate(path))


@pytest.mark.parametrize(
    "kind",
    ["nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs"],
)
def test_a_network_share_is_refused_with_the_advice_to_use_postgresql(folder, monkeypatch, kind):
    mounts = folder / "mountinfo"
    mounts.write_text(f"{LOCAL}\n36 22 0:50 / {folder}/data rw - {kind} nas:/share rw,vers=4.2\n", encoding="utf-8")
    monkeypatch.setattr(data_folder, "MOUNTS", mounts)

    for path in (folder / "data" / "comments.db", folder / "data" / "below" / "comments.db"):
        line = fault_of(migrate(path))
        assert f"is on a network share ({kind})" in line
        assert line.endswith("Use PostgreSQL.")
    assert not (folder / "data").exists()
    assert migrate(folder / "comments.db").returncode == 0
    (folder / "link.db").symlink_to(folder / "data" / "comments.db")
    assert kind in fault_of(migrate(folder / "link.db"))


@pytest.mark.parametrize(
    ("mounts", "share"),
    [
        ([], None),
        (["{} ext4"], None),
        (["{} fuse.grpcfuse"], None),  # how Docker Desktop mounts a folder of the host
        (["{} virtiofs"], None),
        (["{} overlay"], None),
        (["/ nfs"], "nfs"),
        (["/ nfs", "{} tmpfs"], None),
        (["{} nfs4", "/ ext4"], "nfs4"),
        (["{} autofs", "{} nfs4"], "nfs4"),
        (["{} nfs4", "{} ext4"], None),
        (["{}x nfs4"], None),
    ],
)
def test_the_innermost_mount_decides(folder, monkeypatch, mounts, share):
    data = folder / "my data"
    data.mkdir()
    lines = [LOCAL]
    for mount in mounts:
        place, kind = mount.format(str(data).replace(" ", "\\040")).rsplit(" ", 1)
        lines.append(f"36 22 0:50 / {place} rw,noatime shared:2 master:1 - {kind} nas:/share rw")
    (folder / "mountinfo").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(data_folder, "MOUNTS", folder / "mountinfo")

    assert data_folder.find_share(data / "comments.db") == share


def test_a_system_without_a_list_of_mounts_is_trusted(folder, monkeypatch):
    monkeypatch.setattr(data_folder, "MOUNTS", folder / "none")
    assert data_folder.find_share(folder / "comments.db") is None
