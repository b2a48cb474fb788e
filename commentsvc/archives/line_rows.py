"""Make the lines of an archive of rows of the database."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from commentsvc.archives.schemas import (
    ActorPart,
    CommentLine,
    ContactPart,
    Contacts,
    DecisionPart,
    ModeratorLine,
    ReportPart,
    RevisionPart,
    RuleLine,
    SiteLine,
    SourceLine,
    ThreadLine,
    ThreadName,
)
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.email_address import UNREADABLE
from commentsvc.domain.models import Contact
from commentsvc.storage.comments import PATH_DIGITS
from commentsvc.storage.database import Row

P = TypeVar("P", bound=Struct)

# Names of fields that are shorter than those of the columns.
_SHORT: Final = {"site_id": "site", "thread_id": "thread", "parent_id": "parent", "answered_id": "answered"} | {
    "author_id": "author", "moderator_id": "moderator", "action_id": "action", "reader_digest": "reader",
    "last_seq": "last_number",
}  # fmt: skip


def make_site(row: Row, origins: Iterable[str]) -> SiteLine:
    """Return the line of a site."""
    return _convert(row, SiteLine, origins=tuple(sorted(origins)))


def make_moderator(row: Row, sites: Iterable[str]) -> ModeratorLine:
    """Return the line of a moderator."""
    return _convert(row, ModeratorLine, sites=tuple(sorted(sites)))


def make_rule(row: Row, contacts: Contacts, keyring: Keyring) -> RuleLine | None:
    """Return the line of a rule; None if it is about an address, and the archive has none."""
    if row["email_digest"] is None:
        return _convert(row, RuleLine)
    if contacts is Contacts.NONE:
        return None
    # After the erasure of a person, a ban has only the digest of the address.
    return _convert(row, RuleLine, **(_email(row, contacts, keyring) if row["email_sealed"] else {}))


def make_thread(row: Row, names: Iterable[Row]) -> ThreadLine:
    """Return the line of a thread."""
    listed = sorted((ThreadName(name=one["name"], given=bool(one["given"])) for one in names), key=lambda one: one.name)
    return _convert(row, ThreadLine, names=tuple(listed))


def make_source(row: Row) -> SourceLine:
    """Return the line of an imported comment."""
    return SourceLine(site=row["site_id"], source=row["source"], id=row["source_id"], comment=row["comment_id"])


def make_comments(
    rows: Sequence[Row],
    *,
    contacts: Mapping[str, ContactPart],
    decisions: Sequence[Row],
    revisions: Sequence[Row],
    reports: Sequence[Row],
) -> list[CommentLine]:
    """Return the lines of comments."""
    parts: dict[str, dict[str, list[Struct]]] = {
        "decisions": _group(decisions, DecisionPart, actors=True),
        "revisions": _group(revisions, RevisionPart, actors=True),
        "reports": _group(reports, ReportPart),
    }
    return [
        _convert(
            row,
            CommentLine,
            number=int(row["path"][-PATH_DIGITS:], 16),
            contact=contacts.get(row["id"]),
            **{name: tuple(found.get(row["id"], ())) for name, found in parts.items()},
            but=("reports",),
        )
        for row in rows
    ]


def make_contact(contact: Contact, contacts: Contacts, keyring: Keyring) -> ContactPart:
    """Return the private data of a comment's author."""
    values = msgspec.structs.asdict(contact)
    sealed = contact.email_sealed is not None
    return _convert(values, ContactPart, **(_email(values, contacts, keyring) if sealed else {}))


def _email(values: Row, contacts: Contacts, keyring: Keyring) -> dict[str, Any]:
    if contacts is Contacts.SEALED:
        return {}
    email = keyring.unseal(values["email_sealed"])
    clear = None if email is UNREADABLE else email.reveal()  # its key is lost: nobody can read it
    return {"email": clear, "email_sealed": None, "email_digest": None}


def _group(rows: Sequence[Row], kind: type[Struct], *, actors: bool = False) -> dict[str, list[Struct]]:
    grouped: defaultdict[str, list[Struct]] = defaultdict(list)
    for row in rows:
        more: dict[str, Any] = {"actor": _actor(row)} if actors else {}
        grouped[row["comment_id"]].append(_convert(row, kind, **more))
    return grouped


def _actor(row: Row) -> ActorPart:
    return ActorPart(kind=row["actor_kind"], id=row["actor_id"], name=row["actor_name"])


def _convert(row: Row, kind: type[P], *, but: Sequence[str] = (), **more: Any) -> P:
    """Return a row as a part of an archive. Columns that it has no field for are left out."""
    fields = kind.__struct_fields__
    columns = [name for name in row.keys() if name not in but]  # noqa: SIM118 -- rows iterate over their values
    found: dict[str, Any] = {_SHORT.get(name, name): row[name] for name in columns}
    values = {name: value for name, value in found.items() if name in fields and value is not None}
    padded: dict[str, Any] = {name: values[name].rstrip() for name in ("reason_args", "verdicts") if name in values}
    return msgspec.convert(values | padded | more, kind, strict=False)
