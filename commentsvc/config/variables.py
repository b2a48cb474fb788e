"""Find our variables in an environment. Imports nothing large: the health check runs this every few seconds."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from commentsvc.domain.errors import ConfigurationError

# Kubernetes describes every Service to each container of its namespace, and Docker every linked container:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
# https://docs.docker.com/engine/network/links/#environment-variables
# A Service or a link that is called ``commentsvc``, or ``commentsvc-web``, gives names with our prefix.
ADDRESS: Final = re.compile(r"(?:tcp|udp|sctp)://\S+", re.IGNORECASE)
SERVICE: Final = re.compile(r"(?:[A-Z0-9_]+_)?SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)")
PUBLISHED_PORT: Final = re.compile(
    r"(?:[A-Z0-9_]+_)?PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|ADDR|PORT|START|END|PORT_START|PORT_END))?"
)
LINK_NAME: Final = re.compile(r"/[^/\s]+/[^/\s]+")
# Pasted text and files of Windows contain these at their ends.
NO_CONTENT: Final = re.compile(r"^[\s\u200b\u2060]+|[\s\u200b\u2060]+$")
QUOTED: Final = tuple(re.compile(rf"{quote}[^{quote}]*{quote}(?:\s+{quote}[^{quote}]*{quote})*") for quote in "\"'")


def find_variables(environment: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Return the clean values of the variables that begin with ``prefix``, by their names without it.

    Variables that Kubernetes and Docker inject are left out.
    """
    # Longest first: a name with a byte order mark before it never replaces the same name without one.
    names = sorted(environment, key=len, reverse=True)
    clean = {name.strip("\ufeff \t"): clean_value(environment[name]) for name in names}
    ours = {name.removeprefix(prefix): value for name, value in clean.items() if name.startswith(prefix)}
    return {name: value for name, value in ours.items() if not _is_injected(name, ours)}


def add_settings_file(environment: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Return an environment with the variables of the file that ``…SETTINGS_FILE`` names.

    It is read at every call: a process cannot see a changed environment, but it can see a changed file. A variable that
    is in both has the value of the environment, unless that is empty.

    Raises:
        ConfigurationError: the file cannot be read, or a line is not ``NAME=value``.
    """
    variable = f"{prefix}SETTINGS_FILE"
    name = clean_value(environment.get(variable, ""))
    if not name:
        return dict(environment)
    try:
        text = Path(name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "not UTF-8 text"
        raise ConfigurationError(
            f"{variable} names a file that cannot be read ({reason}). Correct its path, content or permissions."
        ) from None
    found = dict(_parse_lines(text, variable, prefix))
    return found | {name: value for name, value in environment.items() if value or name not in found}


def _parse_lines(text: str, variable: str, prefix: str) -> Iterator[tuple[str, str]]:
    # The format of `docker run --env-file` and of EnvironmentFile= (systemd.exec(5)), without escapes.
    for number, line in enumerate(text.splitlines(), 1):
        name, found, value = line.strip().partition("=")
        if not name or name.startswith(("#", ";")):
            continue
        if not found:
            raise ConfigurationError(f"{variable}: line {number} is not NAME=value. Correct it.")
        name = name.removeprefix("export ").strip()
        if name.upper().startswith(prefix):
            yield name, value


def clean_value(text: str) -> str:
    """Return a value without what files add: byte order mark, carriage returns, white space, and quotes around it.

    ``docker run --env-file`` keeps quotes; a shell removes them.
    """
    text = NO_CONTENT.sub("", text.replace("\ufeff", ""))
    if any(quoted.fullmatch(text) for quoted in QUOTED):
        text = NO_CONTENT.sub("", text.replace(text[0], ""))
    return text


def _is_injected(name: str, variables: Mapping[str, str]) -> bool:
    if SERVICE.fullmatch(name) or PUBLISHED_PORT.fullmatch(name):
        return True
    last = name.rpartition("_")[2]
    if last == "PORT":
        return ADDRESS.fullmatch(variables[name]) is not None
    if last == "NAME":
        return LINK_NAME.fullmatch(variables[name]) is not None
    return _is_environment_of_link(name, variables)


def _is_environment_of_link(name: str, variables: Mapping[str, str]) -> bool:
    # Docker copies the variables of the linked container: COMMENTSVC_ENV_PATH, COMMENTSVC_DB_ENV_PATH.
    alias, found, _ = f"_{name}".partition("_ENV_")
    if not found:
        return False
    return not alias or LINK_NAME.fullmatch(variables.get(f"{alias[1:]}_NAME", "")) is not None
