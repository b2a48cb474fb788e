"""Check that SQLite can keep its files in a folder, before it opens them."""

import os
import re
import shlex
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from commentsvc.domain.errors import ConfigurationError

MOUNTS: Final = Path("/proc/self/mountinfo")  # Linux only
# Locks and the shared memory of SQLite do not work between computers: https://sqlite.org/wal.html, section 1.
SHARES: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "glusterfs", "lustre", "gpfs", "beegfs"}
)
FUSE_SHARE: Final = re.compile(r"fuse\..*(?:sshfs|s3|rclone|gluster|ceph|davfs|smb|gcs|nfs|blobfuse|goofys|juicefs).*")
KEY_FILE: Final = "secret.key"  # beside the database
FILES_BESIDE: Final = ("-wal", "-shm", ".lock", ".service.lock")


def require_usable(path: Path) -> None:
    """Check the folder of a database file, and the files that are already in it.

    Raises:
        ConfigurationError: it is on a network share or read-only, belongs to another user, or cannot be created.
    """
    path = path.absolute()
    share = find_share(path)
    if share:
        raise _refusal(f"{path.parent} is on a network share ({share}), where SQLite loses data. Use PostgreSQL.")
    if not os.path.isdir(path.parent):  # noqa: PTH112 -- Path.is_dir raises PermissionError
        _require_creatable(path.parent)
        return
    if os.statvfs(path.parent).f_flag & os.ST_RDONLY:
        raise _refusal(f"{path.parent} is read-only. Mount it writable.")
    foreign = list(_find_foreign(path))
    if foreign:
        # The key may be elsewhere, so alone it is not a fault here. But one command should be enough.
        key = path.with_name(KEY_FILE)
        owned = [*foreign, key] if os.path.exists(key) and not _may(key, os.R_OK) else foreign  # noqa: PTH110 -- below
        names = " ".join(shlex.quote(str(one)) for one in owned)
        raise _refusal(
            f"user {os.geteuid()} cannot write to {foreign[0]}. As root, run: "
            f"chown {os.geteuid()}:{os.getegid()} {names} (for a bind mount, its folder on the host)."
        )


def _require_creatable(folder: Path) -> None:
    parents = (folder, *folder.parents)
    nearest = next(one for one in parents if os.path.lexists(one))
    if not os.path.isdir(nearest):  # noqa: PTH112 -- Path.is_dir raises PermissionError
        raise _refusal(f"{nearest} is not a folder. Remove it, or name a file in another folder.")
    if not _may(nearest, os.W_OK | os.X_OK):
        raise _refusal(
            f"user {os.geteuid()} cannot create or open {folder}. "
            f"Let this user write to {nearest}, or name a file in another folder."
        )


def keep_owner(file: Path, like: Path) -> None:
    """Give a file that root creates to the owner of another one: the service may run as another user."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(file, owner.st_uid, owner.st_gid)


def hide_from_others(path: Path) -> None:
    """Remove the permissions of users who are neither the owner of the database nor in its group.

    A restored copy may have them, and SQLite gives its other files the permissions of the database. Files of another
    owner are left alone.
    """
    for file in (path, *(path.with_name(f"{path.name}{suffix}") for suffix in FILES_BESIDE)):
        with suppress(FileNotFoundError):
            found = file.stat()
            if found.st_mode & stat.S_IRWXO and found.st_uid == os.geteuid():
                file.chmod(stat.S_IMODE(found.st_mode) & ~stat.S_IRWXO)


def _refusal(sentence: str) -> ConfigurationError:
    return ConfigurationError(f"COMMENTSVC_DATABASE_URL: {sentence}")


def find_share(path: Path) -> str | None:
    """Return the type of the network file system that holds a path; None for a local one, or if it is not known."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    target = os.path.realpath(path)
    longest, kind = "", ""
    for line in lines:
        # https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html: a space in a name is \040
        place, _, source = line.partition(" - ")
        mount = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), place.split()[4])
        inside = target == mount or target.startswith(f"{mount.rstrip('/')}/")
        if inside and len(mount) >= len(longest):  # a later mount on the same folder hides the earlier one
            longest, kind = mount, source.split()[0]
    return kind if kind in SHARES or FUSE_SHARE.fullmatch(kind) else None


def _find_foreign(path: Path) -> Iterator[Path]:
    if not _may(path.parent, os.W_OK | os.X_OK):
        yield path.parent
    for file in (path, *(path.with_name(f"{path.name}{suffix}") for suffix in FILES_BESIDE)):
        if os.path.exists(file) and not _may(file, os.R_OK | os.W_OK):  # noqa: PTH110 -- Path.exists raises PermissionError
            yield file


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)
