"""The text of a file of rules, in TOML: readable in a review, and with the same bytes for the same rules."""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from msgspec import Struct

from commentsvc.domain import validation
from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.domain.fields import Limits, Note
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Effect, RuleKind
from commentsvc.rules import requested
from commentsvc.rules.kinds import KINDS
from commentsvc.rules.schemas import Matching

MAX_RULES: Final = 1000
TABLE: Final = "rule"
HEADER: Final = re.compile(rf"^[ \t]*\[\[[ \t]*{TABLE}[ \t]*\]\]", re.MULTILINE)
# Characters that change how a text is shown, or nothing: a review must see them.
ESCAPED: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})
EMPTY: Final = '""'
ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


class Place(NamedTuple):
    """A rule and where it is in a file, such as ``rule 3, line 17``."""

    place: str
    rule: "FileRule"


class FileRule(Struct, frozen=True, kw_only=True):
    """A rule in a file."""

    kind: RuleKind
    match: Matching = ""
    effect: Effect | None = None
    note: Note | None = None
    expires_at: str | None = None


def sort_key(rule: FileRule) -> tuple[int, str, str, str, str]:
    """Return where a rule is in a file: by kind, then by its text."""
    return list(RuleKind).index(rule.kind), rule.match, rule.effect or "", rule.note or "", rule.expires_at or ""


def write_rules(rules: Iterable[FileRule]) -> str:
    """Return the text of a file with these rules."""
    return "\n".join(map(_write_rule, sorted(rules, key=sort_key)))


def _write_rule(rule: FileRule) -> str:
    match = quote_lines(rule.match) if "\n" in rule.match else quote(rule.match)
    quoted = {name: quote(getattr(rule, name) or "") for name in ("effect", "note", "expires_at")}
    lines = [f"{name} = {value}\n" for name, value in ({"match": match} | quoted).items() if value != EMPTY]
    return "".join((f"[[{TABLE}]]\nkind = {quote(rule.kind)}\n", *lines))


def quote(text: str) -> str:
    """Return a text as a basic string of TOML (https://toml.io/en/v1.0.0#string)."""
    return f'"{"".join(map(_escape, text))}"'


def quote_lines(text: str) -> str:
    """Return a text as a basic string of several lines; it ends with a new line."""
    body = "".join(one if one in '\n\t"' else _escape(one) for one in text)
    return f'"""\n{body.replace(3 * chr(34), chr(34) * 2 + ESCAPES[chr(34)])}\n"""'


def _escape(character: str) -> str:
    if character in ESCAPES:
        return ESCAPES[character]
    if unicodedata.category(character) not in ESCAPED:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 -- the two forms of TOML


def read_rules(text: str, limits: Limits) -> list[Place]:
    """Return the rules of a file, with the effect that each gets.

    Raises:
        Invalid: with the mistakes of all rules; each field names the rule and its line.
    """
    tables, lines = _read_tables(text), [text.count("\n", 0, found.start()) + 1 for found in HEADER.finditer(text)]
    rules, faults = [], []
    for number, table in enumerate(tables):
        # A text of several lines may hold a line that looks like the beginning of a rule. Then no line is named.
        place = f"rule {number + 1}" + (f", line {lines[number]}" if len(lines) == len(tables) else "")
        try:
            rules.append(Place(place, _read_rule(table, limits)))
        except Invalid as error:
            faults += name_faults(error, place)
    if faults:
        raise Invalid(*faults)
    return rules


def _read_tables(text: str) -> Sequence[Mapping[str, Any]]:
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(FieldError("file", "invalid", f"This is not valid TOML. {error}")) from None
    except RecursionError:
        raise Invalid(FieldError("file", "invalid", "This is not valid TOML. It is nested too deeply.")) from None
    faults = validation.unknown_fields(found, {TABLE})
    tables: Any = found.get(TABLE, [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        faults.append(FieldError(TABLE, "invalid", f"Write a table for each rule, such as [[{TABLE}]]."))
    elif len(tables) > MAX_RULES:
        faults.append(FieldError(TABLE, "too_long", f"A file can have {MAX_RULES:,} rules, not {len(tables):,}."))
    if faults:
        raise Invalid(*faults)
    return list(tables)


def _read_rule(table: Mapping[str, Any], limits: Limits) -> FileRule:
    if "site" in table:
        message = "A file is for one site, or for all sites. Name the site with the option --site."
        raise Invalid(FieldError("site", "unknown_field", message))
    read = validation.validate(FileRule, table, limits)
    if read.kind is RuleKind.AUTHOR:
        message = translatable("Bans of browsers cannot be in a file. Add them in the moderation page.")
        raise Invalid(FieldError("kind", "invalid", message))
    return FileRule(
        kind=read.kind,
        match=_clean(read.kind, read.match),
        effect=read.effect or KINDS[read.kind].effects[0],
        note=read.note,
        expires_at=validation.parse_time_field("expires_at", read.expires_at),
    )


def _clean(kind: RuleKind, match: str) -> str:
    """Return a match as an export writes it."""
    return requested.read_email(match).reveal() if kind is RuleKind.EMAIL else requested.clean_match(kind, match)


def name_faults(error: Invalid, place: str) -> list[FieldError]:
    """Return the mistakes of a rule, with its place in the names of their fields."""
    return [FieldError(f"{place}, {one.field}", one.code, one.message) for one in error.faults]
