"""Changes to threads, rules and sites. Each change is an action, and can be undone."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from commentsvc.audit import log
from commentsvc.audit.schemas import ActionResult
from commentsvc.domain.errors import Conflict, Forbidden, NotFound
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import ManagedSite, Principal, Rule, Scope
from commentsvc.storage import actions, rules, sites, threads
from commentsvc.storage.database import PrivateRead, Row, Write

UNDO_DAYS: Final = 30

# The fields of each kind of thing that a change may set, and that undo restores.
UNDOABLE_FIELDS: Final = {
    "thread": ("key", "url", "title", "closed_at", "open_until", "mode"),
    "rule": ("matching", "effect", "note", "expires_at", "removed_at"),
    "site": ("mode", "name", "email_required", "website_field", "privacy_url", "consent_required", "time_zone"),
}
# The fields whose values the audit log holds: no texts and no addresses.
LOGGED_FIELDS: Final = frozenset(
    {"closed_at", "open_until", "mode", "merged_into", "effect", "expires_at", "removed_at"}
    | {"email_required", "website_field", "consent_required", "time_zone"}
)


def undoable_state(kind: str, thing: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of a thing that a change may set."""
    return {name: getattr(thing, name) for name in UNDOABLE_FIELDS[kind]}


async def record_change(
    unit: Write,
    who: Principal,
    verb: str,
    subject: tuple[str, str, str | None],
    was: Mapping[str, Any],
    became: Mapping[str, Any],
) -> str:
    """Store and log a change of a subject (kind, id, site id) as an action; return the action's id."""
    kind, subject_id, site_id = subject
    action_id = unit.new_id()
    changed = sorted(name for name in became if became[name] != was.get(name))
    await actions.add_action(
        unit,
        action_id,
        verb,
        who,
        None,
        unit.now(),
        subject=f"{kind}:{subject_id}",
        was=msgspec.json.encode({name: was[name] for name in changed}).decode(),
        became=msgspec.json.encode({name: became[name] for name in changed}).decode(),
    )
    body = {"action": action_id, kind: subject_id, "changed": changed}
    body |= {name: became[name] for name in changed if name in LOGGED_FIELDS}
    await log.add_entry(unit, actor=who.actor, verb=verb, site_id=site_id, body=body)
    return action_id


async def undo_change(unit: Write, who: Principal, action: Row) -> ActionResult:
    """Restore a thing to its state before an action.

    Raises:
        NotFound: the thing is on another site.
        Forbidden: the action changed a site, and the principal does not have scope admin.
        Conflict: the thing was changed since, or the action was already undone.
    """
    kind, _, subject_id = action["subject"].partition(":")
    await _lock_subject(unit, kind, subject_id)
    thing = await _load_subject(unit, kind, subject_id)
    site_id = _site_of(kind, thing)
    if not _may_see(who, thing, site_id):
        raise NotFound
    was, became = msgspec.json.decode(action["was"]), msgspec.json.decode(action["became"])
    if getattr(thing, "merged_into", None):
        raise Conflict(translatable("This thread was merged since. Undo the merge first."))
    if kind == "site" and not who.may(Scope.ADMIN):
        raise Forbidden(translatable("Changing a site needs a key with scope admin."))
    current = msgspec.json.decode(msgspec.json.encode(undoable_state(kind, thing)))
    if any(current[name] != value for name, value in became.items()):
        raise Conflict(translatable("It was changed since. Reload it and try again."))
    await _restore_subject(unit, kind, thing, was)
    return await record_undo(unit, who, action, (kind, subject_id, site_id), (became, was))


async def is_removed(unit: PrivateRead, action: Row) -> bool:
    """Return whether the rule that an action added was removed since."""
    kind, _, subject_id = action["subject"].partition(":")
    added = action["verb"] == "rule_add"
    return added and getattr(await _load_subject(unit, kind, subject_id), "removed_at", None) is not None


async def record_undo(
    unit: Write,
    who: Principal,
    action: Row,
    subject: tuple[str, str, str | None],
    change: tuple[Mapping[str, Any], Mapping[str, Any]],
) -> ActionResult:
    """Store that an action was undone. The undo is an action too.

    Raises:
        Conflict: the action was already undone.
    """
    undo_id = await record_change(unit, who, "undo", subject, *change)
    if not await actions.mark_undone(unit, action["id"], undo_id):
        raise Conflict(translatable("This was undone already."))
    return ActionResult(id=undo_id, action="undo", changed=1, undo_until=unit.ahead(days=UNDO_DAYS), results=[])


async def visible_subjects(unit: PrivateRead, who: Principal, subjects: Sequence[str]) -> set[str]:
    """Return those of these subjects of actions that are on this principal's sites. It takes one statement a kind."""
    found = await _check_subjects(unit, who, subjects)
    return {subject for subject, is_visible in found.items() if is_visible}


async def hides_subjects(unit: PrivateRead, who: Principal, subjects: Sequence[str]) -> bool:
    """Return whether one of these subjects of actions is on another site than this principal's."""
    return not all((await _check_subjects(unit, who, subjects)).values())


async def _check_subjects(unit: PrivateRead, who: Principal, subjects: Sequence[str]) -> dict[str, bool]:
    """Return whether the principal may see each of these subjects. Those that are gone are missing."""
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for subject in subjects:
        kind, _, subject_id = subject.partition(":")
        ids[kind].append(subject_id)
    found: dict[str, bool] = {}
    for kind, wanted in sorted(ids.items()):
        things = await _load_subjects(unit, kind, sorted(set(wanted)))
        found |= {f"{kind}:{id_}": _may_see(who, thing, _site_of(kind, thing)) for id_, thing in things.items()}
    return found


def _may_see(who: Principal, thing: Any, site_id: str | None) -> bool:
    return thing is not None and (who.sites is None if site_id is None else who.reaches(site_id))


async def _lock_subject(unit: Write, kind: str, subject_id: str) -> None:
    match kind:
        case "thread":
            await threads.lock(unit, subject_id)
        case "rule":
            await rules.lock(unit, subject_id)


async def _load_subject(unit: PrivateRead, kind: str, subject_id: str) -> Any:
    return (await _load_subjects(unit, kind, [subject_id])).get(subject_id)


async def _load_subjects(unit: PrivateRead, kind: str, subject_ids: Sequence[str]) -> Mapping[str, Any]:
    match kind:
        case "thread":
            return await threads.get_many(unit, subject_ids)
        case "rule":
            return await rules.get_many(unit, subject_ids)
        case _:
            return await sites.get_many(unit, subject_ids)


def _site_of(kind: str, thing: Any) -> str | None:
    return getattr(thing, "id" if kind == "site" else "site_id", None)


async def _restore_subject(unit: Write, kind: str, thing: Any, was: dict[str, Any]) -> None:
    match kind:
        case "thread":
            if "key" in was and not await threads.add_name(unit, thing.site_id, was["key"], thing.id):
                raise Conflict(translatable("Another thread now has the earlier address."))
            await threads.update(unit, thing, **(undoable_state(kind, thing) | was))
        case "rule":
            fields = msgspec.structs.asdict(thing) | was | {"version": thing.version + 1}
            await rules.update(unit, msgspec.convert(fields, Rule))
        case _:
            await sites.update(unit, thing, msgspec.convert(msgspec.structs.asdict(thing) | was, ManagedSite))
