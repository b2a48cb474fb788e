"""Post a comment."""

from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import msgspec

from commentsvc.access import rate_limit, site_limits
from commentsvc.comments import mail_request
from commentsvc.comments.deliverability import require_deliverable
from commentsvc.comments.form import requires_proof_of_work
from commentsvc.comments.placement import (
    Author,
    Placement,
    build_comment,
    build_contact,
    find_place,
    load_answered,
    lock_thread,
    save_comment,
)
from commentsvc.comments.receipts import create_receipt
from commentsvc.comments.schemas import NewComment, Receipt
from commentsvc.domain import comment_text
from commentsvc.domain.comment_text import CommentText
from commentsvc.domain.crypto import text_digest
from commentsvc.domain.errors import (
    Duplicate,
    FieldError,
    Gone,
    Invalid,
    OriginNotAllowed,
    SubmissionReused,
)
from commentsvc.domain.folding import comparable
from commentsvc.domain.ids import time_of
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Status, Thread, Visit
from commentsvc.domain.networks import truncate_address
from commentsvc.domain.timestamps import format_time
from commentsvc.rules import compiled, evaluate, form_token, proof_of_work
from commentsvc.rules.facts import Submission
from commentsvc.rules.form_token import FormTokenState
from commentsvc.rules.proof_of_work import ProofState
from commentsvc.service import Service, public_read, write_in_queue
from commentsvc.sites import requirements, resolve
from commentsvc.spam.near_text import prepare_fingerprint
from commentsvc.storage import address_contacts, comments, contacts, duplicates, submissions, threads, used_tokens
from commentsvc.storage.database import PublicRead, Write


async def post_comment(service: Service, draft: NewComment, visit: Visit, *, language: str = "en") -> Receipt:
    """Store a new comment with the status that the rules give it, all in one transaction.

    ``language`` is that of the form, and of mail that the commenter asks for.

    Posting the same submission again returns the same receipt. No result depends on whose email address was entered.

    Raises:
        Invalid: for the field ``thread``, ``site`` or ``parent``; for ``email``: it is required, or its domain accepts
            no mail; or for ``subscribe``: the service sends no mail.
        OriginNotAllowed: the sending page belongs to no site, or to another one.
        ThreadClosed: the thread is closed.
        Duplicate: the same text was posted there under this name within a day.
        RateLimited: the author's network has sent too much.
        RejectedByRule: a rule rejects the comment.
        SubmissionReused: the submission id belongs to another comment.
        Gone: the comment of this submission was erased.
        Unavailable: the site gets too many comments, or the database could not store this one.
    """
    try:
        counted = service.config.deliverability == "on" and await require_deliverable(service, draft, visit)
        async with nullcontext() if counted else rate_limit.charging_refusals(service, visit):
            text, attempt = await comment_text.render(draft.comment), site_limits.Attempt()
            await prepare_fingerprint(text.html, draft.website)
            return await compiled.with_compiled_rules(
                service, lambda: _post_comment(service, draft, text, visit, attempt, language, counted=counted)
            )
    except Invalid as error:
        raise await add_place_faults(service, error, msgspec.structs.asdict(draft), visit) from None


async def add_place_faults(service: Service, error: Invalid, values: Mapping[str, Any], visit: Visit) -> Invalid:
    """Return the error, also with those of fields that only the database shows, such as ``thread`` and ``email``.

    ``values`` are the fields of a comment that are valid by themselves.
    """
    reported = {fault.field for fault in error.faults}
    found = [fault for fault in await _find_place_faults(service, values, visit) if fault.field not in reported]
    order = NewComment.__struct_fields__
    faults = [*error.faults, *found]
    return Invalid(*sorted(faults, key=lambda one: order.index(one.field) if one.field in order else len(order)))


@public_read
async def _find_place_faults(unit: PublicRead, values: Mapping[str, Any], visit: Visit) -> list[FieldError]:
    name, site, parent = (values.get(field) for field in ("thread", "site", "parent"))
    directory = await resolve.read_directory.within(unit)
    place, faults = None, []
    try:
        if name:
            place = resolve.resolve_thread(directory, name, site, visit.origin)
        elif site and directory.by_name(site) is None:
            faults.append(resolve.UNKNOWN_SITE)
    except Invalid as error:
        faults += error.faults
    except OriginNotAllowed:
        pass  # not an error of a field: reported when the fields are correct
    sites = requirements.possible_sites(directory, place.site if place else None, site, visit.origin)
    faults += requirements.missing_fields(
        sites, email=values.get("email", ...) is not None, consent=bool(values.get("consent", ...))
    )
    reported = {fault.field for fault in faults}
    faults += [fault for fault in mail_request.find_faults(unit, values) if fault.field not in reported]
    try:
        thread = await threads.find_readable(unit, place.site.id, place.ref.name) if place else None
        await load_answered(unit, thread, parent, anywhere=place is None)
    except Invalid as error:
        faults += error.faults
    return faults


@write_in_queue(lambda draft, *_, **__: draft.thread)
async def _post_comment(
    unit: Write,
    draft: NewComment,
    text: CommentText,
    visit: Visit,
    attempt: site_limits.Attempt,
    language: str,
    *,
    counted: bool,
) -> Receipt:
    place = resolve.resolve_thread(await resolve.read_directory.within(unit), draft.thread, draft.site, visit.origin)
    missing = requirements.missing_fields([place.site], email=draft.email is not None, consent=bool(draft.consent))
    missing = missing or mail_request.find_faults(unit, {"subscribe": draft.subscribe, "email": draft.email})
    if missing:
        raise Invalid(*missing)
    comment_id = unit.new_id()
    if draft.submission:
        earlier = await _earlier_receipt(unit, place, draft, comment_id)
        if earlier is not None:
            return earlier
    if not counted:
        await rate_limit.check_rate_limit.within(unit, visit)
    known = unit.keyring.subject("author", draft.author_token or "", unit.clock(), site_id=place.site.id)
    await site_limits.check_site_limits.within(unit, place.site, visit, known, attempt)
    placement = await _find_placement(unit, place, draft)
    submission = await _collect_submission(unit, draft, visit, place, placement.thread, known)
    judgement = await evaluate.evaluate_draft(unit, draft, text.html, submission)
    if judgement.refusal:
        raise judgement.refusal
    digest = await _refuse_duplicate(unit, draft, text, placement.thread)
    author = Author(known or unit.new_id(), draft.name, draft.website)
    comment = build_comment(comment_id, placement, author, text, judgement.decision.status, unit.now())
    await save_comment(unit, comment, placement.thread, digest, language)
    contact = build_contact(unit, comment, draft.email, visit, verified=submission.is_verified)
    await contacts.add(unit, contact, judgement.spam_score)
    await evaluate.save_judgement(unit, comment, judgement, new=True)
    await mail_request.request_mail(unit, draft, comment, language)
    if draft.submission and comment.status is Status.APPROVED:  # to its author, spam looks like pending
        await submissions.set_status(unit, place.site.id, draft.submission, comment.status)
    return create_receipt(unit, comment, placement.thread.key, comment.status)


async def _find_placement(unit: Write, place: resolve.ThreadPlace, draft: NewComment) -> Placement:
    thread, seq = await lock_thread(unit, place)
    answered = await load_answered(unit, thread, draft.parent)
    parent, answered_id = await find_place(unit, answered) if answered else (None, None)
    page = (place.ref.url, draft.title) if place.vouched else (None, None)
    return Placement(thread, parent, seq, *page, answered_id)


async def _earlier_receipt(
    unit: Write, place: resolve.ThreadPlace, draft: NewComment, comment_id: str
) -> Receipt | None:
    """Return the receipt that this submission got before. If it is new, claim it for this comment; return None."""
    name = draft.submission or ""
    body = msgspec.json.encode(
        [draft.email and draft.email.reveal(), draft.name, draft.website, draft.comment, place.ref.name, draft.parent]
    ).decode()
    digests = unit.keyring.body_digests(body)
    claimed = await submissions.claim(
        unit, place.site.id, name, body_digest=digests[0], comment_id=comment_id, status=Status.PENDING, now=unit.now()
    )
    if claimed:
        return None
    earlier = await submissions.get_claim(unit, place.site.id, name)
    if earlier is None or earlier["body_digest"] not in digests:
        raise SubmissionReused(translatable("Use a new submission id for each comment."))
    comment = await comments.get(unit, earlier["comment_id"])
    if comment is None or comment.erased_at:
        raise Gone
    thread = await threads.get(unit, comment.thread_id)
    return create_receipt(unit, comment, thread.key if thread else "", Status(earlier["status"]))


async def _collect_submission(
    unit: Write,
    draft: NewComment,
    visit: Visit,
    place: resolve.ThreadPlace,
    thread: Thread,
    author_id: str | None,
) -> Submission:
    """Return how a comment was sent. Its form token and proof of work are used up.

    Only who has an author token can have confirmed an address, so for nobody else it depends on the typed one.
    """
    proven = None
    if author_id and draft.email:
        digests = unit.keyring.digests(draft.email)
        proven = await address_contacts.count_approved_if_verified(
            unit, author_id, digests, place.site.id, before=unit.now()
        )
    now = unit.clock()
    form, form_name = form_token.read_form_token(unit.keyring, draft.started, now, unit.config.form_age)
    if form_name and not await _use_once(unit, form_name):
        form = FormTokenState.USED
    work = ProofState.NOT_REQUIRED
    if await requires_proof_of_work.within(unit, visit):
        work, work_name = proof_of_work.check_solution(unit.keyring, draft.altcha, now)
        if work_name and not await _use_once(unit, work_name):
            work = ProofState.USED
    return Submission(
        site=place.site,
        thread=thread,
        author_id=author_id,
        is_verified=proven is not None,
        address_approved=proven or 0,
        at=unit.now(),
        address=visit.address,
        network=truncate_address(visit.address),
        form_token=form,
        proof_of_work=work,
        honeypot_filled=bool(draft.topic),
    )


async def _use_once(unit: Write, name: str) -> bool:
    """Mark a form token or a proof of work as used; return False if it was used before.

    Its name ends with the id of the form. A form that was opened while the clock was ahead can be sent after that, so
    the record is kept until then.
    """
    opened_at = datetime.fromtimestamp(time_of(name.partition(":")[2]), UTC)
    return await used_tokens.use_once(unit, name, max(unit.now(), format_time(opened_at)))


async def _refuse_duplicate(unit: Write, draft: NewComment, text: CommentText, thread: Thread) -> str:
    """Check that the same text was not posted under this name within a day; return its digest.

    Texts are the same if readers see the same words. The email address is not compared, so a refusal reveals nothing
    about it. The parent is the requested one, which does not depend on the nesting setting.

    Raises:
        Duplicate: it was posted.
    """
    digest = text_digest(thread.id, draft.parent or "", comparable(draft.name), text.digest)
    if await duplicates.is_posted(unit, digest, text.digest, thread, unit.ago(hours=24), unit.ahead(hours=24)):
        raise Duplicate
    return digest
