"""A visitor writes, edits, withdraws."""

import asyncio
import ipaddress
import math
from datetime import timedelta

import email_validator
import msgspec

from commentsvc import markup, places, rules
from commentsvc.errors import (
    Duplicate,
    Fault,
    Gone,
    Invalid,
    NotFound,
    NotYours,
    SubmissionReused,
    ThreadClosed,
    TooFast,
    Unauthorized,
)
from commentsvc.fields import Email
from commentsvc.model import Comment, Contact, Decision, Status, Thread, Visit, time_of, time_text
from commentsvc.sealing import text_digest
from commentsvc.service import Service
from commentsvc.shapes import Draft, Edit, Receipt
from commentsvc.store import Transaction, comments, contacts, history, repeats, threads


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
        SubmissionReused: the submission's name stands for another comment.
        Unavailable: it could not be kept; nothing was.
    """
    if service.config.deliverability == "on":
        await _deliverable(draft.email)
    return await service.db.write(_keep, service, draft, visit)


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
        earlier = await _earlier(tx, service, place.site.id, draft, comment_id)
        if earlier is not None:
            return earlier
    await _spend_allowance(tx, service, visit)
    thread = await _thread(tx, service, place, draft.title)
    if thread.closed_at:
        raise ThreadClosed("Its moderators have closed it.")
    parent = await _parent(tx, service, thread, draft.parent)
    author_id = service.keyring.subject("author", draft.author_token or "", service.clock()) or service.new_id()
    decision = await _judge(tx, service, author_id)
    await _say_once(tx, service, draft, thread, comment_id)
    seq = comments.step(await threads.next_seq(tx, thread.id))
    path = parent.path + seq if parent else seq
    approved = decision.status is Status.APPROVED
    comment = Comment(
        id=comment_id,
        site_id=place.site.id,
        thread_id=thread.id,
        parent_id=parent.id if parent else None,
        author_id=author_id,
        moderator_id=None,
        depth=parent.depth + 1 if parent else 0,
        path=path,
        top=path[: comments.PATH_DIGITS],
        name=draft.name,
        website=draft.website,
        text=draft.comment,
        html=markup.render(draft.comment),
        text_digest=text_digest(_gist(draft.comment)),
        status=decision.status,
        status_before=None,
        note=None,
        version=1,
        listed_replies=0,
        created_at=now,
        edited_at=None,
        published_at=now if approved else None,
        listed_at=None,
        erased_at=None,
    )
    await comments.add(tx, comment)
    await contacts.add(tx, _contact(service, comment, draft.email, visit))
    await history.decide(tx, service.new_id(), comment.id, decision, now)
    if approved:
        await comments.relist(tx, comment.id, now)
        await threads.changed(tx, thread.id, 1, now)
    if draft.submission:
        await repeats.settle(tx, place.site.id, draft.submission, decision.status)
    return _receipt(service, comment, thread.key, decision.status)


async def _earlier(tx: Transaction, service: Service, site_id: str, draft: Draft, comment_id: str) -> Receipt | None:
    """The receipt that this submission got before; None if it is new, and now claimed for this comment."""
    name = draft.submission or ""
    body = msgspec.json.encode([draft.email.reveal(), draft.name, draft.comment, draft.thread, draft.parent]).decode()
    digest = service.keyring.body_digest(body)
    claimed = await repeats.claim(
        tx, site_id, name, body_digest=digest, comment_id=comment_id, status=Status.PENDING, now=service.now()
    )
    if claimed:
        return None
    earlier = await repeats.claimed(tx, site_id, name)
    if earlier is None or earlier["body_digest"] != digest:
        raise SubmissionReused("Make a new submission id for each comment; keep it only to send the same one again.")
    comment = await comments.get(tx, earlier["comment_id"])
    if comment is None or comment.erased_at:
        raise Gone
    thread = await threads.get(tx, comment.thread_id)
    return _receipt(service, comment, thread.key if thread else "", Status(earlier["status"]))


async def _spend_allowance(tx: Transaction, service: Service, visit: Visit) -> None:
    """Limits are by network, never by email: nobody can lock another out by typing their address."""
    allowance = service.config.allowance
    if allowance is None:
        return
    number, seconds = allowance
    each = timedelta(seconds=seconds / number)
    spent = await repeats.spend(
        tx,
        service.keyring.network_digest(_network(visit.address), _period(service)),
        latest=service.ahead(seconds=seconds - each.total_seconds()),
        now=service.now(),
        whole_at=lambda stands: time_text(time_of(stands) + each),
    )
    if spent is not None:
        wait = (time_of(spent) + each - service.clock()).total_seconds() - seconds
        raise TooFast(max(1, math.ceil(wait)))


async def _thread(tx: Transaction, service: Service, place: places.Place, title: str | None) -> Thread:
    """The thread of this name; it comes to be with its first comment."""
    found = await threads.named(tx, place.site.id, place.ref.name)
    if found is not None:
        return found
    thread = Thread(
        id=service.new_id(),
        site_id=place.site.id,
        key=place.ref.name,
        url=place.ref.url,
        title=title,
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


async def _parent(tx: Transaction, service: Service, thread: Thread, parent_id: str | None) -> Comment | None:
    """The comment a reply hangs on: the one it answers, or that one's deepest ancestor that may have replies."""
    if parent_id is None:
        return None
    parent = await comments.get(tx, parent_id)
    if parent is None or parent.thread_id != thread.id or parent.status != Status.APPROVED:
        raise Invalid(
            Fault(
                "parent",
                "unknown_parent",
                "The comment this answers is not shown here. It may have been removed.",
            )
        )
    deepest = service.config.nesting
    if parent.depth < deepest:
        return parent
    return await comments.on_path(tx, thread.id, parent.path[: deepest * comments.PATH_DIGITS])


async def _judge(tx: Transaction, service: Service, author_id: str) -> Decision:
    context = rules.Context(proven_approvals=await comments.approved_by(tx, author_id))
    return rules.decide(context, service.config.policy)


async def _say_once(tx: Transaction, service: Service, draft: Draft, thread: Thread, comment_id: str) -> None:
    """Only what is public is compared, never the email. What is asked for is compared, not where it was hung."""
    digest = text_digest(thread.id, draft.parent or "", draft.name.casefold(), _gist(draft.comment))
    if not await repeats.first_to_say(tx, digest, comment_id, service.now(), service.ago(hours=24)):
        raise Duplicate(
            "The same was written here under this name within the last 24 hours. It need not be sent again."
        )


def _gist(text: str) -> str:
    """The same for texts that differ only in white space."""
    return " ".join(text.split())


def _contact(service: Service, comment: Comment, email: Email, visit: Visit) -> Contact:
    return Contact(
        comment_id=comment.id,
        email_sealed=service.keyring.seal(email),
        email_digest=service.keyring.digest(email),
        network=_network(visit.address),
        network_digest=service.keyring.network_digest(visit.address, _period(service)),
        agent=visit.agent,
        created_at=comment.created_at,
    )


def _network(address: str) -> str:
    """The /24 or /64 around an address: what moderators see, and what limits count by."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    prefix = 24 if isinstance(parsed, ipaddress.IPv4Address) else 64
    return str(ipaddress.ip_network((parsed, prefix), strict=False))


def _period(service: Service) -> int:
    """The retention period we are in; digests of networks mean nothing beyond it."""
    return int(service.clock().timestamp()) // (service.config.network_days * 86_400)


async def edit(service: Service, comment_id: str, token: str | None, words: Edit) -> Receipt:
    """Give one's own comment other words. It is judged anew.

    Raises:
        Unauthorized: no edit token came along.
        NotYours: the token is another comment's, or the time for edits is over.
        NotFound, Gone: the comment was erased.
    """
    return await service.db.write(_edit, service, comment_id, token, words)


async def _edit(tx: Transaction, service: Service, comment_id: str, token: str | None, words: Edit) -> Receipt:
    comment = await _own(tx, service, comment_id, token)
    now = service.now()
    new = msgspec.structs.replace(
        comment,
        text=words.comment,
        html=markup.render(words.comment),
        text_digest=text_digest(_gist(words.comment)),
    )
    await history.revise(tx, comment, "author", now)
    edited = await comments.set_text(tx, comment, new, now)
    decision = await _judge(tx, service, comment.author_id)
    # What a person called spam or trash stays that; all else is open again.
    if comment.status in {Status.PENDING, Status.APPROVED}:
        edited = (
            await comments.set_status(tx, edited, decision.status, now)
            if (decision.status is not comment.status)
            else edited
        )
        await history.decide(tx, service.new_id(), comment.id, decision, now)
    was, became = comment.status is Status.APPROVED, edited.status is Status.APPROVED
    if was or became:
        await threads.changed(tx, comment.thread_id, became - was, now)
    thread = await threads.get(tx, comment.thread_id)
    return _receipt(service, edited, thread.key if thread else "", edited.status)


async def withdraw(service: Service, comment_id: str, token: str | None) -> None:
    """Take one's own comment back. It is erased; where replies hang on it, its place stays.

    Raises:
        Unauthorized, NotYours, NotFound, Gone: see ``edit``.
    """
    await service.db.write(_withdraw, service, comment_id, token)


async def _withdraw(tx: Transaction, service: Service, comment_id: str, token: str | None) -> None:
    comment = await _own(tx, service, comment_id, token)
    await erase(tx, service, comment, Decision(Status.TRASH, "Its writer withdrew it.", "author"))


async def erase(
    tx: Transaction, service: Service, comment: Comment, decision: Decision, action_id: str | None = None
) -> None:
    """Take away every word of a comment and all that is private of its writer."""
    now = service.now()
    await comments.erase(tx, comment, now)
    await contacts.erase(tx, comment.id)
    await history.forget(tx, comment.id)
    await repeats.unsay(tx, comment.id)
    await history.decide(tx, service.new_id(), comment.id, decision, now, action_id)
    if comment.status is Status.APPROVED:
        await threads.changed(tx, comment.thread_id, -1, now)


async def _own(tx: Transaction, service: Service, comment_id: str, token: str | None) -> Comment:
    """The comment whose writer holds this token. The token is looked at first: it tells nothing of other comments."""
    if not token:
        raise Unauthorized("Send the comment's edit token: Authorization: Bearer ct_…")
    if service.keyring.subject("edit", token, service.clock()) != comment_id:
        raise NotYours("This edit token is not this comment's.")
    comment = await comments.get(tx, comment_id)
    if comment is None:
        raise NotFound
    if comment.erased_at:
        raise Gone
    if service.now() >= edit_until(service, comment):
        raise NotYours(f"Comments can be changed for {service.config.edit_minutes} minutes after they were written.")
    return comment


def edit_until(service: Service, comment: Comment) -> str:
    """Until when the writer may edit or withdraw a comment."""
    return time_text(time_of(comment.created_at) + timedelta(minutes=service.config.edit_minutes))


def _receipt(service: Service, comment: Comment, thread_key: str, status: Status) -> Receipt:
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
