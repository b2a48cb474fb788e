"""A visitor writes."""

import asyncio
from datetime import timedelta

import email_validator
import msgspec

from commentsvc import challenges, challenging, hanging, judging, pacing, places
from commentsvc.addresses import network
from commentsvc.challenges import Form, Work
from commentsvc.errors import (
    Duplicate,
    Fault,
    Gone,
    Invalid,
    NotTaken,
    SubmissionReused,
    ThreadClosed,
)
from commentsvc.fields import Email
from commentsvc.hanging import Spot, Writer
from commentsvc.judging import Occasion
from commentsvc.model import Comment, Contact, Status, Thread, Visit, time_of, time_text
from commentsvc.sealing import text_digest
from commentsvc.service import Service
from commentsvc.shapes import Draft, Receipt
from commentsvc.store import Transaction, comments, contacts, repeats, spent, threads


async def post_reply(service: Service, draft: Draft, visit: Visit) -> Receipt:
    """Take a reply, judge it, and keep it: all of it or none.

    The same submission again gives the same receipt, and one comment. No answer depends on whose email
    was typed.

    Raises:
        Invalid: naming the thread, the site, the parent, or an email whose domain takes no mail.
        ForeignOrigin: the page that sent it belongs to no site, or to another.
        ThreadClosed: the thread takes no more replies.
        Duplicate: the same was said there under this name within a day.
        TooFast: the writer's network has sent too much.
        NotTaken: a rule of the site's refuses it.
        SubmissionReused: the submission's name stands for another comment.
        Unavailable: it could not be kept; nothing was.
    """
    if service.config.deliverability == "on":
        await _deliverable(draft.email)
    try:
        return await service.db.write(_keep, service, draft, visit)
    except NotTaken:
        await service.db.write(pacing.spend, service, visit)  # what is refused counts too
        raise


async def _deliverable(email: Email) -> None:
    """Ask the DNS whether the domain takes mail; email-validator waits for it, so not on the loop."""
    try:
        await asyncio.to_thread(email_validator.validate_email, email.reveal(), timeout=5)
    except email_validator.EmailNotValidError:
        raise Invalid(
            Fault(
                "email",
                "undeliverable",
                "No mail can be delivered to this address's domain. Is it spelled right?",
            )
        ) from None


async def _keep(tx: Transaction, service: Service, draft: Draft, visit: Visit) -> Receipt:
    place = places.find(await places.directory(tx, service), draft.thread, draft.site, visit.origin)
    comment_id, now = service.new_id(), service.now()
    if draft.submission:
        earlier = await _earlier(tx, service, place, draft, comment_id)
        if earlier is not None:
            return earlier
    await pacing.spend(tx, service, visit)
    spot = await _spot(tx, service, place, draft)
    author_id = service.keyring.subject("author", draft.author_token or "", service.clock()) or service.new_id()
    occasion = await _occasion(tx, service, draft, visit, place, spot.thread, author_id)
    judgement = await judging.judge(tx, service, draft, occasion)
    if judgement.refusal:
        raise judgement.refusal
    await _say_once(tx, service, draft, spot.thread, comment_id)
    writer = Writer(author_id, draft.name, draft.website)
    comment = hanging.written(comment_id, spot, writer, draft.comment, judgement.decision.status, now)
    await hanging.keep(tx, comment)
    await contacts.add(tx, _contact(service, comment, draft.email, visit))
    await judging.keep(tx, service, comment.id, judgement)
    if draft.submission:
        await repeats.settle(tx, place.site.id, draft.submission, comment.status)
    return receipt(service, comment, spot.thread.key, comment.status)


async def _spot(tx: Transaction, service: Service, place: places.Place, draft: Draft) -> Spot:
    thread, seq = await _numbered(tx, service, place)
    answered = await _answered(tx, thread, draft.parent)
    parent = await hanging.below(tx, service, answered) if answered else None
    return Spot(thread, parent, seq, place.ref.url, draft.title)


async def _earlier(
    tx: Transaction, service: Service, place: places.Place, draft: Draft, comment_id: str
) -> Receipt | None:
    """The receipt that this submission got before; None if it is new, and now claimed for this comment."""
    name = draft.submission or ""
    body = msgspec.json.encode(
        [draft.email.reveal(), draft.name, draft.website, draft.comment, place.ref.name, draft.parent]
    ).decode()
    digests = service.keyring.body_digests(body)
    claimed = await repeats.claim(
        tx, place.site.id, name, body_digest=digests[0], comment_id=comment_id, status=Status.PENDING, now=service.now()
    )
    if claimed:
        return None
    earlier = await repeats.claimed(tx, place.site.id, name)
    if earlier is None or earlier["body_digest"] not in digests:
        raise SubmissionReused("Make a new submission id for each comment; keep it only to send the same one again.")
    comment = await comments.get(tx, earlier["comment_id"])
    if comment is None or comment.erased_at:
        raise Gone
    thread = await threads.get(tx, comment.thread_id)
    return receipt(service, comment, thread.key if thread else "", Status(earlier["status"]))


async def _numbered(tx: Transaction, service: Service, place: places.Place) -> tuple[Thread, int]:
    """The thread of this name, which from here on nobody else changes, and the next number in it.

    While it is waited for, threads may be merged or parted, and the name lead to another one.
    """
    thread = await _thread(tx, service, place)
    while True:
        seq = await threads.next_seq(tx, thread.id)
        named = await _thread(tx, service, place)
        if named.id != thread.id:
            thread = named
        elif seq is None:
            raise ThreadClosed("Its moderators have closed it.")
        else:
            return named, seq


async def _thread(tx: Transaction, service: Service, place: places.Place) -> Thread:
    """The thread of this name; it comes to be with its first comment."""
    found = await threads.named(tx, place.site.id, place.ref.name)
    if found is not None:
        return found
    thread = Thread(
        id=service.new_id(),
        site_id=place.site.id,
        key=place.ref.name,
        url=None,
        title=None,
        approved=0,
        version=0,
        created_at=service.now(),
        published_at=None,
        closed_at=None,
    )
    if await threads.add(tx, thread):
        return thread
    made_meanwhile = await threads.named(tx, place.site.id, place.ref.name)
    return made_meanwhile or thread


async def _answered(tx: Transaction, thread: Thread, comment_id: str | None) -> Comment | None:
    """The comment that is answered."""
    if comment_id is None:
        return None
    answered = await comments.get(tx, comment_id)
    if answered is None or answered.thread_id != thread.id or answered.status != Status.APPROVED:
        raise Invalid(
            Fault(
                "parent",
                "unknown_parent",
                "The comment this answers is not shown here. It may have been removed.",
            )
        )
    return answered


async def _occasion(
    tx: Transaction, service: Service, draft: Draft, visit: Visit, place: places.Place, thread: Thread, author_id: str
) -> Occasion:
    """What speaks for and against the way a draft was sent. A form and a work are used up by being kept."""
    now = service.clock()
    form, form_name = challenges.read_started(service.keyring, draft.started, now, service.config.form_age)
    if form_name and not await spent.first_use(tx, form_name, service.now()):
        form = Form.USED
    work = Work.NOT_ASKED
    if await challenging.asks_work(tx, service, visit):
        work, work_name = challenges.solved(service.keyring, draft.altcha, now)
        if work_name and not await spent.first_use(tx, work_name, service.now()):
            work = Work.USED
    return Occasion(
        site=place.site,
        thread=thread,
        author_id=author_id,
        at=service.now(),
        address=visit.address,
        network=network(visit.address),
        form=form,
        work=work,
        trapped=bool(draft.phone),
    )


async def _say_once(tx: Transaction, service: Service, draft: Draft, thread: Thread, comment_id: str) -> None:
    """Only what is public is compared, never the email. What is asked for is compared, not where it was hung."""
    digest = text_digest(thread.id, draft.parent or "", draft.name.casefold(), judging.gist(draft.comment))
    if not await repeats.first_to_say(tx, digest, comment_id, service.now(), service.ago(hours=24)):
        raise Duplicate(
            "The same was written here under this name within the last 24 hours. It need not be sent again."
        )


def _contact(service: Service, comment: Comment, email: Email, visit: Visit) -> Contact:
    return Contact(
        comment_id=comment.id,
        email_sealed=service.keyring.seal(email),
        email_digest=service.keyring.digest(email),
        network=network(visit.address),
        network_digest=service.keyring.network_digest(visit.address, pacing.period(service)),
        agent=visit.agent,
        created_at=comment.created_at,
        site_id=comment.site_id,
        status=comment.status,
    )


def edit_until(service: Service, comment: Comment) -> str:
    """Until when the writer may edit or withdraw a comment."""
    return time_text(time_of(comment.created_at) + timedelta(minutes=service.config.edit_minutes))


def receipt(service: Service, comment: Comment, thread_key: str, status: Status) -> Receipt:
    """What the writer gets. Whatever is not shown waits, as far as the writer is told."""
    return Receipt(
        id=comment.id,
        thread=thread_key,
        parent=comment.parent_id,
        status="approved" if status is Status.APPROVED else "pending",
        name=comment.name,
        website=comment.website,
        html=comment.html,
        created_at=comment.created_at,
        edited_at=comment.edited_at,
        edit_token=service.keyring.token("edit", comment.id),
        edit_until=edit_until(service, comment),
        author_token=service.keyring.token("author", comment.author_id),
    )
