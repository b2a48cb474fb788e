"""Addresses that get no mail: because of bounces and complaints, which a mail provider reports, or on request."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from commentsvc.audit import log
from commentsvc.domain import fields
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import InvalidValue
from commentsvc.domain.models import Principal
from commentsvc.service import write
from commentsvc.sites.manage import require_all_sites
from commentsvc.storage import addresses
from commentsvc.storage.addresses import SuppressedFor
from commentsvc.storage.database import Write
from commentsvc.subscriptions.schemas import (
    FeedbackMapping,
    FeedbackResult,
    LiftedSuppression,
    NewSuppression,
    SuppressionResult,
)

PURPOSE: Final = "stop or allow mail"
MOST_EVENTS: Final = 1000  # in one request of a provider


@write
async def suppress(unit: Write, who: Principal, new: NewSuppression) -> SuppressionResult:
    """Stop all mail to an address. The first reason stays.

    Raises:
        Forbidden: the principal is limited to some sites; mail to an address is about all of them.
    """
    require_all_sites(who, PURPOSE)
    return SuppressionResult(suppressed=True, changed=await _suppress(unit, who, new.email, new.reason))


@write
async def lift_suppression(unit: Write, who: Principal, lifted: LiftedSuppression) -> SuppressionResult:
    """Allow mail to an address again, for each reason. ``Raises`` as ``suppress``."""
    require_all_sites(who, PURPOSE)
    address = await addresses.find(unit, unit.keyring.digests(lifted.email))
    changed = address is not None and await addresses.lift_suppression(unit, address.id)
    if address and changed:
        await log.add_entry(unit, actor=who.actor, verb="mail_allow", site_id=None, body={"address": address.id})
    return SuppressionResult(suppressed=False, changed=changed)


class Feedback(NamedTuple):
    """An address of which a mail provider says that it bounced or complained."""

    email: Email
    reason: SuppressedFor


def read_feedback(mapping: FeedbackMapping, happened: Sequence[Any]) -> list[Feedback]:
    """Return what events of a mail provider say. Other events are left out: providers send all kinds to one webhook.

    Call it in a thread: a thousand events take some milliseconds.
    """
    reasons: dict[str, SuppressedFor] = {
        **dict.fromkeys(mapping.bounce or [], "bounce"),
        **dict.fromkeys(mapping.complaint or [], "complaint"),
    }
    found = []
    for event in happened:
        kinds, email = _write_kind(_find(event, mapping.event)), _read_email(_find(event, mapping.email))
        reason = next((reasons[kind] for kind in kinds if kind in reasons), None)
        if reason and email:
            found.append(Feedback(email, reason))
    return found


@write
async def apply_feedback(unit: Write, who: Principal, found: Sequence[Feedback], number: int) -> FeedbackResult:
    """Stop mail to addresses; ``number``: of all events. ``Raises`` as ``suppress``."""
    require_all_sites(who, PURPOSE)
    for one in found:
        await _suppress(unit, who, one.email, one.reason)
    return FeedbackResult(suppressed=len(found), ignored=number - len(found))


async def _suppress(unit: Write, who: Principal, email: Email, reason: SuppressedFor) -> bool:
    address = await addresses.find_or_add(unit, email)
    if address.suppressed_at:
        return False
    await addresses.suppress(unit, address.id, reason, unit.now())
    body = {"address": address.id, "reason": reason}
    await log.add_entry(unit, actor=who.actor, verb="mail_stop", site_id=None, body=body)
    return True


def _write_kind(value: Any) -> Sequence[str]:
    """Return how a query may write a kind of event: a boolean as in JSON, or as in Python."""
    return (str(value), str(value).lower()) if isinstance(value, bool) else (str(value),)


def _find(value: Any, pointer: str) -> Any:
    """Return the part of a JSON value at a pointer (RFC 6901); None if it does not exist.

    A pointer leads into a text that is JSON itself: Amazon SNS wraps the events of others so.
    """
    for step in pointer.split("/")[1:]:
        name, within = step.replace("~1", "/").replace("~0", "~"), _unwrap(value)
        if isinstance(within, list) and name.isdecimal() and int(name) < len(within):
            value = within[int(name)]
        else:
            value = within.get(name) if isinstance(within, dict) else None
    return value


def _unwrap(value: Any) -> Any:
    """Return the JSON that a text is, or the value itself."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        try:
            return msgspec.json.decode(value.encode(errors="replace"))
        except (ValueError, RecursionError):
            return None
    return value


def _read_email(value: Any) -> Email | None:
    if not isinstance(value, str):
        return None
    try:
        return fields.parse_email(value, fields.Limits())
    except InvalidValue:
        return None
