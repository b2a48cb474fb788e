"""The API for readers and commenters."""

import msgspec
from aiohttp import hdrs, web

from commentsvc.access import rate_limit
from commentsvc.comments import edit, erase, form, post, read, reports, unpublished
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
from commentsvc.sites import resolve
from commentsvc.web.api import feeds
from commentsvc.web.pages import fragments, redirects, thread
from commentsvc.web.pages.fragments import FragmentQuery
from commentsvc.web.pages.i18n import Locale
from commentsvc.web.pages.templates import language_header, request_locale
from commentsvc.web.server import security
from commentsvc.web.server.cache_headers import Body, cacheable, depend_on, make_body, respond_with_thread
from commentsvc.web.server.off_loop import run_off_loop
from commentsvc.web.server.responses import is_navigation, respond, wants_fragment
from commentsvc.web.server.routing import BODY, SERVICE, VISIT


async def create_comment(request: web.Request, draft: NewComment) -> web.Response:
    """Create a comment.

    201: it is published. 202: it is pending. 303: redirects a browser without a script to a page that shows it.
    """
    locale = request_locale(request, request.query.get("lang"))
    receipt = await post.post_comment(request.app[SERVICE], draft, request[VISIT], language=locale.lang)
    if is_navigation(request):
        return await redirects.redirect_after_post(request, draft, receipt)
    status = 201 if receipt.status == "approved" else 202
    if wants_fragment(request):
        return await fragments.receipt(request, receipt, draft.comment, status, asks_mail=bool(draft.subscribe))
    return respond(receipt, status, {hdrs.LOCATION: f"/v1/comments/{receipt.id}"})


async def add_place_faults(request: web.Request, error: Invalid) -> Invalid:
    """Return all errors of a new comment, also those of its thread, site and parent."""
    return await post.add_place_faults(request.app[SERVICE], error, error.valid, request[VISIT])


async def list_comments(request: web.Request, query: ThreadQuery) -> web.Response:
    """Return a thread's comments. A thread without comments is empty.

    With an edit token, the list contains the commenter's own pending comment.
    """
    service, token = request.app[SERVICE], security.bearer(request)
    own = service.keyring.subject("edit", token, service.clock()) if token else None
    own = await unpublished.find_waiting(service, own) if own else None

    return await respond_with_thread(request, query, lambda page: msgspec.json.encode(page.listing), own=own)


async def render_comments(request: web.Request, query: FragmentQuery) -> web.Response:
    """Return a thread as HTML with its form, to be inserted into a page."""
    return await fragments.thread(request, query)


async def get_comment(request: web.Request) -> PublicComment | web.Response:
    """Return one comment. With its edit token, also while it is pending."""
    comment = await read.get_comment(request.app[SERVICE], request.match_info["id"], security.bearer(request))
    return await fragments.own(request, comment) if wants_fragment(request) else comment


async def edit_comment(request: web.Request, change: CommentEdit) -> Receipt | web.Response:
    """Edit a comment within its edit window. The rules check it again."""
    receipt = await edit.edit_comment(
        request.app[SERVICE], request.match_info["id"], security.bearer(request), change, request[VISIT]
    )
    return await fragments.receipt(request, receipt, change.comment, 200) if wants_fragment(request) else receipt


async def withdraw_comment(request: web.Request) -> None:
    """Delete a comment within its edit window, or one that is not published. It is erased."""
    service = request.app[SERVICE]
    async with rate_limit.charging_refusals(service, request[VISIT]):
        await erase.withdraw_comment(service, request.match_info["id"], security.bearer(request))


async def report_comment(request: web.Request, report: NewReport) -> ReportReceipt | web.Response:
    """Report a comment to the moderators. Each network counts once; the response is always the same.

    303: redirects a browser without a script to the page of the thread.
    """
    service, comment_id = request.app[SERVICE], request.match_info["id"]
    receipt = await reports.report_comment(
        service, comment_id, report, security.reporting_visit(request, service.config)
    )
    return redirects.redirect_after_report(request, comment_id) if is_navigation(request) else receipt


async def count_comments(request: web.Request, query: CountsQuery) -> Counts:
    """Count the approved comments of up to 200 threads."""
    found = await read.count_comments(request.app[SERVICE], query, request[VISIT])
    depend_on(request, found.basis, found.origin)
    return found.content if query.lang is None else _add_labels(found.content, request_locale(request, query.lang))


async def count_comments_by_post(request: web.Request, query: CountsQuery) -> Counts:
    """Count the approved comments of up to 200 threads, whose names are too long for an address."""
    return await count_comments(request, query)


def _add_labels(counts: Counts, locale: Locale) -> Counts:
    labels = {
        name: str(locale.ngettext("%(num)d comment", "%(num)d comments", number))
        for name, number in counts.counts.items()
    }
    return msgspec.structs.replace(counts, words=labels)


async def list_latest_comments(request: web.Request, query: LatestQuery) -> web.Response:
    """Return a site's latest comments, newest first."""
    latest = await read.list_latest(request.app[SERVICE], query, request[VISIT])
    depend_on(request, latest.basis, latest.origin)
    number = len(latest.content.comments)
    body = await run_off_loop(lambda: make_body(request, msgspec.json.encode(latest.content)), number)
    return cacheable(request, body)


async def get_thread_feed(request: web.Request, query: FeedQuery) -> web.Response:
    """Return an Atom feed of a thread's comments, newest first."""
    locale = request_locale(request, query.lang)
    query = msgspec.structs.replace(query, lang=query.lang and locale.lang)

    return await respond_with_thread(
        request,
        feeds.thread_query(query),
        lambda page: feeds.render_thread_feed(request.app[SERVICE], query, page, locale),
        kind=feeds.KIND,
        vary=language_header(query.lang),
    )


async def get_site_feed(request: web.Request, query: LatestFeedQuery) -> web.Response:
    """Return an Atom feed of a site's latest comments."""
    service, locale = request.app[SERVICE], request_locale(request, query.lang)
    query = msgspec.structs.replace(query, lang=query.lang and locale.lang)
    latest = await read.list_latest(service, query, request[VISIT])
    depend_on(request, latest.basis, latest.origin)
    directory = await resolve.current_directory(service)

    def render() -> Body:
        feed = feeds.render_site_feed(service, query, latest.content, directory, request[VISIT], locale)
        return make_body(request, feed)

    body = await run_off_loop(render)
    return cacheable(request, body, kind=feeds.KIND, vary=language_header(query.lang))


async def open_form(request: web.Request) -> OpenForm:
    """Create a form token, and a proof-of-work challenge if one is required."""
    return await form.open_form(request.app[SERVICE], request[VISIT])


async def render_preview(request: web.Request, draft: PreviewRequest) -> PreviewResult | web.Response:
    """Render Markdown as HTML without saving it. A browser without a script gets the form's page with the preview."""
    preview = await read.render_preview(request.app[SERVICE], draft, request[VISIT])
    if is_navigation(request):
        return await thread.show_preview(request, preview.html, request[BODY])
    return preview
