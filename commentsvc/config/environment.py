"""Read the settings from environment variables.

A secret can also be read from the file that ``…_FILE`` names. A wrong setting stops the program at start, with an error
that names the variable. All faults are reported at once.
"""

import codecs
import difflib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from commentsvc.config import PREFIX, checks, private_files
from commentsvc.config.settings import Config
from commentsvc.config.variables import add_settings_file, clean_value, find_variables
from commentsvc.domain.errors import ConfigurationError, InvalidValue
from commentsvc.domain.validation import convert_setting

SECRETS: Final = frozenset(
    {
        *("secret_key", "admin_key", "database_url", "reader_database_url", "read_database_url", "smtp_url"),
        *("metrics_token", "verdict_url", "verdict_secret"),
    }
)
UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # how PowerShell writes a file
# Words for two of our values in other programs.
ON: Final = frozenset({"true", "yes", "y", "1", "enable", "enabled"})
OFF: Final = frozenset({"false", "no", "n", "0", "disable", "disabled", "none"})


def read_config(environment: Mapping[str, str]) -> Config:
    """Return the settings of this environment.

    Raises:
        ConfigurationError: settings are wrong; the message has one line for each fault.
    """
    given = find_variables(merged := add_settings_file(environment, PREFIX), PREFIX)
    values: dict[str, Any] = {}
    wrong = [*_find_exposed_settings(environment, merged)]
    wrong += [_describe_unknown(PREFIX + name) for name in sorted(given) if name not in _known_names()]
    wrong += [_describe_unknown(name) for name in sorted(merged) if _has_small_prefix(name)]
    faulty: set[str] = set()
    for field in msgspec.structs.fields(Config):
        try:
            text = _read_text(field.name, given)
            if text:
                values[field.name] = _convert(field.name, text, field.type)
        except ConfigurationError as error:
            wrong.append(str(error))
            faulty.add(field.name)
    config = Config(**values)
    wrong += checks.find_faults(config, faulty)
    if wrong:
        raise ConfigurationError("\n".join(wrong))
    return config


def _find_exposed_settings(environment: Mapping[str, str], merged: Mapping[str, str]) -> Iterator[str]:
    """Yield a fault if other users can read a file of settings that has a secret."""
    ours = find_variables(dict(merged.items() - environment.items()), PREFIX)
    if any(ours.get(name.upper()) for name in SECRETS):
        variable = f"{PREFIX}SETTINGS_FILE"
        if fault := private_files.find_exposure(Path(clean_value(environment[variable]))):
            yield f"{variable} names a file with a secret that {fault}"


def resolve_files(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with the same settings, but with none of them in a file.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    merged = add_settings_file(environment, PREFIX)
    given = find_variables(merged, PREFIX)
    for name in sorted(SECRETS):
        if given.get(f"{name.upper()}_FILE") is not None:
            given[name.upper()] = _read_text(name, given)
            del given[f"{name.upper()}_FILE"]
    given.pop("SETTINGS_FILE", None)
    others = {name: value for name, value in merged.items() if PREFIX not in name}
    return others | {PREFIX + name: value for name, value in given.items()}


def _known_names() -> list[str]:
    names = [*Config.__struct_fields__, *(f"{name}_file" for name in sorted(SECRETS))]
    return [name.upper() for name in names]


def _has_small_prefix(variable: str) -> bool:
    name = variable.upper().removeprefix(PREFIX)
    return not variable.startswith(PREFIX) and variable.upper() == PREFIX + name and name in _known_names()


def _describe_unknown(variable: str) -> str:
    similar = difflib.get_close_matches(variable.upper().removeprefix(PREFIX), _known_names(), n=1)
    advice = f"Did you mean {PREFIX}{similar[0]}?" if similar else "See docs/settings.md."
    return f"Unknown setting {variable}. {advice}"


def _convert(name: str, text: str, kind: Any) -> Any:
    try:
        return convert_setting(text, kind)
    except InvalidValue as error:
        advice = next(_suggest(text, kind), "")
        raise ConfigurationError(f"{PREFIX}{name.upper()} must be {error.detail}.{advice}") from None


def _suggest(text: str, kind: Any) -> Iterator[str]:
    """Yield cures for common slips: only values that this setting can have."""
    word = text.lower()
    slips = [("Use small letters: {}", word)]
    slips += [("Remove commas and spaces: {}", re.sub(r"[\s,_']", "", word))]
    slips += [("Remove the comment: {}", re.sub(r"\s+#.*", "", word))]
    slips += [("Use a plain hyphen: {}", re.sub(r"\s*[\u2010-\u2015\u2212]\s*", "-", word))]
    slips += [("Remove the quotes: {}", word.strip("\"'`\u2018\u2019\u201c\u201d\u201e"))]
    slips += [(f"Write {{}} instead of {word}", "on")] if word in ON else []
    slips += [(f"Write {{}} instead of {word}", "off")] if word in OFF else []
    for cure, value in slips:
        try:
            convert_setting(value, kind)
        except InvalidValue:
            continue
        yield f" {cure.format(value)}."


def _read_text(name: str, given: Mapping[str, str]) -> str:
    variable = PREFIX + name.upper()
    text = given.get(name.upper(), "")
    file = given.get(f"{name.upper()}_FILE") if name in SECRETS else None
    if file and text:
        raise ConfigurationError(f"{variable} and {variable}_FILE are both set. Remove one of them.")
    if file is not None and not text:
        text = _read_file(f"{variable}_FILE", file)
    if re.search(r"[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]", text):
        raise ConfigurationError(f"{variable} must be UTF-8 text. Type it again.")
    return text


def _read_file(variable: str, name: str) -> str:
    """Return the text of a file. An empty file is a fault: a secret must not become "not set" by an accident."""
    if not name:
        raise ConfigurationError(f"{variable} is empty. Set it to the name of a file, or remove it.")
    try:
        content = Path(name).read_bytes()
        text = clean_value(content.decode("utf-16" if content.startswith(UTF_16) else "utf-8"))
        fault = private_files.find_exposure(Path(name))
    except (OSError, UnicodeDecodeError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "not UTF-8 text"
        raise ConfigurationError(
            f"{variable} names a file that cannot be read ({reason}). Correct its path, content or permissions."
        ) from None
    if not text:
        raise ConfigurationError(f"{variable} names an empty file. Write the secret into it, or remove {variable}.")
    if fault:
        raise ConfigurationError(f"{variable} names a file that {fault}")
    return text
