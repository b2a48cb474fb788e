"""A visitor writes."""

import asyncio

import email_validator
import msgspec

from commentsvc.access import rate_limit
from commentsvc.comments import placement
from commentsvc.comments.form import requires_proof_of_work
from commentsvc.comments.placement import Author, Placement
from commentsvc.comments.receipts import create_receipt
from commentsvc.comments.schemas import NewComment, Receipt
from commentsvc.domain import text
from commentsvc.domain.crypto import text_digest
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import (
    Duplicate,
    FieldError,
    Gone,
    Invalid,
    RejectedByRule,
    SubmissionReused,
    ThreadClosed,
)
from commentsvc.domain.models import Comment, Contact, Status, Thread, Visit
from commentsvc.domain.networks import truncate_address
from commentsvc.rules import evaluate, form_token, proof_of_work
from commentsvc.rules.facts import Submission
from commentsvc.rules.form_token import FormTokenState
from commentsvc.rules.proof_of_work import ProofState
from commentsvc.service import Service
from commentsvc.sites import resolve
from commentsvc.storage import comments, contacts, duplicates, submissions, threads, used_tokens
from commentsvc.storage.database import Transaction


async def post_comment(service: Service, draft: NewComment, visit: Visit) -> Receipt:
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
        await _require_deliverable(draft.email)
    try:
        return await service.db.write(_post_comment, service, draft, visit)
    except RejectedByRule:
        await service.db.write(rate_limit.check_rate_limit, service, visit)  # what is refused counts too
        raise


async def _require_deliverable(email: Email) -> None:
    """Ask the DNS whether the domain takes mail; email-validator waits for it, so not on the loop."""
    try:
        await asyncio.to_thread(email_validator.validate_email, email.reveal(), timeout=5)
    except email_validator.EmailNotValidError:
        raise Invalid(
            FieldError(
                "email",
                "undeliverable",
                "No mail can be delivered to this address's domain. Is it spelled right?",
            )
        ) from None


async def _post_comment(tx: Transaction, service: Service, draft: NewComment, visit: Visit) -> Receipt:
    place = resolve.resolve_thread(await resolve.load_directory(tx, service), draft.thread, draft.site, visit.origin)
    comment_id, now = service.new_id(), service.now()
    if draft.submission:
        earlier = await _earlier_receipt(tx, service, place, draft, comment_id)
        if earlier is not None:
            return earlier
    await rate_limit.check_rate_limit(tx, service, visit)
    spot = await _find_placement(tx, service, place, draft)
    author_id = service.keyring.subject("author", draft.author_token or "", service.clock()) or service.new_id()
    occasion = await _collect_submission(tx, service, draft, visit, place, spot.thread, author_id)
    judgement = await evaluate.evaluate_draft(tx, service, draft, occasion)
    if judgement.refusal:
        raise judgement.refusal
    await _refuse_duplicate(tx, service, draft, spot.thread, comment_id)
    writer = Author(author_id, draft.name, draft.website)
    comment = placement.build_comment(comment_id, spot, writer, draft.comment, judgement.decision.status, now)
    await placement.save_comment(tx, comment)
    await contacts.add(tx, _contact(service, comment, draft.email, visit))
    await evaluate.save_judgement(tx, service, comment.id, judgement)
    if draft.submission:
        await submissions.set_status(tx, place.site.id, draft.submission, comment.status)
    return create_receipt(service, comment, spot.thread.key, comment.status)


async def _find_placement(
    tx: Transaction, service: Service, place: resolve.ThreadPlace, draft: NewComment
) -> Placement:
    thread, seq = await _lock_thread(tx, service, place)
    answered = await _load_parent(tx, thread, draft.parent)
    parent = await placement.find_parent(tx, service, answered) if answered else None
    return Placement(thread, parent, seq, place.ref.url, draft.title)


async def _earlier_receipt(
    tx: Transaction, service: Service, place: resolve.ThreadPlace, draft: NewComment, comment_id: str
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
    earlier = await submissions.get_claim(tx, place.site.id, name)
    if earlier is None or earlier["body_digest"] not in digests:
        raise SubmissionReused("Make a new submission id for each comment; keep it only to send the same one again.")
    comment = await comments.get(tx, earlier["comment_id"])
    if comment is None or comment.erased_at:
        raise Gone
    thread = await threads.get(tx, comment.thread_id)
    return create_receipt(service, comment, thread.key if thread else "", Status(earlier["status"]))


async def _lock_thread(tx: Transaction, service: Service, place: resolve.ThreadPlace) -> tuple[Thread, int]:
    """The thread of this name, which from here on nobody else changes, and the next number in it.

    While it is waited for, threads may be merged or parted, and the name lead to another one.
    """
    thread = await _find_or_create_thread(tx, service, place)
    while True:
        seq = await threads.next_seq(tx, thread.id)
        named = await _find_or_create_thread(tx, service, place)
        if named.id != thread.id:
            thread = named
        elif seq is None:
            raise ThreadClosed("Its moderators have closed it.")
        else:
            return named, seq


async def _find_or_create_thread(tx: Transaction, service: Service, place: resolve.ThreadPlace) -> Thread:
    """The thread of this name; it comes to be with its first comment."""
    found = await threads.get_by_name(tx, place.site.id, place.ref.name)
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
    made_meanwhile = await threads.get_by_name(tx, place.site.id, place.ref.name)
    return made_meanwhile or thread


async def _load_parent(tx: Transaction, thread: Thread, comment_id: str | None) -> Comment | None:
    """The comment that is answered."""
    if comment_id is None:
        return None
    answered = await comments.get(tx, comment_id)
    if answered is None or answered.thread_id != thread.id or answered.status != Status.APPROVED:
        raise Invalid(
            FieldError(
                "parent",
                "unknown_parent",
                "The comment this answers is not shown here. It may have been removed.",
            )
        )
    return answered


async def _collect_submission(
    tx: Transaction,
    service: Service,
    draft: NewComment,
    visit: Visit,
    place: resolve.ThreadPlace,
    thread: Thread,
    author_id: str,
) -> Submission:
    """What speaks for and against the way a draft was sent. A form and a work are used up by being kept."""
    now = service.clock()
    form, form_name = form_token.read_form_token(service.keyring, draft.started, now, service.config.form_age)
    if form_name and not await used_tokens.use_once(tx, form_name, service.now()):
        form = FormTokenState.USED
    work = ProofState.NOT_ASKED
    if await requires_proof_of_work(tx, service, visit):
        work, work_name = proof_of_work.check_solution(service.keyring, draft.altcha, now)
        if work_name and not await used_tokens.use_once(tx, work_name, service.now()):
            work = ProofState.USED
    return Submission(
        site=place.site,
        thread=thread,
        author_id=author_id,
        at=service.now(),
        address=visit.address,
        network=truncate_address(visit.address),
        form=form,
        work=work,
        trapped=bool(draft.phone),
    )


async def _refuse_duplicate(
    tx: Transaction, service: Service, draft: NewComment, thread: Thread, comment_id: str
) -> None:
    """Only what is public is compared, never the email. What is asked for is compared, not where it was hung."""
    digest = text_digest(thread.id, draft.parent or "", draft.name.casefold(), text.collapse_whitespace(draft.comment))
    if not await duplicates.claim_text(tx, digest, comment_id, service.now(), service.ago(hours=24)):
        raise Duplicate(
            "The same was written here under this name within the last 24 hours. It need not be sent again."
        )


def _contact(service: Service, comment: Comment, email: Email, visit: Visit) -> Contact:
    return Contact(
        comment_id=comment.id,
        email_sealed=service.keyring.seal(email),
        email_digest=service.keyring.digest(email),
        network=truncate_address(visit.address),
        network_digest=service.keyring.network_digest(visit.address, rate_limit.retention_period(service)),
        agent=visit.agent,
        created_at=comment.created_at,
        site_id=comment.site_id,
        status=comment.status,
    )
