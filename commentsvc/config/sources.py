"""List the settings and where each came from, without their secrets."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from commentsvc.config import PREFIX
from commentsvc.config.environment import SECRETS
from commentsvc.config.settings import Config
from commentsvc.config.variables import add_settings_file, find_variables

HIDDEN: Final = "(hidden)"
# Settings that are a secret as a whole. The others of ``SECRETS`` are addresses, which may have a password in them.
KEYS: Final = frozenset({"secret_key", "admin_key", "metrics_token", "verdict_secret"})
ADDRESS: Final = re.compile(r"(?P<scheme>[a-z0-9+.-]*://)(?P<login>.*)@", re.IGNORECASE | re.DOTALL)
PARAMETER: Final = re.compile(
    r"((?:^|[?&])[^=&?]*(?:password|passwd|pwd|secret|token|auth|(?<!ssl)key)[^=&?]*=)[^&]*", re.IGNORECASE
)


class Source(StrEnum):
    """The place that a setting came from."""

    DEFAULT = "default"
    ENVIRONMENT = "environment"
    FILE = "file"  # that the variable ``…_FILE`` names
    SETTINGS_FILE = "settings file"


class Setting(msgspec.Struct, frozen=True):
    """A setting. A secret in its value is hidden."""

    name: str
    value: Any
    source: Source


def list_settings(environment: Mapping[str, str], config: Config) -> list[Setting]:
    """Return every setting, sorted by name."""
    sources = find_sources(environment)
    return [
        Setting(PREFIX + name.upper(), _hide(name, getattr(config, name)), sources.get(name, Source.DEFAULT))
        for name in sorted(Config.__struct_fields__)
    ]


def find_sources(environment: Mapping[str, str]) -> dict[str, Source]:
    """Return where the settings that are not defaults came from, by their names.

    Raises:
        ConfigurationError: the file of settings cannot be read.
    """
    own = find_variables(environment, PREFIX)
    given = find_variables(add_settings_file(environment, PREFIX), PREFIX)
    found: dict[str, Source] = {}
    for name in Config.__struct_fields__:
        if given.get(name.upper()):
            found[name] = Source.ENVIRONMENT if own.get(name.upper()) else Source.SETTINGS_FILE
        elif name in SECRETS and given.get(f"{name.upper()}_FILE"):
            found[name] = Source.FILE
    return found


def _hide(name: str, value: Any) -> Any:
    if not isinstance(value, str) or not value:
        return value
    return HIDDEN if name in KEYS else hide_passwords(value)


def hide_passwords(text: str) -> str:
    """Return an address without its password: that of the login, and those of parameters.

    An unusual address loses more than its password, but never less.
    """
    return PARAMETER.sub(rf"\1{HIDDEN}", ADDRESS.sub(_hide_login, text))


def _hide_login(found: re.Match[str]) -> str:
    user, colon, _ = found["login"].partition(":")
    return f"{found['scheme']}{user}:{HIDDEN}@" if colon else found[0]
