"""What a blog's readers and writers call."""

import hashlib

import msgspec
from aiohttp import hdrs, web

from commentsvc.comments import edit, erase, post, read, reports
from commentsvc.comments import form as comments_form
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
    ThreadListing,
    ThreadQuery,
    ThreadTree,
)
from commentsvc.web.api import feeds
from commentsvc.web.pages import fragments, redirects
from commentsvc.web.pages.fragments import FragmentQuery
from commentsvc.web.pages.i18n import Words
from commentsvc.web.pages.templates import words_of
from commentsvc.web.server import security
from commentsvc.web.server.cache_headers import cacheable, packed, takes_gzip, thread_in_form
from commentsvc.web.server.responses import fragment_wanted, navigating, respond, tags_of
from commentsvc.web.server.routing import SERVICE, VISIT


async def post_reply(request: web.Request, draft: NewComment) -> web.Response:
    """Write a reply.

    201: it is shown. 202: it waits to be read. 303: a browser without script is led to where it sees that.
    """
    receipt = await post.post_comment(request.app[SERVICE], draft, request[VISIT])
    if navigating(request):
        return await redirects.lead_on(request, draft, receipt)
    status = 201 if receipt.status == "approved" else 202
    if fragment_wanted(request):
        return fragments.receipt(request, receipt, draft.comment, status)
    return respond(receipt, status, {hdrs.LOCATION: f"/v1/comments/{receipt.id}"})


async def list_thread(request: web.Request, query: ThreadQuery) -> web.Response:
    """Read a thread. One that nobody has written in yet is empty.

    With a writer's edit token, their own waiting comment stands among the others.
    """
    service, token = request.app[SERVICE], security.bearer(request)
    own = service.keyring.subject("edit", token, service.clock()) if token else None

    async def made(listing: ThreadListing | ThreadTree) -> bytes:
        return msgspec.json.encode(listing)

    return await thread_in_form(request, query, query.view, made, own=own)


async def list_fragment(request: web.Request, query: FragmentQuery) -> web.Response:
    """Read a thread as HTML with its form, to be put into a page."""
    return await fragments.thread(request, query)


async def get_comment(request: web.Request) -> PublicComment | web.Response:
    """Read one comment. Its writer, by the edit token, also sees it while it waits."""
    comment = await read.get_comment(request.app[SERVICE], request.match_info["id"], security.bearer(request))
    return fragments.own(request, comment) if fragment_wanted(request) else comment


async def edit_comment(request: web.Request, words: CommentEdit) -> Receipt | web.Response:
    """Give one's own comment other words, for a while; it is judged anew."""
    receipt = await edit.edit_comment(
        request.app[SERVICE], request.match_info["id"], security.bearer(request), words, request[VISIT]
    )
    return fragments.receipt(request, receipt, words.comment, 200) if fragment_wanted(request) else receipt


async def withdraw_comment(request: web.Request) -> None:
    """Take one's own comment back, for a while; it is erased."""
    await erase.withdraw_comment(request.app[SERVICE], request.match_info["id"], security.bearer(request))


async def report_comment(request: web.Request, said: NewReport) -> ReportReceipt:
    """Report a comment to its moderators. Each network counts once; the answer is always the same."""
    return await reports.report_comment(request.app[SERVICE], request.match_info["id"], said, request[VISIT])


async def count(request: web.Request, query: CountsQuery) -> Counts:
    """Count the approved comments of up to 200 threads."""
    counts = await read.count_comments(request.app[SERVICE], query, request[VISIT])
    return counts if query.lang is None else _in_words(counts, words_of(request, query.lang))


def _in_words(counts: Counts, words: Words) -> Counts:
    said = {
        name: str(words.ngettext("%(num)d comment", "%(num)d comments", number))
        for name, number in counts.counts.items()
    }
    return msgspec.structs.replace(counts, words=said)


async def list_latest(request: web.Request, query: LatestQuery) -> web.Response:
    """Read a site's latest comments, newest first."""
    latest = msgspec.json.encode(await read.list_latest(request.app[SERVICE], query, request[VISIT]))
    return _by_digest(request, latest)


def _by_digest(request: web.Request, body: bytes, **more: str) -> web.Response:
    """What has no tag of its own, under a digest of itself."""
    tag = hashlib.blake2b(body, digest_size=12).hexdigest()
    held = tags_of(request.headers.get(hdrs.IF_NONE_MATCH))(tag)
    return cacheable(packed(body, packs=takes_gzip(request)), tag, held, **more)


async def follow_thread(request: web.Request, query: FeedQuery) -> web.Response:
    """Follow a thread in a feed reader (Atom), newest first."""
    words = words_of(request, query.lang)
    query = msgspec.structs.replace(query, lang=query.lang and words.lang)

    async def made(listing: ThreadListing) -> bytes:
        return await feeds.of_thread(request.app[SERVICE], query, listing, request[VISIT], words)

    form = f"atom-{words.lang}{'-asked' if query.lang else ''}"  # the feed names its own address
    return await thread_in_form(
        request, feeds.thread_query(query), form, made, kind=feeds.KIND, vary=hdrs.ACCEPT_LANGUAGE
    )


async def follow_site(request: web.Request, query: LatestFeedQuery) -> web.Response:
    """Follow a site's latest comments in a feed reader (Atom)."""
    service, words = request.app[SERVICE], words_of(request, query.lang)
    query = msgspec.structs.replace(query, lang=query.lang and words.lang)
    latest = await read.list_latest(service, query, request[VISIT])
    feed = await feeds.of_site(service, query, latest, request[VISIT], words)
    return _by_digest(request, feed, kind=feeds.KIND, vary=hdrs.ACCEPT_LANGUAGE)


async def open_form(request: web.Request) -> OpenForm:
    """Open a form: get what tells when that was, and work to do where some is asked for."""
    return await comments_form.open_form(request.app[SERVICE], request[VISIT])


async def preview(_request: web.Request, words: PreviewRequest) -> PreviewResult:
    """See what Markdown becomes."""
    return read.render_preview(words)
