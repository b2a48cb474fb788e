"""A moderator looks, decides, amends, undoes, erases."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

import msgspec

from commentsvc import fields, markup, places, posting, reading
from commentsvc.errors import (
    Conflict,
    ExpectationFailed,
    Fault,
    Invalid,
    NotFound,
    VersionNeeded,
    VersionPassed,
)
from commentsvc.model import Comment, Contact, Decision, Principal, Scope, Status, Thread, Verb
from commentsvc.sealing import text_digest
from commentsvc.service import Service
from commentsvc.shapes import (
    Action,
    ActionItem,
    ActionRecord,
    ActionResult,
    Amendment,
    DecisionRecord,
    ModeratorComment,
    ModeratorDetail,
    PublicThread,
    Queue,
    QueueQuery,
    Reason,
    Record,
    Revision,
    ThreadChange,
    ThreadRecord,
    Threads,
    ThreadsQuery,
    Totals,
    Where,
)
from commentsvc.store import Transaction, comments, contacts, history, queue, threads

UNDO_DAYS: Final = 30
MOST_AT_ONCE: Final = 5000
EXCERPT: Final = 160


# --------------------------------------------------------------------------------- looking


async def search(service: Service, who: Principal, query: QueueQuery) -> Queue:
    """Comments that match, each with all that a decision needs.

    Raises:
        Invalid: naming the site, thread, cursor or time.
    """
    return await service.db.read_private(_search, service, who, query)


async def _search(tx: Transaction, service: Service, who: Principal, query: QueueQuery) -> Queue:
    conditions = await _conditions(tx, service, who, query)
    after = reading.decoded_cursor(query.cursor, 1)[0] if query.cursor else None
    found = await queue.page(tx, conditions, after=after, newest_first=query.order == "newest", limit=query.limit + 1)
    page = found[: query.limit]
    shown = await _for_moderators(tx, service, who, page)
    totals = {row["status"]: row["number"] for row in await comments.totals(tx, conditions.sites)}
    cursor = reading.encoded_cursor(page[-1].id) if len(found) > query.limit else None
    return Queue([ModeratorComment(**card) for card in shown], Totals(**totals), cursor)


async def _conditions(tx: Transaction, service: Service, who: Principal, query: QueueQuery | Where) -> queue.Search:
    everything = await places.directory(tx, service)
    reach, thread_id = who.sites, None
    if query.site:
        site = everything.by_name(query.site)
        if site is None or not who.reaches(site.id):
            raise Invalid(Fault("site", "unknown_site", "There is no site of this name."))
        reach = (site.id,)
    if query.thread:
        place = places.find(everything, query.thread, query.site, None)
        thread = await threads.named(tx, place.site.id, place.ref.name) if who.reaches(place.site.id) else None
        thread_id = thread.id if thread else "none"
    email = getattr(query, "email", None)
    return queue.Search(
        status=query.status,
        sites=reach,
        thread_id=thread_id,
        q=query.q,
        reason=query.reason,
        since=reading.moment("since", query.since),
        until=reading.moment("until", query.until),
        email_digests=tuple(service.keyring.digests(email)) if email else None,
        network=getattr(query, "network", None),
    )


async def _for_moderators(
    tx: Transaction, service: Service, who: Principal, page: Sequence[Comment]
) -> list[dict[str, Any]]:
    """The fields of a ``ModeratorComment`` for each, in a handful of statements for all of them."""
    ids = [comment.id for comment in page]
    private = await contacts.several(tx, ids)
    decided = await history.decisions(tx, ids)
    beside = await threads.several(tx, sorted({comment.thread_id for comment in page}))
    parents = await comments.several(tx, sorted({comment.parent_id for comment in page if comment.parent_id}))
    records = await _records(tx, who, [contact.email_digest for contact in private.values()])
    networks = sorted({contact.network for contact in private.values() if contact.network})
    from_network = await contacts.waiting(tx, networks, who.sites)
    with_text = await queue.same_text(tx, sorted({comment.text_digest for comment in page}), who.sites)
    names = {site.id: site.name for site in (await places.directory(tx, service)).sites}
    cards = []
    for comment in page:
        contact = private.get(comment.id)
        alike = max(
            from_network.get(contact.network or "", 0) if contact else 0,
            with_text.get(comment.text_digest, 0),
        )
        cards.append(
            reading.public_fields(comment)
            | {
                "name": comment.name,
                "website": comment.website,
                "html": comment.html,
                "edited_at": comment.edited_at,
                "deleted": comment.erased_at is not None,
                "status": comment.status,
                "comment": comment.text,
                "email": _email(service, who, contact),
                "network": contact.network if contact else None,
                "reasons": _reasons(comment, decided),
                "author": records.get(contact.email_digest, Record()) if contact else Record(),
                "parent_excerpt": _excerpt(parents.get(comment.parent_id or "")),
                "similar": max(0, alike - (comment.status is Status.PENDING)),
                "thread": _thread_for_moderators(beside[comment.thread_id]),
                "site": names[comment.site_id],
                "note": comment.note,
                "version": comment.version,
            }
        )
    return cards


async def _records(tx: Transaction, who: Principal, digests: Sequence[str]) -> dict[str, Record]:
    counted: dict[str, dict[str, int]] = {}
    for row in await contacts.records(tx, sorted(set(digests)), who.sites):
        counted.setdefault(row["email_digest"], {})[row["status"]] = row["number"]
    return {digest: Record(**numbers) for digest, numbers in counted.items()}


def _email(service: Service, who: Principal, contact: Contact | None) -> str | None:
    if contact is None:
        return None
    email = service.keyring.unseal(contact.email_sealed)
    return email.reveal() if who.may(Scope.MODERATE) else email.masked()


def _reasons(comment: Comment, decided: Sequence[Mapping[str, Any]]) -> list[Reason]:
    """Of the latest decision: why the comment stands where it stands."""
    mine = [row for row in decided if row["comment_id"] == comment.id]
    return [Reason(row["made_by"], row["reason"]) for row in mine[-1:]]


def _excerpt(parent: Comment | None) -> str | None:
    if parent is None:
        return None
    text = " ".join(parent.text.split())
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT].rstrip()}…"


def _thread_for_moderators(thread: Thread) -> PublicThread:
    return PublicThread(thread.key, thread.url, thread.title, thread.closed_at is not None, thread.approved)


async def detail(service: Service, who: Principal, comment_id: str) -> ModeratorDetail:
    """All about one comment: its words at every version, every decision and action.

    Raises:
        NotFound: there is none, or it is on another site.
    """
    return await service.db.read_private(_detail, service, who, comment_id)


async def _detail(tx: Transaction, service: Service, who: Principal, comment_id: str) -> ModeratorDetail:
    comment = await _reachable(tx, who, comment_id)
    (card,) = await _for_moderators(tx, service, who, [comment])
    contact = (await contacts.several(tx, [comment.id])).get(comment.id)
    return ModeratorDetail(
        **card,
        agent=contact.agent if contact else None,
        decisions=[
            DecisionRecord(Status(row["status"]), row["reason"], row["made_by"], row["created_at"], row["action_id"])
            for row in await history.decisions(tx, [comment.id])
        ],
        revisions=[
            Revision(row["version"], row["name"], row["text"], row["edited_by"], row["created_at"])
            for row in await history.revisions(tx, comment.id)
        ],
        actions=[
            ActionRecord(row["id"], row["verb"], row["made_by"], row["note"], row["created_at"], row["undone_by"])
            for row in await history.actions_on(tx, comment.id)
        ],
    )


async def _reachable(tx: Transaction, who: Principal, comment_id: str) -> Comment:
    comment = await comments.get(tx, comment_id)
    if comment is None or not who.reaches(comment.site_id):
        raise NotFound
    return comment


# --------------------------------------------------------------------------------- deciding


async def act(service: Service, who: Principal, action: Action) -> ActionResult:
    """Decide on many comments in one go; undone whole by the id of the result.

    Raises:
        Invalid: neither or both of ``ids`` and ``where``, or a condition that cannot be read.
        ExpectationFailed: another number of comments matches than was expected.
    """
    if (action.ids is None) == (action.where is None):
        raise Invalid(Fault("ids", "required", "Name the comments either by ids or by where and expect."))
    if action.where is None:
        return await service.db.write(_act, service, who, action, action.ids)
    if action.expect is None:
        raise Invalid(Fault("expect", "required", "Say how many comments you expect to match."))
    where = fields.read(Where, action.where, service.config.limits)
    return await service.db.write(_act_where, service, who, action, where)


async def _act_where(tx: Transaction, service: Service, who: Principal, action: Action, where: Where) -> ActionResult:
    matching = await queue.matching(tx, await _conditions(tx, service, who, where), MOST_AT_ONCE + 1)
    if len(matching) != action.expect:
        found = f"more than {MOST_AT_ONCE:,}" if len(matching) > MOST_AT_ONCE else f"{len(matching):,}"
        raise ExpectationFailed(f"{found} match now, not {action.expect:,}. Look again, then send the new number.")
    return await _act(tx, service, who, action, matching)


async def _act(
    tx: Transaction, service: Service, who: Principal, action: Action, ids: Sequence[str] | None
) -> ActionResult:
    decide = _decider(service, who, action)
    return await _together(tx, service, who, action.action, action.note, list(dict.fromkeys(ids or [])), decide)


Decide = Callable[[Transaction, Comment, str], Coroutine[Any, Any, Comment]]


def _decider(service: Service, who: Principal, action: Action) -> Decide:
    async def decide(tx: Transaction, comment: Comment, action_id: str) -> Comment:
        wanted = _wanted(action.action, comment)
        return await _move(tx, service, comment, Decision(wanted, action.note or "", who.name), action_id)

    return decide


def _wanted(verb: Verb, comment: Comment) -> Status:
    """The status a verb leads to. ``restore`` takes back spam and trash."""
    match verb:
        case Verb.APPROVE:
            return Status.APPROVED
        case Verb.HOLD:
            return Status.PENDING
        case Verb.SPAM:
            return Status.SPAM
        case Verb.TRASH:
            return Status.TRASH
        case Verb.RESTORE:
            hidden = comment.status in {Status.SPAM, Status.TRASH}
            return (comment.status_before or Status.PENDING) if hidden else comment.status


async def _together(
    tx: Transaction,
    service: Service,
    who: Principal,
    verb: str,
    note: str | None,
    ids: Sequence[str],
    decide: Decide,
) -> ActionResult:
    """Do one thing to each comment and keep it as one action. What cannot be done is named, not fatal."""
    action_id, now = service.new_id(), service.now()
    await history.act(tx, action_id, verb, who.name, note, now)
    results = []
    for comment_id in ids:
        comment = await comments.get(tx, comment_id)
        if comment is None or not who.reaches(comment.site_id):
            results.append(ActionItem(comment=comment_id, ok=False, code="not_found"))
        elif comment.erased_at:
            results.append(ActionItem(comment=comment_id, ok=False, code="erased"))
        else:
            after = await decide(tx, comment, action_id)
            if after.version != comment.version:
                await history.add_item(tx, action_id, comment, after)
            results.append(_item(comment, after))
    return _result(service, action_id, verb, results)


def _item(before: Comment, after: Comment) -> ActionItem:
    return ActionItem(
        comment=before.id,
        from_=before.status,
        to=after.status,
        ok=True,
        code=None if after.version != before.version else "unchanged",
    )


def _result(service: Service, action_id: str, verb: str, results: list[ActionItem]) -> ActionResult:
    return ActionResult(
        id=action_id,
        action=verb,
        changed=sum(item.ok and item.code is None for item in results),
        undo_until=service.ahead(days=UNDO_DAYS),
        results=results,
    )


async def _move(tx: Transaction, service: Service, comment: Comment, decision: Decision, action_id: str) -> Comment:
    """Give a comment the status decided, if it has another."""
    if comment.status is decision.status:
        return comment
    now = service.now()
    after = await comments.set_status(tx, comment, decision.status, now)
    await history.decide(tx, service.new_id(), comment.id, decision, now, action_id)
    was, became = comment.status is Status.APPROVED, after.status is Status.APPROVED
    if was != became:
        await threads.changed(tx, comment.thread_id, became - was, now)
    return after


async def undo(service: Service, who: Principal, action_id: str) -> ActionResult:
    """Take an action back: each comment that still stands as the action left it gets what it had before.

    Undoing is an action too, and can be undone.

    Raises:
        NotFound: there is no such action, or none on this key's sites.
        Conflict: it was undone already, is too old, or erased something.
    """
    return await service.db.write(_undo, service, who, action_id)


async def _undo(tx: Transaction, service: Service, who: Principal, action_id: str) -> ActionResult:
    action = await history.action(tx, action_id)
    items = {row["comment_id"]: row for row in await history.items(tx, action_id)}
    if action is None or (items and not all(who.reaches(row["site_id"]) for row in items.values())):
        raise NotFound
    if not items and action["made_by"] != who.name:
        raise NotFound
    if action["verb"] == "erase":
        raise Conflict("What was erased for good cannot be brought back.")
    if action["created_at"] < service.ago(days=UNDO_DAYS):
        raise Conflict(f"Actions can be undone for {UNDO_DAYS} days.")

    passed: set[str] = set()

    async def revert(tx: Transaction, comment: Comment, undo_id: str) -> Comment:
        item = items[comment.id]
        if comment.version != item["to_version"]:
            passed.add(comment.id)
            return comment
        restored = await _reword(tx, service, who, comment, item["from_version"])
        decision = Decision(Status(item["from_status"]), "Undone.", who.name)
        return await _move(tx, service, restored, decision, undo_id)

    result = await _together(tx, service, who, "undo", None, sorted(items), revert)
    if not await history.mark_undone(tx, action_id, result.id):
        raise Conflict("This was undone already.")
    named = [
        msgspec.structs.replace(item, ok=False, code="changed_since") if item.comment in passed else item
        for item in result.results
    ]
    return msgspec.structs.replace(result, results=named)


async def _reword(tx: Transaction, service: Service, who: Principal, comment: Comment, version: int) -> Comment:
    """Give a comment the words it had at a version, if they changed right after it."""
    earlier = await history.revision(tx, comment.id, version)
    if earlier is None:
        return comment
    return await _rewrite(tx, service, who, comment, earlier["name"], earlier["text"])


async def _rewrite(
    tx: Transaction, service: Service, who: Principal, comment: Comment, name: str, text: str
) -> Comment:
    """Give a comment other words; the old ones stay as a revision."""
    if (name, text) == (comment.name, comment.text):
        return comment
    now = service.now()
    await history.revise(tx, comment, who.name, now)
    words = msgspec.structs.replace(
        comment,
        name=name,
        text=text,
        html=markup.render(text),
        text_digest=text_digest(" ".join(text.split())),
    )
    after = await comments.set_text(tx, comment, words, now)
    if comment.status is Status.APPROVED:
        await threads.changed(tx, comment.thread_id, 0, now)
    return after


async def amend(service: Service, who: Principal, comment_id: str, seen: int | None, change: Amendment) -> ActionResult:
    """Change one comment's status, words or note, if nobody did since the version that was ``seen``.

    Raises:
        VersionNeeded: it was not said which version was seen.
        VersionPassed: somebody decided meanwhile.
        NotFound: there is no such comment on this key's sites.
        Conflict: it was erased.
    """
    if seen is None:
        raise VersionNeeded('Send the comment\'s version: If-Match: "3"')
    return await service.db.write(_amend, service, who, comment_id, seen, change)


async def _amend(
    tx: Transaction, service: Service, who: Principal, comment_id: str, seen: int, change: Amendment
) -> ActionResult:
    present = await _reachable(tx, who, comment_id)
    if present.erased_at:
        raise Conflict("This comment was erased.")
    if present.version != seen:
        raise VersionPassed(f"The comment is at version {present.version} now. Look at it again, then decide.")

    async def change_it(tx: Transaction, comment: Comment, action_id: str) -> Comment:
        after = await _rewrite(tx, service, who, comment, change.name or comment.name, change.comment or comment.text)
        if change.note is not None:
            await comments.set_note(tx, comment.id, change.note)
        decision = Decision(change.status or after.status, change.note or "", who.name)
        return await _move(tx, service, after, decision, action_id)

    return await _together(tx, service, who, "amend", change.note, [present.id], change_it)


async def erase(service: Service, who: Principal, comment_id: str) -> ActionResult:
    """Take away a comment's words and all that is private of its writer, for good.

    Raises:
        NotFound: there is no such comment on this key's sites.
        Conflict: it is neither spam nor trash.
    """
    return await service.db.write(_erase, service, who, comment_id)


async def _erase(tx: Transaction, service: Service, who: Principal, comment_id: str) -> ActionResult:
    comment = await _reachable(tx, who, comment_id)
    if comment.status not in {Status.SPAM, Status.TRASH}:
        raise Conflict("Only spam and trash can be erased for good. Move the comment to the trash first.")
    action_id = service.new_id()
    await history.act(tx, action_id, "erase", who.name, None, service.now())
    if not comment.erased_at:
        await posting.erase(tx, service, comment, Decision(Status.TRASH, "Erased for good.", who.name), action_id)
    item = ActionItem(comment=comment.id, from_=comment.status, to=Status.TRASH, ok=True)
    return ActionResult(id=action_id, action="erase", changed=1, undo_until=None, results=[item])


# --------------------------------------------------------------------------------- threads


async def list_threads(service: Service, who: Principal, query: ThreadsQuery) -> Threads:
    """Threads, newest first.

    Raises:
        Invalid: naming the site or the cursor.
    """
    return await service.db.read_private(_list_threads, service, who, query)


async def _list_threads(tx: Transaction, service: Service, who: Principal, query: ThreadsQuery) -> Threads:
    reach = (await _conditions(tx, service, who, Where(site=query.site))).sites
    before = reading.decoded_cursor(query.cursor, 1)[0] if query.cursor else None
    rows = await threads.page(tx, reach, before, query.limit + 1)
    shown = []
    for row in rows[: query.limit]:
        kept = {name: row[name] for name in Thread.__struct_fields__}
        shown.append(await _thread_record(tx, service, Thread(**kept), row["pending"]))
    cursor = reading.encoded_cursor(shown[-1].id) if len(rows) > query.limit else None
    return Threads(shown, cursor)


async def _thread_record(tx: Transaction, service: Service, thread: Thread, pending: int) -> ThreadRecord:
    site = (await places.directory(tx, service)).by_id(thread.site_id)
    names = await threads.names(tx, thread.id)
    return ThreadRecord(
        id=thread.id,
        site=site.name,
        key=thread.key,
        url=thread.url,
        title=thread.title,
        closed=thread.closed_at is not None,
        count=thread.approved,
        aliases=[name for name in names if name != thread.key],
        pending=pending,
        created_at=thread.created_at,
        closed_at=thread.closed_at,
    )


async def change_thread(service: Service, who: Principal, thread_id: str, change: ThreadChange) -> ThreadRecord:
    """Open, close, retitle, rename a thread, or give it one more name. Every old name keeps working.

    Raises:
        NotFound: there is no such thread on this key's sites.
        Invalid: naming ``thread`` or ``alias``: it cannot be a name on that site, or another thread has it.
    """
    return await service.db.write(_change_thread, service, who, thread_id, change)


async def _change_thread(
    tx: Transaction, service: Service, who: Principal, thread_id: str, change: ThreadChange
) -> ThreadRecord:
    thread = await threads.get(tx, thread_id)
    if thread is None or not who.reaches(thread.site_id):
        raise NotFound
    everything = await places.directory(tx, service)
    site = everything.by_id(thread.site_id)
    key, url = thread.key, thread.url
    for field, name in (("thread", change.thread), ("alias", change.alias)):
        if name is None:
            continue
        place = places.find(everything, name, site.name, None)
        if not await threads.add_name(tx, site.id, place.ref.name, thread.id):
            raise Invalid(Fault(field, "name_taken", "Another thread has this name."))
        if field == "thread":
            key, url = place.ref.name, place.ref.url or url
    closed_at = thread.closed_at
    if change.closed is not None:
        closed_at = (closed_at or service.now()) if change.closed else None
    await threads.amend(tx, thread.id, key, url, change.title or thread.title, closed_at)
    fresh = await threads.get(tx, thread.id) or thread
    totals = await queue.matching(tx, queue.Search(status=Status.PENDING, thread_id=thread.id), MOST_AT_ONCE)
    return await _thread_record(tx, service, fresh, len(totals))
