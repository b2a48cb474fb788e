"""The secret keys: from the setting, or with SQLite from a file beside the database."""

import errno
import os
import shlex
from contextlib import suppress
from pathlib import Path

from commentsvc.config.settings import Config
from commentsvc.domain.crypto import MIN_SECRET_LENGTH, Keyring
from commentsvc.domain.errors import ConfigurationError
from commentsvc.storage.data_folder import KEY_FILE, keep_owner


def secret_file(config: Config) -> Path | None:
    """Return the file with the secret keys; None if a setting holds them."""
    path = config.sqlite_path
    return None if config.secret_key or path is None else path.absolute().with_name(KEY_FILE)


def read_secrets(config: Config) -> list[str]:
    """Return the secret keys, newest first. None are there before the first start with SQLite.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    file = secret_file(config)
    if file is not None:
        return _read(file)
    return config.secret_key.split()


def _read(file: Path) -> list[str]:
    try:
        texts = file.read_text(encoding="utf-8-sig").split()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unusable(file, error) from None
    except UnicodeDecodeError:
        raise _damaged(file, "it is not UTF-8 text") from None
    if any(len(text) < MIN_SECRET_LENGTH for text in texts):
        raise _damaged(file, f"a key has fewer than {MIN_SECRET_LENGTH} characters")
    return texts


def find_unused_keys(config: Config) -> tuple[Path | None, list[str]]:
    """Return the file whose keys are not used because a setting holds others, and their fingerprints."""
    path = config.sqlite_path
    if path is None or not config.secret_key:
        return None, []
    file = path.absolute().with_name(KEY_FILE)
    try:
        return file, Keyring(_read(file)).fingerprints
    except ConfigurationError:  # it is missing, empty or damaged
        return None, []


def write_secrets(file: Path, texts: list[str]) -> None:
    """Replace the keys in the file, newest first. They are on disk when this returns, or nothing has changed.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    new_file = file.with_name(f"{KEY_FILE}.{os.getpid()}.new")
    try:
        new_file.touch(mode=0o600)
        keep_owner(new_file, file if file.exists() else file.parent)
        with new_file.open("w", encoding="utf-8") as written:
            written.write("\n".join(texts) + "\n")
            written.flush()
            os.fsync(written.fileno())
        new_file.replace(file)
        _sync_folder(file.parent)
    except OSError as error:
        with suppress(OSError):
            new_file.unlink()
        raise _unusable(file, error) from None


def _sync_folder(folder: Path) -> None:
    # The name of a new file survives a power cut only when its folder is on disk too.
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _damaged(file: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"The secret key {file} is damaged: {reason}. Restore this file from your backup. "
        "Without a backup, delete the file, then run: commentsvc secret lost"
    )


def _unusable(file: Path, error: OSError) -> ConfigurationError:
    owner = f"{os.geteuid()}:{os.getegid()}"
    cures = {
        errno.EACCES: f"As root, run: chown {owner} {shlex.quote(str(file))}",
        errno.EISDIR: "Remove this folder, and restore the file from your backup",
        errno.ENOSPC: "Free some space",
        errno.EDQUOT: "Free some space",
    }
    cure = cures.get(error.errno or 0, "Make its folder writable, or set COMMENTSVC_SECRET_KEY")
    reason = os.strerror(error.errno or 0)
    return ConfigurationError(f"Cannot read or create the secret key {file}: {reason}. {cure}.")
