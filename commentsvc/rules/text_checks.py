"""Checks of rules by the text of a comment and the age of its thread."""

import re
from collections import Counter
from itertools import islice
from typing import Final
from urllib.parse import unquote

from commentsvc.domain.models import Draft
from commentsvc.domain.reasons import Reason, mask_personal_data
from commentsvc.domain.urls import PLAIN_HOST
from commentsvc.domain.visible_text import ADDRESS, visible_length
from commentsvc.rules import domains, writing_systems
from commentsvc.rules.checks import RuleCheck, parse_number
from commentsvc.rules.context import Context

RANGE: Final = re.compile(r"(\d{1,5})?\.\.(\d{1,5})?")

# Two people may both write "Thank you!", but rarely the same whole sentence.
MIN_REPEATED_TEXT: Final = 20

MIN_LETTERS: Final = 10

# The host of an address, without a user name and a port. A name in DNS is not longer than 253 characters.
LINKED_HOST: Final = re.compile(
    r"(?<![a-z0-9])(?:https?://|(?=www\.))(?:[^\s/?#<>@]{0,200}@)?([^\s/?#<>@:()\[\]\"']{1,253})", re.IGNORECASE
)
MAX_HOSTS: Final = 3  # in a reason


def compile_links(text: str) -> RuleCheck:
    """Match comments with more links than this."""
    limit = parse_number(text, least=0, most=1000)

    def check(draft: Draft, context: Context) -> Reason | None:
        found = len(ADDRESS.findall(draft.comment))
        if context.visible:
            found = max(found, context.visible.links)
        if found <= limit:
            return None
        counted: dict[str, str | int] = {"found": found, "limit": limit}
        hosts = ", ".join(_list_hosts(draft, context))
        return Reason("too_many_links_to", counted | {"hosts": hosts}) if hosts else Reason("too_many_links", counted)

    return check


def _list_hosts(draft: Draft, context: Context) -> list[str]:
    """Return the hosts of the first links, at most ``MAX_HOSTS``."""
    targets = context.visible.targets if context.visible else ""
    written = LINKED_HOST.finditer(f"{targets}\n{draft.comment}")
    hosts = filter(PLAIN_HOST.fullmatch, (domains.normalise_domain(unquote(found[1])) for found in written))
    return [mask_personal_data(host) for host in islice(dict.fromkeys(hosts), MAX_HOSTS)]


def compile_length(text: str) -> RuleCheck:
    """Match comments outside ``least..most`` characters; either number can be omitted."""
    match = RANGE.fullmatch(text.replace(" ", ""))
    if not match or not (match[1] or match[2]):
        raise ValueError
    least, most = int(match[1] or 0), int(match[2] or 10**6)
    if least > most:
        raise ValueError

    def check(draft: Draft, context: Context) -> Reason | None:
        texts = context.texts_of(draft)
        shortest, longest = min(map(visible_length, texts)), max(map(len, texts))
        if shortest < least:
            return Reason("text_too_short", {"found": shortest, "limit": least})
        return Reason("text_too_long", {"found": longest, "limit": most}) if longest > most else None

    return check


def compile_script(text: str) -> RuleCheck:
    """Match comments with more letters of other scripts than of these. A language means all its scripts."""
    expected: set[str] = set()
    for name in text.replace(",", " ").split():
        expected |= writing_systems.parse_scripts(name)
    if not expected:
        raise ValueError
    expected_names = ", ".join(sorted(map(writing_systems.script_name, expected)))

    def check(draft: Draft, context: Context) -> Reason | None:
        shown = context.visible.text if context.visible else draft.comment
        found = Counter(map(writing_systems.script_of, filter(str.isalpha, shown)))
        other = {name: number for name, number in found.items() if name not in expected}
        if found.total() < MIN_LETTERS or 2 * sum(other.values()) <= found.total():
            return None
        script = writing_systems.script_name(max(other, key=other.__getitem__))
        return Reason("other_script", {"script": script, "expected": expected_names})

    return check


def compile_same_text(text: str) -> RuleCheck:
    """Match a text that is in this many comments of other threads, or more."""
    least = parse_number(text, most=1000)

    def check(draft: Draft, context: Context) -> Reason | None:
        found = context.same_text_comments
        if found < least or min(map(visible_length, context.texts_of(draft))) < MIN_REPEATED_TEXT:
            return None
        return Reason("repeated_text", {"found": found, "limit": least})

    return check


def compile_closing_age(text: str) -> RuleCheck:
    """Match comments in threads that became public more than this many days ago."""
    limit = parse_number(text, most=36_500)
    reason = Reason("thread_old", {"limit": limit})
    return lambda _draft, context: reason if context.thread_age_days > limit else None
