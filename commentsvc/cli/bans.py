"""Ban a commenter from the terminal: one more key chooses what is banned."""

import ipaddress
from collections.abc import Callable, Mapping
from typing import Final

from commentsvc.cli.escape import escape_line
from commentsvc.cli.terminal import Keys
from commentsvc.domain.models import Principal
from commentsvc.moderation import ban
from commentsvc.moderation.ban_schemas import DAYS, BanChoice, BanKind, BanQuery, BanRecord, NewBan
from commentsvc.moderation.schemas import ModeratorComment
from commentsvc.moderation.wording import format_count
from commentsvc.service import Service

BAN_KEYS: Final[dict[str, BanKind]] = {
    "n": "network", "b": "author", "e": "email", "d": "email_domain", "w": "website",
}  # fmt: skip
NAMES: Final[dict[BanKind, str]] = {
    "network": "network",
    "author": "this browser",
    "email": "email address",
    "email_domain": "email domain",
    "website": "website",
}
NOT_COUNTED: Final = "too many to count"


async def choose_ban(
    service: Service, who: Principal, card: ModeratorComment, keys: Keys, show: Callable[[str], None]
) -> BanRecord | None:
    """Ban the commenter on the site of the comment for 30 days, and mark their waiting comments as spam.

    Return None if the person pressed another key. The action of the result undoes both.

    Raises:
        Refusal: see ``ban.list_choices`` and ``ban.add_ban``.
    """
    found = await ban.list_choices(service, who, card.id, BanQuery())
    choices = {choice.kind: choice for choice in found.bans}
    show(_describe_keys(choices, card.site))
    kind = BAN_KEYS.get(await keys.read_key())
    if kind not in choices:
        return None
    new = NewBan(kind=kind, waiting=choices[kind].waiting, as_of=found.as_of)
    return await ban.add_ban(service, who, card.id, new)


def _describe_keys(choices: Mapping[BanKind, BanChoice], site: str) -> str:
    rows = [f"Ban for {DAYS} days on {escape_line(site)}: new comments are held, waiting ones are marked as spam."]
    for key, kind in BAN_KEYS.items():
        if choice := choices.get(kind):
            waiting = NOT_COUNTED if choice.waiting is None else format_count(choice.waiting, "waiting comment")
            rows.append(f"{key}  {describe_choice(choice)}: {waiting}")
    return "\n".join([*rows, "Any other key: cancel"])


def describe_choice(choice: BanChoice) -> str:
    """Return a way to ban in words, with what it matches."""
    name, match = NAMES[choice.kind], choice.match
    if choice.kind == "author":
        return name
    if choice.kind != "network" or ":" in match:  # an IPv6 network has more addresses than one can picture
        return f"{name} {escape_line(match)}"
    return f"{name} {match} ({format_count(ipaddress.ip_network(match).num_addresses, 'address', 'addresses')})"


def count_swept(choice: BanChoice) -> str:
    """Return how many comments it would mark."""
    if choice.waiting is None or choice.public is None:
        return NOT_COUNTED
    return f"{choice.waiting:,} waiting, {choice.public:,} public"
