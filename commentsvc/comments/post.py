"""A visitor writes."""

import asyncio

import email_validator
import msgspec

from commentsvc.access import rate_limit
from commentsvc.comments import form as comments_form
from commentsvc.comments import placement
from commentsvc.comments.placement import Spot, Writer
from commentsvc.comments.receipts import receipt
from commentsvc.comments.schemas import NewComment, Receipt
from commentsvc.domain import text
from commentsvc.domain.crypto import text_digest
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import Duplicate, Fault, Gone, Invalid, NotTaken, SubmissionReused, ThreadClosed
from commentsvc.domain.models import Comment, Contact, Status, Thread, Visit
from commentsvc.domain.networks import network
from commentsvc.rules import evaluate, form_token, proof_of_work
from commentsvc.rules.facts import Occasion
from commentsvc.rules.form_token import Form
from commentsvc.rules.proof_of_work import Work
from commentsvc.service import Service
from commentsvc.sites import resolve
from commentsvc.storage import comments, contacts, duplicates, submissions, threads, used_tokens
from commentsvc.storage.database import Transaction


async def post_reply(service: Service, draft: NewComment, visit: Visit) -> Receipt:
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
        await service.db.write(rate_limit.spend, service, visit)  # what is refused counts too
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


async def _keep(tx: Transaction, service: Service, draft: NewComment, visit: Visit) -> Receipt:
    place = resolve.find(await resolve.directory(tx, service), draft.thread, draft.site, visit.origin)
    comment_id, now = service.new_id(), service.now()
    if draft.submission:
        earlier = await _earlier(tx, service, place, draft, comment_id)
        if earlier is not None:
            return earlier
    await rate_limit.spend(tx, service, visit)
    spot = await _spot(tx, service, place, draft)
    author_id = service.keyring.subject("author", draft.author_token or "", service.clock()) or service.new_id()
    occasion = await _occasion(tx, service, draft, visit, place, spot.thread, author_id)
    judgement = await evaluate.judge(tx, service, draft, occasion)
    if judgement.refusal:
        raise judgement.refusal
    await _say_once(tx, service, draft, spot.thread, comment_id)
    writer = Writer(author_id, draft.name, draft.website)
    comment = placement.written(comment_id, spot, writer, draft.comment, judgement.decision.status, now)
    await placement.keep(tx, comment)
    await contacts.add(tx, _contact(service, comment, draft.email, visit))
    await evaluate.keep(tx, service, comment.id, judgement)
    if draft.submission:
        await submissions.settle(tx, place.site.id, draft.submission, comment.status)
    return receipt(service, comment, spot.thread.key, comment.status)


async def _spot(tx: Transaction, service: Service, place: resolve.Place, draft: NewComment) -> Spot:
    thread, seq = await _numbered(tx, service, place)
    answered = await _answered(tx, thread, draft.parent)
    parent = await placement.below(tx, service, answered) if answered else None
    return Spot(thread, parent, seq, place.ref.url, draft.title)


async def _earlier(
    tx: Transaction, service: Service, place: resolve.Place, draft: NewComment, comment_id: str
) -> Receipt | None:
    """The receipt that this submission got before; None if it is new, and now claimed for this comment."""
    name = draft.submission or ""
    body = msgspec.json.encode(
        [draft.email.reveal(), draft.name, draft.website, draft.comment, place.ref.name, draft.parent]
    ).decode()
    digests = service.keyring.body_digests(body)
    claimed = await submissions.claim(
        tx, place.site.id, name, body_digest=digests[0], comment_id=comment_id, status=Status.PENDING, now=service.now()
    )
    if claimed:
        return None
    earlier = await submissions.claimed(tx, place.site.id, name)
    if earlier is None or earlier["body_digest"] not in digests:
        raise SubmissionReused("Make a new submission id for each comment; keep it only to send the same one again.")
    comment = await comments.get(tx, earlier["comment_id"])
    if comment is None or comment.erased_at:
        raise Gone
    thread = await threads.get(tx, comment.thread_id)
    return receipt(service, comment, thread.key if thread else "", Status(earlier["status"]))


async def _numbered(tx: Transaction, service: Service, place: resolve.Place) -> tuple[Thread, int]:
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


async def _thread(tx: Transaction, service: Service, place: resolve.Place) -> Thread:
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
    tx: Transaction,
    service: Service,
    draft: NewComment,
    visit: Visit,
    place: resolve.Place,
    thread: Thread,
    author_id: str,
) -> Occasion:
    """What speaks for and against the way a draft was sent. A form and a work are used up by being kept."""
    now = service.clock()
    form, form_name = form_token.read_started(service.keyring, draft.started, now, service.config.form_age)
    if form_name and not await used_tokens.first_use(tx, form_name, service.now()):
        form = Form.USED
    work = Work.NOT_ASKED
    if await comments_form.asks_work(tx, service, visit):
        work, work_name = proof_of_work.solved(service.keyring, draft.altcha, now)
        if work_name and not await used_tokens.first_use(tx, work_name, service.now()):
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


async def _say_once(tx: Transaction, service: Service, draft: NewComment, thread: Thread, comment_id: str) -> None:
    """Only what is public is compared, never the email. What is asked for is compared, not where it was hung."""
    digest = text_digest(thread.id, draft.parent or "", draft.name.casefold(), text.gist(draft.comment))
    if not await duplicates.first_to_say(tx, digest, comment_id, service.now(), service.ago(hours=24)):
        raise Duplicate(
            "The same was written here under this name within the last 24 hours. It need not be sent again."
        )


def _contact(service: Service, comment: Comment, email: Email, visit: Visit) -> Contact:
    return Contact(
        comment_id=comment.id,
        email_sealed=service.keyring.seal(email),
        email_digest=service.keyring.digest(email),
        network=network(visit.address),
        network_digest=service.keyring.network_digest(visit.address, rate_limit.period(service)),
        agent=visit.agent,
        created_at=comment.created_at,
        site_id=comment.site_id,
        status=comment.status,
    )
