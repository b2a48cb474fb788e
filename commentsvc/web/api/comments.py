"""The API for readers and commenters."""

import hashlib

import msgspec
from aiohttp import hdrs, web

from commentsvc.access import rate_limit
from commentsvc.comments import edit, erase, form, post, read, reports
from commentsvc.comments.read import ThreadPage
from commentsvc.comments.schemas import (
    CommentEdit,
    Counts,
    CountsQuery,
    FeedQuery,
    LatestFeedQuery,
    LatestQuery,
    NewComment,
    NewReport,
    OpenForm,
    PreviewRequest,
    PreviewResult,
    PublicComment,
    Receipt,
    ReportReceipt,
    ThreadQuery,
)
from commentsvc.domain.errors import Invalid
from commentsvc.web.api import feeds
from commentsvc.web.pages import fragments, redirects
from commentsvc.web.pages.fragments import FragmentQuery
from commentsvc.web.pages.i18n import Locale
from commentsvc.web.pages.templates import request_locale
from commentsvc.web.server import security
from commentsvc.web.server.cache_headers import accepts_gzip, cacheable, compress, respond_with_thread
from commentsvc.web.server.responses import is_navigation, match_etag, respond, wants_fragment
from commentsvc.web.server.routing import SERVICE, VISIT


async def create_comment(request: web.Request, draft: NewComment) -> web.Response:
    """Create a comment.

    201: it is published. 202: it is pending. 303: redirects a browser without a script to a page that shows it.
    """
    receipt = await post.post_comment(request.app[SERVICE], draft, request[VISIT])
    if is_navigation(request):
        return await redirects.redirect_after_post(request, draft, receipt)
    status = 201 if receipt.status == "approved" else 202
    if wants_fragment(request):
        return fragments.receipt(request, receipt, draft.comment, status)
    return respond(receipt, status, {hdrs.LOCATION: f"/v1/comments/{receipt.id}"})


async def add_place_faults(request: web.Request, error: Invalid) -> Invalid:
    """Return all errors of a new comment, also those of its thread, site and parent."""
    return await post.add_place_faults(request.app[SERVICE], error, error.valid, request[VISIT])


async def list_thread(request: web.Request, query: ThreadQuery) -> web.Response:
    """Return a thread's comments. A thread without comments is empty.

    With an edit token, the list contains the commenter's own pending comment.
    """
    service, token = request.app[SERVICE], security.bearer(request)
    own = service.keyring.subject("edit", token, service.clock()) if token else None

    async def render(page: ThreadPage) -> bytes:
        return msgspec.json.encode(page.listing)

    return await respond_with_thread(request, query, query.view, render, own=own)


async def list_fragment(request: web.Request, query: FragmentQuery) -> web.Response:
    """Return a thread as HTML with its form, to be inserted into a page."""
    return await fragments.thread(request, query)


async def get_comment(request: web.Request) -> PublicComment | web.Response:
    """Return one comment. With its edit token, also while it is pending."""
    comment = await read.get_comment(request.app[SERVICE], request.match_info["id"], security.bearer(request))
    return fragments.own(request, comment) if wants_fragment(request) else comment


async def edit_comment(request: web.Request, change: CommentEdit) -> Receipt | web.Response:
    """Edit a comment within its edit window. The rules check it again."""
    receipt = await edit.edit_comment(
        request.app[SERVICE], request.match_info["id"], security.bearer(request), change, request[VISIT]
    )
    return fragments.receipt(request, receipt, change.comment, 200) if wants_fragment(request) else receipt


async def withdraw_comment(request: web.Request) -> None:
    """Delete a comment within its edit window. It is erased."""
    service = request.app[SERVICE]
    async with rate_limit.charging_refusals(service, request[VISIT]):
        await erase.withdraw_comment(service, request.match_info["id"], security.bearer(request))


async def report_comment(request: web.Request, report: NewReport) -> ReportReceipt:
    """Report a comment to the moderators. Each network counts once; the response is always the same."""
    return await reports.report_comment(request.app[SERVICE], request.match_info["id"], report, request[VISIT])


async def count_comments(request: web.Request, query: CountsQuery) -> Counts:
    """Count the approved comments of up to 200 threads."""
    counts = await read.count_comments(request.app[SERVICE], query, request[VISIT])
    return counts if query.lang is None else _add_labels(counts, request_locale(request, query.lang))


def _add_labels(counts: Counts, locale: Locale) -> Counts:
    labels = {
        name: str(locale.ngettext("%(num)d comment", "%(num)d comments", number))
        for name, number in counts.counts.items()
    }
    return msgspec.structs.replace(counts, words=labels)


async def list_latest(request: web.Request, query: LatestQuery) -> web.Response:
    """Return a site's latest comments, newest first."""
    latest = msgspec.json.encode(await read.list_latest(request.app[SERVICE], query, request[VISIT]))
    return _respond_with_digest(request, latest)


def _respond_with_digest(request: web.Request, body: bytes, **more: str) -> web.Response:
    """Return a body with its own digest as the tag."""
    tag = hashlib.blake2b(body, digest_size=12).hexdigest()
    matched_tag = match_etag(request.headers.get(hdrs.IF_NONE_MATCH))(tag)
    return cacheable(compress(body, gzipped=accepts_gzip(request)), tag, matched_tag, **more)


async def get_thread_feed(request: web.Request, query: FeedQuery) -> web.Response:
    """Return an Atom feed of a thread's comments, newest first."""
    locale = request_locale(request, query.lang)
    query = msgspec.structs.replace(query, lang=query.lang and locale.lang)

    async def render(page: ThreadPage) -> bytes:
        return await feeds.render_thread_feed(request.app[SERVICE], query, page, request[VISIT], locale)

    variant = f"atom-{locale.lang}{'-explicit' if query.lang else ''}"  # the feed contains its own address
    return await respond_with_thread(
        request, feeds.thread_query(query), variant, render, links=True, kind=feeds.KIND, vary=hdrs.ACCEPT_LANGUAGE
    )


async def get_site_feed(request: web.Request, query: LatestFeedQuery) -> web.Response:
    """Return an Atom feed of a site's latest comments."""
    service, locale = request.app[SERVICE], request_locale(request, query.lang)
    query = msgspec.structs.replace(query, lang=query.lang and locale.lang)
    latest = await read.list_latest(service, query, request[VISIT])
    feed = await feeds.render_site_feed(service, query, latest, request[VISIT], locale)
    return _respond_with_digest(request, feed, kind=feeds.KIND, vary=hdrs.ACCEPT_LANGUAGE)


async def open_form(request: web.Request) -> OpenForm:
    """Create a form token, and a proof-of-work challenge if one is required."""
    return await form.open_form(request.app[SERVICE], request[VISIT])


async def render_preview(_request: web.Request, draft: PreviewRequest) -> PreviewResult:
    """Render Markdown as HTML without saving it."""
    return read.render_preview(draft)
