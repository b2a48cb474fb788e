"""Addresses that get no mail: because of bounces and complaints, which a mail provider reports, or on request."""

from collections.abc import Sequence
from typing import Any, Final

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


@write
async def apply_feedback(
    unit: Write, who: Principal, mapping: FeedbackMapping, happened: Sequence[Any]
) -> FeedbackResult:
    """Stop mail to each address of which a mail provider says that it bounced or complained.

    Other events are counted only: providers send all kinds to one webhook. ``Raises`` as ``suppress``.
    """
    require_all_sites(who, PURPOSE)
    reasons: dict[str, SuppressedFor] = {
        **dict.fromkeys(mapping.bounce or [], "bounce"),
        **dict.fromkeys(mapping.complaint or [], "complaint"),
    }
    suppressed = 0
    for event in happened:
        reason, email = reasons.get(str(_find(event, mapping.event))), _read_email(_find(event, mapping.email))
        if reason and email:
            await _suppress(unit, who, email, reason)
            suppressed += 1
    return FeedbackResult(suppressed=suppressed, ignored=len(happened) - suppressed)


async def _suppress(unit: Write, who: Principal, email: Email, reason: SuppressedFor) -> bool:
    address = await addresses.find_or_add(unit, email)
    if address.suppressed_at:
        return False
    await addresses.suppress(unit, address.id, reason, unit.now())
    body = {"address": address.id, "reason": reason}
    await log.add_entry(unit, actor=who.actor, verb="mail_stop", site_id=None, body=body)
    return True


def _find(value: Any, pointer: str) -> Any:
    """Return the part of a JSON value at a pointer (RFC 6901); None if it does not exist."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return value


def _read_email(value: Any) -> Email | None:
    if not isinstance(value, str):
        return None
    try:
        return fields.parse_email(value, fields.Limits())
    except InvalidValue:
        return None
