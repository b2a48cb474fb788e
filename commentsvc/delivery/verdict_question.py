"""Load what the external check is asked about a comment."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from commentsvc.domain.deliveries import Parcel
from commentsvc.domain.email_address import UNREADABLE
from commentsvc.domain.hook_verdicts import HookEffect
from commentsvc.domain.models import ActorKind, Comment, Contact, ManagedSite, Status, Thread
from commentsvc.domain.reasons import Reason, reason_text
from commentsvc.rules.verdicts import is_unproven
from commentsvc.service import private_read
from commentsvc.storage import comments, contacts, decisions, hook_verdicts, revisions, sites, threads
from commentsvc.storage.database import PrivateRead
from commentsvc.storage.decisions import StoredDecision

ASKED: Final = frozenset({Status.PENDING, Status.APPROVED})
SPAM: Final = "spam"
GOOD: Final = "good"


class Question(Struct, frozen=True, kw_only=True):
    """A comment, and what the external check may know about it. Personal data is here only if the settings allow it."""

    id: str  # of the parcel: repeated attempts have the same one
    comment: Comment
    thread: Thread
    site: ManagedSite
    language: str | None
    reasons: Sequence[Reason]
    email: str | None
    network: str | None

    def __repr__(self) -> str:
        return f"Question(id={self.id!r}, hidden)"

    @property
    def page(self) -> str | None:
        """The address of the page, also before it is public."""
        return self.thread.url or self.comment.page_url

    @property
    def title(self) -> str | None:
        """The title of the page, also before it is public."""
        return self.thread.title or self.comment.page_title


@private_read
async def load_question(unit: PrivateRead, parcel: Parcel) -> Question | None:
    """Return the question of a parcel; None if it is not worth asking any more.

    The comment is gone or hidden, somebody decided on it or changed it, or this version was asked about before.
    """
    comment = await comments.get(unit, parcel.comment_id or "")
    if comment is None or comment.erased_at or comment.moderator_id or comment.status not in ASKED:
        return None
    latest = await decisions.get_latest(unit, comment.id)
    known = await hook_verdicts.get(unit, comment.id)
    if latest is None or latest.actor.kind is not ActorKind.RULE or (known and known.version == comment.version):
        return None
    if comment.edited_at and await _is_edited_by_person(unit, comment):
        return None
    return await _build(unit, parcel, comment, latest)


async def _is_edited_by_person(unit: PrivateRead, comment: Comment) -> bool:
    earlier = await revisions.list_of_comment(unit, comment.id)
    return bool(earlier) and earlier[-1]["actor_kind"] != ActorKind.AUTHOR.value


@private_read
async def load_lesson(unit: PrivateRead, parcel: Parcel) -> tuple[Question, str] | None:
    """Return a comment and the label that Akismet must learn; None if it knows that.

    It learns its mistakes only, as its documentation wants it. Undoing a decision takes back what it was told.
    """
    comment = await comments.get(unit, parcel.comment_id or "")
    known = await hook_verdicts.get(unit, parcel.comment_id or "")
    if comment is None or comment.erased_at or known is None or known.effect is None:
        return None
    judged = SPAM if known.effect is HookEffect.SPAM else GOOD
    wanted = await hook_verdicts.find_label(unit, comment.id) or judged
    if wanted == (known.submitted or judged):
        return None
    return await _build(unit, parcel, comment, None), wanted


async def _build(unit: PrivateRead, parcel: Parcel, comment: Comment, latest: StoredDecision | None) -> Question:
    contact = (await contacts.get_many(unit, [comment.id])).get(comment.id)
    thread = await threads.get(unit, comment.thread_id)
    site = (await sites.get_many(unit, [comment.site_id]))[comment.site_id]
    if thread is None:
        raise LookupError("a comment's thread is gone")
    sends, told = unit.config.verdict_sends, msgspec.json.decode(parcel.detail)
    return Question(
        id=parcel.id,
        comment=comment,
        thread=thread,
        site=site,
        language=told.get("language"),
        reasons=_list_reasons(latest),
        email=_open_email(unit, contact) if contact and "email" in sends else None,
        network=contact.network if contact and "network" in sends else None,
    )


def _open_email(unit: PrivateRead, contact: Contact) -> str | None:
    """Return an address that its commenter has confirmed.

    Anybody can type another person's address. If the answer could depend on it, a published comment would tell
    strangers what the external check thinks of that person.
    """
    email = unit.keyring.unseal(contact.email_sealed) if contact.email_sealed and contact.verified else UNREADABLE
    return None if email == UNREADABLE else email.reveal()


def _list_reasons(latest: StoredDecision | None) -> list[Reason]:
    """Return why a comment has its status, without reasons that depend on the typed address."""
    found = [latest.reason, *(one.reason for one in latest.verdicts)] if latest else []
    return [reason for reason in found if reason and not is_unproven(reason)]


def describe_reasons(question: Question) -> list[dict[str, str]]:
    """Return the code and the text of each reason."""
    return [{"code": one.code, "text": reason_text(one)} for one in question.reasons]
