"""Forms that were made for other systems: the names of their fields, their traps, and text in fields that we lack."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from commentsvc.comments.schemas import NewComment

# Other names of our fields: WordPress (comment_form in wp-includes/comment-template.php), then Staticman. If a form
# has several names of one field, the first one with a value counts, and ours before all.
ALIASES: Final = {
    "author": "name",
    "url": "website",
    "comment_post_ID": "thread",
    "comment_parent": "parent",
    "ak_hp_textarea": "topic",
    "fields[name]": "name",
    "fields[email]": "email",
    "fields[message]": "comment",
    "fields[comment]": "comment",
    "fields[body]": "comment",
    "fields[website]": "website",
    "fields[url]": "website",
    "fields[replying_to]": "parent",
    "fields[replyID]": "parent",
    "fields[hidden]": "topic",
    "options[slug]": "thread",
    "options[entryId]": "thread",
    "fields[slug]": "thread",
    "options[parent]": "thread",
    "options[origin]": "thread",
    "options[redirect]": "redirect_to",
    "options[subscribe]": "subscribe",
}
# A spam plugin of WordPress renames the text area to ten hexadecimal digits; it replaces a first digit by a to j.
RENAMED: Final = re.compile(r"[0-9a-j][0-9a-f]{9}")
# Our ids are UUIDv7. A theme may put the id of the comment's element before it.
_OUR_ID: Final = re.compile(r"(?:comment-)?([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})")
# Such as "Website" or "none": the words that an old theme puts into the field, or what people write to say no.
_NO_ADDRESS: Final = re.compile(r"[^.:/@\uff0e\u3002]{1,60}")
_NO: Final = frozenset({"0", "no", "off", "false", "none", "n"})
_REPLIES: Final = frozenset({"2", "replies"})  # "Replies to my comments" of Subscribe to Comments Reloaded

# Fields of ours that a person fills in. "topic" too: without a style sheet, people see it.
_TYPED: Final = frozenset({"name", "email", "comment", "website", "topic"})
# Fields of others that a page, a plugin or a browser fills in.
_NOT_TYPED: Final = re.compile(
    r"_.*|submit|.*[-_]submit|akismet.*|ak_js|ab_init_time|apbct_.*|ct_.*|.*nonce.*|.*captcha.*|.*turnstile.*"
    r"|.*consent.*|.*privacy.*|gdpr.*|csrf.*|options\[.*|fields\[reply.*|redirect.*|subscribe.*|action|wpml_.*|lang",
    re.IGNORECASE,
)
_CHECKED: Final = frozenset({"on", "yes", "true"})
# A token or a time: no word is as long and has digits in it. Web addresses and words with hyphens are typed.
_MACHINE_MADE: Final = re.compile(
    r"(?!https?://|www\.|(?:[A-Za-z]+-|\d{1,4}-)+(?:[A-Za-z]+|\d{1,4})$)(?=\D*\d)[A-Za-z0-9+/=_.:%|-]{16,}"
)
# A letter, an emoji, or a telephone number. A number alone is a rating or a time.
_TEXT: Final = re.compile(r"[^\W\d_]|[\u2600-\u27bf\U0001f300-\U0001faff]|(?=.*[+( ])\+?\d[\d ()/.-]{5,}")


def adapt(values: Mapping[str, Any], pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the values of a new comment's form under our names, as the sender meant them.

    ``values`` has only names that we know; ``pairs`` has all.
    """
    adapted, sent = _rename_aliases(values), {name for name, _ in pairs}
    if sent & {"comment_post_ID", "options[subscribe]"}:
        adapted["subscribe"] = _wanted_mail(str(adapted.get("subscribe") or "").strip().lower(), adapted)
    if "comment_post_ID" not in sent:
        return adapted
    if renamed := _renamed_text(pairs):
        # The plugin leaves a hidden, empty field of the old name as a trap for programs.
        trap = str(adapted.get("comment", "")).strip()
        adapted |= {"comment": renamed} | ({"topic": trap[:100]} if trap else {})
    return adapted


def _rename_aliases(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values under our names. The first name with a value counts; our own comes first."""
    renamed = {name: value for name, value in values.items() if name not in ALIASES}
    for alias, name in ALIASES.items():
        if alias in values and (meant := _meaning(name, values[alias])) is not None:
            renamed[name] = renamed.get(name) or meant
    return renamed


def _meaning(name: str, value: str) -> str | None:
    """Return the value of another system's field as ours; None if it means nothing here."""
    if name == "parent":
        # Older comments are in the other system only. Their replies are comments of their own here.
        ours = _OUR_ID.fullmatch(value.strip())
        return ours[1] if ours else None
    if name == "website" and _NO_ADDRESS.fullmatch(value.strip()):
        return None
    return value[:100] if name == "topic" else value


def _wanted_mail(asked: str, values: Mapping[str, Any]) -> str:
    """Return the mail that a box or a list of WordPress plugins asks for; empty if none, or without an address."""
    if not asked or asked in _NO or not str(values.get("email") or "").strip():
        return ""
    return "replies" if asked in _REPLIES else "thread"  # such as "subscribe", "yes", "on" and "1"


def _renamed_text(pairs: Iterable[tuple[str, str]]) -> str | None:
    """Return the text in the one field that has the name of a renamed text area and a value."""
    texts = {value for name, value in pairs if RENAMED.fullmatch(name) and value.strip()}
    return texts.pop() if len(texts) == 1 else None


def find_lost_text(pairs: Iterable[tuple[str, str]], shown: Iterable[Any]) -> str:
    """Return what a person typed into a form and ``shown``, the values that a page shows again, does not have."""
    typed = (value for name, value in pairs if _is_typed(name, value))
    kept = set(shown)
    return "\n\n".join(text for text in dict.fromkeys(typed) if text not in kept)


def _is_typed(name: str, value: str) -> bool:
    ours = ALIASES.get(name, name)
    if ours in _TYPED:
        return bool(value.strip())
    if ours in NewComment.__struct_fields__ or _NOT_TYPED.fullmatch(name):
        return False
    is_text = _TEXT.search(value) and value.lower() not in _CHECKED
    return bool(is_text) and not _MACHINE_MADE.fullmatch(value)
