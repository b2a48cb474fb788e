"""Ban a commenter from the terminal: one more key chooses what is banned."""

import ipaddress
from collections.abc import Callable
from typing import Final

from commentsvc.cli.escape import escape_line
from commentsvc.cli.terminal import Keys
from commentsvc.domain import validation
from commentsvc.domain.models import Principal, RuleKind
from commentsvc.moderation import ban
from commentsvc.moderation.ban import Sweep, SweepRange
from commentsvc.moderation.schemas import ModeratorComment
from commentsvc.moderation.wording import format_count
from commentsvc.rules.schemas import NewRule, RuleRecord
from commentsvc.service import Service

DAYS: Final = 30  # as the form on the moderation page
BAN_KEYS: Final = {
    "n": (RuleKind.NETWORK, "network"),
    "b": (RuleKind.AUTHOR, "this browser"),
    "e": (RuleKind.EMAIL, "email address"),
    "d": (RuleKind.EMAIL_DOMAIN, "email domain"),
    "w": (RuleKind.WEBSITE, "website"),
}


async def choose_ban(
    service: Service, who: Principal, card: ModeratorComment, keys: Keys, show: Callable[[str], None]
) -> tuple[RuleRecord, int] | None:
    """Ban the commenter on the site of the comment for 30 days, and mark their waiting comments as spam.

    Return the rule and the number of these comments; None if the person pressed another key. The action of the rule
    undoes both.

    Raises:
        Refusal: see ``ban.find_sweeps`` and ``ban.ban_commenter``.
    """
    bans = ban.list_bans(card)
    scope = SweepRange(site=card.site, since=service.ago(days=DAYS), as_of=service.now())
    sweeps = await ban.find_sweeps(service, who, card.id, bans, scope)
    show(_describe_choices(bans, sweeps, card.site))
    kind, _ = BAN_KEYS.get(await keys.read_key(), (None, ""))
    if kind not in bans:
        return None
    expires = service.ahead(days=DAYS)
    fields = {"kind": kind, "match": bans[kind], "site": card.site, "expires_at": expires}
    new = validation.validate(NewRule, fields, service.config.limits)
    targets = sweeps[kind].waiting
    return await ban.ban_commenter(service, who, new, targets), len(targets)


def _describe_choices(bans: dict[RuleKind, str], sweeps: dict[RuleKind, Sweep], site: str) -> str:
    rows = [f"Ban for {DAYS} days on {escape_line(site)}: new comments are held, waiting ones are marked as spam."]
    for key, (kind, name) in BAN_KEYS.items():
        if kind in bans:
            waiting = format_count(len(sweeps[kind].waiting), "waiting comment")
            rows.append(f"{key}  {name}{_describe_match(kind, bans[kind])}: {waiting}")
    return "\n".join([*rows, "Any other key: cancel"])


def _describe_match(kind: RuleKind, match: str) -> str:
    if kind is RuleKind.AUTHOR:
        return ""
    if kind is not RuleKind.NETWORK or ":" in match:  # an IPv6 network has more addresses than anybody can picture
        return f" {escape_line(match)}"
    return f" {match} ({format_count(ipaddress.ip_network(match).num_addresses, 'address', 'addresses')})"
