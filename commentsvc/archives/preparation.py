"""Prepare the comments of an archive for the database: texts, names, addresses. This takes most of the time."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Struct

from commentsvc.archives.markup import convert, drop_pictures
from commentsvc.archives.records import CommentRecord, Markup, Repair
from commentsvc.domain.comment_text import search_words, visible_digest
from commentsvc.domain.confusables import skeleton
from commentsvc.domain.errors import InvalidValue
from commentsvc.domain.fields import MAX_EMAIL, Limits, clean_website, parse_email
from commentsvc.domain.models import Status
from commentsvc.domain.networks import parse_address
from commentsvc.domain.search_tokens import tokens
from commentsvc.domain.text import CONTROL, INVISIBLE, clean_line, has_visible_text, shorten
from commentsvc.domain.timestamps import format_time
from commentsvc.domain.visible_text import read_visible_text

NAMELESS: Final = "Anonymous"
MOST_TEXT: Final = 100_000  # characters; texts of earlier systems may be longer than the limit here
MOST_AGENT: Final = 500
# A word before anything else than opening tags: the text is surely not empty.
_BEGINS: Final = re.compile(r"(?:\s*<[a-z][^<>]*>)*[^<&]*?[^\W_]", re.IGNORECASE)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# The fields with text of strangers.
_TEXTS: Final = ("id", "thread", "text", "name", "parent", "author", "email", "website", "address", "agent")

_PLAIN_LOCAL: Final = re.compile(r"(?=.{1,64}$)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*")


class Prepared(Struct, frozen=True, kw_only=True, array_like=True):
    """A comment that is ready for the database, but for what depends on the secret key and on its thread."""

    text: str
    html: str
    text_digest: str
    words: str  # search tokens of name and text
    name: str
    name_key: str
    website: str | None
    email: str | None
    address: str | None
    agent: str | None
    author: str | None
    status: Status
    edited_at: str | None
    repairs: tuple[Repair, ...]


def is_empty(record: CommentRecord) -> bool:
    """Return whether readers would see nothing of a comment's text."""
    begins = _BEGINS.match(record.text)
    if begins and not INVISIBLE.match(begins[0][-1]) and "<s" not in record.text.lower():
        return False
    return not convert(record.text[:MOST_TEXT], record.markup)[0]


def prepare_many(encoded: Sequence[bytes], limits: Limits) -> list[bytes]:
    """Prepare encoded comments; return the results encoded. It runs in a process of its own."""
    return [msgspec.msgpack.encode(prepare(msgspec.msgpack.decode(one, type=CommentRecord), limits)) for one in encoded]


def prepare(record: CommentRecord, limits: Limits) -> Prepared:
    """Return a comment as it is stored. ``repairs`` lists the values that were dropped or cut."""
    repairs = list(record.repairs)
    name = _clean_name(record.name, limits.name, repairs)
    text, html = convert(_cut(record.text, repairs), record.markup)
    return Prepared(
        text=text,
        html=html,
        text_digest=visible_digest(html),
        words=_list_words(name, text, html, record.markup),
        name=name,
        name_key=skeleton(name),
        website=_clean_website(record.website or "", limits, repairs),
        email=_clean_email(record.email or "", repairs),
        address=_clean_address(record.address or ""),
        agent=CONTROL.sub(" ", record.agent or "").strip()[:MOST_AGENT] or None,
        author=record.author or None,
        status=record.status,
        edited_at=format_time(record.edited_at) if record.edited_at else None,
        repairs=tuple(repairs),
    )


def _list_words(name: str, text: str, html: str, markup: Markup) -> str:
    # The source has other words than readers see only if it has links, or if a person wrote it.
    if markup in {Markup.MARKDOWN, Markup.MIXED} or "<a " in html:
        return " ".join(dict.fromkeys((*tokens(name), *search_words(text, html))))
    return " ".join(tokens(f"{name}\n{read_visible_text(html).text}"))


def _cut(text: str, repairs: list[Repair]) -> str:
    if len(text) <= MOST_TEXT:
        return text
    repairs.append(Repair.TEXT_CUT)
    return f"{text[:MOST_TEXT]}…"


def _clean_name(text: str, limit: int, repairs: list[Repair]) -> str:
    if CONTROL.search(text):
        repairs.append(Repair.CONTROL_CHARACTERS)
    name = clean_line(text[: 8 * limit], lenient=True)
    if not has_visible_text(name):
        repairs.append(Repair.NAME_MISSING)
        return NAMELESS
    if len(name) > limit:
        repairs.append(Repair.NAME_CUT)
    return shorten(name, limit)


def _clean_website(text: str, limits: Limits, repairs: list[Repair]) -> str | None:
    if not text.strip():
        return None
    try:
        website = clean_website(text, limits)
    except InvalidValue:
        website = None
    if website is None or "." not in website.split("/")[2]:  # such as http://n/a
        repairs.append(Repair.WEBSITE_DROPPED)
        return None
    return website


def _clean_email(text: str, repairs: list[Repair]) -> str | None:
    if not text.strip():
        return None
    email = _parse_email(text)
    if email is None:
        repairs.append(Repair.EMAIL_DROPPED)
    return email


@lru_cache(maxsize=4096)  # most archives have few authors with many comments
def _parse_email(text: str) -> str | None:
    local, _, domain = text.strip().rpartition("@")
    if _PLAIN_LOCAL.fullmatch(local) and len(text) <= MAX_EMAIL:  # then only its domain must be checked
        checked = _parse_domain(domain)
        return f"{local}@{checked}" if checked else None
    return _check_email(text)


@lru_cache(maxsize=4096)  # checking takes 0.1 ms
def _parse_domain(domain: str) -> str | None:
    email = _check_email(f"a@{domain}")
    return email.removeprefix("a@") if email else None


def _check_email(text: str) -> str | None:
    try:
        return parse_email(text, Limits()).reveal()
    except InvalidValue:
        return None


def _clean_address(text: str) -> str | None:
    try:
        return str(parse_address(text.strip()))
    except ValueError:
        return None


def storable(record: CommentRecord) -> CommentRecord:
    """Return a comment without pictures as data, and without what a database cannot store: NUL and lone surrogates."""
    text = drop_pictures(record.text)
    if text is not record.text:
        record = msgspec.structs.replace(record, text=text)
    texts = "\n".join(filter(None, map(record.__getattribute__, _TEXTS)))
    if "\x00" not in texts and (texts.isascii() or not _SURROGATE.search(texts)):
        return record  # nearly all
    changed = {
        name: clean
        for name in record.__struct_fields__
        if isinstance(value := getattr(record, name), str)
        and not isinstance(value, Markup | Status)
        and (clean := value.replace("\x00", "").encode("utf-8", "replace").decode()) != value
    }
    if not changed:
        return record
    return msgspec.structs.replace(record, **changed, repairs=(*record.repairs, Repair.CONTROL_CHARACTERS))
