"""The secret keys: from the setting, or with SQLite from a file beside the database."""

import errno
import os
import shlex
from pathlib import Path

from commentsvc.config.private_files import find_exposure
from commentsvc.config.settings import Config
from commentsvc.domain.crypto import MIN_SECRET_LENGTH, Keyring
from commentsvc.domain.errors import ConfigurationError
from commentsvc.domain.secret_strength import find_weakness
from commentsvc.storage import durable_files
from commentsvc.storage.data_folder import KEY_FILE


def secret_file(config: Config) -> Path | None:
    """Return the file with the secret keys; None if a setting holds them."""
    path = config.sqlite_path
    return None if config.secret_key or path is None else path.absolute().with_name(KEY_FILE)


def read_secrets(config: Config) -> list[str]:
    """Return the secret keys, newest first. None are there before the first start with SQLite.

    Raises:
        ConfigurationError: the file cannot be read, is empty or damaged, or other users can read it; or its newest key
            is easy to guess.
    """
    file = secret_file(config)
    if file is None:
        return config.secret_key.split()
    texts = _read(file)
    if texts:
        _require_privacy(file)
        _require_strength(file, texts)
    return texts


def _read(file: Path) -> list[str]:
    try:
        texts = file.read_text(encoding="utf-8-sig").split()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unusable(file, error) from None
    except UnicodeDecodeError:
        raise _damaged(file, "it is not UTF-8 text") from None
    if not texts:
        raise _damaged(file, "it is empty")
    if any("\0" in text for text in texts):  # what a file system may leave after a power cut
        raise _damaged(file, "it contains zero bytes")
    if any(len(text) < MIN_SECRET_LENGTH for text in texts):
        raise _damaged(file, f"a key has fewer than {MIN_SECRET_LENGTH} characters")
    if not all(text.isascii() and text.isprintable() for text in texts):
        raise _damaged(file, "a key has characters that keys never have")
    return texts


def _require_privacy(file: Path) -> None:
    if fault := find_exposure(file):
        raise ConfigurationError(f"The secret key {file} {fault}")


def _require_strength(file: Path, texts: list[str]) -> None:
    if len(set(texts)) < len(texts):
        raise ConfigurationError(f"The file {file} has the same secret key twice. Remove one of them.")
    if fault := find_weakness(texts[0]):
        raise ConfigurationError(
            f"The newest secret key in {file} is easy to guess: it {fault}. Put a new one in a line before it: "
            "openssl rand -base64 48. Then run: commentsvc reseal"
        )


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
    try:
        durable_files.replace_file(file, "\n".join(texts) + "\n")
    except OSError as error:
        raise _unusable(file, error) from None


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
