"""The page of one comment: its details and history, and forms to reply, edit, note and delete."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from aiohttp import web
from msgspec import UNSET, Meta, Struct

from commentsvc.domain.errors import NotFound, Refusal, Unauthorized, VersionConflict
from commentsvc.domain.fields import Name, Note, Text
from commentsvc.domain.messages import translatable
from commentsvc.moderation import actions, erase, queue, replies
from commentsvc.moderation.schemas import CommentUpdate, ModeratorDetail, NewReply
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Back, ResultQuery
from commentsvc.web.server import forms, problems
from commentsvc.web.server.routing import SERVICE, SESSION, WHO


class CommentPageQuery(ResultQuery, frozen=True, kw_only=True):
    """The page to go back to, and the result of the last form."""

    back: Back | None = None


class EditForm(Struct, frozen=True, kw_only=True):
    """A new text and name, or a new note."""

    version: Annotated[int, Meta(ge=1)]
    comment: Text | None = None
    name: Name | None = None
    note: Note | None = None
    only: Annotated[str, Meta(max_length=10, description="note: change only the note.")] | None = None
    back: Back | None = None


class ReplyForm(Struct, frozen=True, kw_only=True):
    """A moderator's reply."""

    comment: Text
    approve: Annotated[str, Meta(max_length=10)] | None = None
    version: Annotated[int, Meta(ge=1)] | None = None
    back: Back | None = None


class EraseForm(Struct, frozen=True, kw_only=True):
    """The button that deletes a comment permanently."""

    back: Back | None = None


async def show_comment(request: web.Request, query: CommentPageQuery) -> web.Response:
    """Show one comment with its details and history."""
    return await _render_comment(request, back=query.back, result=query)


async def _render_comment(
    request: web.Request,
    *,
    back: str | None,
    status: int = 200,
    result: ResultQuery | None = None,
    error: Refusal | None = None,
    form: dict[str, str] | None = None,
) -> web.Response:
    card = await queue.get_comment_detail(request.app[SERVICE], request[WHO], request.match_info["id"])
    shown: dict[str, Any] = {
        "card": card,
        "error": error,
        "form": form or {},
        "sent_form": _name_sent_form(request, form),
        "history": _build_history(card),
        "back": layout.safe_back_url(back),
    }
    return await layout.render_page(request, "comment.html", status=status, result=result, tab=None, **shown)


def _name_sent_form(request: web.Request, form: dict[str, str] | None) -> str | None:
    """Return which form of the page was sent: reply, note or edit."""
    if form is None:
        return None
    return "reply" if request.path.endswith("/reply") else "note" if form.get("only") else "edit"


def _build_history(card: ModeratorDetail) -> list[tuple[str, str, Any]]:
    """Return a time, a kind and a record for each event of a comment, oldest first."""
    found: list[tuple[str, str, Any]] = [(one.created_at, "decision", one) for one in card.decisions]
    found += [(one.created_at, "revision", one) for one in card.revisions]
    found += [(one.created_at, "report", one) for one in card.reported]
    found += [(one.created_at, "action", one) for one in card.actions if one.action in {"amend", "undo"}]
    return sorted(found, key=lambda one: one[0])


async def show_comment_error(request: web.Request, error: Refusal, body: bytes) -> web.Response:
    """Show the comment's page again with the error, and the form as it was filled in."""
    if SESSION not in request or isinstance(error, NotFound | Unauthorized):
        return await layout.show_error(request, error, body)
    sent = forms.parse_leniently(_SentFields, body)
    form = {name: sent.get(name, "") for name in _SentFields.__struct_fields__}
    status = problems.STATUS_OF_ERROR[type(error)]
    try:
        return await _render_comment(request, back=form.get("back"), status=status, error=error, form=form)
    except Refusal:
        return await layout.show_error(request, error, body)


class _SentFields(Struct):
    """The fields of all forms of the page."""

    comment: str
    name: str
    note: str
    only: str
    approve: str
    back: str


async def update_comment(request: web.Request, form: EditForm) -> web.Response:
    """Change a comment's text, name or note, unless someone else changed it."""
    update = (
        CommentUpdate(note=form.note) if form.only else CommentUpdate(comment=form.comment, name=form.name, note=UNSET)
    )
    service, comment_id = request.app[SERVICE], request.match_info["id"]
    with _explain_conflict():
        result = await actions.update_comment(service, request[WHO], comment_id, form.version, update)
    page = layout.build_url(f"/moderate/comments/{comment_id}", back=layout.safe_back_url(form.back))
    return layout.redirect_back(page, done=result.id if result.changed else layout.UNCHANGED)


@contextmanager
def _explain_conflict() -> Iterator[None]:
    """Reword a version conflict: the page shows the new version, and the form has the text that was typed."""
    try:
        yield
    except VersionConflict:
        raise VersionConflict(translatable("You see the new version below. Your text is still in the form.")) from None


async def post_reply(request: web.Request, form: ReplyForm) -> web.Response:
    """Reply to a comment as a moderator, and approve the comment if asked to."""
    new = NewReply(comment=form.comment, approve=bool(form.approve), seen=form.version)
    with _explain_conflict():
        reply = await replies.post_reply(request.app[SERVICE], request[WHO], request.match_info["id"], new)
    return layout.redirect_back(form.back, done=reply.action)


async def erase_permanently(request: web.Request, form: EraseForm) -> web.Response:
    """Delete a comment permanently."""
    result = await erase.erase_permanently(request.app[SERVICE], request[WHO], request.match_info["id"])
    return layout.redirect_back(form.back, done=result.id)
