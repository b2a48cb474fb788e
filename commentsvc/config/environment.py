"""Read the settings from environment variables.

A secret can also be read from the file that ``…_FILE`` names. A wrong setting stops the program at start, with an error
that names the variable.
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from commentsvc.config.settings import OLDEST_SECONDS, PREFIX, Config, parse_origin
from commentsvc.domain.errors import ConfigurationError, InvalidValue
from commentsvc.domain.validation import convert_setting

MAX_COMMENTS_PER_SECOND: Final = 100
MIN_KEY_LENGTH: Final = 32
SECRETS: Final = frozenset({"secret_key", "admin_key", "database_url"})


def read_config(environment: Mapping[str, str]) -> Config:
    """Return the settings of this environment.

    Raises:
        ConfigurationError: settings are wrong; the message has one line for each.
    """
    values: dict[str, Any] = {}
    wrong = [_describe_unknown(name) for name in sorted(environment) if _is_unknown(name)]
    for field in msgspec.structs.fields(Config):
        variable = PREFIX + field.name.upper()
        try:
            text = _read_text(field.name, variable, environment)
            if text:
                values[field.name] = convert_setting(text, field.type)
        except ConfigurationError as error:
            wrong.append(str(error))
        except InvalidValue as error:
            wrong.append(f"{variable} must be {error.detail}.")
    if wrong:
        raise ConfigurationError("\n".join(wrong))
    config = Config(**values)
    _check(config)
    return config


def _check(config: Config) -> None:
    # Check what the types of the fields cannot express.
    for text in config.sites.split():
        parse_origin("SITES", text)
    if config.public_url:
        parse_origin("PUBLIC_URL", config.public_url)
    _ = config.proxies
    if not re.match(r"sqlite:///.+|postgres(ql)?://.+", config.database_url):
        raise ConfigurationError(
            f"{PREFIX}DATABASE_URL must start with sqlite:/// or postgresql://, followed by the database."
        )
    if config.allowance and config.allowance[0] > MAX_COMMENTS_PER_SECOND * config.allowance[1]:
        raise ConfigurationError(
            f"{PREFIX}RATE_LIMIT allows more than {MAX_COMMENTS_PER_SECOND} comments per second. "
            "Lower it, or set it to off."
        )
    if config.form_age and not config.form_age[0] < config.form_age[1] <= OLDEST_SECONDS:
        raise ConfigurationError(
            f"{PREFIX}FORM_SECONDS must have a minimum below its maximum. "
            f"The maximum is at most {OLDEST_SECONDS} (one week)."
        )
    if config.admin_key and len(config.admin_key) < MIN_KEY_LENGTH:
        raise ConfigurationError(
            f"{PREFIX}ADMIN_KEY must have at least {MIN_KEY_LENGTH} characters. "
            "Create one with: openssl rand -base64 48"
        )


def _known_names() -> list[str]:
    names = [*Config.__struct_fields__, *(f"{name}_file" for name in sorted(SECRETS))]
    return [name.upper() for name in names]


def _is_unknown(variable: str) -> bool:
    return variable.startswith(PREFIX) and variable.removeprefix(PREFIX) not in _known_names()


def _describe_unknown(variable: str) -> str:
    similar = difflib.get_close_matches(variable.removeprefix(PREFIX).upper(), _known_names(), n=1)
    advice = f"Did you mean {PREFIX}{similar[0]}?" if similar else "See docs/settings.md."
    return f"Unknown setting {variable}. {advice}"


def _read_text(name: str, variable: str, environment: Mapping[str, str]) -> str:
    text = environment.get(variable, "").strip()
    file = environment.get(f"{variable}_FILE", "") if name in SECRETS else ""
    if not file:
        return text
    if text:
        raise ConfigurationError(f"{variable} and {variable}_FILE are both set. Remove one of them.")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "not UTF-8 text"
        raise ConfigurationError(f"{variable}_FILE names a file that cannot be read ({reason}).") from None
