"""The command that starts this program again, on the same database and with the same address.

A printed command must work as it is printed: from another terminal, outside the container, for the service's user.
"""

import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commentsvc.config import PREFIX
from commentsvc.config.variables import clean_value

NAME: Final = "commentsvc"
# Settings that lead to the same data, and those that a link needs. Never a secret: see ``_find_settings``.
DATA: Final = ("SETTINGS_FILE", "DATABASE_URL_FILE", "DATABASE_URL", "SECRET_KEY_FILE", "ERASURE_JOURNAL")
ADDRESS: Final = ("PUBLIC_URL", "PORT")
PASSWORD: Final = re.compile(r"://[^/@]*:[^/@]*@")
# A command in one of our own messages: "Run: commentsvc migrate". That which prints a link is the only one in group 1.
OWN_COMMAND: Final = re.compile(rf"(?<=: ){NAME} (?:(?=(moderator invite))|(?=[a-z]))")


@dataclass(frozen=True)
class Start:
    """The start of this process."""

    argv0: str
    python: str
    parent: int  # process id
    environment: Mapping[str, str]
    host: str  # the name of this computer or container
    user: str
    folder: str
    container: str = ""  # the program that manages containers


@dataclass
class _Known:
    """The parts of a printed command before its words."""

    before: str = ""
    program: str = NAME
    data: str = ""
    address: str = ""


_known = _Known()


def remember_start(start: Start) -> None:
    """Let ``command_line`` return commands that fit the way this process was started."""
    _known.program = _find_program(start)
    _known.before, inherits = _find_place(start)
    _known.data = "" if inherits else "".join(_find_settings(start.environment, DATA))
    _known.address = "" if inherits else "".join(_find_settings(start.environment, ADDRESS))
    if _known.before.startswith("sudo") and not Path(_known.program).is_absolute():
        _known.program = shlex.quote(shutil.which(_known.program) or str(Path(start.folder, start.argv0)))


def command_line(*words: str, link: bool = False) -> str:
    """Return a command as an operator types it. ``link`` is for one that prints an address of the service."""
    return f"{_prefix(link=link)}{shlex.join(words)}"


def with_real_commands(message: str) -> str:
    """Return one of our own messages with commands as an operator types them."""
    return OWN_COMMAND.sub(lambda found: _prefix(link=bool(found[1])), message)


def _prefix(*, link: bool) -> str:
    return f"{_known.before}{_known.data}{_known.address if link else ''}{_known.program} "


def _find_program(start: Start) -> str:
    """Return the program as it was called; its name alone if the shell finds it."""
    if Path(start.argv0).name == "__main__.py":
        python = start.python
        found = shutil.which("python3", path=start.environment.get("PATH"))
        return f"{'python3' if found == python else shlex.quote(python)} -m {NAME}"
    found = shutil.which(NAME, path=start.environment.get("PATH"))
    if found and Path(start.argv0).is_file() and Path(found).samefile(start.argv0):
        return NAME
    return shlex.quote(start.argv0)


def _find_place(start: Start) -> tuple[str, bool]:
    """Return what to type before the program, and whether the program then has the same settings without more."""
    if start.environment.get("KUBERNETES_SERVICE_HOST") and start.parent <= 1:
        return f"kubectl exec {shlex.quote(start.host)} -- ", True
    if start.container and start.parent <= 1:  # a shell inside the container is a parent of its own
        return f"{start.container} exec {shlex.quote(start.host)} ", True
    if start.parent == 1 and start.environment.get("INVOCATION_ID"):  # systemd
        return f"sudo -u {shlex.quote(start.user)} env --chdir={shlex.quote(start.folder)} ", False
    return "", False


def _find_settings(environment: Mapping[str, str], names: tuple[str, ...]) -> Iterator[str]:
    """Yield the settings of these names as a shell reads them, without those that hold a password."""
    for name in names:
        value = clean_value(environment.get(PREFIX + name, ""))
        if value and not PASSWORD.search(value):
            yield f"{PREFIX}{name}={shlex.quote(value)} "
