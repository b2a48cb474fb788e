"""The HTTP surface, with the routes of most of the API.

Others are in the modules ``…_routes.py`` beside this one, and in ``moderation/routes.py`` (that page).
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Final

import msgspec
from aiohttp import web

from commentsvc.audit.schemas import ActionResult, AuditLog, AuditQuery
from commentsvc.comments.schemas import (
    CommentEdit,
    Counts,
    CountsQuery,
    FeedQuery,
    LatestFeedQuery,
    LatestPage,
    LatestQuery,
    NewComment,
    NewReport,
    OpenForm,
    OwnComment,
    PreviewRequest,
    PreviewResult,
    PublicComment,
    Receipt,
    ReportReceipt,
    ThreadListing,
    ThreadQuery,
    ThreadTree,
)
from commentsvc.domain.errors import (
    Conflict,
    Duplicate,
    ExpectationFailed,
    Forbidden,
    Gone,
    Invalid,
    MalformedRequest,
    NotAuthor,
    NotFound,
    OriginNotAllowed,
    RateLimited,
    RejectedByRule,
    SubmissionReused,
    ThreadClosed,
    Unauthorized,
    Unavailable,
    VersionConflict,
    VersionRequired,
)
from commentsvc.domain.models import Scope
from commentsvc.moderation.ban_schemas import BanChoices, BanQuery, BanRecord, NewBan
from commentsvc.moderation.schemas import (
    Action,
    CommentPage,
    CommentUpdate,
    ModeratorDetail,
    NewReply,
    PrivateSearch,
    QueueQuery,
    RemovedThreads,
    ReplyReceipt,
    ThreadChange,
    ThreadListQuery,
    ThreadPage,
    ThreadRecord,
    ThreadRemoval,
    ThreadsRemoval,
)
from commentsvc.rules.schemas import (
    BacktestRequest,
    BacktestResult,
    NewRule,
    RuleChange,
    RulePage,
    RuleQuery,
    RuleRecord,
    RuleUndo,
    RuleUndone,
)
from commentsvc.service import Service
from commentsvc.web.admin_routes import ADMIN_ROUTES
from commentsvc.web.api import comments, feeds, health, moderation
from commentsvc.web.api.openapi import document
from commentsvc.web.filter_routes import FILTER_ROUTES
from commentsvc.web.mail_routes import MAIL
from commentsvc.web.moderation.routes import MODERATION_PAGE
from commentsvc.web.pages import assets, demo, docs, refused, thread
from commentsvc.web.pages.fragments import FragmentQuery
from commentsvc.web.server import metrics, middleware, security, seen
from commentsvc.web.server.admission import ADMISSION, Admission
from commentsvc.web.server.answer_cache import AnswerCache
from commentsvc.web.server.answering import ANSWERS, QUESTIONS
from commentsvc.web.server.body import RECEIVED, Received
from commentsvc.web.server.endpoint import endpoint
from commentsvc.web.server.questions import Questions
from commentsvc.web.server.refusals import ASK_FAULTS
from commentsvc.web.server.routing import HTML, MOST_BYTES, RULE_BYTES, SERVICE, Route, as_pattern, list_paths
from commentsvc.web.server.trailing_slash import PAGES, compile_pages
from commentsvc.web.statistics_routes import STATISTICS_ROUTES

# fmt: off
ROUTES: Final[tuple[Route, ...]] = (
    # A blog's readers and writers
    Route(method="POST", path="/v1/comments", handler=comments.create_comment, takes=NewComment, form=True,
          gives=Receipt,
          status=(201, 202, 303), cors=True, again=thread.show_form_again, more_faults=comments.add_place_faults,
          refuses=(MalformedRequest, Invalid, OriginNotAllowed, ThreadClosed, RejectedByRule, Duplicate,
          SubmissionReused, Gone, RateLimited, Unavailable)),
    Route(method="GET", path="/v1/comments", handler=comments.list_comments, asks=ThreadQuery,
          gives=ThreadTree | ThreadListing, status=(200, 304), kept=True, cors=True, edit_token=True, etag=True,
          again=refused.show_reload, refuses=(MalformedRequest, Invalid, OriginNotAllowed, Unavailable)),
    Route(method="GET", path="/v1/comments.html", handler=comments.render_comments, asks=FragmentQuery,
          gives=str, kind=HTML, status=(200, 304), kept=True, cors=True, etag=True,
          refuses=(MalformedRequest, Invalid, OriginNotAllowed, Unavailable)),
    Route(method="GET", path="/v1/comments/{id}", handler=comments.get_comment, gives=PublicComment | OwnComment,
          cors=True, edit_token=True, refuses=(NotFound, Gone, Unavailable)),
    Route(method="PATCH", path="/v1/comments/{id}", handler=comments.edit_comment, takes=CommentEdit, gives=Receipt,
          cors=True, edit_token=True,
          refuses=(MalformedRequest, Unauthorized, Invalid, NotAuthor, ThreadClosed, RejectedByRule, NotFound, Gone,
          RateLimited, Unavailable)),
    Route(method="DELETE", path="/v1/comments/{id}", handler=comments.withdraw_comment, status=(204,),
          cors=True, edit_token=True, refuses=(Unauthorized, NotAuthor, NotFound, Gone, RateLimited, Unavailable)),
    Route(method="POST", path="/v1/comments/{id}/reports", handler=comments.report_comment, takes=NewReport, form=True,
          gives=ReportReceipt, status=(202, 303), cors=True,
          refuses=(MalformedRequest, Invalid, OriginNotAllowed, NotFound, Gone, RateLimited, Unavailable)),
    Route(method="GET", path="/v1/counts", handler=comments.count_comments, asks=CountsQuery, gives=Counts,
          kept=True, cors=True,
          refuses=(MalformedRequest, Invalid, OriginNotAllowed, Unavailable)),
    Route(method="POST", path="/v1/counts", handler=comments.count_comments_by_post, takes=CountsQuery,
          form=True, gives=Counts, cors=True, refuses=(MalformedRequest, Invalid, OriginNotAllowed, Unavailable)),
    Route(method="GET", path="/v1/latest", handler=comments.list_latest_comments, asks=LatestQuery, gives=LatestPage,
          status=(200, 304), kept=True, cors=True, etag=True,
          refuses=(MalformedRequest, Invalid, OriginNotAllowed, Unavailable)),
    Route(method="GET", path="/v1/form", handler=comments.open_form, gives=OpenForm, cors=True, refuses=(Unavailable,)),
    Route(method="GET", path="/v1/comments.atom", handler=comments.get_thread_feed, asks=FeedQuery, gives=str,
          kind=feeds.KIND, status=(200, 304), kept=True, cors=True, etag=True,
          refuses=(MalformedRequest, Invalid, OriginNotAllowed, Unavailable)),
    Route(method="GET", path="/v1/latest.atom", handler=comments.get_site_feed, asks=LatestFeedQuery, gives=str,
          kind=feeds.KIND, status=(200, 304), kept=True, cors=True, etag=True,
          refuses=(MalformedRequest, Invalid, OriginNotAllowed, Unavailable)),
    Route(method="POST", path="/v1/preview", handler=comments.render_preview, takes=PreviewRequest, form=True,
          gives=PreviewResult, cors=True, again=thread.show_form_again,
          refuses=(MalformedRequest, Invalid, OriginNotAllowed, Unavailable)),

    # Moderators
    Route(method="GET", path="/v1/moderation/comments", handler=moderation.list_queue, asks=QueueQuery,
          gives=CommentPage, scope=Scope.READ, refuses=ASK_FAULTS),
    Route(method="POST", path="/v1/moderation/search", handler=moderation.search_comments, takes=PrivateSearch,
          gives=CommentPage, scope=Scope.MODERATE, refuses=ASK_FAULTS),
    Route(method="GET", path="/v1/moderation/comments/{id}", handler=moderation.inspect_comment, gives=ModeratorDetail,
          scope=Scope.READ, etag=True, refuses=(Unauthorized, Forbidden, NotFound, Unavailable)),
    Route(method="PATCH", path="/v1/moderation/comments/{id}", handler=moderation.update_comment, takes=CommentUpdate,
          gives=ActionResult, scope=Scope.MODERATE, refuses=(
              MalformedRequest, Unauthorized, Forbidden, NotFound, Conflict, VersionConflict, Invalid, VersionRequired,
              Unavailable)),
    Route(method="DELETE", path="/v1/moderation/comments/{id}", handler=moderation.erase_comment, gives=ActionResult,
          scope=Scope.ADMIN, refuses=(Unauthorized, Forbidden, NotFound, Conflict, Unavailable)),
    Route(method="POST", path="/v1/moderation/comments/{id}/replies", handler=moderation.reply_to_comment,
          takes=NewReply, gives=ReplyReceipt, status=(201,), scope=Scope.MODERATE,
          refuses=(MalformedRequest, Unauthorized, Forbidden, NotFound, Conflict, VersionConflict, Invalid,
          Unavailable)),
    Route(method="GET", path="/v1/moderation/comments/{id}/bans", handler=moderation.list_bans, asks=BanQuery,
          gives=BanChoices, scope=Scope.READ, refuses=(*ASK_FAULTS, NotFound)),
    Route(method="POST", path="/v1/moderation/comments/{id}/bans", handler=moderation.ban_commenter, takes=NewBan,
          gives=BanRecord, status=(201,), scope=Scope.MODERATE, refuses=(*ASK_FAULTS, NotFound, ExpectationFailed)),
    Route(method="POST", path="/v1/moderation/actions", handler=moderation.decide, takes=Action,
          gives=ActionResult, scope=Scope.MODERATE,
          refuses=(MalformedRequest, Unauthorized, Forbidden, ExpectationFailed, Invalid, Unavailable)),
    Route(method="POST", path="/v1/moderation/actions/{id}/undo", handler=moderation.undo_action, gives=ActionResult,
          scope=Scope.MODERATE, refuses=(Unauthorized, Forbidden, NotFound, Conflict, Unavailable)),
    Route(method="GET", path="/v1/threads", handler=moderation.list_threads, asks=ThreadListQuery, gives=ThreadPage,
          scope=Scope.READ, refuses=(MalformedRequest, Unauthorized, Forbidden, Invalid, Unavailable)),
    Route(method="PATCH", path="/v1/threads/{id}", handler=moderation.change_thread, takes=ThreadChange,
          gives=ThreadRecord, scope=Scope.MODERATE,
          refuses=(MalformedRequest, Unauthorized, Forbidden, NotFound, Conflict, Invalid, Unavailable)),
    Route(method="DELETE", path="/v1/threads/{id}", handler=moderation.remove_thread, asks=ThreadRemoval,
          gives=RemovedThreads, scope=Scope.ADMIN,
          refuses=(MalformedRequest, Unauthorized, Forbidden, NotFound, ExpectationFailed, Invalid, Unavailable)),
    Route(method="POST", path="/v1/threads/removals", handler=moderation.remove_threads, takes=ThreadsRemoval,
          gives=RemovedThreads, scope=Scope.ADMIN,
          refuses=(MalformedRequest, Unauthorized, Forbidden, ExpectationFailed, Invalid, Unavailable)),
    Route(method="GET", path="/v1/rules", handler=moderation.list_rules, asks=RuleQuery, gives=RulePage,
          scope=Scope.READ, refuses=(MalformedRequest, Unauthorized, Forbidden, Invalid, Unavailable)),
    Route(method="POST", path="/v1/rules", handler=moderation.add_rule, takes=NewRule, gives=RuleRecord,
          status=(201,), scope=Scope.MODERATE, most_bytes=RULE_BYTES, refuses=ASK_FAULTS),
    Route(method="POST", path="/v1/rules/test", handler=moderation.test_rule, takes=BacktestRequest,
          gives=BacktestResult, scope=Scope.MODERATE, most_bytes=RULE_BYTES, refuses=ASK_FAULTS),
    Route(method="GET", path="/v1/rules/{id}", handler=moderation.get_rule, gives=RuleRecord, scope=Scope.READ,
          refuses=(Unauthorized, Forbidden, NotFound, Unavailable)),
    Route(method="PATCH", path="/v1/rules/{id}", handler=moderation.change_rule, takes=RuleChange, gives=RuleRecord,
          scope=Scope.MODERATE, most_bytes=RULE_BYTES,
          refuses=(MalformedRequest, Unauthorized, Forbidden, NotFound, Invalid, Unavailable)),
    Route(method="DELETE", path="/v1/rules/{id}", handler=moderation.remove_rule, gives=RuleRecord,
          scope=Scope.MODERATE, refuses=(Unauthorized, Forbidden, NotFound, Unavailable)),
    Route(method="POST", path="/v1/rules/{id}/undo", handler=moderation.undo_rule, takes=RuleUndo, gives=RuleUndone,
          scope=Scope.MODERATE, refuses=(MalformedRequest, Unauthorized, Forbidden, NotFound, Conflict,
          ExpectationFailed, Invalid, Unavailable)),
    Route(method="GET", path="/v1/audit", handler=moderation.list_audit, asks=AuditQuery, gives=AuditLog,
          scope=Scope.MODERATE, refuses=(MalformedRequest, Unauthorized, Forbidden, Invalid, Unavailable)),
    *FILTER_ROUTES,
    *STATISTICS_ROUTES,

    # Operators
    *ADMIN_ROUTES,

    # Machines and developers
    Route(method="GET", path="/healthz", handler=health.check_health, gives=health.Health, free=True),
    Route(method="GET", path="/readyz", handler=health.check_readiness, gives=health.Health, free=True,
          refuses=(Unavailable,)),
    Route(method="GET", path="/version", handler=health.get_version, gives=health.Program, free=True),
    Route(method="GET", path="/openapi.json", handler=health.get_openapi, gives=dict),

    # Pages for people
    Route(method="GET", path="/", handler=demo.demo, page=True, again=refused.show_refusal, refuses=(Unavailable,)),
    Route(method="GET", path="/t", handler=thread.thread, page=True, kept=True, asks=thread.PageQuery,
          again=refused.show_refusal, refuses=(MalformedRequest, Invalid, Unavailable)),
    Route(method="GET", path="/docs", handler=docs.docs, page=True),
    Route(method="GET", path="/docs.js", handler=assets.docs_script, page=True, status=(200, 304)),
    Route(method="GET", path="/page.css", handler=assets.page_stylesheet, page=True, status=(200, 304)),
    Route(method="GET", path="/page.js", handler=assets.page_script, page=True, status=(200, 304)),

    *MAIL,
    *MODERATION_PAGE,

    # What pages load
    Route(method="GET", path="/moderate.js", handler=assets.moderate_script, page=True, status=(200, 304)),
    Route(method="GET", path="/moderate.css", handler=assets.moderate_stylesheet, page=True, status=(200, 304)),
    Route(method="GET", path="/import.js", handler=assets.import_script, page=True, status=(200, 304)),
    Route(method="GET", path="/import.css", handler=assets.import_stylesheet, page=True, status=(200, 304)),
    Route(method="GET", path="/embed.js", handler=assets.embed_script, page=True, status=(200, 304)),
    Route(method="GET", path="/embed.{digest}.js", handler=assets.embed_script_for_ever, page=True,
          status=(200, 304), refuses=(NotFound,)),
    Route(method="GET", path="/embed-form.{digest}.js", handler=assets.embed_form_script, page=True,
          status=(200, 304), refuses=(NotFound,)),
    *(Route(method="GET", path=path, handler=assets.embed_script_elsewhere, page=True, status=(200, 304))
      for path in assets.NAMES_ELSEWHERE),
    Route(method="GET", path="/thread.css", handler=assets.thread_stylesheet, page=True, status=(200, 304)),
)


def _encode_document(base_path: str) -> bytes:
    return msgspec.json.encode(document(ROUTES) | {"servers": [{"url": base_path or "/"}]})


def application(service: Service) -> web.Application:
    """Return an aiohttp application that serves the route table."""
    app = web.Application(middlewares=[middleware.finish_response], client_max_size=MOST_BYTES)
    app[SERVICE] = service
    app[ADMISSION] = Admission(service)
    app[RECEIVED] = Received()
    app[middleware.DRAINING] = middleware.Draining()
    app[security.IGNORED_PROXIES] = security.IgnoredProxies()
    app[security.REFUSED_ORIGINS] = security.RefusedOrigins()
    base = service.config.base_path
    cors_paths = {path for route in ROUTES if route.cors for path in list_paths(route.path, base)}
    app[middleware.CORS_PATHS] = tuple(sorted(cors_paths))
    app[PAGES] = compile_pages(ROUTES)
    app[ANSWERS] = AnswerCache()
    kept = {path: route for route in ROUTES if route.kept for path in list_paths(route.path, base)}
    app[QUESTIONS] = Questions(kept, service.config)
    document_of_base: Callable[[], bytes] = cache(partial(_encode_document, base))
    app[health.DOCUMENT] = document_of_base
    every_path = {route.path for route in ROUTES}
    for route in sorted(ROUTES, key=lambda route: route.path == "/"):  # last: its path without a slash may be another's
        for path in list_paths(as_pattern(route.path, every_path), base):
            for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
                app.router.add_route(method, path, endpoint(route))
    for path in list_paths("/v1/seen", base):
        app.router.add_get(path, seen.tell_what_was_seen)
    for path in list_paths("/metrics", base) if service.config.metrics_token else ():
        app.router.add_get(path, metrics.answer_with_token)
    for path in app[middleware.CORS_PATHS]:
        app.router.add_route("OPTIONS", path, middleware.preflight)
    return app
