"""One comment: all that is known of it, and what is done to it alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from aiohttp import web
from msgspec import UNSET, Meta, Struct

from commentsvc.domain.errors import NotFound, Refusal, Unauthorized, VersionConflict
from commentsvc.domain.fields import Name, Note, Text
from commentsvc.moderation import actions, queue, replies
from commentsvc.moderation.erase import erase_permanently
from commentsvc.moderation.schemas import CommentUpdate, ModeratorDetail, NewReply
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Back, Told
from commentsvc.web.server import parsing, problems
from commentsvc.web.server.routing import SERVICE, SESSION, WHO


class Looked(Told, frozen=True, kw_only=True):
    """From where a comment is looked at, and what was just done to it."""

    back: Back | None = None


class Rewording(Struct, frozen=True, kw_only=True):
    """Other words for a comment, or another note."""

    version: Annotated[int, Meta(ge=1)]
    comment: Text | None = None
    name: Name | None = None
    note: Note | None = None
    only: Annotated[str, Meta(max_length=10, description="note: only that.")] | None = None
    back: Back | None = None


class Answer(Struct, frozen=True, kw_only=True):
    """What a moderator answers."""

    comment: Text
    approve: Annotated[str, Meta(max_length=10)] | None = None
    version: Annotated[int, Meta(ge=1)] | None = None
    back: Back | None = None


class Erasing(Struct, frozen=True, kw_only=True):
    """That a comment is to be erased for good."""

    back: Back | None = None


async def show(request: web.Request, looked: Looked) -> web.Response:
    """All about one comment."""
    return await _page(request, back=looked.back, told=looked)


async def _page(
    request: web.Request,
    *,
    back: str | None,
    status: int = 200,
    told: Told | None = None,
    error: Refusal | None = None,
    filled: dict[str, str] | None = None,
) -> web.Response:
    card = await queue.get_comment_detail(request.app[SERVICE], request[WHO], request.match_info["id"])
    shown: dict[str, Any] = {
        "card": card,
        "error": error,
        "filled": filled or {},
        "sent": _form(request, filled),
        "history": _history(card),
    }
    place = layout.back_to(back)
    title = f"{card.name or 'A comment'} on {card.thread.title or card.thread.key}"
    return await layout.page(
        request, "comment.html", status=status, told=told, tab=None, title=title, back=place, **shown
    )


def _form(request: web.Request, filled: dict[str, str] | None) -> str | None:
    """Which form of the page was sent."""
    if filled is None:
        return None
    return "reply" if request.path.endswith("/reply") else "note" if filled.get("only") else "edit"


def _history(card: ModeratorDetail) -> list[tuple[str, str, Any]]:
    """What became of a comment: a time, a kind, and the record; oldest first."""
    found: list[tuple[str, str, Any]] = [(one.created_at, "decision", one) for one in card.decisions]
    found += [(one.created_at, "revision", one) for one in card.revisions]
    found += [(one.created_at, "report", one) for one in card.reported]
    found += [(one.created_at, "action", one) for one in card.actions if one.action in {"amend", "undo"}]
    return sorted(found, key=lambda one: one[0])


async def again(request: web.Request, error: Refusal, body: bytes) -> web.Response:
    """The comment's page once more: what is wrong, and the form as it was filled in."""
    if SESSION not in request or isinstance(error, NotFound | Unauthorized):
        return await layout.refused(request, error, body)
    sent = parsing.filled_in(_Filled, body)
    filled = {name: sent.get(name, "") for name in _Filled.__struct_fields__}
    status = problems.STATUS_OF_ERROR[type(error)]
    try:
        return await _page(request, back=filled.get("back"), status=status, error=error, filled=filled)
    except Refusal:
        return await layout.refused(request, error, body)


class _Filled(Struct):
    """What may have been filled in."""

    comment: str
    name: str
    note: str
    only: str
    approve: str
    back: str


async def reword(request: web.Request, words: Rewording) -> web.Response:
    """Give a comment other words, or a note, if nobody decided on it meanwhile."""
    change = (
        CommentUpdate(note=words.note)
        if words.only
        else CommentUpdate(comment=words.comment, name=words.name, note=UNSET)
    )
    service, comment_id = request.app[SERVICE], request.match_info["id"]
    with as_it_stands():
        result = await actions.update_comment(service, request[WHO], comment_id, words.version, change)
    return _led_here(request, words.back, result.id if result.changed else None)


@contextmanager
def as_it_stands() -> Iterator[None]:
    """Say of a comment that was changed meanwhile where it can be read, and where what was typed is."""
    try:
        yield
    except VersionConflict:
        raise VersionConflict("Below is the comment as it stands now; what you wrote is in the form.") from None


def _led_here(request: web.Request, back: str | None, done: str | None) -> web.Response:
    here = layout.address(f"/moderate/comments/{request.match_info['id']}", back=layout.back_to(back))
    return layout.led(here, done=done)


async def reply(request: web.Request, answer: Answer) -> web.Response:
    """Answer a comment as its moderator; one that waits is approved with it, if that is wanted."""
    new = NewReply(comment=answer.comment, approve=bool(answer.approve), seen=answer.version)
    with as_it_stands():
        made = await replies.post_reply(request.app[SERVICE], request[WHO], request.match_info["id"], new)
    return layout.led(answer.back, done=made.action)


async def erase(request: web.Request, erasing: Erasing) -> web.Response:
    """Erase a comment for good."""
    done = await erase_permanently(request.app[SERVICE], request[WHO], request.match_info["id"])
    return layout.led(erasing.back, done=done.id)
