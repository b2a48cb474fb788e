"""The whole HTTP surface on one page."""

from typing import Any, Final

from aiohttp import web

from commentsvc.errors import (
    Conflict,
    Duplicate,
    ExpectationFailed,
    Forbidden,
    ForeignOrigin,
    Gone,
    Invalid,
    NotFound,
    NotTaken,
    NotYours,
    SubmissionReused,
    ThreadClosed,
    TooFast,
    Unauthorized,
    Unavailable,
    Unreadable,
    VersionNeeded,
    VersionPassed,
)
from commentsvc.model import Scope
from commentsvc.service import Service
from commentsvc.shapes import (
    Action,
    ActionResult,
    Amendment,
    AuditLog,
    AuditQuery,
    Counts,
    CountsQuery,
    Draft,
    Edit,
    FeedQuery,
    Keys,
    Latest,
    LatestFeedQuery,
    LatestQuery,
    Listing,
    MadeKey,
    MadeReply,
    ModeratorDetail,
    NewKey,
    NewReply,
    NewRule,
    NewSite,
    OpenForm,
    OwnComment,
    Preview,
    PrivateSearch,
    PublicComment,
    Queue,
    QueueQuery,
    Receipt,
    Rendered,
    Report,
    Reported,
    RuleChange,
    RuleRecord,
    RuleRecords,
    RulesQuery,
    RuleTrial,
    SiteChange,
    SiteRecord,
    Sites,
    ThreadChange,
    ThreadQuery,
    ThreadRecord,
    Threads,
    ThreadsQuery,
    TreeListing,
    TrialResult,
)
from commentsvc.web import (
    administration,
    answers,
    assets,
    feeds,
    moderation,
    operations,
    pages,
    public,
    rendering,
)
from commentsvc.web.bodies import Bodies
from commentsvc.web.caching import BODIES
from commentsvc.web.desk import bans, comment, entrance, frame, log, queue, rulebook, threads
from commentsvc.web.endpoint import HTML, MOST_BYTES, SERVICE, Handler, Route, endpoint
from commentsvc.web.fragments import FragmentQuery
from commentsvc.web.openapi import document

RULE_BYTES: Final = 2 * 1024 * 1024  # a word list may be long


def desk(
    method: str, path: str, handler: Handler, scope: Scope = Scope.READ, *, again: Handler = frame.refused, **more: Any
) -> Route:
    """A part of the moderation page: HTML, for whoever is signed in and may do that. A form leads back."""
    more = {"status": (303,) if method == "POST" else (200,)} | more
    return Route(method=method, path=path, handler=handler, desk=scope, page=True, form=True, again=again, **more)


# fmt: off
ROUTES: Final[tuple[Route, ...]] = (
    # A blog's readers and writers
    Route(method="POST", path="/v1/comments", handler=public.post_reply, takes=Draft, form=True, gives=Receipt,
          status=(201, 202, 303), cors=True, again=pages.form_again,
          refuses=(Unreadable, Invalid, ForeignOrigin, ThreadClosed, NotTaken, Duplicate, SubmissionReused, Gone,
                   TooFast, Unavailable)),
    Route(method="GET", path="/v1/comments", handler=public.list_thread, asks=ThreadQuery,
          gives=TreeListing | Listing, status=(200, 304), cors=True, edit_token=True, etag=True,
          refuses=(Unreadable, Invalid, ForeignOrigin, Unavailable)),
    Route(method="GET", path="/v1/comments.html", handler=public.list_fragment, asks=FragmentQuery,
          gives=str, kind=HTML, status=(200, 304), cors=True, etag=True,
          refuses=(Unreadable, Invalid, ForeignOrigin, Unavailable)),
    Route(method="GET", path="/v1/comments/{id}", handler=public.get_comment, gives=PublicComment | OwnComment,
          cors=True, edit_token=True, refuses=(NotFound, Gone, Unavailable)),
    Route(method="PATCH", path="/v1/comments/{id}", handler=public.edit_comment, takes=Edit, gives=Receipt,
          cors=True, edit_token=True,
          refuses=(Unreadable, Unauthorized, Invalid, NotYours, ThreadClosed, NotTaken, NotFound, Gone, TooFast,
                   Unavailable)),
    Route(method="DELETE", path="/v1/comments/{id}", handler=public.withdraw_comment, status=(204,),
          cors=True, edit_token=True, refuses=(Unauthorized, NotYours, NotFound, Gone, Unavailable)),
    Route(method="POST", path="/v1/comments/{id}/reports", handler=public.report_comment, takes=Report, form=True,
          gives=Reported, status=(202,), cors=True,
          refuses=(Unreadable, Invalid, ForeignOrigin, NotFound, Gone, TooFast, Unavailable)),
    Route(method="GET", path="/v1/counts", handler=public.count, asks=CountsQuery, gives=Counts, cors=True,
          refuses=(Unreadable, Invalid, ForeignOrigin, Unavailable)),
    Route(method="POST", path="/v1/counts", handler=public.count, takes=CountsQuery, form=True,
          gives=Counts, cors=True, refuses=(Unreadable, Invalid, ForeignOrigin, Unavailable)),
    Route(method="GET", path="/v1/latest", handler=public.list_latest, asks=LatestQuery, gives=Latest,
          status=(200, 304), cors=True, etag=True, refuses=(Unreadable, Invalid, ForeignOrigin, Unavailable)),
    Route(method="GET", path="/v1/form", handler=public.open_form, gives=OpenForm, cors=True, refuses=(Unavailable,)),
    Route(method="GET", path="/v1/comments.atom", handler=public.follow_thread, asks=FeedQuery, gives=str,
          kind=feeds.KIND, status=(200, 304), cors=True, etag=True,
          refuses=(Unreadable, Invalid, ForeignOrigin, Unavailable)),
    Route(method="GET", path="/v1/latest.atom", handler=public.follow_site, asks=LatestFeedQuery, gives=str,
          kind=feeds.KIND, status=(200, 304), cors=True, etag=True,
          refuses=(Unreadable, Invalid, ForeignOrigin, Unavailable)),
    Route(method="POST", path="/v1/preview", handler=public.preview, takes=Preview, form=True, gives=Rendered,
          cors=True, refuses=(Unreadable, Invalid)),

    # Moderators
    Route(method="GET", path="/v1/moderation/comments", handler=moderation.list_queue, asks=QueueQuery, gives=Queue,
          scope=Scope.READ, refuses=(Unreadable, Unauthorized, Forbidden, Invalid, Unavailable)),
    Route(method="POST", path="/v1/moderation/search", handler=moderation.search, takes=PrivateSearch, gives=Queue,
          scope=Scope.MODERATE, refuses=(Unreadable, Unauthorized, Forbidden, Invalid, Unavailable)),
    Route(method="GET", path="/v1/moderation/comments/{id}", handler=moderation.get_detail, gives=ModeratorDetail,
          scope=Scope.READ, etag=True, refuses=(Unauthorized, Forbidden, NotFound, Unavailable)),
    Route(method="PATCH", path="/v1/moderation/comments/{id}", handler=moderation.amend, takes=Amendment,
          gives=ActionResult, scope=Scope.MODERATE, refuses=(
              Unreadable, Unauthorized, Forbidden, NotFound, Conflict, VersionPassed, Invalid, VersionNeeded,
              Unavailable)),
    Route(method="DELETE", path="/v1/moderation/comments/{id}", handler=moderation.erase, gives=ActionResult,
          scope=Scope.ADMIN, refuses=(Unauthorized, Forbidden, NotFound, Conflict, Unavailable)),
    Route(method="POST", path="/v1/moderation/comments/{id}/replies", handler=moderation.reply, takes=NewReply,
          gives=MadeReply, status=(201,), scope=Scope.MODERATE,
          refuses=(Unreadable, Unauthorized, Forbidden, NotFound, Conflict, VersionPassed, Invalid, Unavailable)),
    Route(method="POST", path="/v1/moderation/actions", handler=moderation.act, takes=Action, gives=ActionResult,
          scope=Scope.MODERATE,
          refuses=(Unreadable, Unauthorized, Forbidden, ExpectationFailed, Invalid, Unavailable)),
    Route(method="POST", path="/v1/moderation/actions/{id}/undo", handler=moderation.undo, gives=ActionResult,
          scope=Scope.MODERATE, refuses=(Unauthorized, Forbidden, NotFound, Conflict, Unavailable)),
    Route(method="GET", path="/v1/threads", handler=moderation.list_threads, asks=ThreadsQuery, gives=Threads,
          scope=Scope.READ, refuses=(Unreadable, Unauthorized, Forbidden, Invalid, Unavailable)),
    Route(method="PATCH", path="/v1/threads/{id}", handler=moderation.change_thread, takes=ThreadChange,
          gives=ThreadRecord, scope=Scope.MODERATE,
          refuses=(Unreadable, Unauthorized, Forbidden, NotFound, Conflict, Invalid, Unavailable)),
    Route(method="GET", path="/v1/rules", handler=moderation.list_rules, asks=RulesQuery, gives=RuleRecords,
          scope=Scope.READ, refuses=(Unreadable, Unauthorized, Forbidden, Invalid, Unavailable)),
    Route(method="POST", path="/v1/rules", handler=moderation.add_rule, takes=NewRule, gives=RuleRecord,
          status=(201,), scope=Scope.MODERATE, most_bytes=RULE_BYTES,
          refuses=(Unreadable, Unauthorized, Forbidden, Invalid, Unavailable)),
    Route(method="POST", path="/v1/rules/test", handler=moderation.try_rule, takes=RuleTrial, gives=TrialResult,
          scope=Scope.MODERATE, most_bytes=RULE_BYTES,
          refuses=(Unreadable, Unauthorized, Forbidden, Invalid, Unavailable)),
    Route(method="GET", path="/v1/rules/{id}", handler=moderation.get_rule, gives=RuleRecord, scope=Scope.READ,
          refuses=(Unauthorized, Forbidden, NotFound, Unavailable)),
    Route(method="PATCH", path="/v1/rules/{id}", handler=moderation.change_rule, takes=RuleChange, gives=RuleRecord,
          scope=Scope.MODERATE, most_bytes=RULE_BYTES,
          refuses=(Unreadable, Unauthorized, Forbidden, NotFound, Invalid, Unavailable)),
    Route(method="DELETE", path="/v1/rules/{id}", handler=moderation.remove_rule, gives=RuleRecord,
          scope=Scope.MODERATE, refuses=(Unauthorized, Forbidden, NotFound, Unavailable)),
    Route(method="GET", path="/v1/audit", handler=moderation.list_audit, asks=AuditQuery, gives=AuditLog,
          scope=Scope.MODERATE, refuses=(Unreadable, Unauthorized, Forbidden, Invalid, Unavailable)),

    # Operators
    Route(method="GET", path="/v1/keys", handler=administration.list_keys, gives=Keys, scope=Scope.ADMIN,
          refuses=(Unauthorized, Forbidden, Unavailable)),
    Route(method="POST", path="/v1/keys", handler=administration.make_key, takes=NewKey, gives=MadeKey,
          status=(201,), scope=Scope.ADMIN, refuses=(Unreadable, Unauthorized, Forbidden, Invalid, Unavailable)),
    Route(method="DELETE", path="/v1/keys/{id}", handler=administration.revoke_key, status=(204,),
          scope=Scope.ADMIN, refuses=(Unauthorized, Forbidden, NotFound, Unavailable)),
    Route(method="GET", path="/v1/sites", handler=administration.list_sites, gives=Sites, scope=Scope.ADMIN,
          refuses=(Unauthorized, Forbidden, Unavailable)),
    Route(method="POST", path="/v1/sites", handler=administration.add_site, takes=NewSite, gives=SiteRecord,
          status=(201,), scope=Scope.ADMIN, refuses=(Unreadable, Unauthorized, Forbidden, Invalid, Unavailable)),
    Route(method="PATCH", path="/v1/sites/{id}", handler=administration.change_site, takes=SiteChange,
          gives=SiteRecord, scope=Scope.ADMIN,
          refuses=(Unreadable, Unauthorized, Forbidden, NotFound, Invalid, Unavailable)),

    # Machines and developers
    Route(method="GET", path="/healthz", handler=operations.healthz, gives=operations.Health),
    Route(method="GET", path="/readyz", handler=operations.readyz, gives=operations.Health, refuses=(Unavailable,)),
    Route(method="GET", path="/version", handler=operations.version, gives=operations.Version),
    Route(method="GET", path="/openapi.json", handler=operations.openapi, gives=dict),

    # Pages for people
    Route(method="GET", path="/", handler=pages.demo, page=True, again=pages.not_shown, refuses=(Unavailable,)),
    Route(method="GET", path="/t", handler=pages.thread, page=True, asks=pages.PageQuery,
          again=pages.not_shown, refuses=(Unreadable, Invalid, Unavailable)),
    Route(method="GET", path="/docs", handler=pages.docs, page=True),
    Route(method="GET", path="/page.css", handler=assets.page_stylesheet, page=True, status=(200, 304)),

    # The moderation page
    Route(method="GET", path="/sign-in/{token}", handler=entrance.invited, page=True, again=pages.not_shown),
    Route(method="POST", path="/sign-in/{token}", handler=entrance.by_link, page=True, status=(303,),
          again=entrance.not_in),
    Route(method="POST", path="/moderate/sign-in", handler=entrance.by_key, page=True, takes=entrance.Key, form=True,
          status=(303,), again=entrance.not_in),
    desk("GET", "/moderate", queue.show, asks=queue.DeskQuery),
    desk("GET", "/moderate/counts", queue.counts, status=(200, 304)),
    desk("POST", "/moderate/search", queue.search, takes=queue.Sought),
    desk("POST", "/moderate/act", queue.act, Scope.MODERATE, takes=queue.Press),
    desk("POST", "/moderate/undo", queue.undo, Scope.MODERATE, takes=queue.Undo),
    desk("GET", "/moderate/comments/{id}", comment.show, asks=comment.Looked),
    desk("POST", "/moderate/comments/{id}", comment.reword, Scope.MODERATE, takes=comment.Rewording,
         again=comment.again),
    desk("POST", "/moderate/comments/{id}/reply", comment.reply, Scope.MODERATE, takes=comment.Answer,
         again=comment.again),
    desk("POST", "/moderate/comments/{id}/erase", comment.erase, Scope.ADMIN, takes=comment.Erasing),
    desk("GET", "/moderate/comments/{id}/ban", bans.consider, asks=rulebook.From),
    desk("POST", "/moderate/comments/{id}/ban", bans.ban, Scope.MODERATE, takes=bans.Banned,
         again=bans.consider_again, status=(200, 303)),
    desk("GET", "/moderate/threads", threads.show, asks=threads.Asked),
    desk("GET", "/moderate/threads/{id}", threads.look, asks=threads.Looked),
    desk("POST", "/moderate/threads/{id}", threads.change, Scope.MODERATE, takes=threads.Change, again=threads.again),
    desk("GET", "/moderate/rules", rulebook.show, asks=rulebook.Rules),
    desk("POST", "/moderate/rules", rulebook.write, Scope.MODERATE, takes=rulebook.Written, again=rulebook.again,
         most_bytes=RULE_BYTES, status=(200, 303)),
    desk("GET", "/moderate/rules/{id}", rulebook.look, asks=rulebook.From),
    desk("POST", "/moderate/rules/{id}", rulebook.rewrite, Scope.MODERATE, takes=rulebook.Rewritten,
         again=rulebook.look_again, most_bytes=RULE_BYTES),
    desk("GET", "/moderate/audit", log.show, Scope.MODERATE, asks=log.Asked),
    desk("GET", "/moderate/you", entrance.you, asks=entrance.Yours),
    desk("POST", "/moderate/you/key", entrance.make_key, status=(200,)),
    desk("POST", "/moderate/you/key/end", entrance.end_key, takes=entrance.EndingKey),
    desk("POST", "/moderate/sign-out", entrance.sign_out, takes=entrance.Ending),

    # What pages load
    Route(method="GET", path="/moderate.js", handler=assets.moderate_script, page=True, status=(200, 304)),
    Route(method="GET", path="/moderate.css", handler=assets.moderate_stylesheet, page=True, status=(200, 304)),
    Route(method="GET", path="/embed.js", handler=assets.embed_script, page=True, status=(200, 304)),
    Route(method="GET", path="/embed.{digest}.js", handler=assets.embed_script_for_ever, page=True,
          status=(200, 304), refuses=(NotFound,)),
    Route(method="GET", path="/thread.css", handler=assets.thread_stylesheet, page=True, status=(200, 304)),
)
# fmt: on


def application(service: Service) -> web.Application:
    """An aiohttp application that serves the table."""
    app = web.Application(middlewares=[answers.answered], client_max_size=MOST_BYTES)
    app[SERVICE] = service
    app[answers.DRAINING] = []
    app[answers.CORS_PATHS] = tuple(sorted({route.path for route in ROUTES if route.cors}))
    app[BODIES] = Bodies()
    app[operations.DOCUMENT] = document(ROUTES)
    rendering.precompile()
    for route in ROUTES:
        app.router.add_route(route.method, route.path, endpoint(route))
        if route.method == "GET":
            app.router.add_route("HEAD", route.path, endpoint(route))
    for path in app[answers.CORS_PATHS]:
        app.router.add_route("OPTIONS", path, answers.preflight)
    return app
