"""The buttons that decide on comments: one, the selected ones, similar ones, or all that match a filter."""

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from commentsvc.audit.schemas import ActionResult
from commentsvc.domain import validation
from commentsvc.domain.errors import FieldError, Invalid, VersionConflict
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import ActionVerb, Scope, StatusFilter
from commentsvc.moderation import actions, queue, undo
from commentsvc.moderation.actions import Step
from commentsvc.moderation.schemas import Action
from commentsvc.storage.comment_filter import PrivateCommentFilter
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Back
from commentsvc.web.moderation.search import QueuePageQuery, build_filter
from commentsvc.web.server import parsing
from commentsvc.web.server.routing import SERVICE, WHO

# A comment, and the version that the moderator saw.
SEEN: Final = re.compile(r"([0-9a-f-]{36})\.([1-9][0-9]{0,8})")
# The values of the buttons: a verb, and what it applies to.
ONE: Final = re.compile(rf"(?P<verb>[a-z]+) {SEEN.pattern}")
SELECTED: Final = re.compile(r"(?P<verb>[a-z]+) selected")
TIME: Final = r"[0-9TZ:.-]{24}"
SIMILAR: Final = re.compile(rf"(?P<verb>[a-z]+) (?P<kind>network|text) (?P<id>[0-9a-f-]{{36}}) (?P<as_of>{TIME})")
# The next step of an action on more comments than one action may have: of a filter, or of similar comments.
NEXT: Final = re.compile(
    rf"(?P<verb>[a-z]+) (?P<kind>network|text|page) (?P<id>[0-9a-f-]{{36}}|-) (?P<as_of>{TIME}) "
    "(?P<after>[0-9a-f-]{36})"
)


class ActionForm(Struct, frozen=True, kw_only=True):
    """The button that was pressed, and the selected comments: these, or all that match the page's filter."""

    act: Annotated[str, Meta(max_length=200)]
    selected: Annotated[list[str], Meta(max_length=500)] = msgspec.field(default_factory=list)
    all: Annotated[int, Meta(ge=1, le=actions.MAX_COMMENTS + 1, description="How many match.")] | None = None
    as_of: Annotated[str, Meta(pattern=f"^{TIME}$")] | None = None
    back: Back | None = None


class UndoForm(Struct, frozen=True, kw_only=True):
    """The action to undo; without one, the last action of this session."""

    action: Annotated[str, Meta(max_length=100)] | None = None
    back: Back | None = None


async def apply_action(request: web.Request, form: ActionForm) -> web.Response:
    """Decide on one comment, on the selected comments, on all similar comments that wait, or on all that match."""
    if (one := ONE.fullmatch(form.act)) is not None:
        return await _decide(request, form, one["verb"], {one[2]: int(one[3])})
    if (similar := SIMILAR.fullmatch(form.act)) is not None:
        where = await _similar_filter(request, similar)
        number = await actions.count_step(request.app[SERVICE], request[WHO], where)
        return await _decide_step(request, form, similar, Step(where, number))
    if (following := NEXT.fullmatch(form.act)) is not None:
        where = await _next_filter(request, following, form.back)
        return await _decide_step(request, form, following, Step(where, form.all or 0, following["after"]))
    if (selected := SELECTED.fullmatch(form.act)) is None:
        raise Invalid(FieldError("act", "invalid", translatable("Unknown button.")))
    if form.all and form.as_of:
        return await _decide_step(request, form, selected, Step(_page_filter(request, form.back, form.as_of), form.all))
    matches = filter(None, map(SEEN.fullmatch, form.selected))
    return await _decide(request, form, selected["verb"], {match[1]: int(match[2]) for match in matches})


async def _decide(request: web.Request, form: ActionForm, verb: str, seen: dict[str, int]) -> web.Response:
    if not seen:
        raise Invalid(FieldError("selected", "required", translatable("Select a comment first.")))
    action = Action(action=_parse_verb(verb), ids=list(seen), seen=seen)
    return _show_result(form, await actions.apply_action(request.app[SERVICE], request[WHO], action))


async def _decide_step(request: web.Request, form: ActionForm, button: re.Match[str], step: Step) -> web.Response:
    """Decide on the first comments that match; the page then offers the next step."""
    verb = _parse_verb(button["verb"])
    result, last = await actions.apply_step(request.app[SERVICE], request[WHO], verb, step)
    named = button.groupdict()
    kind, id_ = named.get("kind", "page"), named.get("id", "-")
    as_of = named.get("as_of", form.as_of)
    return _show_result(form, result, more=f"{verb.value} {kind} {id_} {as_of} {last}" if last else None)


def _show_result(form: ActionForm, result: ActionResult, more: str | None = None) -> web.Response:
    skipped = [item.comment for item in result.results if not item.ok]
    return layout.redirect_back(form.back, done=result.id if result.changed else None, skipped=skipped[:50], more=more)


async def count_next(request: web.Request, query: QueuePageQuery) -> tuple[str, str, int] | None:
    """Return the next step of an action on many comments: its button, its verb and how many match."""
    following = NEXT.fullmatch(query.more or "")
    if following is None or not request[WHO].may(Scope.MODERATE):
        return None
    where = await _next_filter(request, following, layout.current_url(request))
    number = await actions.count_step(request.app[SERVICE], request[WHO], where, following["after"])
    return (following[0], following["verb"], number) if number else None


async def _next_filter(request: web.Request, following: re.Match[str], back: str | None) -> PrivateCommentFilter:
    if following["kind"] == "page":
        return _page_filter(request, back, following["as_of"])
    return await _similar_filter(request, following)


def _page_filter(request: web.Request, back: str | None, as_of: str) -> PrivateCommentFilter:
    """Return the filter of a page of the queue: what matched it at a time."""
    values = parsing.parse_query(QueuePageQuery, urlsplit(layout.safe_back_url(back)).query)
    limits = request.app[SERVICE].config.limits
    query = validation.validate(QueuePageQuery, values, limits, strict=False, form=True)
    return build_filter(request, query, as_of)


async def _similar_filter(request: web.Request, similar: re.Match[str]) -> PrivateCommentFilter:
    """Return the filter for waiting comments with the same text, or from the same network, as one comment."""
    comment = await queue.get_comment_detail(request.app[SERVICE], request[WHO], similar["id"])
    if similar["kind"] == "network":
        if comment.network is None:
            raise Invalid(
                FieldError("act", "network_forgotten", translatable("The network of this comment is no longer stored."))
            )
        return PrivateCommentFilter(status=StatusFilter.PENDING, as_of=similar["as_of"], network=comment.network)
    if (comment.edited_at or "") > similar["as_of"]:
        raise VersionConflict(translatable("The commenter has edited this comment. Read it again, then decide."))
    return PrivateCommentFilter(status=StatusFilter.PENDING, as_of=similar["as_of"], same_text=comment.id)


def _parse_verb(name: str) -> ActionVerb:
    try:
        return ActionVerb(name)
    except ValueError:
        raise Invalid(FieldError("act", "invalid", translatable("Unknown button."))) from None


async def undo_action(request: web.Request, form: UndoForm) -> web.Response:
    """Undo an action, or the last action of this session."""
    service, who = request.app[SERVICE], request[WHO]
    if form.action:
        result = await undo.undo_action(service, who, form.action)
    else:
        _, result = await undo.undo_last_action(service, who)
    skipped = [item.comment for item in result.results if not item.ok]
    return layout.redirect_back(form.back, done=result.id, skipped=skipped[:50])
